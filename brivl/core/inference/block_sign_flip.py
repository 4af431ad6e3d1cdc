"""Does one model predict better than the other? Sign flips of blocks of their difference, within one subject.

The difference of the two split R2 is a sum over samples of yhat_A (2y - yhat) - yhat_B (2y - yhat), which is
(y - yhat_B)^2 - (y - yhat_A)^2: the difference of squared errors of each band's part (Diebold and Mariano 1995). It is
added up in blocks, and every block's sum gets a random sign (Winkler et al. 2014; exact where all signs are tried).

Null hypothesis: each block's difference is as likely to be this large in favour of A as of B (symmetric about 0, blocks
independent). What it is not: the training data are taken as they are, so it compares these two fits, not the two models
over all training sets, and not over people; identical predictions differ nowhere and get p = 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from brivl.core.inference.block_permutation import TIE, permutation_p_value
from brivl.core.inference.blocks import Blocks, PermutationSettings
from brivl.core.inference.contributions import Predictions, member_matrix, split_contributions
from brivl.core.regions.region_stats import bh_q, expanded_percentile_levels
from brivl.errors import RequestError

N_BOOT = 2000
SAME = 1e-6  # R2; differences below are rounding
Piece = tuple[np.ndarray, np.ndarray]  # differences and sums of squares, each (n_blocks, n_units); NaN: not scored


@dataclass(frozen=True)
class DifferenceTests:
    """Split R2 of A less that of B, two-sided; units are voxels or regions. p_max and q as in `PermutationTests`."""

    difference: np.ndarray  # (n_units,)
    ci_low: np.ndarray  # 95 %, bootstrap over blocks
    ci_high: np.ndarray
    p: np.ndarray
    p_max: np.ndarray
    q: np.ndarray
    n_blocks: int
    n_signs: int  # patterns used, up to a common sign, the one seen included
    exact: bool  # whether these are all there are

    @property
    def smallest_p(self) -> float:
        """What p cannot go below: 2 / 2^n_blocks where all signs are tried."""
        return 1 / self.n_signs


def flip_blocks(
    predictions: Predictions,
    blocks: Blocks,
    draws: PermutationSettings = PermutationSettings(),  # noqa: B008
) -> DifferenceTests:
    """Test of each voxel. The statistic is sum_k d_k / sqrt(sum_k d_k^2), a function of t of the blocks' differences.

    ci: blocks drawn with replacement, difference over sum of squares of those drawn (Kunsch 1989), percentiles widened
    for few blocks (`expanded_levels`). Raises RequestError unless there are two bands.
    """
    return _tests(_of_voxels(predictions, blocks), blocks, draws)


def flip_blocks_of_means(
    predictions: Predictions,
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    draws: PermutationSettings = PermutationSettings(),  # noqa: B008
) -> DifferenceTests:
    """Test of the mean difference over the voxels of each region, region -> (n_voxels,) bool."""
    parts = list(_summed(predictions, masks, blocks))
    difference, squares, counts = (sum(part[i] for part in parts) for i in range(3))
    counts = np.where(counts > 0, counts, np.nan)
    return _tests([(difference / counts, squares / counts)], blocks, draws)


def _of_voxels(predictions: Predictions, blocks: Blocks) -> Iterator[Piece]:
    for _, difference, squares, usable in _by_block(predictions, blocks):
        yield np.where(usable, difference, np.nan), squares


def _summed(
    predictions: Predictions, masks: Mapping[str, np.ndarray], blocks: Blocks
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    for batch, difference, squares, usable in _by_block(predictions, blocks):
        inside = member_matrix(masks, batch, usable)
        yield difference @ inside, squares @ inside, inside.sum(0)


def _by_block(predictions: Predictions, blocks: Blocks) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each batch of voxels, differences and sums of squares (n_blocks, n_batch)."""
    if len(predictions.bands) != 2:
        raise RequestError(f"Wanted the predictions of two models and got {len(predictions.bands)}.")
    adding = (blocks.labels == np.arange(blocks.n_blocks)[:, None]).astype(np.float64)
    for batch, y, bands, usable in predictions.scaled_batches(N_BOOT):
        a, b = split_contributions(y, bands)
        yield batch, adding @ (a - b), adding @ np.square(y), usable


def _tests(pieces: Iterable[Piece], blocks: Blocks, draws: PermutationSettings) -> DifferenceTests:
    signs = blocks.signs(draws).astype(np.float32)
    rng = np.random.default_rng(draws.seed)
    counts = rng.multinomial(blocks.n_blocks, np.full(blocks.n_blocks, 1 / blocks.n_blocks), size=N_BOOT)
    found, highest = [], np.full(len(signs), -np.inf)
    for d, squares in pieces:
        size = np.sqrt(np.square(d).sum(0))
        alive = size > SAME
        z = np.abs(signs @ np.where(alive, d / np.where(alive, size, 1), 0).astype(np.float32))
        highest = np.maximum(highest, z.max(1))
        p = np.where(np.isfinite(size), (z >= z[:1] - TIE).mean(0), np.nan)
        found.append((d.sum(0), *_interval(d, squares, counts.astype(float)), p, z[0]))
    difference, low, high, p, z = (np.concatenate(parts) for parts in zip(*found, strict=True))
    p_max = np.where(np.isfinite(p), permutation_p_value(highest[None], z[None] - TIE)[0], np.nan)
    exact = len(signs) == 2 ** (blocks.n_blocks - 1)
    return DifferenceTests(difference, low, high, p, p_max, bh_q(p), blocks.n_blocks, len(signs), exact)


def _interval(d: np.ndarray, squares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Ends (2, n_units) of the interval of the difference; counts (N_BOOT, n_blocks) how often each block was drawn."""
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = (counts @ d) / (counts @ squares) * squares.sum(0)
    return np.quantile(drawn, expanded_percentile_levels(len(d)), axis=0)
