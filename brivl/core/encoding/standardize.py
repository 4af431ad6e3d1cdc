"""Scaling of responses over time, without exchange of variance between held-out runs and training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from brivl.core.encoding.delays import run_bounds
from brivl.core.parallel import map_in_order, n_at_once

BLOCK = 1024  # columns whose standard deviation is measured at once
WORTH_THREADS = 500_000  # values of an array

Part = TypeVar("Part")


def zscore_runs(Y: np.ndarray, run_onsets: np.ndarray) -> np.ndarray:
    """Scale each run of each voxel to mean 0 and (population) variance 1.

    Parameters
    ----------
    Y : (n_samples, n_voxels) array
        Responses.
    run_onsets : (n_runs,) array
        First row of each run.

    Returns
    -------
    np.ndarray
        (n_samples, n_voxels), computed in float64 and returned in the type of Y. A voxel without variance in a run, or
        with NaN, is NaN throughout that run, never infinite.
    """
    scaled = np.empty(Y.shape, _float_dtype(Y))

    def scale(bounds: tuple[int, int]) -> None:
        run = Y[slice(*bounds)].astype(np.float64)
        scaled[slice(*bounds)] = (run - run.mean(0)) / _std_or_nan(run)

    _for_each(scale, run_bounds(run_onsets, len(Y)), Y)
    return scaled


def centre_runs(Y: np.ndarray, run_onsets: np.ndarray) -> np.ndarray:
    """Subtract the mean of each run of each voxel.

    Parameters
    ----------
    Y : (n_samples, n_voxels) array
        Responses.
    run_onsets : (n_runs,) array
        First row of each run.

    Returns
    -------
    np.ndarray
        (n_samples, n_voxels) in the type of Y.
    """
    centred = np.empty(Y.shape, _float_dtype(Y))

    def centre(bounds: tuple[int, int]) -> None:
        run = Y[slice(*bounds)]
        centred[slice(*bounds)] = run - run.mean(0, dtype=np.float64)

    _for_each(centre, run_bounds(run_onsets, len(Y)), Y)
    return centred


def constant_in_some_run(Y: np.ndarray, run_onsets: np.ndarray) -> np.ndarray:
    """Find voxels whose response does not change in at least one run.

    Parameters
    ----------
    Y : (n_samples, n_voxels) array
        Responses; NaN does not count as constant.
    run_onsets : (n_runs,) array
        First row of each run.

    Returns
    -------
    np.ndarray
        (n_voxels,) bool.
    """
    bounds = run_bounds(run_onsets, len(Y))
    return np.any([Y[start:stop].max(0) == Y[start:stop].min(0) for start, stop in bounds], axis=0)


class TrainingScaler:
    """Mean and standard deviation of training rows, which scale the held-out rows.

    With run_onsets the standard deviation is that within runs (root of the mean variance about each run's own mean),
    and `transform` with run_onsets subtracts each new run's own mean: the baseline of BOLD is arbitrary in every run,
    its scale is not.

    Attributes
    ----------
    mean_ : (n_voxels,) array
        Mean of the training rows.
    std_ : (n_voxels,) array
        Standard deviation of the training rows; NaN where there is no variance.

    Notes
    -----
    scikit-learn's StandardScaler has no runs, leaves columns without variance as they are where this class gives NaN
    (such a voxel has no score), and ignores NaN where this class passes it on.
    """

    mean_: np.ndarray
    std_: np.ndarray

    def fit(self, Y: np.ndarray, run_onsets: np.ndarray | None = None) -> TrainingScaler:
        """Measure the mean and standard deviation.

        Parameters
        ----------
        Y : (n_train, n_voxels) array
            Training responses.
        run_onsets : (n_runs,) array or None
            First row of each run; None for rows that are no time series.

        Returns
        -------
        TrainingScaler
            This object.
        """
        rows = Y.astype(np.float64)
        self.mean_ = rows.mean(0)
        within = rows if run_onsets is None else centre_runs(rows, run_onsets)
        self.std_ = _std_or_nan(within)
        return self

    def transform(self, Y: np.ndarray, run_onsets: np.ndarray | None = None) -> np.ndarray:
        """Scale responses by the training standard deviation.

        Parameters
        ----------
        Y : (n_samples, n_voxels) array
            Responses.
        run_onsets : (n_runs,) array or None
            First row of each run; None for rows that are no time series.

        Returns
        -------
        np.ndarray
            (n_samples, n_voxels) in the type of Y.
        """
        centred = Y - self.mean_ if run_onsets is None else centre_runs(Y.astype(np.float64), run_onsets)
        return (centred / self.std_).astype(_float_dtype(Y))


def _std_or_nan(rows: np.ndarray) -> np.ndarray:
    """Population standard deviation per column; NaN where all rows are equal, which rounding may hide."""
    std = np.empty(rows.shape[1:])

    def measure(block: slice) -> None:
        some = rows[:, block]
        std[block] = np.where(some.max(0) == some.min(0), np.nan, some.std(0))

    # No block of a single column, whose rows numpy adds up in another order.
    edges = [*range(0, max(rows.shape[1] - 1, 1), BLOCK), rows.shape[1]]
    _for_each(measure, [slice(start, stop) for start, stop in pairwise(edges)], rows)
    return std


def _for_each(work: Callable[[Part], None], parts: Sequence[Part], Y: np.ndarray) -> None:
    """Do the work for runs or blocks of columns, side by side if it takes longer than starting threads."""
    n_bytes = 3 * 8 * Y.size // max(1, len(parts))
    for _ in map_in_order(work, parts, n_at_once(n_bytes) if Y.size > WORTH_THREADS else 1):
        pass


def _float_dtype(Y: np.ndarray) -> np.dtype:
    return Y.dtype if np.issubdtype(Y.dtype, np.floating) else np.dtype(np.float64)
