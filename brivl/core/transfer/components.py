"""Which dimensions stories and film share: principal components of encoding weights, and what a truth makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from brivl.errors import RequestError


@dataclass(frozen=True)
class WeightComponents:
    """Principal components of weights over voxels, largest first."""

    axes: np.ndarray  # (n_features, n_components) orthonormal
    explained: np.ndarray  # (n_components,) share of the weights' variance over voxels
    loadings: tuple[np.ndarray, ...]  # by modality (n_components, n_voxels)

    @property
    def agreement(self) -> np.ndarray:
        """(n_components,) r over voxels between the loadings of the first two modalities."""
        first, second = (x - x.mean(1, keepdims=True) for x in self.loadings[:2])
        size = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        return np.where(size > 0, (first * second).sum(1) / np.where(size > 0, size, 1), 0.0)


def mean_over_delays(weights: np.ndarray, n_delays: int) -> np.ndarray:
    """Mean over delays of FIR weights (n_delays * n_features, n_voxels), delay by delay: (n_features, n_voxels)."""
    return weights.reshape(n_delays, -1, weights.shape[1]).mean(0)


def normalise_columns(weights: np.ndarray) -> np.ndarray:
    """Each voxel's weights (n_features, n_voxels) with length 1, so that strong voxels do not outshout others."""
    size = np.linalg.norm(weights, axis=0)
    return weights / np.where(size > 0, size, 1)


def principal_components(weights: np.ndarray, others: np.ndarray, n_components: int) -> WeightComponents:
    """Components of one modality's weights over voxels, with those of the other modality projected on the same axes.

    weights, others (n_features, n_voxels) in one feature space. Not centred over voxels: a direction that all voxels
    share counts. Raises RequestError for fewer voxels than components.
    """
    if weights.shape != others.shape or weights.shape[1] < n_components:
        raise RequestError(
            f"Wanted weights (n_features, n_voxels) of two modalities with {n_components} voxels or more, and got "
            f"{weights.shape!r} and {others.shape!r}."
        )
    U, s, _ = scipy.linalg.svd(weights.astype(np.float64), full_matrices=False)
    axes = U[:, :n_components] * np.where(np.abs(U[:, :n_components]).max(0) == U[:, :n_components].max(0), 1, -1)
    share = np.square(s) / np.square(s).sum()
    return WeightComponents(axes, share[:n_components], (axes.T @ weights, axes.T @ others))


def covariance_root(X: np.ndarray, floor: float = 1e-4) -> tuple[np.ndarray, np.ndarray]:
    """Root of the covariance of features X (n_samples, n_features) and its pseudo-inverse, (n_features, n_features).

    Weights times the root have the length of the predictions that they make; without it, weights of features that
    hardly vary would count as much as those of features that do.
    """
    centred = X - X.mean(0, dtype=np.float64)
    values, V = scipy.linalg.eigh(centred.T @ centred / len(X))
    values = np.maximum(values, 0)
    kept = values > floor * values[-1]
    root = np.sqrt(np.where(kept, values, 0))
    inverse = np.where(kept, 1 / np.where(kept, root, 1), 0)
    return (V * root) @ V.T, (V * inverse) @ V.T


def subspace_correlation(A: np.ndarray, B: np.ndarray) -> float:
    """Mean cosine of the principal angles between the column spans of A (n, k) and B (n, m), centred over rows.

    The mean is over the k dimensions of A; where B has fewer, the missing ones count 0.
    """
    bases = [_basis(A), _basis(B)]
    if not bases[0].shape[1] or not bases[1].shape[1]:
        return 0.0
    cosines = np.clip(scipy.linalg.svdvals(bases[0].T @ bases[1]), 0, 1)
    return float(cosines[: bases[0].shape[1]].sum() / bases[0].shape[1])


def _basis(A: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the centred columns."""
    centred = A - A.mean(0, dtype=np.float64)
    U, s, _ = scipy.linalg.svd(centred, full_matrices=False)
    return U[:, s > 1e-9 * max(float(s.max(initial=0)), 1e-300)]


def extreme_items(scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the n largest scores, largest first, and of the n smallest, smallest first; scores (n_items,)."""
    order = np.argsort(scores, kind="stable")
    return order[::-1][:n], order[:n]
