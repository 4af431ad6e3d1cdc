"""What a transfer is asked of: two modalities of the same subjects, and the models that are to carry across."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brivl.analyses.transfer.features import Streams, streams_of
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.dataset import Dataset, check_subject
from brivl.data.registry import open_dataset
from brivl.errors import RequestError
from brivl.store.artifacts import Store

STORIES, MOVIE = "stories", "movie"
MODALITIES = (STORIES, MOVIE)
MULTIMODAL, UNIMODAL = "multimodal", "unimodal"
N_PAIRS = 600


@dataclass(frozen=True)
class TransferAsked:
    """Whose responses to stories and to a film, and which models are to carry across.

    dataset, other: the two modalities in any order; other "": the dataset's own twin.
    """

    dataset: str
    subject: str
    other: str = ""
    multimodal: str = "brivl-mini"
    vision: str = "vit-mini"
    language: str = "minilm-l6"
    depth: float = 1.0  # of the layers, relative to each stream's last
    pairs: str = ""  # listing or folder of paired images and captions; "": drawn scenes
    n_pairs: int = N_PAIRS
    preset: str = "strict"
    level: str = ""
    block_s: float = 20.0
    n_draws: int = 1000


@dataclass(frozen=True)
class Pair:
    """Stories and film of the same subjects."""

    stories: Dataset
    movie: Dataset

    def __iter__(self) -> Iterator[Dataset]:
        return iter((self.stories, self.movie))


def open_pair(store: Store, asked: TransferAsked, progress: ProgressCallback = no_progress) -> Pair:
    """Both datasets. Raises RequestError unless one is of texts and one of pictures, of the same subject."""
    first = open_dataset(asked.dataset, store, progress)
    name = asked.other or getattr(first, "paired_dataset", "")
    if not name:
        raise RequestError(
            f"Wanted responses of the same subjects to the other modality, beside {asked.dataset!r}: name that dataset "
            "too, or choose phantom-stories."
        )
    found = {}
    for dataset in (first, open_dataset(name, store, progress)):
        check_subject(dataset, asked.subject)
        found[dataset.stimulus_kind] = dataset
    if set(found) != {"text", "image"}:
        raise RequestError(
            f"Wanted one dataset of texts and one of pictures, and {asked.dataset!r} and {name!r} are not; choose "
            "responses to stories and to a film."
        )
    return Pair(found["text"], found["image"])


def sets_of_models(asked: TransferAsked) -> dict[str, Streams]:
    """Multimodal: both streams of one model; unimodal: two models. Raises RequestError for what cannot be."""
    if not 0 < asked.depth <= 1:
        raise RequestError(f"Wanted a relative depth above 0 and up to 1 and got {asked.depth!r}.")
    return {
        MULTIMODAL: streams_of(asked.multimodal, asked.multimodal, asked.depth),
        UNIMODAL: streams_of(asked.vision, asked.language, asked.depth),
    }
