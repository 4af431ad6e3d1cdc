"""Recall at k between two sets of embeddings whose rows belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
    scores = query @ gallery.T  # (n, n)
    own = scores.diagonal()[:, None]
    ranks = len(scores) - (scores < own).sum(1)
    return Recall(*(float((ranks <= k).mean()) for k in (1, 5, 10)), float(np.median(ranks)))
