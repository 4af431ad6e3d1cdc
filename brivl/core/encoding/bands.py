"""Bands of features as the problem of a search: scaled kernels, no two alike, in an order of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from brivl.core.encoding.cross_validation import Folds
from brivl.core.encoding.problem import Problem
from brivl.core.parallel import map_in_order, n_at_once

# Gives the weights of kernels to try, (n_candidates, n_kernels), from the first band (n_bands,) with the same kernel.
Candidates = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Bands:
    """The problem of some bands, and the relation of its candidates to weights of the bands."""

    problem: Problem  # kernels in the order of their digests, candidates sorted
    candidates: np.ndarray  # (n_candidates, n_kernels) in the caller's order of both
    positions: np.ndarray  # (n_candidates,) row of each of these in the problem
    owner: np.ndarray  # (n_bands,) first band with the same kernel
    order: np.ndarray  # (n_kernels,) the caller's number of each kernel of the problem

    @classmethod
    def of(
        cls,
        Xs: Sequence[np.ndarray],
        scales: np.ndarray,
        folds: tuple[Folds, np.ndarray],
        candidates: Candidates,
        alphas: Sequence[float],
    ) -> Bands:
        """Make the problem of bands.

        Parameters
        ----------
        Xs : Sequence of (n_rows, n_features) arrays
            Bands.
        scales : (n_bands,) array
            Factors of their kernels.
        folds : tuple
            Folds, and their weights (n_folds,).
        candidates : Callable
            Gives the weights to try.
        alphas : Sequence of float
            Regularisation strengths to try.

        Returns
        -------
        Bands
            The problem.
        """

        def _kernel(band: tuple[np.ndarray, np.float32]) -> np.ndarray:
            X, scale = band
            return scale * (X @ X.T)

        n_threads = n_at_once(2 * 4 * len(Xs[0]) ** 2)
        kernels = np.stack(list(map_in_order(_kernel, zip(Xs, scales, strict=True), n_threads)))
        owner = _identical(kernels)
        given = candidates(owner)
        problem, positions, order = _canonical(Problem(kernels[np.unique(owner)], *folds, given, alphas))
        return cls(problem, given, positions, owner, order)

    def weights(self, best: np.ndarray) -> np.ndarray:
        """Convert chosen candidates to weights of bands.

        Parameters
        ----------
        best : (n_voxels,) array
            Candidate of each voxel, in the caller's order.

        Returns
        -------
        np.ndarray
            (n_bands, n_voxels); bands with one kernel share its weight equally.
        """
        n_sharing = np.bincount(self.owner, minlength=len(self.owner))[self.owner]
        chosen = self.candidates[best].T
        return chosen[np.searchsorted(np.unique(self.owner), self.owner)] / n_sharing[:, None]


def kernel_scales(Xs: Sequence[np.ndarray]) -> np.ndarray:
    """Compute the factors that give each band's kernel a mean diagonal of 1.

    Parameters
    ----------
    Xs : Sequence of (n_rows, n_features) arrays
        Bands.

    Returns
    -------
    np.ndarray
        (n_bands,) float32; 1 for a band that is zero throughout.
    """
    means = np.array([np.square(X, dtype=np.float64).sum() / len(X) for X in Xs])
    return np.where(means > 0, 1 / np.where(means > 0, means, 1), 1).astype(np.float32)


def _canonical(problem: Problem) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Order kernels by their digests and candidates by their weights; the new row of each given candidate, the order.

    The caller's order of bands then cannot change anything, not even rounding.
    """
    order = np.argsort([blake2b(np.ascontiguousarray(K).data).hexdigest() for K in problem.kernels])
    reordered = problem.candidates[:, order]
    rows = np.lexsort(reordered.T[::-1])
    return replace(problem, kernels=problem.kernels[order], candidates=reordered[rows]), np.argsort(rows), order


def _identical(kernels: np.ndarray) -> np.ndarray:
    """For each band the first band with the same kernel up to rounding: (n_bands,) int."""
    owner = np.arange(len(kernels))
    for later in range(1, len(kernels)):
        tolerance = 1e-6 * np.abs(kernels[later]).max()
        same = [i for i in range(later) if np.abs(kernels[i] - kernels[later]).max() <= tolerance]
        owner[later] = owner[same[0]] if same else later
    return owner
