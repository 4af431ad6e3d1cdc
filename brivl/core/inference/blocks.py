"""Blocks of held-out samples that may change places, or signs, under a null hypothesis.

A block is longer than the haemodynamic response, so that what neighbouring samples share stays within it (Politis and
Romano 1994; for permutation tests of dependent data, Winkler et al. 2014). Blocks change places only with blocks of the
same run or fold and of the same length, so that the rearrangements form a group and p is exact where blocks are
exchangeable (Hemerik and Goeman 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from math import factorial, prod

import numpy as np

from brivl.core.encoding.delays import run_bounds
from brivl.errors import RequestError

SHORTEST_S = 10.0  # the longest delay of the models; a shorter block cuts responses to pieces


@dataclass(frozen=True)
class PermutationSettings:
    """How many rearrangements or signs are drawn where there are too many for all of them, and the seed."""

    n_permutations: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_permutations < 19:
            raise RequestError(f"Wanted 19 draws or more, with which p can reach .05, and got {self.n_permutations!r}.")


@dataclass(frozen=True)
class Blocks:
    """Blocks of n_samples held-out samples."""

    rows: tuple[np.ndarray, ...]  # samples of each block that move with it
    stratum: np.ndarray  # (n_blocks,) int; only blocks of one stratum change places
    labels: np.ndarray  # (n_samples,) int, block that each sample is counted to
    description: str  # "blocks of 20 s", "passages"

    @property
    def n_blocks(self) -> int:
        return len(self.rows)

    @cached_property
    def classes(self) -> list[np.ndarray]:
        """Indices of the blocks that may change places with one another, those of at least two."""
        kinds: dict[tuple[int, int], list[int]] = {}
        for block, rows in enumerate(self.rows):
            kinds.setdefault((int(self.stratum[block]), len(rows)), []).append(block)
        return [np.array(members) for members in kinds.values() if len(members) > 1]

    @property
    def n_permutations(self) -> int:
        """How many rearrangements there are."""
        return prod(factorial(len(members)) for members in self.classes)

    def permutations(self, draws: PermutationSettings) -> np.ndarray:
        """Rearrangements (n_orders, n_blocks) int, which block comes to each place; the first is the one seen.

        All of them where these are at most draws.n_permutations + 1, else draws.n_permutations random ones after it.
        """
        if self.n_permutations <= draws.n_permutations + 1:
            return np.array(list(self._all_orders()))
        rng = np.random.default_rng(draws.seed)
        orders = np.tile(np.arange(self.n_blocks), (draws.n_permutations + 1, 1))
        for members in self.classes:
            orders[1:, members] = rng.permuted(orders[1:, members], axis=1)
        return orders

    def _all_orders(self) -> Iterator[np.ndarray]:
        for chosen in product(*(permutations(members) for members in self.classes)):
            order = np.arange(self.n_blocks)
            for members, there in zip(self.classes, chosen, strict=True):
                order[members] = there
            yield order

    def signs(self, draws: PermutationSettings) -> np.ndarray:
        """Signs (n_patterns, n_blocks) int8 of +1 and -1, the first all +1.

        All patterns up to a common sign where these are at most n_permutations + 1, else n_permutations random ones
        after it.
        """
        n_patterns = 2 ** (self.n_blocks - 1)
        if n_patterns <= draws.n_permutations + 1:
            flips = (np.arange(n_patterns)[:, None] >> np.arange(self.n_blocks)) & 1
        else:
            flips = np.random.default_rng(draws.seed).integers(2, size=(draws.n_permutations + 1, self.n_blocks))
            flips[0] = 0
        return (1 - 2 * flips).astype(np.int8)


def check_block_length(seconds: float) -> None:
    """Raises RequestError for blocks shorter than SHORTEST_S, or of no finite length."""
    if not np.isfinite(seconds) or seconds < SHORTEST_S:
        raise RequestError(
            f"Wanted blocks of {SHORTEST_S:g} s or longer, as the response lasts, and got {seconds!r} s."
        )


def blocks_in_runs(run_onsets: np.ndarray, n_samples: int, tr: float, seconds: float = 20.0) -> Blocks:
    """Consecutive blocks of at least `seconds`, equally long within each run; samples left over at a run's end stay.

    Those are counted to the run's last block where blocks are added up. run_onsets (n_runs,), tr in s. Raises
    RequestError for blocks shorter than the response, or fewer than 4 blocks in all.
    """
    check_block_length(seconds)
    length = int(np.ceil(seconds / tr - 1e-9))
    rows, stratum, labels = [], [], np.empty(n_samples, int)
    for run, (start, stop) in enumerate(run_bounds(run_onsets, n_samples)):
        n_blocks = max(1, (stop - start) // length)
        size = (stop - start) // n_blocks
        labels[start:stop] = len(rows) + np.minimum(np.arange(stop - start) // size, n_blocks - 1)
        rows += [np.arange(start + i * size, start + (i + 1) * size) for i in range(n_blocks)]
        stratum += [run] * n_blocks
    return _enough(Blocks(tuple(rows), np.array(stratum), labels, f"blocks of {length * tr:g} s or a little more"))


def blocks_of_groups(groups: np.ndarray, parts: np.ndarray | None = None, said: str = "passages") -> Blocks:
    """Every group of samples (a passage) a block; only groups of one part (fold) and one size change places.

    groups, parts (n_samples,) labels. Raises RequestError if a group lies in several parts, or there are fewer than 4.
    """
    groups = np.asarray(groups)
    parts = np.zeros(len(groups), int) if parts is None else np.asarray(parts)
    names, labels = np.unique(groups, return_inverse=True)
    rows = tuple(np.flatnonzero(labels == i) for i in range(len(names)))
    split = [str(name) for name, here in zip(names, rows, strict=True) if len(np.unique(parts[here])) > 1]
    if split:
        raise RequestError(
            f"Wanted {said} that are held out as a whole, and {len(split)} of {len(names)} are not, {split[0]!r} for "
            "one. Use the preset strict."
        )
    return _enough(Blocks(rows, np.array([parts[here[0]] for here in rows], int), labels, said))


def _enough(blocks: Blocks) -> Blocks:
    if blocks.n_blocks < 4:
        raise RequestError(
            f"Expected 4 {blocks.description} or more, got {blocks.n_blocks}; no p below .05 can be reached. "
            "Choose shorter blocks, or test over subjects."
        )
    return blocks
