"""Principal components of responses too wide to decompose at once: by the kernel over samples, voxels in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse.linalg

from brivl.errors import RequestError

AT_ONCE = 4096  # voxels
EXACT = 3000  # samples up to which the whole kernel is decomposed; above, only as many components as are asked for

LoadResponses = Callable[[slice], np.ndarray]  # columns -> responses (n_rows, n_columns)


@dataclass(frozen=True)
class ResponsePCA:
    """Y - mean = scores @ axes + rest. explained: share of the fitted rows' variance that each component has."""

    mean: np.ndarray  # (n_voxels,) over the fitted rows
    axes: np.ndarray  # (n_components, n_voxels), orthonormal
    scores: np.ndarray  # (n_rows, n_components), also of rows that were not fitted
    explained: np.ndarray  # (n_components,)

    def responses(self, scores: np.ndarray) -> np.ndarray:
        """Responses (n, n_voxels) that scores (n, n_components) stand for."""
        return scores @ self.axes + self.mean


def response_pca(load: LoadResponses, n_voxels: int, fit: np.ndarray, n_components: int) -> ResponsePCA:
    """Components of the rows `fit` (n_fit,), at most n_fit - 1 and n_voxels of them, largest first.

    load(columns) gives all rows. Raises RequestError for fewer than one component, or fewer than three rows.
    """
    if n_components < 1 or len(fit) < 3:
        raise RequestError(
            f"Wanted 1 or more components of 3 or more samples and got {n_components!r} of {len(fit)}; take more."
        )
    K = sum(Y @ Y[fit].T for _, Y, _ in _centred(load, n_voxels, fit))  # (n_rows, n_fit)
    strength, U = _largest(np.asarray(K)[fit], min(n_components, len(fit) - 1, n_voxels))
    strength, U = strength[strength > 1e-10 * strength[0]], U[:, strength > 1e-10 * strength[0]]
    axes, mean = np.empty((len(strength), n_voxels), np.float32), np.empty(n_voxels, np.float32)
    for columns, Y, middle in _centred(load, n_voxels, fit):
        axes[:, columns], mean[columns] = (U / np.sqrt(strength)).T @ Y[fit], middle
    scores = np.asarray(K) @ U / np.sqrt(strength)
    return ResponsePCA(mean, axes, scores.astype(np.float32), strength / np.trace(np.asarray(K)[fit]))


def _centred(load: LoadResponses, n_voxels: int, fit: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    for start in range(0, n_voxels, AT_ONCE):
        columns = slice(start, min(start + AT_ONCE, n_voxels))
        Y = np.asarray(load(columns), np.float64)
        mean = Y[fit].mean(0)
        yield columns, Y - mean, mean


def _largest(K: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest n eigenvalues of K, falling, and eigenvectors in columns; the sign is that of the largest entry."""
    if len(K) <= EXACT or n >= len(K) - 1:
        values, vectors = np.linalg.eigh(K)
    else:
        values, vectors = scipy.sparse.linalg.eigsh(K, n, v0=np.ones(len(K)))
    order = np.argsort(-values, kind="stable")[:n]
    values, vectors = np.maximum(values[order], 0), vectors[:, order]
    return values, vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])])
