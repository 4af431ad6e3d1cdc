"""The batches of a pre-training run as a function of their number: a resumed run needs no memory of its order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from brivl.errors import BrivlError, RequestError
from brivl.models.brivl.configs import BrivlConfig
from brivl.models.brivl.image_encoder import to_pixels
from brivl.train.augment import augment
from brivl.train.brivl.pair_sources import PairSource, read_or_next


@dataclass(frozen=True)
class BatchLayout:
    """How the rows of one optimiser step are spread: over parts one after another, and over ranks side by side."""

    batch_size: int  # of all ranks and parts together
    n_parts: int = 1
    n_ranks: int = 1
    rank: int = 0

    def __post_init__(self) -> None:
        share = self.n_parts * self.n_ranks
        if min(self.batch_size, share) < 1 or self.batch_size % share:
            raise RequestError(
                f"Wanted a batch that {self.n_parts} parts on {self.n_ranks} ranks share evenly and got "
                f"{self.batch_size}; choose a multiple of {share}."
            )

    def rows(self, order: np.ndarray, part: int) -> np.ndarray:
        """This rank's rows of a part; ranks one after another, then parts, give the rows of the step in order."""
        return order.reshape(self.n_parts, self.n_ranks, -1)[part, self.rank]

    def joined(self, gathered: torch.Tensor) -> torch.Tensor:
        """(n_ranks, n_parts, rows, D), as ranks bring it, -> (batch_size, D) in the order of the step."""
        return gathered.transpose(0, 1).reshape(self.batch_size, -1)


@lru_cache(maxsize=2)
def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch goes through n pairs."""
    return np.random.default_rng([seed, 1, epoch]).permutation(n)


def step_rows(n: int, batch_size: int, seed: int, step: int) -> tuple[int, np.ndarray]:
    """Epoch and pairs of a step (from 0); every pair at most once an epoch, the last incomplete batch left out."""
    if n < batch_size:
        raise RequestError(f"Wanted at least {batch_size} pairs to fill a batch and got {n}; take a smaller batch.")
    epoch, k = divmod(step, n // batch_size)
    return epoch, epoch_order(n, seed, epoch)[k * batch_size : (k + 1) * batch_size]


@dataclass(frozen=True)
class MicroBatch:
    """What one rank sees at once: pixels (rows, 3, H, W), captions, and what had to be skipped: (name, reason)."""

    pixels: torch.Tensor
    texts: list[str]
    skipped: list[tuple[str, str]]


class MicroBatchDataset(Dataset):
    """Parts by number: part k of step s is item s * n_parts + k.

    An error is handed over as it is: raised in a process that reads ahead it would arrive as a traceback.
    """

    def __init__(self, source: PairSource, config: BrivlConfig, split: BatchLayout, seed: int) -> None:
        self.source, self.config, self.split, self.seed = source, config, split, seed

    def __getitem__(self, number: int) -> MicroBatch | BrivlError:
        step, part = divmod(number, self.split.n_parts)
        epoch, order = step_rows(len(self.source), self.split.batch_size, self.seed, step)
        try:
            return read_micro_batch(self.source, self.split.rows(order, part), self.config, (self.seed, 2, epoch))
        except BrivlError as error:
            return error


def read_micro_batch(
    source: PairSource, rows: Sequence[int] | np.ndarray, config: BrivlConfig, seed: tuple[int, ...]
) -> MicroBatch:
    """These pairs, augmented if the config says so; chance is by seed and row."""
    read = [read_or_next(source, int(row), (*seed, 0)) for row in rows]
    images = [pair.image for pair in read]
    visual = config.visual
    if config.augment:
        rngs = [np.random.default_rng([*seed, 1, int(row)]) for row in rows]
        images = [augment(x, config.augment, visual.image_size, rng) for x, rng in zip(images, rngs, strict=True)]
    pixels = torch.cat([to_pixels(x[None], visual.image_size, visual.mean, visual.std) for x in images])
    skipped = [(source.name(i), why) for pair in read for i, why in pair.skipped]
    return MicroBatch(pixels, [pair.caption for pair in read], skipped)


def iterate_micro_batches(
    dataset: MicroBatchDataset, first_step: int, n_steps: int, n_workers: int
) -> Iterator[MicroBatch]:
    """Parts from a step on, prepared ahead in n_workers processes; 0 prepares each when it is needed."""
    numbers = range(first_step * dataset.split.n_parts, n_steps * dataset.split.n_parts)
    own = torch.Generator()  # a loader draws a seed for its workers; drawn from torch's own it would change dropout
    for part in DataLoader(dataset, batch_size=None, sampler=numbers, num_workers=n_workers, generator=own):
        if isinstance(part, BrivlError):
            raise part
        yield part
