"""Fewer rows for the same cross-validation, where features repeat themselves within folds.

Let U_f be an orthonormal basis of the columns of all bands within the rows of fold f. Projecting the fold's rows by
U_f' keeps every inner product of features between folds, and so every ridge prediction for held-out folds. The
component of y outside U_f cannot be predicted by any weights and alpha; it is a constant of the loss. Eight categories
at five delays span 40 dimensions, however many volumes a run has. Features that span all dimensions are left as they
are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.cross_validation import Folds
from brivl.core.parallel import map_in_order, n_at_once

# Eigenvalues below this fraction of the largest are float32 rounding of the features (about 1e-14), not features. The
# components left out are far below the smallest alpha of any preset.
RANK_TOLERANCE = 1e-11
# Rows are projected only if that removes this fraction of them.
MIN_REDUCTION = 0.3


@dataclass(frozen=True)
class CompressedFolds:
    """Data of a search over folds, projected or not."""

    Xs: list[np.ndarray]  # bands (n_rows, n_features)
    Y: np.ndarray  # (n_rows, n_voxels)
    folds: Folds
    fold_weights: np.ndarray  # (n_folds,) projected over original rows: errors become means over the original rows
    lost_error: np.ndarray  # (n_voxels,) mean squared error that the projection has removed from the loss


@dataclass(frozen=True)
class FoldProjection:
    """Projection of the rows of each fold on orthonormal bases of the features in it."""

    held_out: list[np.ndarray]  # rows of each fold
    bases: list[np.ndarray]  # (n_held_out, rank) of each fold

    @classmethod
    def of(cls, Xs: list[np.ndarray], folds: Folds, scales: np.ndarray) -> FoldProjection | None:
        """Make the projection, if it is worthwhile.

        Parameters
        ----------
        Xs : list of (n_rows, n_features) arrays
            Bands.
        folds : Folds
            Folds that choose weights and alpha.
        scales : (n_bands,) array
            Scales of the kernels of the bands.

        Returns
        -------
        FoldProjection or None
            None unless rows become fewer by `MIN_REDUCTION`.
        """
        n_rows = len(Xs[0])
        if not is_partition(folds, n_rows):
            return None
        held_out = [test for _, test in folds]
        n_threads = n_at_once(5 * 8 * max(map(len, held_out)) * sum(X.shape[1] for X in Xs))
        bases = list(map_in_order(lambda rows: _basis([X[rows] for X in Xs], scales), held_out, n_threads))
        ranks = np.array([U.shape[1] for U in bases])
        if ranks.sum() > (1 - MIN_REDUCTION) * n_rows or ranks.min() == 0:
            return None
        return cls(held_out, bases)

    def project(self, data: np.ndarray) -> np.ndarray:
        """Project features or responses.

        Parameters
        ----------
        data : (n_rows, n_columns) array
            Rows in their original order.

        Returns
        -------
        np.ndarray
            (sum of ranks, n_columns), the rows of fold after fold.
        """
        return np.concatenate([U.T @ data[rows] for U, rows in zip(self.bases, self.held_out, strict=True)])

    def lost_error(self, Y: np.ndarray) -> np.ndarray:
        """Measure the squared error that the projection removes from the loss.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses.

        Returns
        -------
        np.ndarray
            (n_voxels,) mean over rows of a fold, then over folds.
        """
        pairs = zip(self.bases, self.held_out, strict=True)
        return np.mean([np.square(Y[r] - U @ (U.T @ Y[r])).mean(0) for U, r in pairs], axis=0)

    @property
    def folds(self) -> tuple[Folds, np.ndarray]:
        """Folds of the projected rows.

        Returns
        -------
        tuple
            Folds, and their weights (n_folds,).
        """
        ranks = np.array([U.shape[1] for U in self.bases])
        return _consecutive(ranks), ranks / np.array([len(rows) for rows in self.held_out])


def compress_folds(Xs: list[np.ndarray], Y: np.ndarray, folds: Folds, scales: np.ndarray) -> CompressedFolds:
    """Project rows fold by fold if that makes them fewer by `MIN_REDUCTION`, else leave them as they are.

    Parameters
    ----------
    Xs : list of (n_rows, n_features) arrays
        Bands.
    Y : (n_rows, n_voxels) array
        Responses.
    folds : Folds
        Folds that choose weights and alpha.
    scales : (n_bands,) array
        Scales of the kernels of the bands.

    Returns
    -------
    CompressedFolds
        Data of the search.
    """
    projection = FoldProjection.of(Xs, folds, scales)
    if projection is None:
        return CompressedFolds(Xs, Y, folds, np.ones(len(folds)), np.zeros(Y.shape[1], np.float32))
    projected = [projection.project(X) for X in Xs]
    return CompressedFolds(projected, projection.project(Y), *projection.folds, projection.lost_error(Y))


def is_partition(folds: Folds, n_rows: int) -> bool:
    """Check that each row is held out once, and that each fold trains on all rows that it does not hold out.

    Parameters
    ----------
    folds : Folds
        Folds to check.
    n_rows : int
        Number of rows.

    Returns
    -------
    bool
        Whether both hold.
    """
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
    ends, all_rows = np.cumsum(sizes), np.arange(sizes.sum())
    tests = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return [(np.setdiff1d(all_rows, test), test) for test in tests]
