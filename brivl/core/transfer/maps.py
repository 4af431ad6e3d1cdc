"""Transfer of encoding models from one modality to the other (Tang, Du, Vo, Lal and Huth 2023), on arrays.

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
N_FOLDS = 5
MIN_PAIRS = 20


@dataclass(frozen=True)
class LinearMap:
    """Linear map between two feature spaces: Z ~ (X - x_mean) W + z_mean."""

    W: np.ndarray  # (n_in, n_out) float32
    x_mean: np.ndarray  # (n_in,)
    z_mean: np.ndarray  # (n_out,)
    r2: float  # of held-out pairs over all dimensions, in the folds that chose the alphas

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Map features X (n_samples, n_in) to (n_samples, n_out)."""
        return (X - self.x_mean) @ self.W + self.z_mean


def fit_linear_map(X: np.ndarray, Z: np.ndarray) -> LinearMap:
    """Fit a ridge regression from one feature space to another, with an alpha for each dimension of Z.

    Parameters
    ----------
    X : (n_pairs, n_in) array
        Features of the first member of each pair.
    Z : (n_pairs, n_out) array
        Features of the second member of each pair.

    Returns
    -------
    LinearMap
        The fitted map.

    Raises
    ------
    RequestError
        If there are fewer than 20 pairs, or the shapes do not fit.
    """
    if X.ndim != 2 or Z.ndim != 2 or len(X) != len(Z) or len(X) < MIN_PAIRS:
        raise RequestError(
            f"Expected at least {MIN_PAIRS} pairs of features, one row each, got shapes {X.shape!r} and {Z.shape!r}. "
            "Choose more pairs."
        )
    x_mean, z_mean = X.mean(0, dtype=np.float64), Z.mean(0, dtype=np.float64)
    centred, target = (X - x_mean).astype(np.float32), (Z - z_mean).astype(np.float32)
    ridge = BandedRidge(alphas=ALPHAS, cv=N_FOLDS).fit([centred], target)
    r2 = 1 + float(ridge.cv_scores_.max(0).sum() / target.var(0).sum())
    return LinearMap(single_band_weights(ridge), x_mean.astype(np.float32), z_mean.astype(np.float32), r2)


def single_band_weights(ridge: BandedRidge) -> np.ndarray:
    """Compute the primal weights of a ridge regression that was fitted with one band.

    Parameters
    ----------
    ridge : BandedRidge
        A fitted model of one band.

    Returns
    -------
    (n_features, n_targets) array
        Weights W with predictions X W.
    """
    return (ridge.kernel_scales_[0] * (ridge.Xs_fit_[0].T @ ridge.dual_coef_)) * ridge.band_weights_[0]


def standardise_columns(Y: np.ndarray) -> np.ndarray:
    """Scale columns to mean 0 and variance 1; columns without variance become 0.

    Parameters
    ----------
    Y : (n_samples, n_voxels) array
        Responses or predictions.

    Returns
    -------
    (n_samples, n_voxels) float32 array
        Standardised columns.
    """
    centred = Y - Y.mean(0, dtype=np.float64)
    scale = centred.std(0)
    return np.where(scale > 0, centred / np.where(scale > 0, scale, 1), 0).astype(np.float32)


def correlation(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Correlate measured and predicted responses, voxel by voxel.

    Parameters
    ----------
    measured : (n_samples, n_voxels) array
        Measured responses.
    predicted : (n_samples, n_voxels) array
        Predicted responses.

    Returns
    -------
    (n_voxels,) array
        Pearson's r; 0 where either does not vary.
    """
    return (standardise_columns(measured) * standardise_columns(predicted)).mean(0, dtype=np.float64)


@dataclass(frozen=True)
class RegionScores:
    """Mean correlation over the voxels of each region, with permutation tests."""

    r: np.ndarray  # (n_regions,)
    p: np.ndarray  # (n_regions,) one-sided, by permutation of blocks
    q: np.ndarray  # (n_regions,) Benjamini-Hochberg over all regions but the first, which is NaN


def score_regions(
    measured: np.ndarray,
    predicted: np.ndarray,
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    permutations: PermutationSettings,
) -> RegionScores:
    """Score predictions by region and test them by permutation of blocks of the measured responses.

    All voxels are permuted alike, so the test does not assume that they are independent of one another.

    Parameters
    ----------
    measured : (n_samples, n_voxels) array
        Measured responses.
    predicted : (n_samples, n_voxels) array
        Predicted responses.
    masks : mapping of region to (n_voxels,) bool array
        Regions; the first holds all voxels.
    blocks : Blocks
        Blocks of samples that are permuted.
    permutations : PermutationSettings
        Number of permutations and their seed.

    Returns
    -------
    RegionScores
        Mean r, p and q of each region.
    """
    tests = permute_blocks_of_means(_standardised(measured, predicted), masks, blocks, permutations)
    r = correlation(measured, predicted)
    p = tests.p[0]
    q = np.r_[np.nan, bh_q(p[1:])] if len(p) > 1 else np.full(1, np.nan)
    return RegionScores(np.array([r[inside].mean() if inside.any() else np.nan for inside in masks.values()]), p, q)


def voxel_p_values(
    measured: np.ndarray, predicted: np.ndarray, blocks: Blocks, permutations: PermutationSettings
) -> np.ndarray:
    """Test whether the correlation of each voxel is above 0, by permutation of blocks.

    Parameters
    ----------
    measured : (n_samples, n_voxels) array
        Measured responses.
    predicted : (n_samples, n_voxels) array
        Predicted responses.
    blocks : Blocks
        Blocks of samples that are permuted.
    permutations : PermutationSettings
        Number of permutations and their seed.

    Returns
    -------
    (n_voxels,) array
        One-sided p values.
    """
    return permute_blocks(_standardised(measured, predicted), blocks, permutations).p[0]


def _standardised(measured: np.ndarray, predicted: np.ndarray) -> Predictions:
    return Predictions(standardise_columns(measured), standardise_columns(predicted)[None])


def negative_region_p(
    measured: np.ndarray,
    predicted: np.ndarray,
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    permutations: PermutationSettings,
) -> dict[str, float]:
    """Test whether the mean correlation of each region is below 0.

    Parameters
    ----------
    measured : (n_samples, n_voxels) array
        Responses of training samples, so that the test samples stay unused.
    predicted : (n_samples, n_voxels) array
        Predictions of the transferred model.
    masks : mapping of region to (n_voxels,) bool array
        Regions that are tested.
    blocks : Blocks
        Blocks of samples that are permuted.
    permutations : PermutationSettings
        Number of permutations and their seed.

    Returns
    -------
    dict of region to float
        One-sided p values.
    """
    tests = permute_blocks_of_means(_standardised(measured, -predicted), masks, blocks, permutations)
    return dict(zip(masks, tests.p[0].tolist(), strict=True))


def region_signs(
    p_negative: Sequence[Mapping[str, float]], masks: Mapping[str, np.ndarray], alpha: float = 0.05
) -> tuple[np.ndarray, list[str]]:
    """Choose the sign by which transferred predictions are multiplied in each region.

    The sign of a region is flipped where r is below 0 in both directions of transfer: where the tuning to one modality
    is the inverse of that to the other, both directions must show it. A voxel of two such regions is flipped once.

    Parameters
    ----------
    p_negative : sequence of mappings of region to float
        For each direction of transfer, p that the mean r of a region is below 0.
    masks : mapping of region to (n_voxels,) bool array
        Regions whose sign may be flipped.
    alpha : float
        Level below which p must lie in every direction.

    Returns
    -------
    sign : (n_voxels,) int array
        1 or -1.
    flipped : list of str
        Regions whose sign is flipped.
    """
    flipped = [name for name in masks if all(p[name] < alpha for p in p_negative)]
    sign = np.ones(len(next(iter(masks.values()))), int) if masks else np.ones(0, int)
    for name in flipped:
        sign[masks[name]] = -1
    return sign, flipped
