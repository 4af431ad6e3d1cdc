"""Scores of all candidates and alphas from those of a few.

The held-out loss of a voxel is y'M y, with one matrix M for each candidate and alpha. These matrices change smoothly
with the logarithms of weights and alpha, so that a few dozen of them span all: their scores are linear in the scores of
the few (pivots). Which pivots, how many and with which factors is learnt from voxels whose scores are all known; half
of them choose, the other half tell how much is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

# All in units of the voxel's variance. A combination this much worse than the best for every sample voxel is not
# followed up; and what the sample's second half may lose by choosing from mapped scores, at most and on average.
RELEVANT, LARGEST_REGRET, MEAN_REGRET = 5e-3, 5e-4, 2e-5
FEWEST_PIVOTS, PIVOT_STEP = 6, 2
# Ridge of the map, as a share of the pivots' mean square: rounding of float32 scores is about 1e-6 of the variance.
MAP_RIDGE = 1e-9


@dataclass(frozen=True)
class ScoreMap:
    """gains of all combinations = gains of pivots @ factors."""

    pivots: np.ndarray  # (n_pivots,) indices of combinations
    factors: np.ndarray  # (n_pivots, n_combinations)
    relevant: np.ndarray  # (n_combinations,) bool: worth choosing
    largest_regret: float  # of the second half of the sample, in units of the variance
    mean_regret: float


def learn_map(gains: np.ndarray) -> ScoreMap:
    """Map for gains (n_sample, n_combinations): loss of no prediction less loss, over the former; -inf if unknown.

    The fewest pivots that keep both regrets, or all that the sample can tell apart.
    """
    known = np.isfinite(gains).all(0)
    shortfall = gains.max(1, keepdims=True) - gains
    relevant = known & (shortfall.min(0) < RELEVANT)
    columns = np.flatnonzero(relevant)
    first, second = gains[::2][:, columns], gains[1::2][:, columns]
    order = qr(first, mode="r", pivoting=True)[1]
    largest = mean = np.inf
    most = min(len(columns), len(first))
    for n_pivots in range(min(FEWEST_PIVOTS, most), most + PIVOT_STEP, PIVOT_STEP):
        pivots = order[: min(n_pivots, most)]
        largest, mean = _regrets(second, second[:, pivots] @ _factors(first, pivots))
        if largest <= LARGEST_REGRET and mean <= MEAN_REGRET:
            break
    factors = np.zeros((len(pivots), gains.shape[1]))
    everywhere = np.where(known, gains, 0)
    factors[:, known] = _factors(everywhere[:, known], np.searchsorted(np.flatnonzero(known), columns[pivots]))
    return ScoreMap(columns[pivots], factors, relevant, largest, mean)


def _factors(gains: np.ndarray, pivots: np.ndarray) -> np.ndarray:
    """Least squares of all columns on the pivots': (n_pivots, n_columns)."""
    S = gains[:, pivots]
    gram = S.T @ S
    return np.linalg.solve(gram + MAP_RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), S.T @ gains)


def _regrets(gains: np.ndarray, mapped: np.ndarray) -> tuple[float, float]:
    """Largest and mean loss by choosing the best mapped gain instead of the best gain."""
    chosen = np.take_along_axis(gains, mapped.argmax(1)[:, None], 1)[:, 0]
    regret = gains.max(1) - chosen
    return float(regret.max()), float(regret.mean())
