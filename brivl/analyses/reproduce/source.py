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
class Wanted:
    """What a user asks of the data; empty tuples are everything, no models the pair that fits the stimuli."""

    data: tuple[str, ...]
    models: tuple[str, str] | None = None
    subjects: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    preset: str = "strict"


@dataclass(frozen=True)
class Source:
    """A dataset with the pair of models, layers and subjects that are compared on it; the first model is multimodal."""

    known: DatasetSummary
    models: tuple[str, str]
    n_layers: int
    layers: tuple[int, ...]
    subjects: tuple[str, ...]
    preset: str

    @property
    def family(self) -> Family:
        """Time series of images are movies; one response for each text, sentences; own features go by their design."""
        if self.known.stimulus_kind == "features":
            return "movies" if self.known.dataset.design(self.subjects[0]).tr else "sentences"
        return "movies" if self.known.stimulus_kind == "image" else "sentences"

    @property
    def experiment(self) -> str:
        """Experiment of Pereira et al. 2018; others count as the one of Fig. 5."""
        dataset = self.known.dataset
        return dataset.experiment if isinstance(dataset, PereiraDataset) else "2"

    @property
    def names(self) -> tuple[str, str]:
        """Titles of the two models."""
        offers = self.known.model_options
        first, second = (offers[m].title if m in offers else Path(m).name for m in self.models)
        return (first, second) if first != second else (f"{first} (1st)", f"{second} (2nd)")

    def layers_of(self, figure: PaperFigure) -> tuple[int, ...]:
        """The models' layers that a figure shows, as far as they were asked for."""
        if figure.kind == "selected":
            return self.layers[-1:]  # explainable variance is the same at any
        if not figure.layers:
            return self.layers
        wanted = [at_depth(layer, self.n_layers) for layer in figure.layers]
        return tuple(layer for layer in wanted if layer in self.layers)

    def subjects_of(self, figure: PaperFigure) -> tuple[str, ...]:
        return self.subjects[:1] if figure.of_one_subject else self.subjects

    def requests(self, figure: PaperFigure) -> list[FitRequest]:
        """Fits that a figure needs."""
        return [
            self.request(layer, subject) for subject in self.subjects_of(figure) for layer in self.layers_of(figure)
        ]

    def request(self, layer: int, subject: str) -> FitRequest:
        return FitRequest(self.known.name, self.models, layer, subject, self.preset)


def open_sources(store: Store, wanted: Wanted) -> list[Source]:
    """The datasets named, each experiment of Pereira et al. by itself.

    Raises RequestError for names, models, subjects or layers that there are not, DataError for unreadable files.
    """
    if wanted.preset not in PRESETS:
        raise RequestError(f"Wanted a preset out of {sorted(PRESETS)} and got {wanted.preset!r}.")
    names = [part for name in wanted.data for part in _parts(name)]
    opened = [summarise_dataset(store, name) for name in dict.fromkeys(names)]
    there = {subject for known in opened for subject in known.subjects}
    for subject in wanted.subjects:
        if subject not in there:
            check_subject(opened[0].dataset, subject)
    return [_source(known, wanted) for known in opened if not wanted.subjects or subjects_asked(known, wanted)]


def subjects_asked(known: DatasetSummary, wanted: Wanted) -> tuple[str, ...]:
    """Subjects of a dataset that were asked for, in the dataset's order."""
    return tuple(s for s in known.subjects if not wanted.subjects or s in wanted.subjects)


def _parts(name: str) -> list[str]:
    """A folder of Pereira et al. as its experiments with sentences, a folder of datasets as these; others as they are.

    Raises DataError where a folder cannot be looked into.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return [name]
    try:
        if format_of(folder) is not None:
            found = [e for e in experiments_in(folder) if e in ("2", "3")]
            return [f"{name}:{experiment}" for experiment in found] or [name]
        inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and format_of(path) is not None]
    except OSError as error:
        raise DataError(f"Wanted to look into {name!r} and could not ({error.strerror}); check its rights.") from error
    return [part for path in inner for part in _parts(str(path))] or [name]


def _source(known: DatasetSummary, wanted: Wanted) -> Source:
    models = wanted.models or known.default_pair
    n_layers = min(_n_layers(known, model) for model in models)
    strange = [layer for layer in wanted.layers if not 1 <= layer <= n_layers]
    if strange:
        raise RequestError(f"Wanted layers 1 to {n_layers}, which both models have, and got {strange}.")
    layers = tuple(sorted(set(wanted.layers))) or tuple(range(1, n_layers + 1))
    return Source(known, models, n_layers, layers, subjects_asked(known, wanted), wanted.preset)


def _n_layers(known: DatasetSummary, model: str) -> int:
    if model in known.model_options:
        return known.model_options[model].n_layers
    if known.stimulus_kind == "features":
        raise RequestError(
            f"Expected features of {known.short_name!r}, one of {sorted(known.model_options)}, got {model!r}. "
            "Choose one of them."
        )
    n_layers = card_for(model).n_layers.get(known.stimulus_kind, 0)
    if not n_layers:
        raise RequestError(f"{model!r} cannot look at {known.stimulus_kind} stimuli; choose another model.")
    return n_layers


def why_not(source: Source, figure: PaperFigure) -> str:
    """Why a dataset cannot give a figure, "" where it can as far as is known before it is opened."""
    name = source.known.short_name
    if source.family != figure.family:
        return f"{figure.name} needs {figure.family}, and {name} has {source.family}"
    if figure.family == "sentences" and source.experiment != figure.experiment:
        which = f"experiment {source.experiment} of Pereira et al. 2018"
        if not isinstance(source.known.dataset, PereiraDataset):
            which = "one experiment, which stands for experiment 2"
        return f"{figure.name} needs experiment {figure.experiment} of Pereira et al. 2018, and {name} is {which}"
    if not source.layers_of(figure):
        missing = at_depth(figure.layers[0], source.n_layers)
        return f"{figure.name} needs layer {missing}, which was not asked for"
    return ""


def is_stand_in(source: Source) -> bool:
    """Whether a model was trained here in place of a published one."""
    offers = source.known.model_options
    return any(offers[model].stand_in for model in source.models if model in offers)
