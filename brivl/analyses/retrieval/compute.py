"""Search in a gallery by text, by image, and by sums of them (Lu et al. 2022, Fig. 2a, b); recall of a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brivl.analyses.generation.prompts import named
from brivl.analyses.retrieval.request import MAX_CHARACTERS, MAX_MATCHES, RetrievalPart, RetrievalRequest, parts
from brivl.analysis import Context, Stored
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.retrieval.nearest import combine_vectors, nearest_neighbours, query_formula
from brivl.core.retrieval.query_words import detect_other_language
from brivl.data.galleries.embeddings import embed_gallery, gallery_index
from brivl.data.galleries.gallery import Gallery
from brivl.data.galleries.recall import measure_recall
from brivl.data.galleries.registry import MAX_IMAGES, open_gallery
from brivl.data.stimuli.images import referenced_image
from brivl.models.registry import BRIVL_MINI
from brivl.scenes.gallery import gallery_clip, gallery_scene
from brivl.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    from brivl.models.encoders.embedding import Embedder

MAX_NAMED = 5  # files that could not be read


@dataclass(frozen=True)
class Showing:
    """The thing that a text names, such as "red car", and the items of the gallery that show it."""

    thing: str
    rows: frozenset[int]


@dataclass(frozen=True)
class Matches:
    """What one model found.

    Attributes
    ----------
    rows : (n,) array of int
        Items of the gallery, best match first.
    scores : (n,) array
        Their cosine similarity to the query.
    formula : str
        The query as stored: its terms, added and subtracted.
    n_searched : int
        Items that were compared.
    unreadable : tuple of str
        Names of the first few items that could not be read.
    n_unreadable : int
        Number of items that could not be read.
    index_recall : float or None
        Recall@10 of the index that was used; None where the query was compared with every item.
    notices : tuple of str
        Sentences on the query that the model could tell.
    thing : str
        What the text names and drawn items are known to show or not; "" where that is not known.
    shows : (n,) array of bool
        Whether a match shows the thing.
    n_showing : int
        Items of the gallery that show it.
    """

    rows: np.ndarray
    scores: np.ndarray
    formula: str
    n_searched: int
    unreadable: tuple[str, ...]
    n_unreadable: int
    index_recall: float | None
    notices: tuple[str, ...]
    thing: str
    shows: np.ndarray
    n_showing: int


@dataclass(frozen=True)
class RetrievalResult:
    """The matches of a query by model, with the gallery."""

    request: RetrievalRequest
    matches: Mapping[str, Matches]
    gallery: Gallery | None = None  # attached when the result is read


def items_showing(gallery: Gallery, text: str) -> Showing | None:
    """Find the items that show the one thing which a text names, in its colour where it names one.

    Parameters
    ----------
    gallery : Gallery
        The gallery.
    text : str
        Text of a query.

    Returns
    -------
    Showing or None
        None where items are not drawn, or the text names no thing, several, or several colours.
    """
    kinds, colours = named(text)
    if not gallery.simulated or len(kinds) != 1 or len(colours) > 1:
        return None
    rows = frozenset(row for row in range(len(gallery)) if _shows(gallery, row, kinds[0], colours))
    return Showing(" ".join([*colours, *kinds]), rows)


def _shows(gallery: Gallery, row: int, kind: str, colours: tuple[str, ...]) -> bool:
    scene = gallery_scene(row) if gallery.kind == "image" else gallery_clip(row).start
    return any(thing.kind == kind and (not colours or thing.colour in colours) for thing in scene.things)


def compute(context: Context, part: RetrievalPart) -> Stored:
    """Search a gallery with one model.

    Parameters
    ----------
    context : Context
        The gallery as data; its embeddings are stored once.
    part : RetrievalPart
        The query.

    Returns
    -------
    tuple
        Arrays and info of the stored matches.

    Raises
    ------
    RequestError
        For a model of one stream, or terms that cancel each other.
    DataError
        For a gallery without a readable item.
    """
    from brivl.models.encoders.embedding import open_embedder

    store, gallery, progress = context.store, context.data, context.progress
    embedder = open_embedder(part.model)
    plus, minus = _terms(part)
    vector = combine_vectors(_vectors(store, part, embedder), [embedder.encode_texts([part.minus])[0]] if minus else [])
    embedded = embed_gallery(store, gallery, embedder, progress)
    index = gallery_index(store, gallery, embedder, embedded, progress)
    if index is None:
        nearest = nearest_neighbours(vector, embedded.vectors, MAX_MATCHES)
    else:
        nearest = index.search(vector, embedded.vectors, MAX_MATCHES)
    there = nearest.rows[0] >= 0
    rows = embedded.rows[nearest.rows[0][there]]
    showing = None if part.image or part.minus else items_showing(gallery, part.text)
    showing = showing or Showing("", frozenset())
    info = {
        "gallery": gallery.name,
        "model": embedder.name,
        "formula": query_formula(plus, minus),
        "n_searched": len(embedded.rows),
        "bad": [name for name, _ in embedded.unreadable[:MAX_NAMED]],
        "n_bad": len(embedded.unreadable),
        "index_recall": None if index is None else index.recall,
        "notices": _notices(part, embedder),
        "thing": showing.thing,
        "n_showing": len(showing.rows),
    }
    shows = np.array([int(row) in showing.rows for row in rows], bool)
    return {"rows": rows, "scores": nearest.scores[0][there], "shows": shows}, info


def _vectors(store: Store, part: RetrievalPart, embedder: Embedder) -> list[np.ndarray]:
    vectors = [embedder.encode_texts([part.text])[0]] if part.text else []
    if part.image:
        side = max(16, embedder.image_size)
        vectors.append(embedder.encode_images(referenced_image(store, part.image, side).image[None])[0])
    return vectors


def _terms(part: RetrievalPart) -> tuple[list[str], list[str]]:
    plus = [f"“{_short(part.text)}”"] if part.text else []
    if part.image:
        kind, _, number = part.image.partition(":")
        plus.append(f"scene {number}" if kind == "scene" else "your picture")
    return plus, [f"“{_short(part.minus)}”"] if part.minus else []


def _notices(part: RetrievalPart, embedder: Embedder) -> list[str]:
    """Sentences on the words of a query. They are stored, so that their wording stays."""
    notices = []
    for text in filter(None, (part.text, part.minus)):
        if len(text) == MAX_CHARACTERS:
            notices.append(f"The text is longer than {MAX_CHARACTERS:,} characters; what follows them is left out.")
        n_tokens = embedder.count_tokens(text)
        if n_tokens > embedder.max_tokens:
            notices.append(
                f"The text has {n_tokens:,} tokens; the model reads the first {embedder.max_tokens} and no more."
            )
        foreign = detect_other_language(text)
        if foreign:
            what = "in another script" if foreign == "another script" else f"{foreign}"
            notices.append(f"“{_short(text)}” looks {what}. The model knows English; it answers, and may be wrong.")
    return notices


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39].rstrip()}…"


def read(artifacts: Sequence[Artifact], request: RetrievalRequest) -> RetrievalResult:
    """Read stored matches.

    Parameters
    ----------
    artifacts : sequence of Artifact
        One for each model.
    request : RetrievalRequest
        The request.

    Returns
    -------
    RetrievalResult
        The matches.
    """
    models = [part.model for part in parts(request)]
    return RetrievalResult(request, {m: _matches(a) for m, a in zip(models, artifacts, strict=True)})


def _matches(artifact: Artifact) -> Matches:
    info, arrays = artifact.info, artifact.arrays
    return Matches(
        np.array(arrays["rows"]),
        np.array(arrays["scores"]),
        info["formula"],
        info["n_searched"],
        tuple(info["bad"]),
        info["n_bad"],
        info["index_recall"],
        tuple(info["notices"]),
        info["thing"],
        np.array(arrays["shows"]),
        info["n_showing"],
    )


def attach(result: RetrievalResult, gallery: Gallery) -> RetrievalResult:
    """Add the gallery to a result.

    Parameters
    ----------
    result : RetrievalResult
        The matches.
    gallery : Gallery
        The gallery.

    Returns
    -------
    RetrievalResult
        Both.
    """
    return replace(result, gallery=gallery)


def recall_request(store: Store, gallery: str, model: str, max_images: int = MAX_IMAGES) -> dict[str, Any]:
    """Describe the measurement of a model on a gallery for the worker.

    Parameters
    ----------
    store : Store
        Where the measurement is put.
    gallery : str
        Name of the gallery.
    model : str
        Name of the model.
    max_images : int
        Largest number of images that are taken of a folder.

    Returns
    -------
    dict
        JSON values.
    """
    return {"task": "gallery-recall", "store": str(store.root), "gallery": gallery, "model": model, "most": max_images}


def recall_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Measure what `recall_request` describes, in a worker.

    Parameters
    ----------
    request : mapping
        JSON values.
    progress : callable
        Progress callback.

    Returns
    -------
    dict
        The number of items; the measurement is in the store.
    """
    from brivl.models.encoders.embedding import open_embedder

    gallery = open_gallery(request["gallery"], request["most"])
    measured = measure_recall(Store(Path(request["store"])), gallery, open_embedder(request["model"]), progress)
    return {"n_items": measured.n_items}


def measure_galleries(store: Store, progress: ProgressCallback = no_progress) -> dict[str, Any]:
    """Measure the recall of BriVL-mini on the shipped galleries.

    Parameters
    ----------
    store : Store
        Holds embeddings and measurements.
    progress : callable
        Progress callback.

    Returns
    -------
    dict
        Recall of scenes by captions and of captions by scenes, and the same of clips.
    """
    from brivl.models.encoders.embedding import open_embedder

    embedder = open_embedder(BRIVL_MINI)
    scenes = measure_recall(store, open_gallery("scenes"), embedder, progress)
    clips = measure_recall(store, open_gallery("clips"), embedder, progress)
    return {
        "gallery": {
            "n_pairs": scenes.n_items,
            "text_to_image": asdict(scenes.forward),
            "image_to_text": asdict(scenes.back),
        },
        "n_clips": clips.n_items,
        "text_to_video": asdict(clips.forward),
        "video_to_text": asdict(clips.back),
    }
