"""Fewer rows for the same cross-validation, where features repeat themselves within folds.

Let U_f be an orthonormal basis of the columns of all bands within the rows of fold f. Turning the fold's rows by U_f'
keeps every inner product of features between folds, so every ridge prediction for held-out folds; what of y lies
outside U_f is missed by any weights and alpha and is a constant of the loss. Eight categories at five delays span 40
dimensions, however many volumes a run has; rich features span them all, and then nothing is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.cross_validation import Folds
from brivl.core.parallel import map_in_order, n_at_once

# Eigenvalues below this share of the largest are float32 rounding of the features (about 1e-14), not features; what is
# dropped is far below the smallest alpha of any preset.
RANK_TOLERANCE = 1e-11
# Turning is left aside unless it removes this share of the rows.
WORTHWHILE = 0.3


@dataclass(frozen=True)
class CompressedFolds:
    """What a search over folds needs, turned or not."""

    Xs: list[np.ndarray]  # bands (n_rows, n_features)
    Y: np.ndarray  # (n_rows, n_voxels)
    folds: Folds
    fold_weights: np.ndarray  # (n_folds,) turned over original rows: errors become means over the original
    unreachable: np.ndarray  # (n_voxels,) mean squared error that turning has taken out of the loss


@dataclass(frozen=True)
class FoldProjection:
    """How the rows of each fold are turned: by orthonormal bases (n_held_out, rank) of the features there."""

    held_out: list[np.ndarray]
    bases: list[np.ndarray]

    @classmethod
    def of(cls, Xs: list[np.ndarray], folds: Folds, scales: np.ndarray) -> FoldProjection | None:
        """From bands (n_rows, n_features) and the scales of their kernels; None unless rows become fewer by a third."""
        n_rows = len(Xs[0])
        if not is_partition(folds, n_rows):
            return None
        held_out = [test for _, test in folds]
        n_threads = n_at_once(5 * 8 * max(map(len, held_out)) * sum(X.shape[1] for X in Xs))
        bases = list(map_in_order(lambda rows: _basis([X[rows] for X in Xs], scales), held_out, n_threads))
        ranks = np.array([U.shape[1] for U in bases])
        if ranks.sum() > (1 - WORTHWHILE) * n_rows or ranks.min() == 0:
            return None
        return cls(held_out, bases)

    def rows(self, part: np.ndarray) -> np.ndarray:
        """Features or responses (n_rows, n_columns) turned: (sum of ranks, n_columns)."""
        return np.concatenate([U.T @ part[rows] for U, rows in zip(self.bases, self.held_out, strict=True)])

    def missed(self, Y: np.ndarray) -> np.ndarray:
        """Mean squared error (n_voxels,) that turning takes out of the loss."""
        pairs = zip(self.bases, self.held_out, strict=True)
        return np.mean([np.square(Y[r] - U @ (U.T @ Y[r])).mean(0) for U, r in pairs], axis=0)

    @property
    def folds(self) -> tuple[Folds, np.ndarray]:
        """Folds of the turned rows, and their weights."""
        ranks = np.array([U.shape[1] for U in self.bases])
        return _consecutive(ranks), ranks / np.array([len(rows) for rows in self.held_out])


def compress_folds(Xs: list[np.ndarray], Y: np.ndarray, folds: Folds, scales: np.ndarray) -> CompressedFolds:
    """Rows turned fold by fold if that makes them fewer by a third, else as they are.

    Xs: bands (n_rows, n_features), Y (n_rows, n_voxels), scales (n_bands,) of the bands' kernels.
    """
    turn = FoldProjection.of(Xs, folds, scales)
    if turn is None:
        return CompressedFolds(Xs, Y, folds, np.ones(len(folds)), np.zeros(Y.shape[1], np.float32))
    return CompressedFolds([turn.rows(X) for X in Xs], turn.rows(Y), *turn.folds, turn.missed(Y))


def is_partition(folds: Folds, n_rows: int) -> bool:
    """Whether each row is held out once, and each fold trains on all rows that it does not hold out."""
    held_out = np.sort(np.concatenate([test for _, test in folds]))
    complete = all(len(train) + len(test) == n_rows for train, test in folds)
    return complete and np.array_equal(held_out, np.arange(n_rows))


def _basis(bands: Sequence[np.ndarray], scales: np.ndarray) -> np.ndarray:
    """Orthonormal basis (n_rows, rank) float32 of the columns of all bands, each scaled as its kernel is."""
    weighted = [X.astype(np.float64) * np.sqrt(scale) for X, scale in zip(bands, scales, strict=True)]
    values, vectors = np.linalg.eigh(sum(X @ X.T for X in weighted))
    return vectors[:, values > RANK_TOLERANCE * values[-1]].astype(np.float32)


def _consecutive(sizes: np.ndarray) -> Folds:
    """Folds that hold out consecutive blocks of these sizes."""
    ends, everything = np.cumsum(sizes), np.arange(sizes.sum())
    tests = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return [(np.setdiff1d(everything, test), test) for test in tests]
