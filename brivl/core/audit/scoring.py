"""Scores of a valid protocol and of invalid ones: by fold, and of voxels selected on other data or on the same data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brivl.core.inference.contributions import Predictions, split_contributions
from brivl.core.records import Truth


def r2_by_fold(predictions: Predictions, folds: np.ndarray) -> np.ndarray:
    """Compute R2 in each fold of the held-out samples.

    Parameters
    ----------
    predictions : Predictions
        Held-out responses and predictions.
    folds : (n_samples,) array
        Label of each sample, in place of predictions.folds.

    Returns
    -------
    np.ndarray
        (n_folds, 1 + n_bands, n_voxels), the joint model first, then the bands. Voxels without a score in some fold are
        NaN.

    Notes
    -----
    Band j of fold f: sum_f yhat_j (2y - sum_k yhat_k) / sum_f y^2.
    """
    names, index = np.unique(folds, return_inverse=True)
    data = Predictions(predictions.measured, predictions.bands, index)
    r2 = np.full((len(names), 1 + len(data.bands), data.n_voxels), np.nan)
    for batch, y, bands, usable in data.scaled_batches(1):
        split = split_contributions(y, bands)
        sums = np.stack([split[:, index == i].sum(1, dtype=np.float64) for i in range(len(names))]) * len(names)
        r2[:, 1:, batch] = np.where(usable, sums, np.nan)
    r2[:, 0] = r2[:, 1:].sum(1)
    return r2


def halves(n_samples: int) -> np.ndarray:
    """Divide a test run into its first and second half.

    Parameters
    ----------
    n_samples : int
        Number of samples.

    Returns
    -------
    np.ndarray
        (n_samples,) 0 or 1.
    """
    return (np.arange(n_samples) >= n_samples // 2).astype(int)


@dataclass(frozen=True)
class SelectedScores:
    """Means over voxels that were selected for R2 > 0."""

    r2: np.ndarray  # (1 + n_bands,) mean over selected voxels and over folds
    n_voxels: float  # number of selected voxels, mean over folds
    kept: np.ndarray  # (n_folds, n_voxels) bool, the folds in which each voxel counts


def score_selected_voxels(r2_of_folds: np.ndarray, by_itself: bool) -> SelectedScores:
    """Compute the mean R2 of voxels that are selected for a joint R2 above 0.

    Parameters
    ----------
    r2_of_folds : (n_folds, 1 + n_bands, n_voxels) array
        As from `r2_by_fold`, of two or more folds.
    by_itself : bool
        Select voxels by the data on which they are scored, so that noise that happens to agree with the prediction
        selects a voxel and counts for it. Otherwise every fold is scored over voxels that the other folds select.

    Returns
    -------
    SelectedScores
        Means; NaN where no voxel is selected.
    """
    joint = r2_of_folds[:, 0]
    total = joint.sum(0)
    criterion = np.broadcast_to(total, joint.shape) if by_itself else total - joint
    kept = criterion > 0  # False for NaN
    means = [r2[:, inside].mean(1) for r2, inside in zip(r2_of_folds, kept, strict=True) if inside.any()]
    mean = np.mean(means, axis=0) if means else np.full(r2_of_folds.shape[1], np.nan)
    return SelectedScores(mean, float(kept.sum(1).mean()), kept)


@dataclass(frozen=True)
class TruthErrors:
    """Deviation of scores from the ground truth; NaN for an empty set of voxels."""

    null_r2: float  # mean joint R2 of null voxels, where the truth is 0
    difference_error: float  # root mean square error of the difference A − B


def errors_against_truth(
    r2: np.ndarray, truth: Truth, models: tuple[str, str], null_voxels: np.ndarray, signal_voxels: np.ndarray
) -> TruthErrors:
    """Compare scores with the ground truth of a simulation.

    Parameters
    ----------
    r2 : (3, n_voxels) array
        R2 of the joint model, of A and of B.
    truth : Truth
        Ground truth.
    models : tuple of str
        Names of A and B.
    null_voxels : (n_voxels,) bool array
        Voxels without signal.
    signal_voxels : (n_voxels,) bool array
        Voxels that are driven by a layer near the fitted one.

    Returns
    -------
    TruthErrors
        Errors in both sets of voxels.
    """
    order = slice(None) if models[0] == truth.models[0] else slice(None, None, -1)
    oracle = np.subtract(*truth.oracle_split[order])
    error = (r2[1] - r2[2] - oracle)[signal_voxels]
    return TruthErrors(_finite_mean(r2[0, null_voxels]), float(np.sqrt(_finite_mean(np.square(error)))))


def _finite_mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
