"""Bands of features as the problem that a search is given: scaled kernels, no two alike, in an order of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from brivl.core.encoding.cross_validation import Folds
from brivl.core.encoding.problem import Problem

# Weights of bands to try, (n_candidates, n_kernels), for the first band (n_bands,) with the same kernel as each.
Candidates = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Bands:
    """The problem of some bands, and the way back from its candidates to weights of the bands."""

    problem: Problem  # kernels in the order of their digests, candidates sorted
    candidates: np.ndarray  # (n_candidates, n_kernels) in the caller's order of both
    place: np.ndarray  # (n_candidates,) where each of these is in the problem
    owner: np.ndarray  # (n_bands,) first band with the same kernel

    @classmethod
    def of(
        cls,
        Xs: Sequence[np.ndarray],
        scales: np.ndarray,
        folds: tuple[Folds, np.ndarray],
        candidates: Candidates,
        alphas: Sequence[float],
    ) -> Bands:
        """From bands (n_rows, n_features), the scales of their kernels, and folds with their weights."""
        kernels = np.stack([scale * (X @ X.T) for X, scale in zip(Xs, scales, strict=True)])
        owner = _identical(kernels)
        given = candidates(owner)
        problem, place = _canonical(Problem(kernels[np.unique(owner)], *folds, given, alphas))
        return cls(problem, given, place, owner)

    def weights(self, best: np.ndarray) -> np.ndarray:
        """Weights of bands (n_bands, n_voxels) for the candidate chosen by each voxel, in the caller's order."""
        sharing = np.bincount(self.owner, minlength=len(self.owner))[self.owner]
        chosen = self.candidates[best].T
        return chosen[np.searchsorted(np.unique(self.owner), self.owner)] / sharing[:, None]


def kernel_scales(Xs: Sequence[np.ndarray]) -> np.ndarray:
    """One over the mean diagonal of each band's kernel; 1 for a band that is zero throughout."""
    means = np.array([np.square(X, dtype=np.float64).sum() / len(X) for X in Xs])
    return np.where(means > 0, 1 / np.where(means > 0, means, 1), 1).astype(np.float32)


def _canonical(problem: Problem) -> tuple[Problem, np.ndarray]:
    """Kernels in the order of their digests and candidates sorted; and where each given candidate went.

    The caller's order of bands then cannot change anything, not even rounding.
    """
    order = np.argsort([blake2b(np.ascontiguousarray(K)).hexdigest() for K in problem.kernels])
    turned = problem.candidates[:, order]
    rows = np.lexsort(turned.T[::-1])
    return replace(problem, kernels=problem.kernels[order], candidates=turned[rows]), np.argsort(rows)


def _identical(kernels: np.ndarray) -> np.ndarray:
    """For each band the first band with the same kernel up to rounding: (n_bands,) int."""
    owner = np.arange(len(kernels))
    for later in range(1, len(kernels)):
        tolerance = 1e-6 * np.abs(kernels[later]).max()
        same = [i for i in range(later) if np.abs(kernels[i] - kernels[later]).max() <= tolerance]
        owner[later] = owner[same[0]] if same else later
    return owner
