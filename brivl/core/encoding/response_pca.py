"""Principal components of responses too wide to decompose at once: by the kernel over samples, voxels in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse.linalg

from brivl.errors import RequestError

AT_ONCE = 4096  # voxels
EXACT = 3000  # up to this many samples the whole kernel is decomposed; above, only the requested components

LoadResponses = Callable[[slice], np.ndarray]  # columns -> responses (n_rows, n_columns)


@dataclass(frozen=True)
class ResponsePCA:
    """Principal components: Y - mean = scores @ axes + residual."""

    mean: np.ndarray  # (n_voxels,) over the fitted rows
    axes: np.ndarray  # (n_components, n_voxels), orthonormal
    scores: np.ndarray  # (n_rows, n_components), also of rows that were not fitted
    explained: np.ndarray  # (n_components,) fraction of the fitted rows' variance

    def responses(self, scores: np.ndarray) -> np.ndarray:
        """Compute the responses that correspond to scores.

        Parameters
        ----------
        scores : (n, n_components) array
            Scores.

        Returns
        -------
        np.ndarray
            (n, n_voxels).
        """
        return scores @ self.axes + self.mean


def response_pca(load: LoadResponses, n_voxels: int, fit: np.ndarray, n_components: int) -> ResponsePCA:
    """Compute the components of some rows, largest first.

    Parameters
    ----------
    load : LoadResponses
        Gives all rows of some voxels.
    n_voxels : int
        Number of voxels.
    fit : (n_fit,) array
        Rows to fit.
    n_components : int
        Number of components; at most n_fit - 1 and n_voxels are returned.

    Returns
    -------
    ResponsePCA
        The components.

    Raises
    ------
    RequestError
        For fewer than one component, or fewer than three rows.
    """
    if n_components < 1 or len(fit) < 3:
        raise RequestError(
            f"Expected 1 or more components of 3 or more samples, got {n_components!r} components of {len(fit)} "
            "samples. Choose more of them."
        )
    K = sum(Y @ Y[fit].T for _, Y, _ in _centred(load, n_voxels, fit))  # (n_rows, n_fit)
    strength, U = _largest(np.asarray(K)[fit], min(n_components, len(fit) - 1, n_voxels))
    strength, U = strength[strength > 1e-10 * strength[0]], U[:, strength > 1e-10 * strength[0]]
    axes, mean = np.empty((len(strength), n_voxels), np.float32), np.empty(n_voxels, np.float32)
    for columns, Y, column_means in _centred(load, n_voxels, fit):
        axes[:, columns], mean[columns] = (U / np.sqrt(strength)).T @ Y[fit], column_means
    scores = np.asarray(K) @ U / np.sqrt(strength)
    return ResponsePCA(mean, axes, scores.astype(np.float32), strength / np.trace(np.asarray(K)[fit]))


def _centred(load: LoadResponses, n_voxels: int, fit: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    for start in range(0, n_voxels, AT_ONCE):
        columns = slice(start, min(start + AT_ONCE, n_voxels))
        Y = np.asarray(load(columns), np.float64)
        mean = Y[fit].mean(0)
        yield columns, Y - mean, mean


def _largest(K: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest n eigenvalues of K, falling, and eigenvectors in columns, with the sign of their largest entry."""
    if len(K) <= EXACT or n >= len(K) - 1:
        values, vectors = np.linalg.eigh(K)
    else:
        values, vectors = scipy.sparse.linalg.eigsh(K, n, v0=np.ones(len(K)))
    order = np.argsort(-values, kind="stable")[:n]
    values, vectors = np.maximum(values[order], 0), vectors[:, order]
    return values, vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])])
