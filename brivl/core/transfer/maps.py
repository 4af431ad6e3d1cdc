"""Encoding models carried from one modality to the other (Tang, Du, Vo, Lal and Huth 2023), on arrays.

A model of modality a is Y_a = FIR(F_a) B_a. Features of modality b are brought into its space by a linear map M,
estimated from pairs, so that FIR(F_b M) B_a predicts the responses Y_b to the other modality. Scores are correlations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.banded_ridge import BandedRidge
from brivl.core.inference.block_permutation import permute_blocks, permute_blocks_of_means
from brivl.core.inference.blocks import Blocks, PermutationSettings
from brivl.core.inference.contributions import Predictions
from brivl.core.regions.region_stats import bh_q
from brivl.errors import RequestError

ALPHAS = tuple(np.logspace(-4, 4, 17).tolist())
FOLDS = 5
FEWEST_PAIRS = 20


@dataclass(frozen=True)
class LinearMap:
    """Z ~ (X - x_mean) W + z_mean, with how well held-out pairs were predicted."""

    W: np.ndarray  # (n_in, n_out) float32
    x_mean: np.ndarray  # (n_in,)
    z_mean: np.ndarray  # (n_out,)
    r2: float  # over all dimensions, in the folds that chose the strengths

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """X (n, n_in) -> (n, n_out)."""
        return (X - self.x_mean) @ self.W + self.z_mean


def fit_linear_map(X: np.ndarray, Z: np.ndarray) -> LinearMap:
    """Ridge from the features of one member of each pair to those of the other, a strength for each dimension of Z.

    X (n_pairs, n_in), Z (n_pairs, n_out). Raises RequestError for fewer than 20 pairs, or arrays of other shapes.
    """
    if X.ndim != 2 or Z.ndim != 2 or len(X) != len(Z) or len(X) < FEWEST_PAIRS:
        raise RequestError(
            f"Wanted {FEWEST_PAIRS} or more pairs of features, one row each, and got {X.shape!r} and {Z.shape!r}."
        )
    x_mean, z_mean = X.mean(0, dtype=np.float64), Z.mean(0, dtype=np.float64)
    centred, target = (X - x_mean).astype(np.float32), (Z - z_mean).astype(np.float32)
    ridge = BandedRidge(alphas=ALPHAS, cv=FOLDS).fit([centred], target)
    r2 = 1 + float(ridge.cv_scores_.max(0).sum() / target.var(0).sum())
    return LinearMap(single_band_weights(ridge), x_mean.astype(np.float32), z_mean.astype(np.float32), r2)


def single_band_weights(ridge: BandedRidge) -> np.ndarray:
    """Weights (n_features, n_targets) of a fitted ridge of one band: predictions are X times these."""
    return (ridge.kernel_scales_[0] * (ridge.Xs_fit_[0].T @ ridge.dual_coef_)) * ridge.band_weights_[0]


def standardise_columns(Y: np.ndarray) -> np.ndarray:
    """Columns (n_samples, n_voxels) with mean 0 and variance 1, those without variance 0; float32."""
    centred = Y - Y.mean(0, dtype=np.float64)
    scale = centred.std(0)
    return np.where(scale > 0, centred / np.where(scale > 0, scale, 1), 0).astype(np.float32)


def correlation(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """r of each voxel (n_voxels,); 0 where either does not vary. Both (n_samples, n_voxels)."""
    return (standardise_columns(measured) * standardise_columns(predicted)).mean(0, dtype=np.float64)


@dataclass(frozen=True)
class RegionScores:
    """Mean r over the voxels of each region, one-sided p by rearranged blocks; q: BH over all regions but the first."""

    r: np.ndarray  # (n_regions,)
    p: np.ndarray
    q: np.ndarray


def score_regions(
    measured: np.ndarray,
    predicted: np.ndarray,
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    draws: PermutationSettings,
) -> RegionScores:
    """Mean r of the voxels of each region, region -> (n_voxels,) bool; the first is the whole.

    Blocks of the measured responses change places; all voxels are rearranged alike, so that they need not be
    independent of one another.
    """
    tests = permute_blocks_of_means(_scored(measured, predicted), masks, blocks, draws)
    r = correlation(measured, predicted)
    p = tests.p[0]
    q = np.r_[np.nan, bh_q(p[1:])] if len(p) > 1 else np.full(1, np.nan)
    return RegionScores(np.array([r[inside].mean() if inside.any() else np.nan for inside in masks.values()]), p, q)


def voxel_p_values(
    measured: np.ndarray, predicted: np.ndarray, blocks: Blocks, draws: PermutationSettings
) -> np.ndarray:
    """One-sided p of r > 0 of each voxel (n_voxels,), by rearranged blocks."""
    return permute_blocks(_scored(measured, predicted), blocks, draws).p[0]


def _scored(measured: np.ndarray, predicted: np.ndarray) -> Predictions:
    return Predictions(standardise_columns(measured), standardise_columns(predicted)[None])


def negative_region_p(
    measured: np.ndarray,
    predicted: np.ndarray,
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    draws: PermutationSettings,
) -> dict[str, float]:
    """p that the mean r of each region is as far below 0 as it is; of training responses, so that no test is spent."""
    tests = permute_blocks_of_means(_scored(measured, -predicted), masks, blocks, draws)
    return dict(zip(masks, tests.p[0].tolist(), strict=True))


def region_signs(
    p: Sequence[Mapping[str, float]], masks: Mapping[str, np.ndarray], alpha: float = 0.05
) -> tuple[np.ndarray, list[str]]:
    """Sign (n_voxels,) by which transferred predictions are multiplied, and the regions where it is -1.

    A region is turned round where r is below 0 in every direction of transfer, each p < alpha; p by direction. Both
    directions must agree, since the tuning of one modality is turned round beside that of the other. Voxels of two
    such regions are turned once.
    """
    turned = [name for name in masks if all(one[name] < alpha for one in p)]
    sign = np.ones(len(next(iter(masks.values()))), int) if masks else np.ones(0, int)
    for name in turned:
        sign[masks[name]] = -1
    return sign, turned
