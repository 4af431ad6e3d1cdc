"""Is a voxel predicted better than chance? Permutation of blocks of the held-out responses, within one subject.

Null hypothesis: blocks of the held-out response are exchangeable given the predictions; the response in a block has
nothing to do with the stimulus of that block. Rearranging them changes only sum_t yhat(t) y(t), so that p is that of
joint R2 and of split R2 at once (Nichols and Holmes 2002 for max-T; blocks: see `brivl.core.inference.blocks`).

What it is not: the null "this band adds nothing to the other one". A band whose features go along with those of the
other can have a split R2 above chance and nothing of its own. Nor is it a statement about people: it is this subject,
these stimuli, this fit. With outer folds, p of each fold alone would be exact; the sum over folds varies more than that
(`Predictions.fold_inflation`), so that z is divided by sqrt(2) and p is rather too large. Drifts slower than a block
make p too small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from brivl.core.inference.blocks import Blocks, PermutationSettings
from brivl.core.inference.contributions import Predictions, member_matrix, split_contributions
from brivl.core.regions.region_stats import bh_q

TIE = 1e-4  # standard deviations within which two float32 sums count as equal
Piece = tuple[np.ndarray, np.ndarray]  # products (n_rows, n_pairs, n_units), R2 (n_rows, n_units)


@dataclass(frozen=True)
class PermutationTests:
    """One-sided tests; row 0 is the joint model, then the bands; units are voxels or regions. NaN: not scored.

    p_max: probability that the largest of all units of the row would reach this by chance (family-wise, max-T);
    q: Benjamini-Hochberg over the units of the row.
    """

    r2: np.ndarray  # (1 + n_bands, n_units)
    z: np.ndarray  # (1 + n_bands, n_units) deviations from the mean over all rearrangements, over `spread`
    p: np.ndarray
    p_max: np.ndarray
    q: np.ndarray
    n_blocks: int
    n_permutations: int  # rearrangements used, the one seen included
    exact: bool  # whether these are all there are

    @property
    def smallest_p(self) -> float:
        """What p cannot go below."""
        return 1 / self.n_permutations


def permute_blocks(
    predictions: Predictions,
    blocks: Blocks,
    draws: PermutationSettings = PermutationSettings(),  # noqa: B008
) -> PermutationTests:
    """Tests of each voxel: joint R2 and split R2 by band against rearranged blocks.

    max-T compares z = (sum - mean) / deviation over all rearrangements of the voxel, both in closed form (Hoeffding
    1951), so that voxels with strong predictions do not outshout the others. Memory does not grow with voxels but for
    the answer; the same seed gives the same answer.
    """
    return _tests(_of_voxels(predictions, blocks, draws), blocks, draws, predictions.fold_inflation)


def permute_blocks_of_means(
    predictions: Predictions,
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    draws: PermutationSettings = PermutationSettings(),  # noqa: B008
) -> PermutationTests:
    """Tests of the mean R2 over the voxels of each region, region -> (n_voxels,) bool; voxels need not be independent,
    since all of them are rearranged alike."""
    return _tests([_of_means(predictions, masks, blocks)], blocks, draws, predictions.fold_inflation)


def block_pairs(blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Places (n_pairs,) and the blocks (n_pairs,) that can come there."""
    grids = [np.meshgrid(members, members, indexing="ij") for members in blocks.classes]
    place, block = (np.concatenate([grid[i].ravel() for grid in grids] or [np.zeros(0, int)]) for i in range(2))
    return place, block


def pair_products(y: np.ndarray, bands: np.ndarray, blocks: Blocks) -> np.ndarray:
    """sum_s 2 yhat(place, s) y(block, s) of all pairs: (1 + n_bands, n_pairs, n_voxels), the joint model first."""
    found = []
    for members in blocks.classes:
        rows = np.stack([blocks.rows[member] for member in members])
        measured = y[rows].transpose(2, 1, 0)
        pairs = [2 * np.matmul(band[rows].transpose(2, 0, 1), measured) for band in bands]
        found.append(np.stack([pair.reshape(pair.shape[0], -1).T for pair in pairs]))
    products = np.concatenate(found, axis=1) if found else np.zeros((len(bands), 0, y.shape[1]), np.float32)
    return np.concatenate([products.sum(0, keepdims=True), products])


def _n_pairs(blocks: Blocks) -> int:
    return sum(len(members) ** 2 for members in blocks.classes)


def _of_voxels(predictions: Predictions, blocks: Blocks, draws: PermutationSettings) -> Iterator[Piece]:
    for _, y, bands, usable in predictions.scaled_batches(3 * max(_n_pairs(blocks), draws.n_permutations)):
        yield pair_products(y, bands, blocks), np.where(usable, _r2(y, bands), np.nan)


def _of_means(predictions: Predictions, masks: Mapping[str, np.ndarray], blocks: Blocks) -> Piece:
    parts = list(_summed(predictions, masks, blocks))
    products, r2, counts = (sum(part[i] for part in parts) for i in range(3))
    counts = np.where(counts > 0, counts, np.nan)
    return np.nan_to_num(products / counts), r2 / counts


def _summed(
    predictions: Predictions, masks: Mapping[str, np.ndarray], blocks: Blocks
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sums over the voxels of each region, batch by batch, and how many they are."""
    for batch, y, bands, usable in predictions.scaled_batches(3 * _n_pairs(blocks)):
        inside = member_matrix(masks, batch, usable)
        yield pair_products(y, bands, blocks) @ inside, _r2(y, bands) @ inside, inside.sum(0)


def _r2(y: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """(1 + n_bands, n_voxels) of scaled responses and predictions."""
    split = split_contributions(y, bands).sum(1, dtype=np.float64)
    return np.concatenate([split.sum(0, keepdims=True), split])


def _tests(pieces: Iterable[Piece], blocks: Blocks, draws: PermutationSettings, spread: float) -> PermutationTests:
    orders = blocks.permutations(draws)
    chosen = _chosen(orders, blocks)
    found, highest = [], None
    for products, r2 in pieces:
        z = np.stack([_deviations(chosen, row, blocks) for row in products])
        largest = z.max(2)
        highest = largest if highest is None else np.maximum(highest, largest)
        seen = z[:, 0] / spread
        found.append((r2, seen, np.where(np.isfinite(r2), (z >= seen[:, None] - TIE).mean(1), np.nan)))
    r2, z, p = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    p_max = np.where(np.isfinite(r2), permutation_p_value(highest, z - TIE), np.nan)
    q = np.stack([bh_q(row) for row in p])
    exact = blocks.n_permutations == len(orders)
    return PermutationTests(r2, z, p, p_max, q, blocks.n_blocks, len(orders), exact)


def _chosen(orders: np.ndarray, blocks: Blocks) -> scipy.sparse.csr_matrix:
    """(n_orders, n_pairs) float32, 1 where a rearrangement puts the pair's block in the pair's place."""
    place, block = block_pairs(blocks)
    index = np.full((blocks.n_blocks, blocks.n_blocks), -1)
    index[place, block] = np.arange(len(place))
    columns = index[np.arange(blocks.n_blocks), orders]
    kept = columns >= 0
    ends = np.r_[0, kept.sum(1).cumsum()]
    ones = np.ones(ends[-1], np.float32)
    return scipy.sparse.csr_matrix((ones, columns[kept], ends), shape=(len(orders), len(place)))


def _deviations(chosen: scipy.sparse.csr_matrix, products: np.ndarray, blocks: Blocks) -> np.ndarray:
    """z (n_orders, n_units) of the sums that rearrangements give; -inf where nothing varies."""
    mean, variance, start = 0.0, 0.0, 0
    for n in map(len, blocks.classes):
        square = products[start : start + n * n].reshape(n, n, -1).astype(np.float64)
        centred = square - square.mean(0) - square.mean(1)[:, None] + square.mean((0, 1))
        mean, variance = mean + square.sum((0, 1)) / n, variance + np.square(centred).sum((0, 1)) / (n - 1)
        start += n * n
    sums, deviation = chosen @ products.astype(np.float32), np.sqrt(variance + np.zeros(products.shape[1]))
    size = 1e-6 * (np.abs(products).max(0, initial=0) + 1e-12)
    alive = deviation > size
    z = (sums - np.asarray(mean, np.float32)) / np.where(alive, deviation, 1).astype(np.float32)
    return np.where(alive, z, np.float32(-np.inf))


def permutation_p_value(highest: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Share of the maxima (n_rows, n_draws) that are at least z (n_rows, n_units)."""
    ordered = np.sort(highest, axis=1)
    below = [np.searchsorted(row, values, side="left") for row, values in zip(ordered, z, strict=True)]
    return 1 - np.stack(below) / highest.shape[1]
