"""Blocks of held-out samples that are permuted, or change sign, under a null hypothesis.

A block is longer than the haemodynamic response, so that the dependence between neighbouring samples is mostly within
blocks (Politis and Romano 1994; for permutation tests of dependent data, Winkler et al. 2014). Blocks are permuted only
among blocks of the same run or fold and of the same length, so that the permutations form a group and p is exact where
blocks are exchangeable (Hemerik and Goeman 2018).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import factorial, prod

import numpy as np

from brivl.core.encoding.delays import run_bounds
from brivl.errors import RequestError

SHORTEST_S = 10.0  # the longest delay of the models; a shorter block divides the response to one stimulus
FEWEST_PERMUTATIONS = 19  # with which p can reach .05
FEWEST_BLOCKS = 4


@dataclass(frozen=True)
class PermutationSettings:
    """Number of random permutations or sign flips, where there are too many to use all of them, and their seed."""

    n_permutations: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_permutations < FEWEST_PERMUTATIONS:
            raise RequestError(
                f"Expected {FEWEST_PERMUTATIONS} permutations or more, with which p can reach .05, got "
                f"{self.n_permutations!r}. Choose more permutations."
            )


@dataclass(frozen=True)
class Blocks:
    """Blocks of n_samples held-out samples."""

    rows: tuple[np.ndarray, ...]  # samples of each block that are permuted with it
    stratum: np.ndarray  # (n_blocks,) int; blocks are permuted within a stratum
    labels: np.ndarray  # (n_samples,) int, block to which each sample is added where sums over blocks are taken
    description: str  # "blocks of 20 s", "passages"

    @property
    def n_blocks(self) -> int:
        """Number of blocks.

        Returns
        -------
        int
            Length of `rows`.
        """
        return len(self.rows)

    @cached_property
    def classes(self) -> list[np.ndarray]:
        """Group blocks that are exchangeable with one another.

        Returns
        -------
        list of np.ndarray
            Indices of the blocks of each group of two or more: one stratum and one length.
        """
        kinds: dict[tuple[int, int], list[int]] = {}
        for block, rows in enumerate(self.rows):
            kinds.setdefault((int(self.stratum[block]), len(rows)), []).append(block)
        return [np.array(members) for members in kinds.values() if len(members) > 1]

    @property
    def n_permutations(self) -> int:
        """Number of different permutations.

        Returns
        -------
        int
            Product of the factorials of the sizes of `classes`.
        """
        return prod(factorial(len(members)) for members in self.classes)

    def permutations(self, settings: PermutationSettings) -> np.ndarray:
        """List permutations of the blocks.

        Parameters
        ----------
        settings : PermutationSettings
            Number and seed of random permutations.

        Returns
        -------
        np.ndarray
            (n_used, n_blocks) int, the block that comes to each position; the first permutation is the observed order.
            All permutations where these are at most settings.n_permutations + 1, else settings.n_permutations random
            ones after the first.
        """
        if self.n_permutations <= settings.n_permutations + 1:
            return np.array(list(self._all_permutations()))
        rng = np.random.default_rng(settings.seed)
        permutations = np.tile(np.arange(self.n_blocks), (settings.n_permutations + 1, 1))
        for members in self.classes:
            permutations[1:, members] = rng.permuted(permutations[1:, members], axis=1)
        return permutations

    def _all_permutations(self) -> Iterator[np.ndarray]:
        for chosen in itertools.product(*(itertools.permutations(members) for members in self.classes)):
            permutation = np.arange(self.n_blocks)
            for members, permuted in zip(self.classes, chosen, strict=True):
                permutation[members] = permuted
            yield permutation

    def signs(self, settings: PermutationSettings) -> np.ndarray:
        """List patterns of signs of the blocks.

        Parameters
        ----------
        settings : PermutationSettings
            Number and seed of random patterns.

        Returns
        -------
        np.ndarray
            (n_used, n_blocks) int8 of +1 and -1; the first pattern is all +1. All patterns up to a common sign where
            these are at most settings.n_permutations + 1, else settings.n_permutations random ones after the first.
        """
        n_patterns = 2 ** (self.n_blocks - 1)
        if n_patterns <= settings.n_permutations + 1:
            flips = (np.arange(n_patterns)[:, None] >> np.arange(self.n_blocks)) & 1
        else:
            rng = np.random.default_rng(settings.seed)
            flips = rng.integers(2, size=(settings.n_permutations + 1, self.n_blocks))
            flips[0] = 0
        return (1 - 2 * flips).astype(np.int8)


def check_block_length(seconds: float) -> None:
    """Check that blocks are as long as the haemodynamic response.

    Parameters
    ----------
    seconds : float
        Length of a block in seconds.

    Raises
    ------
    RequestError
        For blocks shorter than `SHORTEST_S`, or of no finite length.
    """
    if not np.isfinite(seconds) or seconds < SHORTEST_S:
        raise RequestError(
            f"Expected blocks of {SHORTEST_S:g} s or longer, the length of the haemodynamic response, got {seconds!r} "
            "s. Choose longer blocks."
        )


def blocks_in_runs(run_onsets: np.ndarray, n_samples: int, tr: float, seconds: float = 20.0) -> Blocks:
    """Divide runs into consecutive blocks, equally long within each run.

    Parameters
    ----------
    run_onsets : (n_runs,) array
        First sample of each run.
    n_samples : int
        Number of samples.
    tr : float
        Time between two samples in seconds.
    seconds : float
        Shortest length of a block in seconds.

    Returns
    -------
    Blocks
        The blocks. Samples that remain at the end of a run are not permuted; they are added to the run's last block
        where sums over blocks are taken.

    Raises
    ------
    RequestError
        For blocks shorter than the response, or fewer than `FEWEST_BLOCKS` blocks in all.
    """
    check_block_length(seconds)
    length = int(np.ceil(seconds / tr - 1e-9))
    rows: list[np.ndarray] = []
    stratum: list[int] = []
    labels = np.empty(n_samples, int)
    for run, (start, stop) in enumerate(run_bounds(run_onsets, n_samples)):
        n_blocks = max(1, (stop - start) // length)
        size = (stop - start) // n_blocks
        labels[start:stop] = len(rows) + np.minimum(np.arange(stop - start) // size, n_blocks - 1)
        rows += [np.arange(start + i * size, start + (i + 1) * size) for i in range(n_blocks)]
        stratum += [run] * n_blocks
    return _enough(Blocks(tuple(rows), np.array(stratum), labels, f"blocks of at least {length * tr:g} s"))


def blocks_of_groups(groups: np.ndarray, folds: np.ndarray | None = None, description: str = "passages") -> Blocks:
    """Make every group of samples (a passage) a block.

    Parameters
    ----------
    groups : (n_samples,) array
        Group of each sample.
    folds : (n_samples,) array or None
        Fold that holds out each sample; groups are permuted within a fold and among groups of one size.
    description : str
        What the groups are.

    Returns
    -------
    Blocks
        The blocks.

    Raises
    ------
    RequestError
        If a group is divided between folds, or there are fewer than `FEWEST_BLOCKS` groups.
    """
    groups = np.asarray(groups)
    folds = np.zeros(len(groups), int) if folds is None else np.asarray(folds)
    names, labels = np.unique(groups, return_inverse=True)
    rows = tuple(np.flatnonzero(labels == i) for i in range(len(names)))
    divided = [str(name) for name, own in zip(names, rows, strict=True) if len(np.unique(folds[own])) > 1]
    if divided:
        raise RequestError(
            f"Expected {description} that are held out as a whole, got {len(divided)} of {len(names)} divided between "
            f"folds, for example {divided[0]!r}. Use the preset strict."
        )
    return _enough(Blocks(rows, np.array([folds[own[0]] for own in rows], int), labels, description))


def _enough(blocks: Blocks) -> Blocks:
    if blocks.n_blocks < FEWEST_BLOCKS:
        raise RequestError(
            f"Expected {FEWEST_BLOCKS} {blocks.description} or more, got {blocks.n_blocks}; no p below .05 can be "
            "reached. Choose shorter blocks, or test over subjects."
        )
    return blocks
