"""Exact nearest neighbours in a gallery by inner product, and arithmetic of query vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brivl.errors import RequestError

ROW_BATCH = 65_536  # gallery rows at a time: 64 MB of 256 dimensions, whatever the size of the gallery
QUERY_BATCH = 64  # queries at a time, so that a batch's scores stay below 17 MB
MIN_LENGTH = 1e-3  # of a sum of unit vectors; the direction of a shorter one is rounding error


def combine_vectors(plus: Sequence[np.ndarray], minus: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Add and subtract vectors, each scaled to length 1, and scale the result to length 1.

    Parameters
    ----------
    plus : sequence of (D,) arrays
        Vectors to add.
    minus : sequence of (D,) arrays
        Vectors to subtract.

    Returns
    -------
    (D,) array
        Unit vector.

    Raises
    ------
    RequestError
        If there is no vector to add, or the result is zero.
    """
    if not plus:
        raise RequestError("Expected a text or an image to subtract a term from, got neither. Add one of them.")
    zero = np.zeros_like(plus[0])
    total = sum((_unit(x) for x in plus), zero) - sum((_unit(x) for x in minus), zero)
    if np.linalg.norm(total) < MIN_LENGTH:
        raise RequestError(
            "Expected terms whose sum has a direction, got a sum of zero: the subtracted term equals the rest of the "
            "query. Subtract another term."
        )
    return _unit(total)


def query_formula(plus: Sequence[str], minus: Sequence[str] = ()) -> str:
    """Write a query as a formula.

    Parameters
    ----------
    plus : sequence of str
        Terms that are added.
    minus : sequence of str
        Terms that are subtracted.

    Returns
    -------
    str
        Formula such as "('a car' + image) / length, each of length 1"; a single term stands alone.
    """
    formula = " + ".join(plus) + "".join(f" \N{MINUS SIGN} {term}" for term in minus)
    return formula if len(plus) + len(minus) < 2 else f"({formula}) / length, each of length 1"


def _unit(x: np.ndarray) -> np.ndarray:
    return x / max(float(np.linalg.norm(x)), 1e-12)


@dataclass(frozen=True)
class Neighbours:
    """The k nearest rows of each query, best first."""

    rows: np.ndarray  # (n, k) int64
    scores: np.ndarray  # (n, k) float32 inner products


def nearest_neighbours(query: np.ndarray, gallery: np.ndarray, k: int, batch: int = ROW_BATCH) -> Neighbours:
    """Find the rows of a gallery with the largest inner products by comparing a query with all rows.

    Parameters
    ----------
    query : (n, D) or (D,) array
        Vectors to search for.
    gallery : (N, D) float32 array
        Gallery, which may be memory-mapped.
    k : int
        Number of rows for each query, at most N.
    batch : int
        Rows of the gallery that are read at once.

    Returns
    -------
    Neighbours
        Rows and scores. Of equal scores the lower row comes first; NaN counts as the lowest score.

    Raises
    ------
    RequestError
        If the shapes do not fit, or k is less than 1.
    """
    query = validate_query(query, gallery, k)
    k = min(k, len(gallery))
    batches = [_search_batch(query[i : i + QUERY_BATCH], gallery, k, batch) for i in range(0, len(query), QUERY_BATCH)]
    if not batches:
        return Neighbours(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
    return Neighbours(np.concatenate([b.rows for b in batches]), np.concatenate([b.scores for b in batches]))


def validate_query(query: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """Check that queries fit a gallery and return them as a float32 matrix.

    Parameters
    ----------
    query : (n, D) or (D,) array
        Vectors to search for.
    gallery : (N, D) array
        Gallery to search.
    k : int
        Number of rows for each query.

    Returns
    -------
    (n, D) float32 array
        Queries.

    Raises
    ------
    RequestError
        If the shapes do not fit, or k is less than 1.
    """
    query = np.atleast_2d(np.asarray(query, np.float32))
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1] != gallery.shape[1]:
        raise RequestError(
            f"Expected queries (n, D) and a gallery (N, D) with the same D, got shapes {query.shape} and "
            f"{gallery.shape}. Embed both with the same model."
        )
    if k < 1:
        raise RequestError(f"Expected at least 1 result for each query, got k={k!r}. Choose a larger k.")
    return query


def rank_candidates(rows: np.ndarray, scores: np.ndarray, k: int) -> Neighbours:
    """Sort candidates by score, ties by row, and keep the best.

    Parameters
    ----------
    rows : (n, m) int array
        Rows of the candidates of each query.
    scores : (n, m) array
        Their inner products.
    k : int
        Number of candidates to keep.

    Returns
    -------
    Neighbours
        The k best candidates of each query.
    """
    comparable = np.where(np.isnan(scores), -np.inf, scores)
    order = np.lexsort((rows, -comparable), axis=-1)[:, :k]
    return Neighbours(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))


def neighbour_recall(rows: np.ndarray, truth: np.ndarray) -> float:
    """Compute the recall of an approximate search.

    Parameters
    ----------
    rows : (n, m) int array
        Rows that the search returned for each query.
    truth : (n, k) int array
        True nearest rows.

    Returns
    -------
    float
        Mean fraction of the true rows that were returned.
    """
    return float((truth[:, :, None] == rows[:, None, :]).any(2).mean())


def _search_batch(query: np.ndarray, gallery: np.ndarray, k: int, batch: int) -> Neighbours:
    best = Neighbours(np.empty((len(query), 0), np.int64), np.empty((len(query), 0), np.float32))
    for start in range(0, len(gallery), batch):
        scores = query @ np.asarray(gallery[start : start + batch], np.float32).T  # (n, batch)
        columns = np.stack([_largest(row, k) for row in scores])
        rows = np.concatenate([best.rows, columns + start], 1)
        best = rank_candidates(rows, np.concatenate([best.scores, np.take_along_axis(scores, columns, 1)], 1), k)
    return best


def _largest(scores: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k largest scores in no order; of scores equal to the k-th, those with lower indices."""
    if k >= len(scores):
        return np.arange(len(scores))
    scores = np.where(np.isnan(scores), -np.inf, scores)
    last = np.partition(scores, len(scores) - k)[-k]
    above = np.flatnonzero(scores > last)
    return np.concatenate([above, np.flatnonzero(scores == last)[: k - len(above)]])
