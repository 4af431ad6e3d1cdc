"""Candidate weights of bands: a deterministic grid, and the order in which candidates compete."""

from __future__ import annotations

from itertools import product

import numpy as np


def ratio_grid(n_bands: int, n_ratios: int = 11, decades: float = 2.0) -> np.ndarray:
    """List the band weights to try.

    Parameters
    ----------
    n_bands : int
        Number of bands.
    n_ratios : int
        Number of candidates for two bands (odd), without the single bands.
    decades : float
        Largest log10 of the ratio of two weights.

    Returns
    -------
    np.ndarray
        (n_candidates, n_bands), rows sum to 1; equal weights first, single bands last.

    Notes
    -----
    Two bands: the log10 of the ratio of the weights is evenly spaced in [-decades, decades], and in the two end points
    one band has all the weight; mirrored rows are equal to the bit. More bands: log10 weights in {-decades, 0} in every
    combination, for three bands also halfway, and the single bands.
    """
    if n_bands == 1:
        return np.ones((1, 1))
    if n_bands == 2:
        log_ratios = np.linspace(0, decades, (n_ratios - 1) // 2)[1:]
        rows = [np.full(2, 0.5)]
        for weight in 1 / (1 + 10**log_ratios):
            rows += [np.array([1 - weight, weight]), np.array([weight, 1 - weight])]
    else:
        steps = (-1, -0.5, 0) if n_bands == 3 else (-1, 0)
        levels = 10.0 ** (decades * np.array(list(product(steps, repeat=n_bands))))
        rows = sorted((w / w.sum() for w in levels if w.max() == 1), key=np.ptp)
    return np.array([*rows, *np.eye(n_bands)])


def permutation_orbits(candidates: np.ndarray) -> list[np.ndarray]:
    """Group candidates that are permutations of one another.

    Candidates of an orbit compete at once, so that the order of the bands cannot decide between them.

    Parameters
    ----------
    candidates : (n_candidates, n_bands) array
        Band weights.

    Returns
    -------
    list of np.ndarray
        Indices of the candidates of each orbit, in order of first appearance.
    """
    members: dict[tuple[float, ...], list[int]] = {}
    for index, weights in enumerate(np.round(candidates, 12)):
        members.setdefault(tuple(sorted(weights.tolist())), []).append(index)
    return [np.array(orbit) for orbit in members.values()]


def choose_candidate(scores: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Choose the best candidate of each voxel.

    Parameters
    ----------
    scores : (n_candidates, n_voxels) array
        Score of each candidate.
    candidates : (n_candidates, n_bands) array
        Band weights.

    Returns
    -------
    np.ndarray
        (n_voxels,) int, index of the candidate.

    Notes
    -----
    Permutation orbits are compared in order. An orbit displaces the best so far only if its best member is better by
    more than float32 resolves, so that ties go to the earlier, more equal weights. If two members of an orbit tie
    exactly, the data do not determine which band matters more, and the orbit is skipped. For random draws every orbit
    has one member, and this is himalaya's rule.
    """
    best, best_score = np.zeros(scores.shape[1], int), np.full(scores.shape[1], -np.inf)
    orbits = permutation_orbits(candidates)
    for orbit in orbits:
        top = scores[orbit].max(0)
        unique = (scores[orbit] == top).sum(0) == 1
        better = (unique | (len(orbits) == 1)) & (top > best_score + np.finfo(np.float32).eps)
        best[better] = orbit[scores[orbit].argmax(0)][better]
        best_score[better] = top[better]
    return best
