"""Dimensions that stories and movies share: principal components of encoding weights, and subspaces of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from brivl.errors import RequestError


@dataclass(frozen=True)
class WeightComponents:
    """Principal components of encoding weights over voxels, largest first."""

    axes: np.ndarray  # (n_features, n_components) orthonormal
    explained: np.ndarray  # (n_components,) fraction of the weights' variance over voxels
    loadings: tuple[np.ndarray, ...]  # of each modality (n_components, n_voxels)

    @property
    def agreement(self) -> np.ndarray:
        """Correlation over voxels between the loadings of the first two modalities.

        Returns
        -------
        (n_components,) array
            Pearson's r; 0 where either does not vary.
        """
        first, second = (x - x.mean(1, keepdims=True) for x in self.loadings[:2])
        size = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        return np.where(size > 0, (first * second).sum(1) / np.where(size > 0, size, 1), 0.0)


def mean_over_delays(weights: np.ndarray, n_delays: int) -> np.ndarray:
    """Average the weights of a finite impulse response model over its delays.

    Parameters
    ----------
    weights : (n_delays * n_features, n_voxels) array
        Weights, one delay after the other.
    n_delays : int
        Number of delays.

    Returns
    -------
    (n_features, n_voxels) array
        Mean weights.
    """
    return weights.reshape(n_delays, -1, weights.shape[1]).mean(0)


def normalise_columns(weights: np.ndarray) -> np.ndarray:
    """Scale the weights of each voxel to length 1, so that voxels with large weights do not dominate.

    Parameters
    ----------
    weights : (n_features, n_voxels) array
        Encoding weights.

    Returns
    -------
    (n_features, n_voxels) array
        Unit vectors; 0 where all weights of a voxel are 0.
    """
    size = np.linalg.norm(weights, axis=0)
    return weights / np.where(size > 0, size, 1)


def principal_components(weights: np.ndarray, others: np.ndarray, n_components: int) -> WeightComponents:
    """Compute principal components of the weights of one modality and project those of the other on the same axes.

    Weights are not centred over voxels: a direction that all voxels share counts as well.

    Parameters
    ----------
    weights : (n_features, n_voxels) array
        Weights of the modality that defines the components.
    others : (n_features, n_voxels) array
        Weights of the other modality in the same feature space.
    n_components : int
        Number of components.

    Returns
    -------
    WeightComponents
        Axes, explained variance, and loadings of both modalities.

    Raises
    ------
    RequestError
        If the shapes differ, or there are fewer voxels than components.
    """
    if weights.shape != others.shape or weights.shape[1] < n_components:
        raise RequestError(
            f"Expected weights (n_features, n_voxels) of two modalities with at least {n_components} voxels, got "
            f"shapes {weights.shape!r} and {others.shape!r}. Choose more voxels or fewer components."
        )
    U, s, _ = scipy.linalg.svd(weights.astype(np.float64), full_matrices=False)
    axes = U[:, :n_components] * np.where(np.abs(U[:, :n_components]).max(0) == U[:, :n_components].max(0), 1, -1)
    explained = np.square(s) / np.square(s).sum()
    return WeightComponents(axes, explained[:n_components], (axes.T @ weights, axes.T @ others))


def covariance_root(X: np.ndarray, floor: float = 1e-4) -> tuple[np.ndarray, np.ndarray]:
    """Compute the square root of the covariance matrix of features, and the pseudo-inverse of this root.

    Weights times the root have the length of the predictions that they make; without it, weights of features that
    hardly vary would count as much as weights of features that do.

    Parameters
    ----------
    X : (n_samples, n_features) array
        Features.
    floor : float
        Fraction of the largest eigenvalue below which an eigenvalue is set to 0.

    Returns
    -------
    root : (n_features, n_features) array
        Symmetric square root of the covariance matrix.
    inverse : (n_features, n_features) array
        Pseudo-inverse of the root.
    """
    centred = X - X.mean(0, dtype=np.float64)
    values, V = scipy.linalg.eigh(centred.T @ centred / len(X))
    values = np.maximum(values, 0)
    kept = values > floor * values[-1]
    root = np.sqrt(np.where(kept, values, 0))
    inverse = np.where(kept, 1 / np.where(kept, root, 1), 0)
    return (V * root) @ V.T, (V * inverse) @ V.T


def subspace_correlation(A: np.ndarray, B: np.ndarray) -> float:
    """Average the cosines of the principal angles between the column spaces of two matrices, centred over rows.

    Parameters
    ----------
    A : (n, k) array
        Matrix whose k dimensions are averaged over.
    B : (n, m) array
        Other matrix; where it has fewer dimensions than A, the missing ones count as 0.

    Returns
    -------
    float
        Mean cosine, from 0 to 1.
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
    """Find the items with the largest and the smallest scores.

    Parameters
    ----------
    scores : (n_items,) array
        Score of each item.
    n : int
        Number of items at each end.

    Returns
    -------
    highest : (n,) int array
        Indices of the largest scores, largest first.
    lowest : (n,) int array
        Indices of the smallest scores, smallest first.
    """
    order = np.argsort(scores, kind="stable")
    return order[::-1][:n], order[:n]
