"""What a transfer may be requested of: two datasets of the same subjects, the models, the key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from brivl.analyses.transfer.features import Streams, pairs_digest, streams_of
from brivl.analysis import option
from brivl.core.encoding.presets import preset_settings
from brivl.core.inference.blocks import PermutationSettings, check_block_length
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.anatomy.atlases import PARCELLATION_HELP
from brivl.data.dataset import Dataset, check_subject
from brivl.data.phantoms.stories import NAME, Modality
from brivl.data.registry import open_dataset
from brivl.errors import RequestError
from brivl.models.registry import model_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "transfer", 2
STORIES: Modality = "stories"
MOVIE: Modality = "movie"
MODALITIES: tuple[Modality, ...] = (STORIES, MOVIE)
MULTIMODAL, UNIMODAL = "multimodal", "unimodal"
N_PAIRS = 600


@dataclass(frozen=True)
class TransferRequest:
    """Whose responses to stories and to a movie, and which models are transferred.

    Attributes
    ----------
    dataset, other : str
        Datasets of the two modalities, in any order; `other` "": the partner that the dataset names.
    multimodal : str
        A model with a vision and a language stream.
    vision, language : str
        Two unimodal models for comparison.
    depth : float
        Depth of the layers, relative to the last layer of each stream: above 0, up to 1.
    pairs : str
        Folder or listing of images with captions, from which the maps between streams are learned; "": drawn scenes.
    n_pairs : int
        How many of them are used.
    level : str
        Parcellation whose regions are tested; "": the first that these voxels have.
    block_s : float
        Seconds of a block of samples that is permuted as a whole.
    n_permutations : int
        Number of permutations.
    """

    dataset: str = field(
        metadata=option(
            "--dataset", help="responses to one modality (default: %(default)s)", required=False, default=NAME
        )
    )
    subject: str
    other: str = field(
        default="",
        metadata=option(
            "--other", help="responses of the same subjects to the other modality (default: the dataset's partner)"
        ),
    )
    multimodal: str = field(
        default="brivl-mini", metadata=option("--model", help="a model with a vision and a language stream")
    )
    vision: str = field(default="vit-mini", metadata=option("--vision", help="unimodal vision encoder"))
    language: str = field(default="minilm-l6", metadata=option("--language", help="unimodal language encoder"))
    depth: float = field(
        default=1.0, metadata=option("--depth", help="depth of the layers, relative to the last layer of each stream")
    )
    pairs: str = field(
        default="", metadata=option("--pairs", help="images with captions for the maps (default: drawn scenes)")
    )
    n_pairs: int = field(default=N_PAIRS, metadata=option("--n-pairs", help="number of these images"))
    preset: str = "strict"
    level: str = field(
        default="",
        metadata=option("--level", help=f"parcellation: {PARCELLATION_HELP}; default: the first"),
    )
    block_s: float = field(default=20.0, metadata=option("--block", help="seconds of a block that is permuted"))
    n_permutations: int = field(
        default=1000, metadata=option("--permutations", "--draws", help="number of permutations")
    )


@dataclass(frozen=True)
class Pair:
    """Responses of the same subjects to stories and to a movie."""

    stories: Dataset
    movie: Dataset

    def __iter__(self) -> Iterator[Dataset]:
        return iter((self.stories, self.movie))

    @property
    def simulated(self) -> bool:
        """Whether either dataset is simulated."""
        return self.stories.simulated or self.movie.simulated

    @property
    def title(self) -> str:
        """Titles of both datasets."""
        return _both(self.stories.title, self.movie.title)

    @property
    def licence(self) -> str:
        """Licences of both datasets."""
        return _both(self.stories.licence, self.movie.licence)

    @property
    def citation(self) -> str:
        """Citations of both datasets."""
        return _both(self.stories.citation, self.movie.citation)


def _both(one: str, other: str) -> str:
    return " ".join(dict.fromkeys(text for text in (one, other) if text))


def open_pair(store: Store, request: TransferRequest, progress: ProgressCallback = no_progress) -> Pair:
    """Open the datasets of both modalities.

    Parameters
    ----------
    store : Store
        Where simulated data are kept.
    request : TransferRequest
        The request.
    progress : callable
        Progress callback.

    Returns
    -------
    Pair
        Stories and movie.

    Raises
    ------
    RequestError
        Where there is no second dataset, and where `pair_up` does.
    """
    first = open_dataset(request.dataset, store, progress)
    return pair_up(first, open_dataset(partner_name(first, request), store, progress), request.subject)


def partner_name(dataset: Dataset, request: TransferRequest) -> str:
    """Name the dataset of the other modality.

    Parameters
    ----------
    dataset : Dataset
        The dataset that the request names first.
    request : TransferRequest
        The request.

    Returns
    -------
    str
        The dataset that the request names as the other, else the partner that the first one names.

    Raises
    ------
    RequestError
        Where there is neither.
    """
    name = request.other or getattr(dataset, "paired_dataset", "")
    if not name:
        raise RequestError(
            f"Expected responses of the same subjects to stories and to a movie, got {request.dataset!r} alone. Name "
            f"the dataset of the other modality, or choose {NAME}."
        )
    return name


def pair_up(first: Dataset, second: Dataset, subject: str) -> Pair:
    """Tell which of two datasets has the stories and which the movie.

    Parameters
    ----------
    first, second : Dataset
        The datasets, in any order.
    subject : str
        Name of a subject of both.

    Returns
    -------
    Pair
        Stories and movie.

    Raises
    ------
    RequestError
        Where one of them lacks the subject, or not one is of text and one of images.
    """
    by_kind = {}
    for dataset in (first, second):
        check_subject(dataset, subject)
        by_kind[dataset.stimulus_kind] = dataset
    if set(by_kind) != {"text", "image"}:
        raise RequestError(
            f"Expected one dataset of texts and one of images, got {first.name!r} and {second.name!r}. Choose "
            "responses to stories and to a movie."
        )
    return Pair(by_kind["text"], by_kind["image"])


def sets_of_models(request: TransferRequest) -> dict[str, Streams]:
    """List the two sets of models that are compared.

    Parameters
    ----------
    request : TransferRequest
        The request.

    Returns
    -------
    dict
        "multimodal": both streams of one model; "unimodal": two models.

    Raises
    ------
    RequestError
        For a depth that is not possible, and where `streams_of` does.
    """
    if not 0 < request.depth <= 1:
        raise RequestError(f"Expected a relative depth above 0 and up to 1, got {request.depth!r}. Choose another.")
    return {
        MULTIMODAL: streams_of(request.multimodal, request.multimodal, request.depth),
        UNIMODAL: streams_of(request.vision, request.language, request.depth),
    }


def transfer_key(store: Store, request: TransferRequest, pair: Pair) -> ArtifactKey:
    """Make the key of a transfer.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    request : TransferRequest
        The request.
    pair : Pair
        The datasets that it names.

    Returns
    -------
    ArtifactKey
        Made of everything that changes the result.

    Raises
    ------
    RequestError
        For an unknown preset or model, a depth or pairs that are not possible, or blocks or permutations that are too
        few.
    """
    settings = preset_settings(request.preset)
    check_block_length(request.block_s)
    PermutationSettings(request.n_permutations)
    models = {
        name: [[*s.vision, model_digest(s.vision[0], "image")], [*s.language, model_digest(s.language[0], "text")]]
        for name, s in sets_of_models(request).items()
    }
    return ArtifactKey(
        KIND,
        {
            "data": [dataset.digest(request.subject) for dataset in pair],
            "models": models,
            "pairs": pairs_digest(request.pairs, request.n_pairs),
            "preset": settings,
            "version": VERSION,
            "level": request.level,
            "block_s": request.block_s,
            "n_draws": request.n_permutations,
        },
    )
