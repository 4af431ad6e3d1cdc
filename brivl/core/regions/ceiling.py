"""Scores as shares of what could be explained, voxel by voxel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brivl.core.encoding.explainable_variance import noise_ceiling
from brivl.core.records import EncodingResult
from brivl.errors import RequestError


def over_ceiling(result: EncodingResult, n_repeats: int, threshold: float) -> EncodingResult:
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
