"""A null for any dataset: each run is given another run's events, so that only chance and common timing can predict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from brivl.core.records import Design, Responses, Stimulus, Truth
from brivl.data.dataset import Dataset
from brivl.errors import RequestError


@dataclass(frozen=True)
class ShuffledEvents:
    """A dataset whose training runs have swapped their events; responses, design and test rows are untouched."""

    base: Dataset
    seed: int
    models: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", self.base.models)

    @property
    def name(self) -> str:
        return f"{self.base.name}-shuffled-{self.seed}"

    @property
    def title(self) -> str:
        return f"{self.base.title}, events shuffled between runs (null)"

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
        return f"{self.base.digest(subject)}-shuffled-{self.seed}"

    def stimulus(self, subject: str) -> Stimulus:
        """The stimulus with rows of whole runs exchanged. RequestError where runs differ in length or there is one."""
        stimulus = self.base.stimulus(subject)
        rows = _swapped_rows(self.base.design(subject), self.seed, f"{self.base.name}, {subject}")
        features = {name: np.asarray(X)[..., rows, :] for name, X in stimulus.features.items()}
        return replace(stimulus, weights=stimulus.weights[rows], features=features)


def shuffle_events(dataset: Dataset, seed: int) -> ShuffledEvents:
    """A null: no training run keeps its own events (a random derangement of runs, drawn from `seed`).

    What all runs have in common, such as the times of stimulation, survives on purpose: the null keeps the on/off
    response and breaks what tells stimuli apart. RequestError, when its stimulus is asked for, where the runs of a
    subject differ in length or there is only one.
    """
    return ShuffledEvents(dataset, seed)


def derangement(n: int, rng: np.random.Generator) -> np.ndarray:
    """A random order of 0..n-1 (n >= 2) that leaves nothing in its place, all such orders equally likely."""
    while True:  # about e draws on average
        order = rng.permutation(n)
        if not (order == np.arange(n)).any():
            return order


def _swapped_rows(design: Design, seed: int, source: str) -> np.ndarray:
    """Row of the stimulus that each sample is given: (n_train + n_test,)."""
    lengths = np.diff([*design.run_onsets, design.n_train])
    if len(lengths) < 2 or len(set(lengths.tolist())) > 1:
        raise RequestError(
            f"Shuffling events between runs needs two or more runs of equal length, but {source} has runs of "
            f"{lengths.tolist()!r} samples; choose another dataset for this null."
        )
    order = derangement(len(lengths), np.random.default_rng(seed))
    rows = np.arange(design.n_train).reshape(len(lengths), -1)[order].ravel()
    return np.concatenate([rows, np.arange(design.n_train, design.n_train + design.n_test)])
