"""Recall at k between two sets of embeddings whose rows belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 1_000  # queries at a time


@dataclass(frozen=True)
class Recall:
    """Share of queries whose match is among the first k answers, and the median rank of the match (1 = first)."""

    r1: float
    r5: float
    r10: float
    median_rank: float


def recall(query: np.ndarray, gallery: np.ndarray) -> Recall:
    """query, gallery: (n, D) unit vectors, row i of one matches row i of the other.

    Ties count against the query, and so does NaN: the rank of a match is one more than the number of other answers
    that do not score lower.
    """
    return recall_by_owner(query, gallery, np.arange(len(query)), np.arange(len(gallery)))


def recall_by_owner(
    query: np.ndarray, gallery: np.ndarray, query_owner: np.ndarray, gallery_owner: np.ndarray
) -> Recall:
    """query (n, D), gallery (N, D); a query matches each row of the same owner, and its best match counts.

    So with five captions of a picture, as Flickr30k has them, each of them looks for the one picture, and the picture
    for whichever comes first. Ties and NaN count against the query, as in `recall`; so does a query without a match.
    """
    ranks = [
        _ranks(query[i : i + BLOCK] @ gallery.T, query_owner[i : i + BLOCK, None] == gallery_owner[None])
        for i in range(0, len(query), BLOCK)
    ]
    whole = np.concatenate(ranks)
    return Recall(*(float((whole <= k).mean()) for k in (1, 5, 10)), float(np.median(whole)))


def _ranks(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(n,) ranks of the best match in scores (n, N), where `own` marks the matches."""
    best = np.where(own & ~np.isnan(scores), scores, -np.inf).max(1, keepdims=True)
    hopeless = np.isneginf(best)
    return 1 + (~own & (hopeless | ~(scores < best))).sum(1)
