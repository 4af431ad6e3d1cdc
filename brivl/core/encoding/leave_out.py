"""Errors of ridge regression on rows held out in blocks, from one eigendecomposition of the whole kernel.

With Q = (K + a I)^-1 the error of the rows f, predicted from all others, is Q_ff^-1 (Q y)_f (Cook and Weisberg 1982 for
single rows; the same algebra holds for blocks). No fold needs a decomposition of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky

from brivl.core.encoding.problem import Array
from brivl.core.encoding.spill_buffer import SpillBuffer

# Added to the diagonal of a loss that is to be factored, as a share of its largest entry; what it adds is taken off.
JITTER = 2e-6
# Rows of a triangular factor are multiplied in this many blocks; the zeros of 1/16 of the square are computed with.
TRIANGLE_BLOCKS = 8
# A triangular factor costs 2.3 n^3 more to make and 0.9 n^2 less per voxel.
VOXELS_PER_ROW = 2.7
# An alpha is lost in float32 rounding of a kernel if it is below this share of the largest eigenvalue.
SMALLEST_SHARE = 1e-7
# Kernels of so few rows are decomposed in float64, which costs next to nothing and keeps near-ties as they are.
FLOAT64_ROWS = 512


@dataclass(frozen=True)
class FoldBlocks:
    """Rows in the order of the folds that hold them out, and the weight of each fold's squared errors."""

    order: np.ndarray  # (n_rows,) rows of fold 0, then of fold 1, ...
    bounds: Sequence[tuple[int, int]]  # of each fold in that order
    weights: np.ndarray  # (n_folds,) what a squared error counts: fold weight / (n_folds * n_held_out)

    @classmethod
    def of(cls, tests: Sequence[np.ndarray], fold_weights: np.ndarray) -> FoldBlocks:
        """From the held-out rows of each fold, which must part the rows."""
        ends = np.cumsum([len(test) for test in tests]).tolist()
        bounds = list(zip([0, *ends[:-1]], ends, strict=True))
        sizes = np.array([len(test) for test in tests])
        return cls(np.concatenate(tests), bounds, np.asarray(fold_weights) / (len(tests) * sizes))

    @property
    def row_weights(self) -> np.ndarray:
        """Weight of each row's squared error, (n_rows,) float32."""
        return np.repeat(self.weights, [stop - start for start, stop in self.bounds]).astype(np.float32)


@dataclass(frozen=True)
class Eigendecomposition:
    """K = vectors diag(values) vectors', rows in the order of `Blocks`."""

    values: np.ndarray  # (n_rows,) ascending, not negative
    vectors: Array  # (n_rows, n_rows)
    smallest_alpha: float  # alphas below are lost in rounding

    @classmethod
    def of(cls, K: np.ndarray, order: np.ndarray, backend: ModuleType) -> Eigendecomposition:
        """Decompose K (n_rows, n_rows) and put rows into the order given."""
        K = K.astype(np.float64) if len(K) <= FLOAT64_ROWS else K
        values, vectors = (backend.to_numpy(part) for part in backend.eigh(backend.asarray(K)))
        smallest = max(-2 * float(values[0]), SMALLEST_SHARE * float(values[-1]))
        in_order = vectors if np.array_equal(order, np.arange(len(order))) else vectors[order]
        return cls(np.maximum(values, 0), backend.asarray(in_order), smallest)

    def kept(self, shelf: SpillBuffer, backend: ModuleType) -> Callable[[], Eigendecomposition]:
        """Itself for later, the vectors on a shelf."""
        vectors = shelf.keep(backend.to_numpy(self.vectors))
        values, smallest = self.values, self.smallest_alpha
        return lambda: Eigendecomposition(values, backend.asarray(vectors()), smallest)

    def shrinkage(self, alpha: float) -> np.ndarray:
        """alpha / (values + alpha): eigenvalues of alpha Q, which stay in range for any alpha."""
        return (alpha / (self.values.astype(np.float64) + alpha)).astype(self.values.dtype)

    def turn(self, Y: np.ndarray, backend: ModuleType) -> Array:
        """vectors' Y in the precision of the vectors; Y (n_rows, n_voxels)."""
        return self.vectors.T @ backend.asarray(np.ascontiguousarray(Y, self.values.dtype))


def dual_weights(eigen: Eigendecomposition, Y: np.ndarray, alphas: np.ndarray, backend: ModuleType) -> np.ndarray:
    """(K + a_v I)^-1 y_v for each voxel: (n_rows, n_voxels) from Y (n_rows, n_voxels), alphas (n_voxels,)."""
    turned = eigen.turn(Y, backend)
    turned /= backend.asarray(eigen.values[:, None] + alphas.astype(eigen.values.dtype))
    return backend.to_numpy(eigen.vectors @ turned)


def held_out_losses(
    eigen: Eigendecomposition, blocks: FoldBlocks, alpha: float, turned: Array, backend: ModuleType
) -> np.ndarray:
    """Held-out loss of few voxels at one alpha, (n_voxels,) float64; turned = vectors' Y (n_rows, n_voxels)."""
    shrunk = backend.asarray(eigen.shrinkage(alpha))[:, None]
    QY = backend.to_numpy(eigen.vectors @ (shrunk * turned))
    total = np.zeros(QY.shape[1])
    for (start, stop), weight in zip(blocks.bounds, blocks.weights, strict=True):
        rows = eigen.vectors[start:stop]
        Q_ff = backend.to_numpy((rows * shrunk[:, 0]) @ rows.T)
        errors = _solve(Q_ff, QY[start:stop])
        total += weight * np.einsum("ij,ij->j", errors, errors, dtype=np.float64)
    return total


def error_rows(eigen: Eigendecomposition, blocks: FoldBlocks, alpha: float, backend: ModuleType) -> np.ndarray:
    """Matrix E (n_rows, n_rows) whose product with y are the held-out errors times the root of their weights."""
    shrunk = backend.asarray(eigen.shrinkage(alpha))
    Q = backend.to_numpy((eigen.vectors * shrunk) @ eigen.vectors.T)
    return np.concatenate(
        [
            (np.sqrt(weight) * _solve(Q[start:stop, start:stop], Q[start:stop])).astype(np.float32)
            for (start, stop), weight in zip(blocks.bounds, blocks.weights, strict=True)
        ]
    )


class QuadraticLoss:
    """The loss of one candidate and alpha as a function of y, |E y|^2, prepared for many voxels."""

    def __init__(
        self, errors: np.ndarray, n_voxels: int, backend: ModuleType, shelf: SpillBuffer | None = None
    ) -> None:
        """n_voxels: that will be asked for in all. With a shelf the matrix is kept there between calls."""
        self.backend, self.added = backend, 0.0
        factor = self._triangle(errors) if n_voxels > VOXELS_PER_ROW * len(errors) else None
        size = -(-len(errors) // TRIANGLE_BLOCKS)
        rows = errors if factor is None else factor
        self.parts: list[tuple[int, Callable[[], Array]]] = []
        for start in range(0, len(rows), size):
            first = 0 if factor is None else start
            part = np.ascontiguousarray(rows[start : start + size, first:])
            # A view of the factor would keep its whole square.
            self.parts.append((first, _on_backend(part if factor is None else part.copy(), backend, shelf)))

    def __call__(self, Y: Array, squares: np.ndarray) -> np.ndarray:
        """Loss (n_voxels,) float64 of Y (n_rows, n_voxels), whose sums of squares are `squares`."""
        total = -self.added * squares
        for first, part in self.parts:
            errors = part() @ Y[first:]
            errors *= errors
            total += self.backend.to_numpy(errors.sum(0))
        return total

    def _triangle(self, errors: np.ndarray) -> np.ndarray | None:
        """R, upper triangular, with R'R = E'E + added I: half the work per voxel. None if float32 does not allow it."""
        on_device = self.backend.asarray(errors)
        M = self.backend.to_numpy(on_device.T @ on_device)
        added = float(JITTER * M.diagonal().max())
        M.flat[:: len(M) + 1] += added
        try:
            factor = cholesky(M, lower=False, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return None
        self.added = added
        return factor


def _on_backend(part: np.ndarray, backend: ModuleType, shelf: SpillBuffer | None) -> Callable[[], Array]:
    """The part where the backend computes: moved there once, or each time from the shelf."""
    if shelf is None:
        moved = backend.asarray(part)
        return lambda: moved
    kept = shelf.keep(part)
    return lambda: backend.asarray(kept())


def _solve(Q_ff: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Q_ff^-1 right; in float64 where float32 rounding leaves Q_ff not positive definite."""
    try:
        factor = cho_factor(Q_ff, lower=True, check_finite=False)
    except LinAlgError:
        return np.linalg.solve(Q_ff.astype(np.float64), right).astype(right.dtype)
    return cho_solve(factor, right, check_finite=False)
