"""Nuisance regressors of a design, such as stimulus on/off, regressed out of responses and features.

Weights are fitted to the training rows of a split and applied to all rows, so that no held-out response takes part. By
the theorem of Frisch, Waugh and Lovell, what is left of responses predicted from what is left of features is what
features add to the nuisance regressors.
"""

from __future__ import annotations

import numpy as np

from brivl.core.encoding.delays import delay
from brivl.core.encoding.presets import Preset, lags
from brivl.core.encoding.standardize import centre_runs
from brivl.core.records import Design
from brivl.core.simulation.hrf import convolve_runs


def nuisance_columns(design: Design, preset: Preset) -> np.ndarray | None:
    """Delay or convolve the nuisance regressors as the features are, and centre them within runs.

    Parameters
    ----------
    design : Design
        Samples of the subject.
    preset : Preset
        Delays.

    Returns
    -------
    np.ndarray or None
        (n_train + n_test, n_columns) float64; None where the design has no nuisance regressors.
    """
    if design.nuisance is None:
        return None
    columns, onsets = np.asarray(design.nuisance, float), np.asarray(design.run_onsets)
    if design.n_test:
        onsets = np.r_[onsets, design.n_train + np.asarray(design.test_onsets)]
    if design.tr is not None:
        hrf = preset.response == "hrf"
        columns = convolve_runs(columns, design.tr, onsets) if hrf else delay(columns, lags(preset, design.tr), onsets)
    if design.cleaning is not None:
        columns = design.cleaning.apply(columns)
    return centre_runs(columns, onsets)


def regress_out(values: np.ndarray, columns: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Subtract what the nuisance regressors predict of features.

    Parameters
    ----------
    values : (n_samples, n_features) array
        Features.
    columns : (n_samples, n_columns) array
        Nuisance regressors.
    train : (n_fit,) array
        Rows to which weights are fitted.

    Returns
    -------
    np.ndarray
        (n_samples, n_features) in the type of the features.
    """
    weights = np.linalg.pinv(columns[train]) @ values[train]
    return (values - columns @ weights).astype(values.dtype)


def regress_out_of_split(
    Y_train: np.ndarray, Y_test: np.ndarray, columns: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Subtract what the nuisance regressors predict of the responses of one split.

    Parameters
    ----------
    Y_train : (n_fit, n_voxels) array
        Responses of the rows to fit.
    Y_test : (n_held_out, n_voxels) array
        Responses of the rows to score.
    columns : (n_samples, n_columns) array
        Nuisance regressors.
    train, test : int arrays
        Rows to fit and to score.

    Returns
    -------
    tuple of np.ndarray
        What is left of both, and (n_voxels,) R2 of the nuisance regressors on the rows to score.
    """
    weights = np.linalg.pinv(columns[train]) @ Y_train
    left = (Y_test - columns[test] @ weights).astype(Y_test.dtype)
    total = np.square(Y_test, dtype=np.float64).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = 1 - np.square(left, dtype=np.float64).sum(0) / total
    return (Y_train - columns[train] @ weights).astype(Y_train.dtype), left, r2
