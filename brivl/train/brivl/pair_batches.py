"""The batches of a pre-training run as a function of their number, so that a resumed run needs no stored order."""

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
    """How the rows of one optimiser step are distributed over micro-batches and over ranks."""

    batch_size: int  # of all ranks and micro-batches together
    n_micro_batches: int = 1
    n_ranks: int = 1
    rank: int = 0

    def __post_init__(self) -> None:
        n_parts = self.n_micro_batches * self.n_ranks
        if min(self.batch_size, n_parts) < 1 or self.batch_size % n_parts:
            raise RequestError(
                f"Expected a batch size that {self.n_micro_batches} micro-batches on {self.n_ranks} ranks divide, got "
                f"{self.batch_size}. Choose a multiple of {n_parts}."
            )

    def rows(self, order: np.ndarray, micro_batch: int) -> np.ndarray:
        """Select this rank's rows of a micro-batch.

        The rows of all ranks, and then of all micro-batches, give the rows of the step in order.

        Parameters
        ----------
        order : (batch_size,) array
            Rows of the step.
        micro_batch
            Number of the micro-batch.

        Returns
        -------
        np.ndarray
            Rows.
        """
        return order.reshape(self.n_micro_batches, self.n_ranks, -1)[micro_batch, self.rank]

    def joined(self, gathered: torch.Tensor) -> torch.Tensor:
        """Arrange rows that were gathered from all ranks in the order of the step.

        Parameters
        ----------
        gathered : (n_ranks, n_micro_batches, rows, D) tensor
            Rows of all ranks.

        Returns
        -------
        torch.Tensor
            (batch_size, D).
        """
        return gathered.transpose(0, 1).reshape(self.batch_size, -1)


@lru_cache(maxsize=2)
def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Shuffle the pairs of an epoch.

    Parameters
    ----------
    n
        Number of pairs.
    seed
        Random seed of the run.
    epoch
        Number of the epoch, from 0.

    Returns
    -------
    np.ndarray
        (n,) pairs in order.
    """
    return np.random.default_rng([seed, 1, epoch]).permutation(n)


def step_rows(n: int, batch_size: int, seed: int, step: int) -> tuple[int, np.ndarray]:
    """Find the pairs of a step; each pair comes at most once an epoch, and the last incomplete batch is left out.

    Parameters
    ----------
    n
        Number of pairs.
    batch_size
        Pairs of a step.
    seed
        Random seed of the run.
    step
        Number of the step, from 0.

    Returns
    -------
    epoch : int
        Number of the epoch.
    rows : (batch_size,) array
        Pairs.

    Raises
    ------
    RequestError
        If there are fewer pairs than a batch has.
    """
    if n < batch_size:
        raise RequestError(
            f"Expected at least {batch_size} pairs to fill a batch, got {n}. Choose a smaller batch size."
        )
    epoch, k = divmod(step, n // batch_size)
    return epoch, epoch_order(n, seed, epoch)[k * batch_size : (k + 1) * batch_size]


@dataclass(frozen=True)
class MicroBatch:
    """What one rank processes at once."""

    pixels: torch.Tensor  # (rows, 3, H, W)
    texts: list[str]
    skipped: list[tuple[str, str]]  # name of each skipped image, and the reason


class MicroBatchDataset(Dataset[MicroBatch | BrivlError]):
    """Micro-batches by number: micro-batch k of step s is item s * n_micro_batches + k.

    An error is an item as well: raised in a process that reads ahead it would arrive as a traceback.

    Parameters
    ----------
    source
        Pairs.
    config
        Settings of the model.
    layout
        Distribution of a batch.
    seed
        Random seed of the run.
    """

    def __init__(self, source: PairSource, config: BrivlConfig, layout: BatchLayout, seed: int) -> None:
        self.source, self.config, self.layout, self.seed = source, config, layout, seed

    def __getitem__(self, number: int) -> MicroBatch | BrivlError:
        step, micro_batch = divmod(number, self.layout.n_micro_batches)
        epoch, order = step_rows(len(self.source), self.layout.batch_size, self.seed, step)
        rows = self.layout.rows(order, micro_batch)
        try:
            return read_micro_batch(self.source, rows, self.config, (self.seed, 2, epoch))
        except BrivlError as error:
            return error


def read_micro_batch(
    source: PairSource, rows: Sequence[int] | np.ndarray, config: BrivlConfig, seed: tuple[int, ...]
) -> MicroBatch:
    """Read pairs, and augment their images if the configuration says so.

    Parameters
    ----------
    source
        Pairs.
    rows
        Numbers of the pairs.
    config
        Settings of the model.
    seed
        Random seed; augmentation and captions depend on the seed and the row alone.

    Returns
    -------
    MicroBatch
        Pixels and captions.
    """
    pairs = [read_or_next(source, int(row), (*seed, 0)) for row in rows]
    images = [pair.image for pair in pairs]
    visual = config.visual
    if config.augment:
        rngs = [np.random.default_rng([*seed, 1, int(row)]) for row in rows]
        images = [augment(x, config.augment, visual.image_size, rng) for x, rng in zip(images, rngs, strict=True)]
    pixels = torch.cat([to_pixels(x[None], visual.image_size, visual.mean, visual.std) for x in images])
    skipped = [(source.name(i), why) for pair in pairs for i, why in pair.skipped]
    return MicroBatch(pixels, [pair.caption for pair in pairs], skipped)


def iterate_micro_batches(
    dataset: MicroBatchDataset, first_step: int, n_steps: int, n_workers: int
) -> Iterator[MicroBatch]:
    """Read the micro-batches of a run.

    Parameters
    ----------
    dataset
        Micro-batches by number.
    first_step
        First step, from 0.
    n_steps
        Number of steps of the run.
    n_workers
        Number of processes that read ahead; 0 reads each micro-batch when it is needed.

    Yields
    ------
    MicroBatch
        One micro-batch after the other.
    """
    n = dataset.layout.n_micro_batches
    numbers = range(first_step * n, n_steps * n)
    own = torch.Generator()  # a loader draws a seed for its workers, which would change dropout if drawn from torch's
    for micro_batch in DataLoader(dataset, batch_size=None, sampler=numbers, num_workers=n_workers, generator=own):
        if isinstance(micro_batch, BrivlError):
            raise micro_batch
        yield micro_batch
