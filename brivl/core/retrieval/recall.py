"""Recall at k between two sets of embeddings with matching rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BATCH = 1_000  # queries at a time


@dataclass(frozen=True)
class Recall:
    """Retrieval performance of a set of queries."""

    r1: float  # recall@1: fraction of queries whose match is the first result
    r5: float
    r10: float
    median_rank: float  # of the match; 1 is the first result


def recall(query: np.ndarray, gallery: np.ndarray) -> Recall:
    """Measure retrieval where row i of the queries matches row i of the gallery.

    Ties and NaN count against the query: the rank of a match is one more than the number of other rows that do not
    score lower.

    Parameters
    ----------
    query : (n, D) array
        Unit vectors.
    gallery : (n, D) array
        Unit vectors.

    Returns
    -------
    Recall
        Recall at 1, 5 and 10, and the median rank.
    """
    return recall_by_owner(query, gallery, np.arange(len(query)), np.arange(len(gallery)))


def recall_by_owner(
    query: np.ndarray, gallery: np.ndarray, query_owner: np.ndarray, gallery_owner: np.ndarray
) -> Recall:
    """Measure retrieval where a query matches every row of the gallery with the same owner; its best match counts.

    With five captions for each image, as in Flickr30k, every caption searches for its one image, and an image searches
    for any of its captions. Ties and NaN count against the query, as in `recall`, and so does a query without a match.

    Parameters
    ----------
    query : (n, D) array
        Unit vectors.
    gallery : (N, D) array
        Unit vectors.
    query_owner : (n,) int array
        Owner of each query, such as the index of its image.
    gallery_owner : (N,) int array
        Owner of each row of the gallery.

    Returns
    -------
    Recall
        Recall at 1, 5 and 10, and the median rank.
    """
    batches = [
        _ranks(query[i : i + BATCH] @ gallery.T, query_owner[i : i + BATCH, None] == gallery_owner[None])
        for i in range(0, len(query), BATCH)
    ]
    ranks = np.concatenate(batches)
    r1, r5, r10 = (float((ranks <= k).mean()) for k in (1, 5, 10))
    return Recall(r1, r5, r10, float(np.median(ranks)))


def _ranks(scores: np.ndarray, is_match: np.ndarray) -> np.ndarray:
    """(n,) ranks of the best match in scores (n, N), where `is_match` marks the matches."""
    best = np.where(is_match & ~np.isnan(scores), scores, -np.inf).max(1, keepdims=True)
    without_match = np.isneginf(best)
    return 1 + (~is_match & (without_match | ~(scores < best))).sum(1)
