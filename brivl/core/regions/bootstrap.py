"""Levels of a bootstrap interval for few observations."""

from __future__ import annotations

import numpy as np
from scipy import stats


def expanded_levels(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Percentiles that make up for the too narrow spread of means of n observations drawn with replacement.

    Phi(-sqrt(n / (n - 1)) t_{(1 + confidence) / 2, n - 1}) and its mirror (Hesterberg 2015); 0.025 and 0.975 for large
    n. Plain percentiles are too narrow by these two factors. n of 2 or more.
    """
    t = stats.t.ppf((1 + confidence) / 2, n - 1)
    low = float(stats.norm.cdf(-np.sqrt(n / (n - 1)) * t))
    return low, 1 - low
