"""The response against nilearn's SPM response, its convolution against a fine grid, noise against a filter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import gamma

from brivl.core.simulation.hrf import PEAK_S, RATIO, UNDERSHOOT_S, ar1_noise, convolve_runs, hrf_weights


def double_gamma(t: np.ndarray) -> np.ndarray:
    """Canonical haemodynamic response at times t (s) after a brief event, per second."""
    return (gamma.pdf(t, PEAK_S) - RATIO * gamma.pdf(t, UNDERSHOOT_S)) / (1 - RATIO)


def test_double_gamma_has_the_shape_of_nilearns_spm_response():
    from nilearn.glm.first_level import spm_hrf

    theirs = spm_hrf(t_r=1.0, oversampling=50, time_length=32.0)
    # nilearn's first sample is at dt with these settings; find the shift rather than assume it.
    time = np.linspace(0, 32, len(theirs), endpoint=False)
    candidates = [double_gamma(time + shift) for shift in (0.0, -time[1], time[1])]
    ours = max(candidates, key=lambda h: np.corrcoef(h, theirs)[0, 1])
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    np.testing.assert_allclose(ours / ours.max(), theirs / theirs.max(), atol=0.01)


def test_double_gamma_integrates_to_one_peaks_at_5_s_and_undershoots():
    t = np.linspace(-5, 60, 65001)
    h = double_gamma(t)
    assert np.trapezoid(h, t) == pytest.approx(1, abs=1e-4)
    assert t[h.argmax()] == pytest.approx(5.0, abs=0.05)
    assert h[t < 0].max() == 0 and -0.2 < h.min() / h.max() < -0.05


@pytest.mark.parametrize("tr", [0.72, 2.0, 2.5])
def test_convolution_is_that_of_held_activity_on_a_fine_grid(tr):
    fine = 400
    x = np.random.default_rng(0).standard_normal(40)
    dt = tr / fine
    held, h = np.repeat(x, fine), double_gamma((np.arange(int(40 / dt)) + 0.5) * dt) * dt
    expected = np.convolve(held, h)[fine // 2 - 1 : len(held) : fine]
    bold = convolve_runs(x[:, None], tr, np.array([0]))[:, 0]
    np.testing.assert_allclose(bold, expected, atol=2e-3)
    assert hrf_weights(tr).sum() == pytest.approx(1, abs=1e-3)


def test_runs_are_convolved_one_by_one():
    X = np.random.default_rng(1).standard_normal((60, 3)).astype(np.float32)
    bold = convolve_runs(X, 2.0, np.array([0, 25]))
    assert bold.dtype == np.float32
    np.testing.assert_array_equal(bold[:25], convolve_runs(X[:25], 2.0, np.array([0])))
    np.testing.assert_array_equal(bold[25:], convolve_runs(X[25:], 2.0, np.array([0])))


def test_ar1_noise_is_the_filtered_white_noise():
    rho = 0.4
    noise = ar1_noise(np.random.default_rng(3), (50, 6), rho)
    white = np.random.default_rng(3).standard_normal((50, 6), dtype=np.float32).astype(float)
    white[1:] *= np.sqrt(1 - rho**2)
    np.testing.assert_allclose(noise, lfilter([1], [1, -rho], white, axis=0), atol=1e-5)
    assert noise.dtype == np.float32


def test_ar1_noise_is_stationary_with_unit_variance_and_the_given_correlation():
    rho = np.repeat([0.0, 0.3, 0.8], 400).astype(np.float32)
    noise = ar1_noise(np.random.default_rng(4), (300, 1200), rho)
    np.testing.assert_allclose(noise[0].std(), 1, atol=0.07)
    np.testing.assert_allclose(noise[-1].std(), 1, atol=0.07)
    lag_one = (noise[1:] * noise[:-1]).mean(0).reshape(3, 400).mean(1)
    np.testing.assert_allclose(lag_one, [0.0, 0.3, 0.8], atol=0.03)
