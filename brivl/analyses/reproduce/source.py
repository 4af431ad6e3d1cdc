"""What a dataset offers for the figures of the paper: models, layers, subjects; and why a figure cannot be made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brivl.analyses.reproduce.catalog import Family, PaperFigure
from brivl.core.claims.checks import at_depth
from brivl.core.encoding.presets import PRESETS
from brivl.data.dataset import check_subject
from brivl.data.pereira2018.files import experiments_in
from brivl.data.pereira2018.loader import PereiraDataset
from brivl.data.registry import format_of
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest
from brivl.errors import DataError, RequestError
from brivl.models.registry import card_for
from brivl.store.artifacts import Store


@dataclass(frozen=True)
class ReproductionRequest:
    """What is requested of the data; empty tuples are everything, no models the pair that fits the stimuli."""

    data: tuple[str, ...]
    models: tuple[str, str] | None = None
    subjects: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    preset: str = "strict"


@dataclass(frozen=True)
class Source:
    """A dataset with the pair of models, layers and subjects that are compared on it; the first model is multimodal."""

    summary: DatasetSummary
    models: tuple[str, str]
    n_layers: int
    layers: tuple[int, ...]
    subjects: tuple[str, ...]
    preset: str

    @property
    def family(self) -> Family:
        """Time series of images are movies; one response for each text, sentences; own features go by their design."""
        if self.summary.stimulus_kind == "features":
            return "movies" if self.summary.dataset.design(self.subjects[0]).tr else "sentences"
        return "movies" if self.summary.stimulus_kind == "image" else "sentences"

    @property
    def experiment(self) -> str:
        """Experiment of Pereira et al. 2018; others count as the one of Fig. 5."""
        dataset = self.summary.dataset
        return dataset.experiment if isinstance(dataset, PereiraDataset) else "2"

    @property
    def names(self) -> tuple[str, str]:
        """Titles of the two models."""
        offers = self.summary.model_options
        first, second = (offers[m].title if m in offers else Path(m).name for m in self.models)
        return (first, second) if first != second else (f"{first} (1st)", f"{second} (2nd)")

    def layers_of(self, figure: PaperFigure) -> tuple[int, ...]:
        """List the layers of the models that a figure shows, as far as they were requested.

        Parameters
        ----------
        figure : PaperFigure
            The figure of the paper.

        Returns
        -------
        tuple of int
            Numbers of layers.
        """
        if figure.kind == "selected":
            return self.layers[-1:]  # explainable variance is the same at any
        if not figure.layers:
            return self.layers
        layers = [at_depth(layer, self.n_layers) for layer in figure.layers]
        return tuple(layer for layer in layers if layer in self.layers)

    def subjects_of(self, figure: PaperFigure) -> tuple[str, ...]:
        """List the subjects that a figure shows.

        Parameters
        ----------
        figure : PaperFigure
            The figure of the paper.

        Returns
        -------
        tuple of str
            Names.
        """
        return self.subjects[:1] if figure.of_one_subject else self.subjects

    def requests(self, figure: PaperFigure) -> list[FitRequest]:
        """List the fits that a figure needs.

        Parameters
        ----------
        figure : PaperFigure
            The figure of the paper.

        Returns
        -------
        list of FitRequest
            By subject, then by layer.
        """
        return [
            self.request(layer, subject) for subject in self.subjects_of(figure) for layer in self.layers_of(figure)
        ]

    def request(self, layer: int, subject: str) -> FitRequest:
        """Make the request of one fit.

        Parameters
        ----------
        layer : int
            Number of the layer, counted from 1.
        subject : str
            Name of the subject.

        Returns
        -------
        FitRequest
            The request.
        """
        return FitRequest(self.summary.name, self.models, layer, subject, self.preset)


def open_sources(store: Store, request: ReproductionRequest) -> list[Source]:
    """Open the datasets, each experiment of Pereira et al. by itself.

    Parameters
    ----------
    store : Store
        Where results are kept.
    request : ReproductionRequest
        The request.

    Returns
    -------
    list of Source
        Those with at least one of the requested subjects.

    Raises
    ------
    RequestError
        For a protocol, model, subject or layer that does not exist.
    DataError
        For unreadable files.
    """
    if request.preset not in PRESETS:
        raise RequestError(f"Expected a preset out of {sorted(PRESETS)}, got {request.preset!r}. Choose one of them.")
    names = [part for name in request.data for part in _parts(name)]
    opened = [summarise_dataset(store, name) for name in dict.fromkeys(names)]
    there = {subject for summary in opened for subject in summary.subjects}
    for subject in request.subjects:
        if subject not in there:
            check_subject(opened[0].dataset, subject)
    return [
        _source(summary, request) for summary in opened if not request.subjects or requested_subjects(summary, request)
    ]


def requested_subjects(summary: DatasetSummary, request: ReproductionRequest) -> tuple[str, ...]:
    """List the subjects of a dataset that were requested.

    Parameters
    ----------
    summary : DatasetSummary
        The dataset.
    request : ReproductionRequest
        The request.

    Returns
    -------
    tuple of str
        In the order of the dataset.
    """
    return tuple(s for s in summary.subjects if not request.subjects or s in request.subjects)


def _parts(name: str) -> list[str]:
    """A folder of Pereira et al. as its experiments with sentences, a folder of datasets as these; others as they are.

    Raises DataError where a folder cannot be looked into.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return [name]
    try:
        if format_of(folder) is not None:
            experiments = [e for e in experiments_in(folder) if e in ("2", "3")]
            return [f"{name}:{experiment}" for experiment in experiments] or [name]
        inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and format_of(path) is not None]
    except OSError as error:
        raise DataError(
            f"Expected to read the folder {name!r}, but could not ({error.strerror}). Check its rights."
        ) from error
    return [part for path in inner for part in _parts(str(path))] or [name]


def _source(summary: DatasetSummary, request: ReproductionRequest) -> Source:
    models = request.models or summary.default_pair
    n_layers = min(_n_layers(summary, model) for model in models)
    strange = [layer for layer in request.layers if not 1 <= layer <= n_layers]
    if strange:
        raise RequestError(f"Expected layers 1 to {n_layers}, which both models have, got {strange}. Correct --layers.")
    layers = tuple(sorted(set(request.layers))) or tuple(range(1, n_layers + 1))
    return Source(summary, models, n_layers, layers, requested_subjects(summary, request), request.preset)


def _n_layers(summary: DatasetSummary, model: str) -> int:
    if model in summary.model_options:
        return summary.model_options[model].n_layers
    if summary.stimulus_kind == "features":
        raise RequestError(
            f"Expected features of {summary.short_name!r}, one of {sorted(summary.model_options)}, got {model!r}. "
            "Choose one of them."
        )
    n_layers = card_for(model).n_layers.get(summary.stimulus_kind, 0)
    if not n_layers:
        raise RequestError(
            f"Expected a model that takes {summary.stimulus_kind} stimuli, got {model!r}. Choose another model."
        )
    return n_layers


def why_not(source: Source, figure: PaperFigure) -> str:
    """Say why a dataset cannot give a figure.

    Parameters
    ----------
    source : Source
        The dataset and what is compared on it.
    figure : PaperFigure
        The figure of the paper.

    Returns
    -------
    str
        The reason; "" where nothing is known to be missing before the data are read.
    """
    name = source.summary.short_name
    if source.family != figure.family:
        return f"{figure.name} needs {figure.family}, and {name} has {source.family}"
    if figure.family == "sentences" and source.experiment != figure.experiment:
        which = f"experiment {source.experiment} of Pereira et al. 2018"
        if not isinstance(source.summary.dataset, PereiraDataset):
            which = "one experiment, which stands for experiment 2"
        return f"{figure.name} needs experiment {figure.experiment} of Pereira et al. 2018, and {name} is {which}"
    if not source.layers_of(figure):
        missing = at_depth(figure.layers[0], source.n_layers)
        return f"{figure.name} needs layer {missing}, which was not requested"
    return ""
