"""Scores of all candidates and alphas from those of a few.

The held-out loss of a voxel is y'M y, with one matrix M for each candidate and alpha. These matrices change smoothly
with the logarithms of weights and alpha, so that a few dozen of them span all: all scores are linear in the scores of
these few (pivots). The pivots, their number and the factors are learnt from voxels for which all scores are computed;
half of these voxels choose them, the other half measure the loss of accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

# All in units of the voxel's variance. A combination this much worse than the best for every sample voxel is not
# considered further; and what the second half of the sample may lose by choosing from mapped scores, at most and on
# average.
RELEVANT, LARGEST_REGRET, MEAN_REGRET = 5e-3, 5e-4, 2e-5
FEWEST_PIVOTS, PIVOT_STEP = 6, 2
# Ridge of the map, as a fraction of the pivots' mean square: rounding of float32 scores is about 1e-6 of the variance.
MAP_RIDGE = 1e-9


@dataclass(frozen=True)
class ScoreMap:
    """Linear map: gains of all combinations = gains of pivots @ factors."""

    pivots: np.ndarray  # (n_pivots,) indices of combinations
    factors: np.ndarray  # (n_pivots, n_combinations)
    relevant: np.ndarray  # (n_combinations,) bool: near the best for some voxel
    largest_regret: float  # of the second half of the sample, in units of the variance
    mean_regret: float


def learn_map(gains: np.ndarray) -> ScoreMap:
    """Learn the map from a sample of voxels.

    Parameters
    ----------
    gains : (n_sample, n_combinations) array
        Loss of no prediction minus loss, divided by the former; -inf where it is not computed.

    Returns
    -------
    ScoreMap
        The fewest pivots that keep both regrets, or all that the sample can distinguish.
    """
    computed = np.isfinite(gains).all(0)
    shortfall = gains.max(1, keepdims=True) - gains
    relevant = computed & (shortfall.min(0) < RELEVANT)
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
    finite = np.where(computed, gains, 0)
    factors[:, computed] = _factors(finite[:, computed], np.searchsorted(np.flatnonzero(computed), columns[pivots]))
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
