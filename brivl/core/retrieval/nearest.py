"""The nearest rows of a gallery by inner product, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brivl.errors import RequestError

LEAST = 1e-3  # length of a sum below which its direction is rounding


def combine_vectors(plus: Sequence[np.ndarray], minus: Sequence[np.ndarray] = ()) -> np.ndarray:
    """(sum of plus - sum of minus) / its length, from vectors (D,) that are made unit length first.

    Raises RequestError where nothing is added, or what is taken away leaves nothing.
    """
    if not plus:
        raise RequestError("Wanted a text or a picture to start from; a term alone cannot be taken away. Add one.")
    total = sum(_unit(x) for x in plus) - sum((_unit(x) for x in minus), np.zeros_like(plus[0]))
    if np.linalg.norm(total) < LEAST:
        raise RequestError("What is taken away is all that was there: the sum is zero. Take away something else.")
    return _unit(total)


def query_formula(plus: Sequence[str], minus: Sequence[str] = ()) -> str:
    """The query in words: "text + picture - term, each of length 1, the sum made length 1"."""
    said = " + ".join(plus) + "".join(f" \N{MINUS SIGN} {term}" for term in minus)
    return said if len(plus) + len(minus) < 2 else f"({said}) / length, each of length 1"


def _unit(x: np.ndarray) -> np.ndarray:
    return x / max(float(np.linalg.norm(x)), 1e-12)


BLOCK = 65_536  # gallery rows at a time: 64 MB of 256 dimensions, whatever the size of the gallery
QUERIES = 64  # queries at a time, so that a block's scores stay below 17 MB


@dataclass(frozen=True)
class Neighbours:
    """For each query its k nearest rows, best first: rows (n, k) int64 and inner products (n, k) float32."""

    rows: np.ndarray
    scores: np.ndarray


def nearest_neighbours(query: np.ndarray, gallery: np.ndarray, k: int, block: int = BLOCK) -> Neighbours:
    """The k rows of the gallery with the largest inner product, by comparing with all of them.

    query: (n, D) or (D,); gallery: (N, D) float32, may be memory-mapped; k is cut to N. Of equal scores the lower row
    comes first; a score that is NaN counts as the lowest. Raises RequestError where shapes do not fit or k < 1.
    """
    query = validate_query(query, gallery, k)
    k = min(k, len(gallery))
    parts = [_few(query[i : i + QUERIES], gallery, k, block) for i in range(0, len(query), QUERIES)]
    if not parts:
        return Neighbours(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
    return Neighbours(np.concatenate([p.rows for p in parts]), np.concatenate([p.scores for p in parts]))


def validate_query(query: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """The queries as (n, D) float32. Raises RequestError where they do not fit the gallery, or k < 1."""
    query = np.atleast_2d(np.asarray(query, np.float32))
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1] != gallery.shape[1]:
        raise RequestError(
            f"Wanted queries (n, D) and a gallery (N, D) of one D and got shapes {query.shape} and {gallery.shape}; "
            "embed both with the same model."
        )
    if k < 1:
        raise RequestError(f"Wanted at least 1 answer for each query and got k={k!r}.")
    return query


def rank_candidates(rows: np.ndarray, scores: np.ndarray, k: int) -> Neighbours:
    """The k best of candidates (n, m), in the order that `nearest` defines."""
    comparable = np.where(np.isnan(scores), -np.inf, scores)
    order = np.lexsort((rows, -comparable), axis=-1)[:, :k]
    return Neighbours(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))


def neighbour_recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean share of the true neighbours (n, k) that are among those found (n, m)."""
    return float((truth[:, :, None] == found[:, None, :]).any(2).mean())


def _few(query: np.ndarray, gallery: np.ndarray, k: int, block: int) -> Neighbours:
    best = Neighbours(np.empty((len(query), 0), np.int64), np.empty((len(query), 0), np.float32))
    for start in range(0, len(gallery), block):
        scores = query @ np.asarray(gallery[start : start + block], np.float32).T  # (n, block)
        columns = np.stack([_top(row, k) for row in scores])
        rows = np.concatenate([best.rows, columns + start], 1)
        best = rank_candidates(rows, np.concatenate([best.scores, np.take_along_axis(scores, columns, 1)], 1), k)
    return best


def _top(scores: np.ndarray, k: int) -> np.ndarray:
    """Places of the k largest, the lower place first where the k-th is not alone; in no order."""
    if k >= len(scores):
        return np.arange(len(scores))
    scores = np.where(np.isnan(scores), -np.inf, scores)
    last = np.partition(scores, len(scores) - k)[-k]
    above = np.flatnonzero(scores > last)
    return np.concatenate([above, np.flatnonzero(scores == last)[: k - len(above)]])
