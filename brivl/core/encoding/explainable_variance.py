"""How much of a voxel's variance repeats when the stimulus repeats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brivl.core.records import EncodingResult
from brivl.errors import RequestError


def normalise_by_ceiling(result: EncodingResult, n_repeats: int, threshold: float) -> EncodingResult:
    """Joint and split R2 over the noise ceiling of the average of n_repeats; NaN where EV is not above `threshold`.

    R2 / (EV / (EV + (1 - EV) / n_repeats)), EV corrected for bias (Schoppe et al. 2016). A low ceiling makes large
    numbers of small ones, hence the threshold. Raises RequestError for data without repeats.
    """
    if result.explainable_variance is None:
        raise RequestError("Wanted scores over the noise ceiling, and the test run of these data was not repeated.")
    ev = np.asarray(result.explainable_variance, float)
    known = np.isfinite(ev) & (ev > threshold)
    ceiling = np.where(known, noise_ceiling(np.where(known, ev, 1.0), n_repeats), np.nan)
    return replace(result, r2_joint=result.r2_joint / ceiling, r2_split=result.r2_split / ceiling)


# Columns at a time: ten repeats of 270 samples of 84,000 voxels are 1.8 GB in float64.
CHUNK = 4096


def explainable_variance(repeats: np.ndarray, bias_correction: bool = True) -> np.ndarray:
    """Variance of the average of z-scored repeats over the mean variance of the repeats.

    EV = var(mean_r y_r) / mean_r var(y_r), less (1 - EV) / (n_repeats - 1) for the noise that averaging leaves
    (Sahani and Linden 2002; Hsu et al. 2004). repeats (n_repeats, n_samples, n_voxels) -> (n_voxels,) float64;
    a voxel with NaN, or without variance in a repeat, is NaN. Raises RequestError for fewer than 2 repeats or samples.
    """
    if repeats.ndim != 3 or min(repeats.shape[:2]) < 2:
        raise RequestError(
            f"Explainable variance wants responses (n_repeats, n_samples, n_voxels) with at least 2 repeats and 2 "
            f"samples; got an array of shape {repeats.shape!r}."
        )
    n_voxels = repeats.shape[2]
    chunks = [_chunk_variance(repeats[:, :, i : i + CHUNK]) for i in range(0, n_voxels, CHUNK)]
    ev = np.concatenate(chunks) if chunks else np.empty(0)
    return ev - (1 - ev) / (len(repeats) - 1) if bias_correction else ev


def noise_ceiling(explainable_variance: np.ndarray, n_repeats: int) -> np.ndarray:
    """R2 that a perfect model reaches on the average of n_repeats, EV / (EV + (1 - EV) / n_repeats).

    explainable_variance (n_voxels,), bias-corrected: the share of the signal in one repeat. Below 0 it counts as 0.
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
