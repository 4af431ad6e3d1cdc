"""Test within one subject whether a multimodal model predicts better than vision, language and both together.

After Subramaniam et al. 2024: a region integrates vision and language where a multimodal model predicts it better than
each unimodal model and than their linear combination. All comparisons must hold at once, so the p value of the
intersection-union test is the largest of the one-sided p values (Berger 1982), and no correction over comparisons is
due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.split_score import r2_joint
from brivl.core.inference.block_permutation import permute_blocks_of_means
from brivl.core.inference.block_sign_flip import flip_blocks, flip_blocks_of_means
from brivl.core.inference.blocks import Blocks, PermutationSettings
from brivl.core.inference.contributions import Predictions


@dataclass(frozen=True)
class HeldOutPredictions:
    """Held-out responses of one subject and what a model predicts of them.

    Attributes
    ----------
    measured : (n_samples, n_voxels) array
        Measured responses.
    predicted : (n_samples, n_voxels) array
        Predictions, summed over the bands of the model.
    folds : (n_samples,) int array, optional
        Fold that held each sample out; None where there is one test set.
    """

    measured: np.ndarray
    predicted: np.ndarray
    folds: np.ndarray | None = None

    @property
    def r2(self) -> np.ndarray:
        """R2 of each voxel, the mean over folds.

        Returns
        -------
        (n_voxels,) array
            Joint R2.
        """
        folds = np.zeros(len(self.measured), int) if self.folds is None else self.folds
        return np.mean([r2_joint(self.measured[folds == f], self.predicted[folds == f]) for f in np.unique(folds)], 0)


@dataclass(frozen=True)
class Comparison:
    """Difference in R2 between the multimodal model and a baseline, for each voxel or region."""

    difference: np.ndarray  # (n_units,) R2 of the multimodal model minus R2 of the baseline
    ci_low: np.ndarray  # (n_units,)
    ci_high: np.ndarray  # (n_units,)
    p: np.ndarray  # (n_units,) one-sided: small where the multimodal model is better


def compare_with_baseline(
    multimodal: HeldOutPredictions,
    baseline: HeldOutPredictions,
    blocks: Blocks,
    permutations: PermutationSettings,
    masks: Mapping[str, np.ndarray] | None = None,
) -> Comparison:
    """Test whether the multimodal model predicts better than a baseline, by sign flips of blocks.

    Parameters
    ----------
    multimodal : HeldOutPredictions
        Predictions of the multimodal model.
    baseline : HeldOutPredictions
        Predictions of the baseline for the same samples and voxels.
    blocks : Blocks
        Blocks of samples whose sign is flipped together.
    permutations : PermutationSettings
        Number of sign flips and their seed.
    masks : mapping of region to (n_voxels,) bool array, optional
        Regions whose means are tested; without them each voxel is tested.

    Returns
    -------
    Comparison
        One entry for each region, or for each voxel.

    Notes
    -----
    The statistic is the difference of squared errors, (y - yhat_baseline)^2 - (y - yhat_multimodal)^2, which
    `flip_blocks` adds up for two bands. It holds for two separate fits as well.
    """
    bands = np.stack([multimodal.predicted, baseline.predicted])
    data = Predictions(multimodal.measured, bands, multimodal.folds)
    if masks is None:
        test = flip_blocks(data, blocks, permutations)
    else:
        test = flip_blocks_of_means(data, masks, blocks, permutations)
    one_sided = np.where(test.difference > 0, test.p / 2, 1 - test.p / 2)
    return Comparison(test.difference, test.ci_low, test.ci_high, one_sided)


def above_chance_p(
    model: HeldOutPredictions, blocks: Blocks, permutations: PermutationSettings, masks: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Test whether the mean R2 of each region is above chance, by permutation of blocks of the responses.

    Without this test a model could win by chance alone: of two models fitted to noise, one is better than the other.

    Parameters
    ----------
    model : HeldOutPredictions
        Predictions of one model.
    blocks : Blocks
        Blocks of samples that are permuted.
    permutations : PermutationSettings
        Number of permutations and their seed.
    masks : mapping of region to (n_voxels,) bool array
        Regions whose means are tested.

    Returns
    -------
    (n_regions,) array
        One-sided p values.
    """
    data = Predictions(model.measured, model.predicted[None], model.folds)
    return permute_blocks_of_means(data, masks, blocks, permutations).p[0]


def intersection_union_p(comparisons: Sequence[Comparison], chance: np.ndarray) -> np.ndarray:
    """Compute the p value that a model beats all baselines and chance.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Comparisons with each baseline.
    chance : (n_units,) array
        P values of the test against chance.

    Returns
    -------
    (n_units,) array
        The largest of the p values (Berger 1982).
    """
    return np.max([chance, *(comparison.p for comparison in comparisons)], axis=0)
