"""From neural events to BOLD: the haemodynamic response, and noise that remembers."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter
from scipy.special import gammainc
from scipy.stats import gamma

# SPM's canonical response: gamma densities of shape 6 and 16 s (scale 1 s), the second weighted 1/6; 32 s long.
PEAK_S, UNDERSHOOT_S, RATIO, LENGTH_S = 6.0, 16.0, 1 / 6, 32.0


def double_gamma(t: np.ndarray) -> np.ndarray:
    """Canonical haemodynamic response at times t (s) after a brief event, per second; its integral is 1.

    h(t) = [gamma(t; 6) - gamma(t; 16) / 6] / (5/6), zero before the event; any shape of t.
    """
    t = np.asarray(t, float)
    return (gamma.pdf(t, PEAK_S) - RATIO * gamma.pdf(t, UNDERSHOOT_S)) / (1 - RATIO)


def hrf_weights(tr: float) -> np.ndarray:
    """BOLD in the middle of each sample from 0 on, after one sample (tr s) of constant unit activity: (n_lags,).

    Lag d holds the integral of h from (d - 1/2) tr to (d + 1/2) tr, in closed form.
    """
    edges = np.maximum((np.arange(int(np.ceil(LENGTH_S / tr)) + 2) - 0.5) * tr, 0.0)
    cumulative = (gammainc(PEAK_S, edges) - RATIO * gammainc(UNDERSHOOT_S, edges)) / (1 - RATIO)
    return np.diff(cumulative)


def convolve_runs(X: np.ndarray, tr: float, run_onsets: np.ndarray) -> np.ndarray:
    """Activity that is constant within samples turned into BOLD, run by run, so that no run hears the one before.

    X (n_samples, n_features), tr in s, run_onsets (n_runs,) -> same shape and dtype.
    """
    weights = hrf_weights(tr).astype(X.dtype)
    edges = [*np.asarray(run_onsets).astype(int).tolist(), len(X)]
    bold = np.empty_like(X)
    for start, stop in zip(edges, edges[1:], strict=False):
        bold[start:stop] = lfilter(weights, np.ones(1, X.dtype), X[start:stop], axis=0)
    return bold


def ar1_noise(rng: np.random.Generator, shape: tuple[int, int], rho: float | np.ndarray) -> np.ndarray:
    """Noise of unit variance whose neighbours in time correlate by rho: e_t = rho e_(t-1) + sqrt(1 - rho^2) w_t.

    shape (n_samples, n_voxels), rho one number or (n_voxels,), |rho| < 1 -> float32; stationary from the first row.
    """
    noise = rng.standard_normal(shape, dtype=np.float32)
    rho = np.asarray(rho, np.float32)
    noise[1:] *= np.sqrt(1 - rho**2)
    for t in range(1, shape[0]):
        noise[t] += rho * noise[t - 1]
    return noise
