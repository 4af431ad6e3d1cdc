"""Scaling against scipy and scikit-learn; constant voxels are NaN, never infinite."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import zscore
from sklearn.preprocessing import StandardScaler

from brivl.core.encoding.standardize import (
    TrainingScaler,
    centre_runs,
    constant_in_some_run,
    zscore_runs,
)

ONSETS = np.array([0, 30, 45])
RUNS = [slice(0, 30), slice(30, 45), slice(45, 80)]


@pytest.fixture
def Y() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (1e3 + rng.standard_normal((80, 4)) * [1, 5, 0.1, 50] + np.arange(80)[:, None]).astype(np.float32)


def test_zscore_runs_is_scipys_run_by_run(Y):
    scaled = zscore_runs(Y, ONSETS)
    assert scaled.dtype == np.float32
    for run in RUNS:
        np.testing.assert_allclose(scaled[run], zscore(Y[run].astype(float), axis=0), atol=1e-5)


def test_constant_and_nan_voxels_are_nan_in_that_run_only(Y):
    Y[30:45, 1] = 0.1
    Y[50, 2] = np.nan
    scaled = zscore_runs(Y, ONSETS)
    assert np.isnan(scaled[30:45, 1]).all() and np.isfinite(np.delete(scaled[:, 1], range(30, 45))).all()
    assert np.isnan(scaled[45:, 2]).all() and np.isfinite(scaled[:45, 2]).all()
    assert constant_in_some_run(Y, ONSETS).tolist() == [False, True, False, False]


def test_training_scaler_is_scikit_learns(Y):
    train, test = Y[:60].astype(float), Y[60:].astype(float)
    expected = StandardScaler().fit(train).transform(test)
    np.testing.assert_allclose(TrainingScaler().fit(train).transform(test), expected, rtol=1e-10)


def test_training_scaler_within_runs_uses_the_pooled_deviation_and_each_new_runs_mean(Y):
    new = Y[:20] * 3 + 100
    scaler = TrainingScaler().fit(Y, ONSETS)
    residual = np.concatenate([Y[run].astype(float) - Y[run].astype(float).mean(0) for run in RUNS])
    expected = (new.astype(float) - new.astype(float).mean(0)) / np.sqrt((residual**2).mean(0))
    np.testing.assert_allclose(scaler.transform(new, np.array([0])), expected, rtol=1e-4, atol=1e-4)


def test_training_scaler_keeps_the_scale_of_new_rows(Y):
    scaler = TrainingScaler().fit(Y, ONSETS)
    once, twice = scaler.transform(Y, ONSETS), scaler.transform(2 * Y, ONSETS)
    np.testing.assert_allclose(twice, 2 * once, atol=1e-3)


def test_a_voxel_constant_in_training_is_nan_and_not_infinite(Y):
    Y[:, 3] = 0.3
    assert np.isnan(TrainingScaler().fit(Y).transform(Y + 1)[:, 3]).all()
    assert np.isnan(TrainingScaler().fit(Y, ONSETS).transform(Y + 1)[:, 3]).all()


def test_centre_runs_takes_off_each_runs_mean_only(Y):
    centred = centre_runs(Y, ONSETS)
    for run in RUNS:
        np.testing.assert_allclose(centred[run], Y[run] - Y[run].astype(float).mean(0), atol=1e-3)
