"""A dataset as pages know it: what can be chosen, and digests with which results are looked up. No data are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from brivl.core.records import StimulusKind
from brivl.data.dataset import Dataset
from brivl.data.plain.loader import PlainDataset
from brivl.data.reading import Reading, reading_of
from brivl.data.registry import open_dataset
from brivl.errors import BrivlError, RequestError
from brivl.models.feature_model import Kind, ModelCard
from brivl.models.registry import DEFAULT_PAIR, shipped_for
from brivl.store.artifacts import Store


@dataclass(frozen=True)
class ModelOption:
    """One model that can be chosen.

    Attributes
    ----------
    name, title : str
        Name on the command line, and title in menus.
    n_layers : int
        Number of layers for the dataset's kind of stimulus.
    stand_in : bool
        Whether it is a small demo model in place of the published one.
    note : str
        Note for menus.
    """

    name: str
    title: str
    n_layers: int
    stand_in: bool
    note: str


@dataclass(frozen=True)
class Forms:
    """Forms in which runs were written, where there are several.

    Attributes
    ----------
    offered : mapping of str to tuple of str
        Option of the name of a dataset, such as "space" -> its values.
    chosen : mapping of str to str
        Option -> the value that is read.
    """

    offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class SelectsForms(Protocol):
    """A dataset whose runs may have been written in several forms."""

    def selectable(self, subject: str) -> dict[str, tuple[str, ...]]:
        """Return the options with their values, where there are several.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        dict of str to tuple of str
            Option -> values.
        """

    def selected(self, subject: str) -> dict[str, str]:
        """Return the values that are read.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        dict of str to str
            Option -> value.
        """


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset at one moment. Digests are computed once, so files that change need a new summary.

    Attributes
    ----------
    name, title, licence, citation : str
        As of the dataset.
    simulated : bool
        Whether the responses are simulated.
    subjects : tuple of str
        Names of the subjects.
    stimulus_kind : StimulusKind
        Kind of the stimuli.
    model_options : mapping of str to ModelOption
        Models that can be chosen.
    default_pair : tuple of str
        The two models of the first view.
    dataset : Dataset
        The dataset.
    digests : dict of str to str
        Digests of subjects that were computed.
    readings : dict of str to Reading
        How files of subjects are read, of those that were looked at.
    columns : dict of str to tuple of str
        Columns of the events of subjects that were looked at.
    """

    name: str
    title: str
    simulated: bool
    licence: str
    citation: str
    subjects: tuple[str, ...]
    stimulus_kind: StimulusKind
    model_options: Mapping[str, ModelOption]
    default_pair: tuple[str, str]
    dataset: Dataset
    digests: dict[str, str] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        """The name without the folders before it, which are left out of figures."""
        name = Path(self.name).name if Path(self.name).is_absolute() else self.name
        return re.sub(r"(derivatives=)[^&@]*%2F", r"\1", name)

    @property
    def models(self) -> tuple[str, ...]:
        """Feature spaces that come with the data."""
        return self.dataset.models

    def digest(self, subject: str) -> str:
        """Return the digest of a subject; files of gigabytes are hashed once.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        str
            Digest of the dataset for this subject.
        """
        if subject not in self.digests:
            self.digests[subject] = self.dataset.digest(subject)
        return self.digests[subject]

    def reading(self, subject: str) -> Reading:
        """Say how the files of a subject are read; they are looked at once.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Reading
            Notes and warnings; empty for datasets that can be read in one way only.
        """
        if subject not in self.readings:
            self.readings[subject] = reading_of(self.dataset, subject)
        return self.readings[subject]

    def reading_chips(self, subject: str) -> tuple[str, ...]:
        """Say in a few words how the files were read, for pages.

        Parameters
        ----------
        subject : str
            Name of a subject; of several subjects the first one speaks for all.

        Returns
        -------
        tuple of str
            Form of the runs and cleaning; empty where files cannot be read, which the page says itself.
        """
        try:
            return self.reading(subject if subject in self.subjects else self.subjects[0]).chips
        except BrivlError:
            return ()

    def event_columns(self, subject: str) -> tuple[str, ...]:
        """List the columns of the events that may name the stimuli.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        tuple of str
            Columns of a BIDS folder; empty for other datasets.
        """
        if subject not in self.columns:
            columns = getattr(getattr(self.dataset, "base", self.dataset), "event_columns", None)
            self.columns[subject] = () if columns is None else columns(subject)
        return self.columns[subject]

    def forms(self, subject: str) -> Forms:
        """List the forms in which the runs of a subject were written, and say which of them is read.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Forms
            Those of a BIDS folder; empty for other datasets, and where there is no choice.
        """
        base = getattr(self.dataset, "base", self.dataset)
        if not isinstance(base, SelectsForms):
            return Forms()
        return Forms(base.selectable(subject), base.selected(subject))

    def n_layers(self, models: tuple[str, str]) -> int:
        """Count the layers that both models have.

        Parameters
        ----------
        models : tuple of str
            Names of two models.

        Returns
        -------
        int
            The smaller number of layers.
        """
        return min(self.model_options[model].n_layers for model in models)


def summarise_dataset(store: Store, name: str) -> DatasetSummary:
    """Summarise a dataset for pages.

    Parameters
    ----------
    store : Store
        Store that the dataset is opened with.
    name : str
        Name of the dataset.

    Returns
    -------
    DatasetSummary
        What can be chosen.

    Raises
    ------
    RequestError
        There is no such dataset, or it has no subjects or models.
    DataError
        Files cannot be read.
    """
    d = open_dataset(name, store)
    if not d.subjects:
        raise RequestError(f"Expected a dataset with subjects, got {name!r} without. Add responses of at least one.")
    kind = d.stimulus_kind
    offers = _own(d) if kind == "features" else {card.name: _offer(card, kind) for card in shipped_for(kind)}
    if not offers:
        raise RequestError(
            f"Expected a dataset with features, got {name!r} without. Add at least one file to features/."
        )
    names = list(offers)
    first_two = names[0], names[min(1, len(names) - 1)]
    pair = first_two if kind == "features" else DEFAULT_PAIR.get(kind, first_two)
    return DatasetSummary(name, d.title, d.simulated, d.licence, d.citation, d.subjects, kind, offers, pair, d)


def _offer(card: ModelCard, kind: Kind) -> ModelOption:
    return ModelOption(card.name, card.title, card.n_layers[kind], card.is_proxy, card.note)


def _own(dataset: Dataset) -> dict[str, ModelOption]:
    if isinstance(dataset, PlainDataset):
        shapes = {name: ref.shape() for name, ref in dataset.features.items()}
    else:
        shapes = {name: X.shape for name, X in dataset.stimulus(dataset.subjects[0]).features.items()}
    note = "Features that come with the dataset."
    return {name: ModelOption(name, name, s[0] if len(s) == 3 else 1, False, note) for name, s in shapes.items()}
