"""Does one model predict better than the other? Sign flips of blocks of their difference, within one subject.

The difference of the two split R2 is a sum over samples of yhat_A (2y - yhat) - yhat_B (2y - yhat), which is
(y - yhat_B)^2 - (y - yhat_A)^2: the difference of the squared errors of each band's prediction (Diebold and Mariano
1995). It is added up in blocks, and every block's sum gets a random sign (Winkler et al. 2014; exact where all signs
are used).

Null hypothesis: the distribution of each block's difference is symmetric about 0, and blocks are independent. The test
takes the training data as given. It compares these two fits, not the two models over all training sets, and not over
people. Identical predictions differ nowhere and get p = 1.
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
    """Two-sided tests of split R2 of A minus that of B; units are voxels or regions."""

    difference: np.ndarray  # (n_units,)
    ci_low: np.ndarray  # 95 %, bootstrap over blocks
    ci_high: np.ndarray
    p: np.ndarray
    p_max: np.ndarray  # family-wise, as in `PermutationTests`
    q: np.ndarray  # Benjamini-Hochberg
    n_blocks: int
    n_signs: int  # patterns of signs used, up to a common sign, the observed one included
    exact: bool  # whether these are all patterns

    @property
    def smallest_p(self) -> float:
        """Smallest p that the patterns of signs allow.

        Returns
        -------
        float
            1 / n_signs, which is 2 / 2^n_blocks where all signs are used.
        """
        return 1 / self.n_signs


def flip_blocks(
    predictions: Predictions,
    blocks: Blocks,
    settings: PermutationSettings = PermutationSettings(),  # noqa: B008
) -> DifferenceTests:
    """Test the difference of the two split R2 of each voxel.

    Parameters
    ----------
    predictions : Predictions
        Held-out responses and predictions of two bands.
    blocks : Blocks
        Blocks of the held-out samples.
    settings : PermutationSettings
        Number and seed of patterns of signs.

    Returns
    -------
    DifferenceTests
        Tests of the voxels.

    Raises
    ------
    RequestError
        Unless there are two bands.

    Notes
    -----
    The statistic is sum_k d_k / sqrt(sum_k d_k^2), a function of t of the blocks' differences. Confidence interval:
    blocks drawn with replacement, difference over sum of squares of the drawn blocks (Kunsch 1989), percentiles
    expanded for few blocks (`expanded_percentile_levels`).
    """
    return _tests(_pieces_of_voxels(predictions, blocks), blocks, settings)


def flip_blocks_of_means(
    predictions: Predictions,
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    settings: PermutationSettings = PermutationSettings(),  # noqa: B008
) -> DifferenceTests:
    """Test the mean difference over the voxels of each region.

    Parameters
    ----------
    predictions : Predictions
        Held-out responses and predictions of two bands.
    masks : Mapping of str to (n_voxels,) bool array
        Voxels of each region.
    blocks : Blocks
        Blocks of the held-out samples.
    settings : PermutationSettings
        Number and seed of patterns of signs.

    Returns
    -------
    DifferenceTests
        Tests of the regions.

    Raises
    ------
    RequestError
        Unless there are two bands.
    """
    batches = list(_sums_over_regions(predictions, masks, blocks))
    difference, squares, counts = (sum(batch[i] for batch in batches) for i in range(3))
    counts = np.where(counts > 0, counts, np.nan)
    return _tests([(difference / counts, squares / counts)], blocks, settings)


def _pieces_of_voxels(predictions: Predictions, blocks: Blocks) -> Iterator[Piece]:
    for _, difference, squares, usable in _by_block(predictions, blocks):
        yield np.where(usable, difference, np.nan), squares


def _sums_over_regions(
    predictions: Predictions, masks: Mapping[str, np.ndarray], blocks: Blocks
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    for batch, difference, squares, usable in _by_block(predictions, blocks):
        inside = member_matrix(masks, batch, usable)
        yield difference @ inside, squares @ inside, inside.sum(0)


def _by_block(predictions: Predictions, blocks: Blocks) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each batch of voxels, differences and sums of squares (n_blocks, n_batch)."""
    if len(predictions.bands) != 2:
        raise RequestError(
            f"Expected the predictions of two models, got {len(predictions.bands)}. Choose two models to compare."
        )
    block_sums = (blocks.labels == np.arange(blocks.n_blocks)[:, None]).astype(np.float64)
    for batch, y, bands, usable in predictions.scaled_batches(N_BOOT):
        a, b = split_contributions(y, bands)
        yield batch, block_sums @ (a - b), block_sums @ np.square(y), usable


def _tests(pieces: Iterable[Piece], blocks: Blocks, settings: PermutationSettings) -> DifferenceTests:
    signs = blocks.signs(settings).astype(np.float32)
    rng = np.random.default_rng(settings.seed)
    counts = rng.multinomial(blocks.n_blocks, np.full(blocks.n_blocks, 1 / blocks.n_blocks), size=N_BOOT)
    results, maxima = [], np.full(len(signs), -np.inf)
    for d, squares in pieces:
        size = np.sqrt(np.square(d).sum(0))
        varies = size > SAME
        flipped = np.abs(signs @ np.where(varies, d / np.where(varies, size, 1), 0).astype(np.float32))
        maxima = np.maximum(maxima, flipped.max(1))
        piece_p = np.where(np.isfinite(size), (flipped >= flipped[:1] - TIE).mean(0), np.nan)
        low, high = _interval(d, squares, counts.astype(float))
        results.append((d.sum(0), low, high, piece_p, flipped[0]))
    difference, ci_low, ci_high, p, observed = (np.concatenate(parts) for parts in zip(*results, strict=True))
    p_max = np.where(np.isfinite(p), permutation_p_value(maxima[None], observed[None] - TIE)[0], np.nan)
    exact = len(signs) == 2 ** (blocks.n_blocks - 1)
    return DifferenceTests(difference, ci_low, ci_high, p, p_max, bh_q(p), blocks.n_blocks, len(signs), exact)


def _interval(d: np.ndarray, squares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Ends (2, n_units) of the interval of the difference; counts (N_BOOT, n_blocks) how often each block was drawn."""
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = (counts @ d) / (counts @ squares) * squares.sum(0)
    return np.quantile(drawn, expanded_percentile_levels(len(d)), axis=0)
