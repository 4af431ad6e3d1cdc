"""Null controls of any dataset: training runs exchange their events, or the events of each run are shifted in time.

Where every run has stimulation at the same times (as in Haxby et al. 2001), exchanging the events of runs removes the
relation between stimulus and time but keeps the times of stimulation. Voxels that respond to any stimulus are then
still predicted. Shifting the events removes this relation too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from brivl.core.records import Design, Responses, Stimulus, StimulusKind, Truth
from brivl.data.dataset import Dataset
from brivl.errors import RequestError

NullKind = Literal["shuffled", "shifted"]
NULL_TITLES = {"shuffled": "events shuffled between runs", "shifted": "events shifted in time within runs"}


@dataclass(frozen=True)
class NullEvents:
    """A dataset whose training runs have wrong events; responses, design and test rows are those of the base.

    Attributes
    ----------
    base : Dataset
        The dataset that the null control is made of.
    kind : {"shuffled", "shifted"}
        Whether events are exchanged between runs or shifted within them.
    seed : int
        Random seed of the exchange or of the shifts.
    """

    base: Dataset
    kind: NullKind
    seed: int

    @property
    def name(self) -> str:
        """Name of the base with the kind and the seed."""
        return f"{self.base.name}-{self.kind}-{self.seed}"

    @property
    def title(self) -> str:
        """Title of the base with the kind of null."""
        return f"{self.base.title}, {NULL_TITLES[self.kind]} (null)"

    @property
    def simulated(self) -> bool:
        """As of the base."""
        return self.base.simulated

    @property
    def licence(self) -> str:
        """As of the base."""
        return self.base.licence

    @property
    def citation(self) -> str:
        """As of the base."""
        return self.base.citation

    @property
    def subjects(self) -> tuple[str, ...]:
        """As of the base."""
        return self.base.subjects

    @property
    def models(self) -> tuple[str, ...]:
        """As of the base."""
        return self.base.models

    @property
    def stimulus_kind(self) -> StimulusKind:
        """As of the base."""
        return self.base.stimulus_kind

    def design(self, subject: str) -> Design:
        """Return the design of the base.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Design
            Order of the samples.
        """
        return self.base.design(subject)

    def responses(self, subject: str) -> Responses:
        """Return the responses of the base.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Responses
            Responses of all voxels.
        """
        return self.base.responses(subject)

    def truth(self, subject: str) -> Truth | None:
        """Return None, since a null control has no simulated signal to recover.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        None
            No ground truth.
        """
        return None

    def digest(self, subject: str) -> str:
        """Return the digest of the base with the kind and the seed.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        str
            Digest.
        """
        return f"{self.base.digest(subject)}-{self.kind}-{self.seed}"

    def stimulus(self, subject: str) -> Stimulus:
        """Return the stimulus of the base with its training rows exchanged or shifted.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Stimulus
            Stimulus whose test rows are unchanged.

        Raises
        ------
        RequestError
            The runs of the subject do not allow this null control.
        """
        stimulus, design, rng = self.base.stimulus(subject), self.base.design(subject), np.random.default_rng(self.seed)
        shuffled = self.kind == "shuffled"
        source = f"{self.base.name}, {subject}"
        train = _shuffled_rows(design, rng, source) if shuffled else _shifted_rows(design, rng, source)
        rows = np.concatenate([train, np.arange(design.n_train, design.n_train + design.n_test)])
        features = {name: np.asarray(X)[..., rows, :] for name, X in stimulus.features.items()}
        return replace(stimulus, weights=stimulus.weights[rows], features=features)


def shuffle_events(dataset: Dataset, seed: int) -> NullEvents:
    """Exchange the events of training runs, so that no run keeps its own.

    What all runs have in common, such as the times of stimulation, is kept on purpose.

    Parameters
    ----------
    dataset : Dataset
        Dataset with two or more training runs of equal length.
    seed : int
        Random seed of the derangement of runs.

    Returns
    -------
    NullEvents
        The null control; its `stimulus` raises RequestError where the runs are too few or differ in length.
    """
    return NullEvents(dataset, "shuffled", seed)


def shift_events(dataset: Dataset, seed: int) -> NullEvents:
    """Shift the events of each training run in time, with wrap-around.

    The temporal structure and the stimuli of each run are kept.

    Parameters
    ----------
    dataset : Dataset
        Dataset whose training runs have two or more samples.
    seed : int
        Random seed of the offset of each run.

    Returns
    -------
    NullEvents
        The null control; its `stimulus` raises RequestError where a run has fewer than two samples.
    """
    return NullEvents(dataset, "shifted", seed)


def derangement(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a random permutation without fixed points, all of them equally likely.

    Parameters
    ----------
    n : int
        Number of elements, 2 or more.
    rng : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    numpy.ndarray
        (n,) permutation of 0 to n - 1.
    """
    while True:  # rejection sampling takes about e draws on average
        order = rng.permutation(n)
        if not (order == np.arange(n)).any():
            return order


def _run_lengths(design: Design) -> np.ndarray:
    return np.diff([*design.run_onsets, design.n_train])


def _shuffled_rows(design: Design, rng: np.random.Generator, source: str) -> np.ndarray:
    """Row of the stimulus that each training sample is given, (n_train,)."""
    lengths = _run_lengths(design)
    if len(lengths) < 2 or len(set(lengths.tolist())) > 1:
        raise RequestError(
            f"Expected two or more runs of equal length to shuffle events between, got runs of {lengths.tolist()!r} "
            f"samples in {source}. Shift events in time instead, or choose another dataset."
        )
    order = derangement(len(lengths), rng)
    return np.arange(design.n_train).reshape(len(lengths), -1)[order].ravel()


def _shifted_rows(design: Design, rng: np.random.Generator, source: str) -> np.ndarray:
    """Row of the stimulus that each training sample is given, (n_train,)."""
    lengths = _run_lengths(design)
    if lengths.min() < 2:
        raise RequestError(
            f"Expected runs of two or more samples to shift events in, got runs of {lengths.tolist()!r} samples in "
            f"{source}. Choose another dataset."
        )
    runs = zip(design.run_onsets, lengths, strict=True)
    return np.concatenate([start + np.roll(np.arange(n), rng.integers(1, n)) for start, n in runs])
