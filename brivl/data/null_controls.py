"""Nulls for any dataset: training runs swap their events, or each run's events are shifted in time.

Where every run has stimulation at the same times (as in Haxby 2001), swapping runs breaks which stimulus was shown when
but keeps that something was shown, so voxels that answer to any stimulus are still predicted. Shifting breaks that too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from brivl.core.records import Design, Responses, Stimulus, Truth
from brivl.data.dataset import Dataset
from brivl.errors import RequestError

NullKind = Literal["shuffled", "shifted"]
NULL_TITLES = {"shuffled": "events shuffled between runs", "shifted": "events shifted in time within runs"}


@dataclass(frozen=True)
class NullEvents:
    """A dataset whose training runs have wrong events; responses, design and test rows are untouched."""

    base: Dataset
    kind: NullKind
    seed: int
    models: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", self.base.models)

    @property
    def name(self) -> str:
        return f"{self.base.name}-{self.kind}-{self.seed}"

    @property
    def title(self) -> str:
        return f"{self.base.title}, {NULL_TITLES[self.kind]} (null)"

    @property
    def simulated(self) -> bool:
        return self.base.simulated

    @property
    def licence(self) -> str:
        return self.base.licence

    @property
    def citation(self) -> str:
        return self.base.citation

    @property
    def subjects(self) -> tuple[str, ...]:
        return self.base.subjects

    def design(self, subject: str) -> Design:
        return self.base.design(subject)

    def responses(self, subject: str) -> Responses:
        return self.base.responses(subject)

    def truth(self, subject: str) -> Truth | None:
        """Nothing is planted any more, so there is no truth to recover."""
        return None

    def digest(self, subject: str) -> str:
        return f"{self.base.digest(subject)}-{self.kind}-{self.seed}"

    def stimulus(self, subject: str) -> Stimulus:
        """The stimulus with its training rows exchanged. RequestError where the null cannot be made of these runs."""
        stimulus, design, rng = self.base.stimulus(subject), self.base.design(subject), np.random.default_rng(self.seed)
        swapped = self.kind == "shuffled"
        train = _swapped_rows(design, rng, f"{self.base.name}, {subject}") if swapped else _shifted_rows(design, rng)
        rows = np.concatenate([train, np.arange(design.n_train, design.n_train + design.n_test)])
        features = {name: np.asarray(X)[..., rows, :] for name, X in stimulus.features.items()}
        return replace(stimulus, weights=stimulus.weights[rows], features=features)


def shuffle_events(dataset: Dataset, seed: int) -> NullEvents:
    """A null of what was shown: no training run keeps its own events (a random derangement of runs, from `seed`).

    What all runs have in common, such as the times of stimulation, survives on purpose. RequestError, when its
    stimulus is asked for, where the runs of a subject differ in length or there is only one.
    """
    return NullEvents(dataset, "shuffled", seed)


def shift_events(dataset: Dataset, seed: int) -> NullEvents:
    """A null of what and when: each training run's events are rolled in time by an offset of its own, from `seed`.

    Keeps each run's own rhythm and mixture of stimuli. RequestError, when its stimulus is asked for, where a run has
    fewer than two samples.
    """
    return NullEvents(dataset, "shifted", seed)


def derangement(n: int, rng: np.random.Generator) -> np.ndarray:
    """A random order of 0..n-1 (n >= 2) that leaves nothing in its place, all such orders equally likely."""
    while True:  # about e draws on average
        order = rng.permutation(n)
        if not (order == np.arange(n)).any():
            return order


def _lengths(design: Design) -> np.ndarray:
    return np.diff([*design.run_onsets, design.n_train])


def _swapped_rows(design: Design, rng: np.random.Generator, source: str) -> np.ndarray:
    """Row of the stimulus that each training sample is given, (n_train,)."""
    lengths = _lengths(design)
    if len(lengths) < 2 or len(set(lengths.tolist())) > 1:
        raise RequestError(
            f"Shuffling events between runs needs two or more runs of equal length, but {source} has runs of "
            f"{lengths.tolist()!r} samples; shift events in time instead, or choose another dataset."
        )
    order = derangement(len(lengths), rng)
    return np.arange(design.n_train).reshape(len(lengths), -1)[order].ravel()


def _shifted_rows(design: Design, rng: np.random.Generator) -> np.ndarray:
    """Row of the stimulus that each training sample is given, (n_train,)."""
    lengths = _lengths(design)
    if lengths.min() < 2:
        raise RequestError(f"Shifting events needs runs of two or more samples, but runs have {lengths.tolist()!r}.")
    runs = zip(design.run_onsets, lengths, strict=True)
    return np.concatenate([start + np.roll(np.arange(n), rng.integers(1, n)) for start, n in runs])
