"""Simulate BOLD: the haemodynamic response, and autocorrelated noise."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter
from scipy.special import gammainc

# SPM's canonical response h(t) = [gamma(t; 6) - gamma(t; 16) / 6] / (5/6): gamma densities of scale 1 s, 32 s long.
PEAK_S, UNDERSHOOT_S, RATIO, LENGTH_S = 6.0, 16.0, 1 / 6, 32.0


def hrf_weights(tr: float) -> np.ndarray:
    """Compute the BOLD response to one sample of constant unit activity.

    Parameters
    ----------
    tr : float
        Seconds of a sample.

    Returns
    -------
    (n_lags,) array
        BOLD in the middle of each sample, from the sample of the activity on.

    Notes
    -----
    Lag d is the integral of SPM's canonical response h from (d - 1/2) tr to (d + 1/2) tr, in closed form.
    """
    edges = np.maximum((np.arange(int(np.ceil(LENGTH_S / tr)) + 2) - 0.5) * tr, 0.0)
    cumulative = (gammainc(PEAK_S, edges) - RATIO * gammainc(UNDERSHOOT_S, edges)) / (1 - RATIO)
    return np.diff(cumulative)


def convolve_runs(X: np.ndarray, tr: float, run_onsets: np.ndarray) -> np.ndarray:
    """Convolve activity that is constant within samples with the haemodynamic response, separately in each run.

    Parameters
    ----------
    X : (n_samples, n_features) array
        Activity.
    tr : float
        Seconds of a sample.
    run_onsets : (n_runs,) int array
        First sample of each run.

    Returns
    -------
    (n_samples, n_features) array
        BOLD, of the same dtype as X.
    """
    weights = hrf_weights(tr).astype(X.dtype)
    edges = [*np.asarray(run_onsets).astype(int).tolist(), len(X)]
    bold = np.empty_like(X)
    for start, stop in zip(edges, edges[1:], strict=False):
        bold[start:stop] = lfilter(weights, np.ones(1, X.dtype), X[start:stop], axis=0)
    return bold


def ar1_noise(rng: np.random.Generator, shape: tuple[int, int], rho: float | np.ndarray) -> np.ndarray:
    """Draw autocorrelated (AR(1)) noise of unit variance, stationary from the first sample.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    shape : (int, int)
        Numbers of samples and voxels.
    rho : float or (n_voxels,) array
        Correlation of neighbouring samples, between -1 and 1.

    Returns
    -------
    (n_samples, n_voxels) float32 array
        Noise e_t = rho e_(t-1) + sqrt(1 - rho^2) w_t, with white noise w.
    """
    noise = rng.standard_normal(shape, dtype=np.float32)
    rho = np.asarray(rho, np.float32)
    noise[1:] *= np.sqrt(1 - rho**2)
    for t in range(1, shape[0]):
        noise[t] += rho * noise[t - 1]
    return noise
