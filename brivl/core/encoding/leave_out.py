"""Errors of ridge regression on rows held out in blocks, from one eigendecomposition of the whole kernel.

With Q = (K + a I)^-1 the error of the rows f, predicted from all others, is Q_ff^-1 (Q y)_f (Cook and Weisberg 1982 for
single rows; the same algebra holds for blocks). No fold needs a decomposition of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError

from brivl.core.cholesky import solve_positive_definite, upper_cholesky
from brivl.core.encoding.problem import Array, Backend
from brivl.core.encoding.spill_buffer import SpillBuffer

# Added to the diagonal of a loss that is to be factored, as a fraction of its largest entry; its effect is subtracted.
JITTER = 2e-6
# Rows of a triangular factor are multiplied in this many blocks, which includes the zeros of 1/16 of the square.
TRIANGLE_BLOCKS = 8
# A triangular factor costs 2.3 n^3 more to make and saves 0.9 n^2 per voxel.
VOXELS_PER_ROW = 2.7
# An alpha is lost in float32 rounding of a kernel if it is below this fraction of the largest eigenvalue.
SMALLEST_FRACTION = 1e-7
# Kernels of so few rows are decomposed in float64, which is cheap and leaves near-ties as they are.
FLOAT64_ROWS = 512


@dataclass(frozen=True)
class FoldBlocks:
    """Rows in the order of the folds that hold them out, and the weight of each fold's squared errors."""

    order: np.ndarray  # (n_rows,) rows of fold 0, then of fold 1, ...
    bounds: Sequence[tuple[int, int]]  # of each fold in that order
    weights: np.ndarray  # (n_folds,) factor of a squared error: fold weight / (n_folds * n_held_out)

    @classmethod
    def of(cls, tests: Sequence[np.ndarray], fold_weights: np.ndarray) -> FoldBlocks:
        """Order rows by folds.

        Parameters
        ----------
        tests : Sequence of (n_held_out,) arrays
            Held-out rows of each fold, which must be a partition of the rows.
        fold_weights : (n_folds,) array
            Weight of each fold.

        Returns
        -------
        FoldBlocks
            The blocks.
        """
        ends = np.cumsum([len(test) for test in tests]).tolist()
        bounds = list(zip([0, *ends[:-1]], ends, strict=True))
        sizes = np.array([len(test) for test in tests])
        return cls(np.concatenate(tests), bounds, np.asarray(fold_weights) / (len(tests) * sizes))

    @property
    def row_weights(self) -> np.ndarray:
        """Weight of each row's squared error.

        Returns
        -------
        np.ndarray
            (n_rows,) float32.
        """
        return np.repeat(self.weights, [stop - start for start, stop in self.bounds]).astype(np.float32)


@dataclass(frozen=True)
class Eigendecomposition:
    """K = vectors diag(values) vectors', rows in the order of `FoldBlocks`."""

    values: np.ndarray  # (n_rows,) ascending, not negative
    vectors: Array  # (n_rows, n_rows)
    smallest_alpha: float  # alphas below are lost in rounding

    @classmethod
    def of(cls, K: np.ndarray, order: np.ndarray, backend: Backend) -> Eigendecomposition:
        """Decompose a kernel.

        Parameters
        ----------
        K : (n_rows, n_rows) array
            The kernel.
        order : (n_rows,) array
            Order of the rows of the vectors.
        backend : Backend
            Computes the decomposition.

        Returns
        -------
        Eigendecomposition
            The decomposition.
        """
        K = K.astype(np.float64) if len(K) <= FLOAT64_ROWS else K
        values, vectors = (backend.to_numpy(part) for part in backend.eigh(backend.asarray(K)))
        smallest = max(-2 * float(values[0]), SMALLEST_FRACTION * float(values[-1]))
        in_order = vectors if np.array_equal(order, np.arange(len(order))) else vectors[order]
        return cls(np.maximum(values, 0), backend.asarray(in_order), smallest)

    def stored(self, buffer: SpillBuffer, backend: Backend) -> Callable[[], Eigendecomposition]:
        """Store the vectors in a buffer.

        Parameters
        ----------
        buffer : SpillBuffer
            Stores the vectors.
        backend : Backend
            Owns the vectors.

        Returns
        -------
        Callable
            Gives the decomposition.
        """
        vectors = buffer.store(backend.to_numpy(self.vectors))
        values, smallest = self.values, self.smallest_alpha
        return lambda: Eigendecomposition(values, backend.asarray(vectors()), smallest)

    def shrinkage(self, alpha: float) -> np.ndarray:
        """Compute the eigenvalues of alpha Q, which stay in range for any alpha.

        Parameters
        ----------
        alpha : float
            Regularisation strength.

        Returns
        -------
        np.ndarray
            (n_rows,) alpha / (values + alpha).
        """
        return (alpha / (self.values.astype(np.float64) + alpha)).astype(self.values.dtype)

    def rotate(self, Y: np.ndarray, backend: Backend) -> Array:
        """Rotate responses to the coordinates of the vectors.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses, rows in the order of the vectors.
        backend : Backend
            Owns the vectors.

        Returns
        -------
        Array
            (n_rows, n_voxels) vectors' Y, in the precision of the vectors.
        """
        return self.vectors.T @ backend.asarray(np.ascontiguousarray(Y, self.values.dtype))


def dual_weights(eigen: Eigendecomposition, Y: np.ndarray, alphas: np.ndarray, backend: Backend) -> np.ndarray:
    """Compute (K + a_v I)^-1 y_v for each voxel.

    Parameters
    ----------
    eigen : Eigendecomposition
        Decomposition of the kernel.
    Y : (n_rows, n_voxels) array
        Responses, rows in the order of the vectors.
    alphas : (n_voxels,) array
        Regularisation strength of each voxel.
    backend : Backend
        Owns the vectors.

    Returns
    -------
    np.ndarray
        (n_rows, n_voxels).
    """
    rotated = eigen.rotate(Y, backend)
    rotated /= backend.asarray(eigen.values[:, None] + alphas.astype(eigen.values.dtype))
    return backend.to_numpy(eigen.vectors @ rotated)


def held_out_losses(
    eigen: Eigendecomposition, blocks: FoldBlocks, alpha: float, rotated: Array, backend: Backend
) -> np.ndarray:
    """Compute the held-out loss of few voxels at one alpha.

    Parameters
    ----------
    eigen : Eigendecomposition
        Decomposition of the kernel.
    blocks : FoldBlocks
        Folds.
    alpha : float
        Regularisation strength.
    rotated : (n_rows, n_voxels) Array
        Responses after `Eigendecomposition.rotate`.
    backend : Backend
        Owns the vectors.

    Returns
    -------
    np.ndarray
        (n_voxels,) float64.
    """
    shrunk = backend.asarray(eigen.shrinkage(alpha))[:, None]
    QY = backend.to_numpy(eigen.vectors @ (shrunk * rotated))
    total = np.zeros(QY.shape[1])
    for (start, stop), weight in zip(blocks.bounds, blocks.weights, strict=True):
        rows = eigen.vectors[start:stop]
        Q_ff = backend.to_numpy((rows * shrunk[:, 0]) @ rows.T)
        errors = _solve(Q_ff, QY[start:stop])
        total += weight * np.einsum("ij,ij->j", errors, errors, dtype=np.float64)
    return total


def error_rows(eigen: Eigendecomposition, blocks: FoldBlocks, alpha: float, backend: Backend) -> np.ndarray:
    """Compute the matrix E whose product with y are the held-out errors times the root of their weights.

    Parameters
    ----------
    eigen : Eigendecomposition
        Decomposition of the kernel.
    blocks : FoldBlocks
        Folds.
    alpha : float
        Regularisation strength.
    backend : Backend
        Owns the vectors.

    Returns
    -------
    np.ndarray
        (n_rows, n_rows) float32.
    """
    shrunk = backend.asarray(eigen.shrinkage(alpha))
    Q = backend.to_numpy((eigen.vectors * shrunk) @ eigen.vectors.T)
    return np.concatenate(
        [
            (np.sqrt(weight) * _solve(Q[start:stop, start:stop], Q[start:stop])).astype(np.float32)
            for (start, stop), weight in zip(blocks.bounds, blocks.weights, strict=True)
        ]
    )


class QuadraticLoss:
    """Loss of one candidate and alpha as a function of y, |E y|^2, prepared for many voxels.

    Parameters
    ----------
    errors : (n_rows, n_rows) array
        The matrix E.
    n_voxels : int
        Number of voxels for which the loss will be computed in all.
    backend : Backend
        Computes the products.
    buffer : SpillBuffer or None
        Stores the matrix between calls; None to leave it on the backend.
    """

    def __init__(self, errors: np.ndarray, n_voxels: int, backend: Backend, buffer: SpillBuffer | None = None) -> None:
        self.backend, self.added = backend, 0.0
        factor = self._triangle(errors) if n_voxels > VOXELS_PER_ROW * len(errors) else None
        size = -(-len(errors) // TRIANGLE_BLOCKS)
        rows = errors if factor is None else factor
        self.row_blocks: list[tuple[int, Callable[[], Array]]] = []  # first column of each block, and its rows
        for start in range(0, len(rows), size):
            first = 0 if factor is None else start
            block = np.ascontiguousarray(rows[start : start + size, first:])
            # A view of the factor would hold its whole square in memory.
            self.row_blocks.append((first, _on_backend(block if factor is None else block.copy(), backend, buffer)))

    def __call__(self, Y: Array, squares: np.ndarray) -> np.ndarray:
        """Loss (n_voxels,) float64 of Y (n_rows, n_voxels), whose sums of squares are `squares`."""
        total = -self.added * squares
        for first, block in self.row_blocks:
            errors = block() @ Y[first:]
            errors *= errors
            total += self.backend.to_numpy(errors.sum(0))
        return total

    def _triangle(self, errors: np.ndarray) -> np.ndarray | None:
        """R, upper triangular, with R'R = E'E + added I: half the work per voxel. None if float32 does not allow it."""
        on_backend = self.backend.asarray(errors)
        M = self.backend.to_numpy(on_backend.T @ on_backend)
        added = float(JITTER * M.diagonal().max())
        M.flat[:: len(M) + 1] += added
        try:
            factor = upper_cholesky(M)
        except LinAlgError:
            return None
        self.added = added
        return factor


def _on_backend(block: np.ndarray, backend: Backend, buffer: SpillBuffer | None) -> Callable[[], Array]:
    """The block on the backend: moved there once, or each time from the buffer."""
    if buffer is None:
        moved = backend.asarray(block)
        return lambda: moved
    stored = buffer.store(block)
    return lambda: backend.asarray(stored())


def _solve(Q_ff: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Q_ff^-1 right; in float64 where float32 rounding leaves Q_ff not positive definite."""
    try:
        return solve_positive_definite(Q_ff, right)
    except LinAlgError:
        return np.linalg.solve(Q_ff.astype(np.float64), right).astype(right.dtype)
