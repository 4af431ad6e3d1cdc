"""How much of a voxel's variance repeats when the stimulus repeats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brivl.core.records import EncodingResult
from brivl.errors import RequestError

# Columns at a time: ten repeats of 270 samples of 84,000 voxels are 1.8 GB in float64.
CHUNK = 4096


def normalise_by_ceiling(result: EncodingResult, n_repeats: float, threshold: float) -> EncodingResult:
    """Divide joint and split R2 by the noise ceiling of the average of the repeats.

    Parameters
    ----------
    result : EncodingResult
        Scores, with explainable variance (EV) corrected for bias.
    n_repeats : float
        Number of repeats of the test run, or of trials that a row is the average of.
    threshold : float
        Scores are NaN where EV is not above this, since a low ceiling turns small numbers into large ones.

    Returns
    -------
    EncodingResult
        The normalised scores.

    Raises
    ------
    RequestError
        For data without repeats.

    Notes
    -----
    R2 / (EV / (EV + (1 - EV) / n_repeats)) (Schoppe et al. 2016).
    """
    if result.explainable_variance is None:
        raise RequestError(
            "Expected data whose test run was repeated, got data without repeats, which have no noise ceiling. Show "
            "scores that are not normalised."
        )
    ev = np.asarray(result.explainable_variance, float)
    usable = np.isfinite(ev) & (ev > threshold)
    ceiling = np.where(usable, noise_ceiling(np.where(usable, ev, 1.0), n_repeats), np.nan)
    return replace(result, r2_joint=result.r2_joint / ceiling, r2_split=result.r2_split / ceiling)


def explainable_variance(repeats: np.ndarray, bias_correction: bool = True) -> np.ndarray:
    """Compute the variance of the average of z-scored repeats over the mean variance of the repeats.

    Parameters
    ----------
    repeats : (n_repeats, n_samples, n_voxels) array
        Responses to the repeated test run.
    bias_correction : bool
        Subtract the noise that averaging leaves.

    Returns
    -------
    np.ndarray
        (n_voxels,) float64; NaN for a voxel with NaN, or without variance in a repeat.

    Raises
    ------
    RequestError
        For fewer than 2 repeats or samples.

    Notes
    -----
    EV = var(mean_r y_r) / mean_r var(y_r); the correction subtracts (1 - EV) / (n_repeats - 1) (Sahani and Linden 2002;
    Hsu et al. 2004).
    """
    if repeats.ndim != 3 or min(repeats.shape[:2]) < 2:
        raise RequestError(
            f"Expected responses (n_repeats, n_samples, n_voxels) with at least 2 repeats and 2 samples, got an array "
            f"of shape {repeats.shape!r}. Explainable variance needs a test run that was repeated."
        )
    n_voxels = repeats.shape[2]
    chunks = [_chunk_variance(repeats[:, :, i : i + CHUNK]) for i in range(0, n_voxels, CHUNK)]
    ev = np.concatenate(chunks) if chunks else np.empty(0)
    return ev - (1 - ev) / (len(repeats) - 1) if bias_correction else ev


def trial_explainable_variance(trials: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Compute the fraction of signal in one trial, from items that were presented several times.

    Parameters
    ----------
    trials : (n_trials, n_voxels) array
        Single-trial responses, each voxel with mean 0 and variance 1 (within each session, where there are several).
    items : (n_trials,) array of int
        Item of each trial.

    Returns
    -------
    np.ndarray
        (n_voxels,) float64 from 0 to 1.

    Raises
    ------
    RequestError
        No item has two trials.

    Notes
    -----
    Allen et al. (2022): the variance of noise is that over the trials of an item, averaged over repeated items; that of
    the signal is what is left of the total of 1, or 0. With ncsnr² = signal / noise, the noise ceiling of the average
    of n trials, ncsnr² / (ncsnr² + 1 / n), is `noise_ceiling` of what is returned here, ncsnr² / (1 + ncsnr²). Where
    items have different numbers of trials, n is their harmonic mean.
    """
    _, position, counts = np.unique(items, return_inverse=True, return_counts=True)
    if not (counts > 1).any():
        raise RequestError("Expected items with two trials or more, got none. A noise ceiling needs repeats.")
    sums = np.zeros((len(counts), trials.shape[1]))
    squares = np.zeros_like(sums)
    np.add.at(sums, position, trials)
    np.add.at(squares, position, np.square(trials, dtype=np.float64))
    n = counts[:, None]
    repeated = counts > 1
    variance = (squares[repeated] - sums[repeated] ** 2 / n[repeated]) / (n[repeated] - 1)
    return np.clip(1 - variance.mean(0), 0.0, 1.0)


def noise_ceiling(explainable_variance: np.ndarray, n_repeats: float) -> np.ndarray:
    """Compute the R2 that a perfect model reaches on the average of the repeats.

    Parameters
    ----------
    explainable_variance : (n_voxels,) array
        Bias-corrected: the fraction of signal in one repeat. Negative values count as 0.
    n_repeats : float
        Number of repeats.

    Returns
    -------
    np.ndarray
        (n_voxels,) EV / (EV + (1 - EV) / n_repeats).
    """
    ev = np.maximum(explainable_variance, 0.0)
    return ev / (ev + (1 - ev) / n_repeats)


def _chunk_variance(repeats: np.ndarray) -> np.ndarray:
    """Uncorrected EV of a few voxels."""
    data = repeats.astype(np.float64)
    flat = (data.max(1) == data.min(1)).any(0)
    std = np.where(flat, np.nan, data.std(1, keepdims=True))
    z = (data - data.mean(1, keepdims=True)) / std
    return z.mean(0).var(0, ddof=1) / z.var(1, ddof=1).mean(0)
