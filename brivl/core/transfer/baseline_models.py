"""Does a multimodal model beat vision, language, and both together? An intersection-union test within one subject.

After Subramaniam et al. 2024: a place integrates vision and language where a multimodal model predicts it better than
each unimodal model and than their linear combination. All comparisons must hold at once, so p of the whole is the
largest of the one-sided p (Berger 1982), and no correction over comparisons is due.
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
    """Held-out responses (n_samples, n_voxels), what a set of bands predicts of them, and the fold of each sample."""

    measured: np.ndarray
    predicted: np.ndarray
    parts: np.ndarray | None = None

    @property
    def r2(self) -> np.ndarray:
        """(n_voxels,), the mean over folds."""
        folds = np.zeros(len(self.measured), int) if self.parts is None else self.parts
        return np.mean([r2_joint(self.measured[folds == f], self.predicted[folds == f]) for f in np.unique(folds)], 0)


@dataclass(frozen=True)
class Comparison:
    """The multimodal model less a rival: units are voxels or regions."""

    difference: np.ndarray  # (n_units,) of R2
    ci_low: np.ndarray
    ci_high: np.ndarray
    p: np.ndarray  # one-sided: small where the multimodal model is better


def compare_with_baseline(
    multimodal: HeldOutPredictions,
    rival: HeldOutPredictions,
    blocks: Blocks,
    draws: PermutationSettings,
    masks: Mapping[str, np.ndarray] | None = None,
) -> Comparison:
    """By sign flips of blocks of the difference of squared errors; of means over regions where masks are given.

    (y - yhat_rival)^2 - (y - yhat_multimodal)^2 is what `flip_blocks` adds up for two bands, also of two fits.
    """
    bands = np.stack([multimodal.predicted, rival.predicted])
    data = Predictions(multimodal.measured, bands, multimodal.parts)
    found = flip_blocks(data, blocks, draws) if masks is None else flip_blocks_of_means(data, masks, blocks, draws)
    one_sided = np.where(found.difference > 0, found.p / 2, 1 - found.p / 2)
    return Comparison(found.difference, found.ci_low, found.ci_high, one_sided)


def above_chance_p(
    one: HeldOutPredictions, blocks: Blocks, draws: PermutationSettings, masks: Mapping[str, np.ndarray]
) -> np.ndarray:
    """(n_regions,) p of R2 above chance, by blocks of the response that change places: of two fits to noise one is
    worse too, and beats nothing."""
    data = Predictions(one.measured, one.predicted[None], one.parts)
    return permute_blocks_of_means(data, masks, blocks, draws).p[0]


def intersection_union_p(comparisons: Sequence[Comparison], chance: np.ndarray) -> np.ndarray:
    """(n_units,) p of beating all rivals and chance (n_units,): the largest."""
    return np.max([chance, *(comparison.p for comparison in comparisons)], axis=0)
