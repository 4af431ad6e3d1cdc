"""Explainable variance against a plain transcription of its formula, and against simulated fractions of signal."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import zscore

from brivl.core.encoding import explainable_variance as module
from brivl.core.encoding.explainable_variance import explainable_variance, noise_ceiling
from brivl.errors import RequestError


def repeats_with(signal_fraction: np.ndarray, n_repeats: int, n_samples: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((n_samples, len(signal_fraction))) * np.sqrt(signal_fraction)
    return signal + rng.standard_normal((n_repeats, n_samples, len(signal_fraction))) * np.sqrt(1 - signal_fraction)


@pytest.mark.parametrize("bias_correction", [True, False])
def test_it_is_the_formula_voxel_by_voxel(bias_correction, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    repeats = 100 + 5 * repeats_with(np.array([0.0, 0.3, 0.9, 0.5, 0.1]), 4, 30)
    expected = []
    for v in range(5):
        z = zscore(repeats[:, :, v], axis=1)
        ev = np.var(z.mean(0), ddof=1) / np.mean([np.var(row, ddof=1) for row in z])
        expected.append(ev - (1 - ev) / 3 if bias_correction else ev)
    np.testing.assert_allclose(explainable_variance(repeats, bias_correction), expected, rtol=1e-12)


def test_the_simulated_fraction_is_recovered_without_bias():
    fraction = np.repeat([0.0, 0.2, 0.5, 0.8], 200)
    ev = explainable_variance(repeats_with(fraction, 5, 200))
    np.testing.assert_allclose(ev.reshape(4, 200).mean(1), [0.0, 0.2, 0.5, 0.8], atol=0.01)


def test_nan_and_constant_voxels_are_nan():
    repeats = repeats_with(np.full(4, 0.5), 3, 20).astype(np.float32)
    repeats[1, 5, 1] = np.nan
    repeats[2, :, 2] = 7.1
    assert np.isnan(explainable_variance(repeats)).tolist() == [False, True, True, False]


@pytest.mark.parametrize("shape", [(1, 20, 3), (20, 3), (3, 1, 3)])
def test_too_few_repeats_are_refused(shape):
    with pytest.raises(RequestError, match="at least 2 repeats"):
        explainable_variance(np.zeros(shape))


def test_noise_ceiling_is_what_the_noise_free_signal_scores():
    fraction, n_repeats = 0.3, 10
    rng = np.random.default_rng(3)
    signal = rng.standard_normal((2000, 50)) * np.sqrt(fraction)
    average = (signal + rng.standard_normal((n_repeats, 2000, 50)) * np.sqrt(1 - fraction)).mean(0)
    r2 = 1 - np.var(average - signal, axis=0) / np.var(average, axis=0)
    assert noise_ceiling(np.array([fraction]), n_repeats)[0] == pytest.approx(r2.mean(), abs=0.01)
    np.testing.assert_allclose(noise_ceiling(np.array([-0.1, 0.0, 1.0]), 10), [0, 0, 1])
