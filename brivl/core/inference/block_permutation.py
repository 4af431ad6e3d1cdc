"""Is a voxel predicted better than chance? Permutation of blocks of the held-out responses, within one subject.

Null hypothesis: blocks of the held-out response are exchangeable given the predictions; the response in a block does
not depend on the stimulus of that block. Permuting blocks changes only sum_t yhat(t) y(t), so that p is that of joint
R2 and of split R2 at once (Nichols and Holmes 2002 for max-T; blocks: see `brivl.core.inference.blocks`).

The null hypothesis is not that a band adds nothing to the other one. A band whose features correlate with those of the
other can have a split R2 above chance and no unique variance. Nor is it about a population of people: it is about this
subject, these stimuli and this fit. With outer folds, p of each single fold would be exact; the sum over folds varies
more than that (`Predictions.fold_inflation`), so that z is divided by sqrt(2) and p is rather too large. Drifts slower
than a block make p too small.
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
    """One-sided tests; row 0 is the joint model, then the bands; units are voxels or regions. NaN: not scored."""

    r2: np.ndarray  # (1 + n_bands, n_units)
    z: np.ndarray  # (1 + n_bands, n_units) deviations from the mean over all permutations, over `fold_inflation`
    p: np.ndarray
    p_max: np.ndarray  # family-wise: probability that the largest z of all units of the row reaches this (max-T)
    q: np.ndarray  # Benjamini-Hochberg over the units of the row
    n_blocks: int
    n_permutations: int  # permutations used, the observed order included
    exact: bool  # whether these are all permutations

    @property
    def smallest_p(self) -> float:
        """Smallest p that the permutations allow.

        Returns
        -------
        float
            1 / n_permutations.
        """
        return 1 / self.n_permutations


def permute_blocks(
    predictions: Predictions,
    blocks: Blocks,
    settings: PermutationSettings = PermutationSettings(),  # noqa: B008
) -> PermutationTests:
    """Test joint R2 and split R2 of each voxel against permuted blocks.

    Parameters
    ----------
    predictions : Predictions
        Held-out responses and predictions.
    blocks : Blocks
        Blocks of the held-out samples.
    settings : PermutationSettings
        Number and seed of permutations; the same seed gives the same result.

    Returns
    -------
    PermutationTests
        Tests of the voxels.

    Notes
    -----
    max-T compares z = (sum - mean) / standard deviation over all permutations of the voxel, both in closed form
    (Hoeffding 1951), so that voxels with strong predictions do not dominate the maximum. Memory grows with the number
    of voxels only by the result.
    """
    pieces = _pieces_of_voxels(predictions, blocks, settings)
    return _tests(pieces, blocks, settings, predictions.fold_inflation)


def permute_blocks_of_means(
    predictions: Predictions,
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    settings: PermutationSettings = PermutationSettings(),  # noqa: B008
) -> PermutationTests:
    """Test the mean R2 over the voxels of each region.

    Voxels need not be independent, since blocks are permuted alike in all of them.

    Parameters
    ----------
    predictions : Predictions
        Held-out responses and predictions.
    masks : Mapping of str to (n_voxels,) bool array
        Voxels of each region.
    blocks : Blocks
        Blocks of the held-out samples.
    settings : PermutationSettings
        Number and seed of permutations.

    Returns
    -------
    PermutationTests
        Tests of the regions.
    """
    return _tests([_piece_of_means(predictions, masks, blocks)], blocks, settings, predictions.fold_inflation)


def block_pairs(blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """List the pairs of a position and a block that can come there.

    Parameters
    ----------
    blocks : Blocks
        Blocks of the held-out samples.

    Returns
    -------
    tuple of np.ndarray
        Positions (n_pairs,) and blocks (n_pairs,).
    """
    grids = [np.meshgrid(members, members, indexing="ij") for members in blocks.classes]
    position, block = (np.concatenate([grid[i].ravel() for grid in grids] or [np.zeros(0, int)]) for i in range(2))
    return position, block


def pair_products(y: np.ndarray, bands: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Compute sum_s 2 yhat(position, s) y(block, s) of all pairs of `block_pairs`.

    Parameters
    ----------
    y : (n_samples, n_voxels) array
        Responses.
    bands : (n_bands, n_samples, n_voxels) array
        Predictions by band.
    blocks : Blocks
        Blocks of the samples.

    Returns
    -------
    np.ndarray
        (1 + n_bands, n_pairs, n_voxels), the joint model first.
    """
    by_class = []
    for members in blocks.classes:
        rows = np.stack([blocks.rows[member] for member in members])
        measured = y[rows].transpose(2, 1, 0)
        pairs = [2 * np.matmul(band[rows].transpose(2, 0, 1), measured) for band in bands]
        by_class.append(np.stack([pair.reshape(pair.shape[0], -1).T for pair in pairs]))
    products = np.concatenate(by_class, axis=1) if by_class else np.zeros((len(bands), 0, y.shape[1]), np.float32)
    return np.concatenate([products.sum(0, keepdims=True), products])


def _n_pairs(blocks: Blocks) -> int:
    return sum(len(members) ** 2 for members in blocks.classes)


def _pieces_of_voxels(predictions: Predictions, blocks: Blocks, settings: PermutationSettings) -> Iterator[Piece]:
    for _, y, bands, usable in predictions.scaled_batches(3 * max(_n_pairs(blocks), settings.n_permutations)):
        yield pair_products(y, bands, blocks), np.where(usable, _r2(y, bands), np.nan)


def _piece_of_means(predictions: Predictions, masks: Mapping[str, np.ndarray], blocks: Blocks) -> Piece:
    batches = list(_sums_over_regions(predictions, masks, blocks))
    products, r2, counts = (sum(batch[i] for batch in batches) for i in range(3))
    counts = np.where(counts > 0, counts, np.nan)
    return np.nan_to_num(products / counts), r2 / counts


def _sums_over_regions(
    predictions: Predictions, masks: Mapping[str, np.ndarray], blocks: Blocks
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sums over the voxels of each region, batch by batch, and the number of these voxels."""
    for batch, y, bands, usable in predictions.scaled_batches(3 * _n_pairs(blocks)):
        inside = member_matrix(masks, batch, usable)
        yield pair_products(y, bands, blocks) @ inside, _r2(y, bands) @ inside, inside.sum(0)


def _r2(y: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """(1 + n_bands, n_voxels) of scaled responses and predictions."""
    split = split_contributions(y, bands).sum(1, dtype=np.float64)
    return np.concatenate([split.sum(0, keepdims=True), split])


def _tests(
    pieces: Iterable[Piece], blocks: Blocks, settings: PermutationSettings, fold_inflation: float
) -> PermutationTests:
    permutations = blocks.permutations(settings)
    selector = _pair_selector(permutations, blocks)
    results, maxima = [], []
    for products, piece_r2 in pieces:
        permuted_z = np.stack([_z_scores(selector, row, blocks) for row in products])
        maxima.append(permuted_z.max(2))
        observed = permuted_z[:, 0] / fold_inflation
        reached = (permuted_z >= observed[:, None] - TIE).mean(1)
        results.append((piece_r2, observed, np.where(np.isfinite(piece_r2), reached, np.nan)))
    r2, z, p = (np.concatenate(parts, axis=1) for parts in zip(*results, strict=True))
    p_max = np.where(np.isfinite(r2), permutation_p_value(np.max(maxima, axis=0), z - TIE), np.nan)
    q = np.stack([bh_q(row) for row in p])
    exact = blocks.n_permutations == len(permutations)
    return PermutationTests(r2, z, p, p_max, q, blocks.n_blocks, len(permutations), exact)


def _pair_selector(permutations: np.ndarray, blocks: Blocks) -> scipy.sparse.csr_matrix:
    """(n_permutations, n_pairs) float32, 1 where a permutation puts the pair's block in the pair's position."""
    position, block = block_pairs(blocks)
    index = np.full((blocks.n_blocks, blocks.n_blocks), -1)
    index[position, block] = np.arange(len(position))
    columns = index[np.arange(blocks.n_blocks), permutations]
    kept = columns >= 0
    ends = np.r_[0, kept.sum(1).cumsum()]
    ones = np.ones(ends[-1], np.float32)
    return scipy.sparse.csr_matrix((ones, columns[kept], ends), shape=(len(permutations), len(position)))


def _z_scores(selector: scipy.sparse.csr_matrix, products: np.ndarray, blocks: Blocks) -> np.ndarray:
    """z (n_permutations, n_units) of the sum under each permutation; -inf where nothing varies."""
    mean, variance, start = 0.0, 0.0, 0
    for n in map(len, blocks.classes):
        square = products[start : start + n * n].reshape(n, n, -1).astype(np.float64)
        centred = square - square.mean(0) - square.mean(1)[:, None] + square.mean((0, 1))
        mean, variance = mean + square.sum((0, 1)) / n, variance + np.square(centred).sum((0, 1)) / (n - 1)
        start += n * n
    sums, deviation = selector @ products.astype(np.float32), np.sqrt(variance + np.zeros(products.shape[1]))
    size = 1e-6 * (np.abs(products).max(0, initial=0) + 1e-12)
    varies = deviation > size
    z = (sums - np.asarray(mean, np.float32)) / np.where(varies, deviation, 1).astype(np.float32)
    return np.where(varies, z, np.float32(-np.inf))


def permutation_p_value(permuted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Compute the fraction of permutations whose statistic is at least the observed statistic.

    Parameters
    ----------
    permuted : (n_rows, n_permutations) array
        Statistic under each permutation, the observed order included.
    observed : (n_rows, n_units) array
        Observed statistic.

    Returns
    -------
    np.ndarray
        (n_rows, n_units).
    """
    ordered = np.sort(permuted, axis=1)
    below = [np.searchsorted(row, values, side="left") for row, values in zip(ordered, observed, strict=True)]
    return 1 - np.stack(below) / permuted.shape[1]
