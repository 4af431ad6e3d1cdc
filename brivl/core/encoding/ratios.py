"""Candidate weights of bands: a deterministic grid, or random draws, and the order in which they compete."""

from __future__ import annotations

from itertools import product

import numpy as np


def ratio_grid(n_bands: int, n_ratios: int = 11, decades: float = 2.0) -> np.ndarray:
    """Band weights to try, equal weights first, single bands last: (n_candidates, n_bands), rows sum to 1.

    Two bands: n_ratios candidates (odd), log10 of the ratio of the weights even in [-decades, decades], and the two
    end points where one band has it all; mirrored rows are equal to the bit. More bands: log10 weights in
    {-decades, 0} in every combination, for three bands also halfway, and the end points.
    """
    if n_bands == 1:
        return np.ones((1, 1))
    if n_bands == 2:
        log_ratios = np.linspace(0, decades, (n_ratios - 1) // 2)[1:]
        rows = [np.full(2, 0.5)]
        for share in 1 / (1 + 10**log_ratios):
            rows += [np.array([1 - share, share]), np.array([share, 1 - share])]
    else:
        steps = (-1, -0.5, 0) if n_bands == 3 else (-1, 0)
        levels = 10.0 ** (decades * np.array(list(product(steps, repeat=n_bands))))
        rows = sorted((w / w.sum() for w in levels if w.max() == 1), key=np.ptp)
    return np.array([*rows, *np.eye(n_bands)])


def permutation_orbits(candidates: np.ndarray) -> list[np.ndarray]:
    """Indices of candidates that are permutations of one another, in order of first appearance.

    Candidates of a ring compete at once, so that the order of the bands cannot decide between them.
    """
    members: dict[tuple[float, ...], list[int]] = {}
    for index, weights in enumerate(np.round(candidates, 12)):
        members.setdefault(tuple(sorted(weights.tolist())), []).append(index)
    return [np.array(ring) for ring in members.values()]


def choose_candidate(scores: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Index of the winning candidate of each voxel: (n_voxels,) int, from scores (n_candidates, n_voxels).

    Rings take turns in order; one displaces the best so far only if its best member is better by more than float32
    can tell apart, so that ties go to the earlier, more equal weights. If two members of a ring tie exactly, the data
    do not say which band matters more, and the ring is passed over. For random draws every ring has one member, and
    this is himalaya's rule.
    """
    best, best_score = np.zeros(scores.shape[1], int), np.full(scores.shape[1], -np.inf)
    for ring in permutation_orbits(candidates):
        top = scores[ring].max(0)
        alone = (scores[ring] == top).sum(0) == 1
        better = (alone | (len(permutation_orbits(candidates)) == 1)) & (top > best_score + np.finfo(np.float32).eps)
        best[better] = ring[scores[ring].argmax(0)][better]
        best_score[better] = top[better]
    return best
