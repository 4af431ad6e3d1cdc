"""Scaling of responses over time. A held-out run never lends its variance to the training rows, nor theirs to it."""

from __future__ import annotations

import numpy as np

from brivl.core.encoding.delays import run_bounds


def zscore_runs(Y: np.ndarray, run_onsets: np.ndarray) -> np.ndarray:
    """Each run of each voxel with mean 0 and variance 1 (population), computed in float64, returned in Y's dtype.

    Y (n_samples, n_voxels). A voxel without variance in a run, or with NaN, is NaN throughout that run, never inf.
    """
    scaled = np.empty(Y.shape, _float_dtype(Y))
    for start, stop in run_bounds(run_onsets, len(Y)):
        run = Y[start:stop].astype(np.float64)
        scaled[start:stop] = (run - run.mean(0)) / _std_or_nan(run)
    return scaled


def centre_runs(Y: np.ndarray, run_onsets: np.ndarray) -> np.ndarray:
    """Each run of each voxel with mean 0; Y (n_samples, n_voxels), same shape and dtype back."""
    centred = np.empty(Y.shape, _float_dtype(Y))
    for start, stop in run_bounds(run_onsets, len(Y)):
        centred[start:stop] = Y[start:stop] - Y[start:stop].mean(0, dtype=np.float64)
    return centred


def detrend_runs(Y: np.ndarray, run_onsets: np.ndarray, order: int = 1) -> np.ndarray:
    """Each run less its least-squares polynomial in time of the given order (0: the mean, 1: a line).

    Y (n_samples, n_voxels), computed in float64, returned in Y's dtype. A run of `order` + 1 rows or less becomes 0.
    """
    detrended = np.empty(Y.shape, _float_dtype(Y))
    for start, stop in run_bounds(run_onsets, len(Y)):
        time = np.linspace(-1.0, 1.0, stop - start)
        # Legendre polynomials are nearly orthogonal on an even grid, so high orders stay well conditioned.
        trends, _ = np.linalg.qr(np.polynomial.legendre.legvander(time, min(order, stop - start - 1)))
        run = Y[start:stop].astype(np.float64)
        detrended[start:stop] = run - trends @ (trends.T @ run)
    return detrended


def constant_in_some_run(Y: np.ndarray, run_onsets: np.ndarray) -> np.ndarray:
    """Voxels whose response does not change in at least one run: (n_voxels,) bool. NaN is not called constant."""
    bounds = run_bounds(run_onsets, len(Y))
    return np.any([Y[start:stop].max(0) == Y[start:stop].min(0) for start, stop in bounds], axis=0)


class TrainingScaler:
    """Mean and standard deviation of training rows, applied to whatever comes after.

    With run_onsets the deviation is that within runs (root of the mean variance about each run's own mean), and
    `transform` with run_onsets takes each new run's own mean off: the baseline of BOLD is arbitrary in every run, its
    scale is not.
    """

    mean_: np.ndarray  # (n_voxels,)
    std_: np.ndarray  # (n_voxels,), NaN where there is no variance

    def fit(self, Y: np.ndarray, run_onsets: np.ndarray | None = None) -> TrainingScaler:
        """Y (n_train, n_voxels); run_onsets (n_runs,) or None for rows that are no time series."""
        rows = Y.astype(np.float64)
        self.mean_ = rows.mean(0)
        within = rows if run_onsets is None else centre_runs(rows, run_onsets)
        self.std_ = _std_or_nan(within)
        return self

    def transform(self, Y: np.ndarray, run_onsets: np.ndarray | None = None) -> np.ndarray:
        """Y (n_samples, n_voxels) in units of the training deviation, in Y's dtype."""
        centred = Y - self.mean_ if run_onsets is None else centre_runs(Y.astype(np.float64), run_onsets)
        return (centred / self.std_).astype(_float_dtype(Y))


def _std_or_nan(rows: np.ndarray) -> np.ndarray:
    """Population deviation per column; NaN where all rows are equal, which rounding can turn into a tiny number."""
    return np.where(rows.max(0) == rows.min(0), np.nan, rows.std(0))


def _float_dtype(Y: np.ndarray) -> np.dtype:
    return Y.dtype if np.issubdtype(Y.dtype, np.floating) else np.dtype(np.float64)
