"""Search in a gallery by text, by picture, and by sums of them (paper Fig. 2a, b)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.retrieval.nearest import combine_vectors, nearest_neighbours, query_formula
from brivl.core.retrieval.query_words import detect_other_language
from brivl.data.galleries.embeddings import embed_gallery, gallery_index
from brivl.data.galleries.gallery import Gallery
from brivl.data.galleries.recall import measure_recall
from brivl.data.galleries.registry import MAX_IMAGES, open_gallery
from brivl.data.stimuli.images import referenced_image
from brivl.errors import RequestError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.models.registry import BRIVL_MINI
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from brivl.models.encoders.embedding import Embedder
from brivl.analyses.generation.prompts import named
from brivl.scenes.gallery import gallery_clip, gallery_scene


@dataclass(frozen=True)
class Showing:
    """The thing that a text names, such as "red car", and the rows of the gallery that show it."""

    thing: str
    rows: frozenset[int]


def items_showing(gallery: Gallery, text: str) -> Showing | None:
    """All items with the one thing that the text names, in its colour if it names one.

    None where that cannot be said: items are no drawings, or the text names no thing, several, or several colours.
    """
    kinds, colours = named(text)
    if not gallery.simulated or len(kinds) != 1 or len(colours) > 1:
        return None
    rows = frozenset(row for row in range(len(gallery)) if _shows(gallery, row, kinds[0], colours))
    return Showing(" ".join([*colours, *kinds]), rows)


def _shows(gallery: Gallery, row: int, kind: str, colours: tuple[str, ...]) -> bool:
    scene = gallery_scene(row) if gallery.kind == "image" else gallery_clip(row).start
    return any(thing.kind == kind and (not colours or thing.colour in colours) for thing in scene.things)


VERSION = 2
MOST_SHOWN = 100  # answers kept for each query
MOST_CHARACTERS = 2_000  # of a text; far more than any model here reads
N_NAMED = 5


@dataclass(frozen=True)
class Query:
    """A question: text and picture are added, the term is taken away; any of them may be empty, not all.

    image: a reference as brivl.data.stimuli.images has them. most: of a folder, as many images are searched.
    """

    gallery: str = "scenes"
    model: str = BRIVL_MINI
    text: str = ""
    image: str = ""
    minus: str = ""
    most: int = MAX_IMAGES


@dataclass(frozen=True)
class Found:
    """Rows of the gallery (k,), best first, their cosines (k,), and what must be said beside them."""

    rows: np.ndarray
    scores: np.ndarray
    formula: str
    n_searched: int
    bad: tuple[str, ...]  # names of the first few items that could not be read
    n_bad: int
    index_recall: float | None  # of the index that was used; None where all items were compared
    notices: tuple[str, ...]
    thing: str  # that the text names and drawn items are known to show or not, "" where that cannot be said
    shows: np.ndarray  # (k,) bool, whether a match shows it
    n_showing: int  # items of the gallery that do


def retrieve(store: Store, query: Query, progress: ProgressCallback = no_progress) -> Found:
    """The answer, from the store or computed now.

    Raises RequestError for an empty question or a model of one stream, DataError for a gallery that cannot be read.
    """
    from brivl.models.encoders.embedding import open_embedder

    asked = cleaned(query)
    gallery = open_gallery(asked.gallery, asked.most)
    embedder = open_embedder(asked.model)
    key = retrieval_key(asked, gallery, embedder.digest)
    return _found(store.get_or_compute(key, lambda: _search(store, asked, gallery, embedder, progress)))


def known_retrieval(store: Store, query: Query, gallery: Gallery) -> Found | None:
    """The stored answer, None if there is none. Light: no model is touched. Raises RequestError as retrieve does."""
    asked = cleaned(query)
    found = store.get(retrieval_key(asked, gallery, embedder_digest(asked.model)))
    return None if found is None else _found(found)


def cleaned(query: Query) -> Query:
    """The question with blanks and what cannot be printed made single spaces. Raises RequestError if it is empty."""
    text, minus = _plain(query.text), _plain(query.minus)
    if not text and not query.image:
        also = "; a term alone cannot be taken away" if minus else ""
        raise RequestError(f"Wanted a text or a picture to search by and got neither{also}. Try 'a red car'.")
    return Query(query.gallery, query.model, text, query.image, minus, query.most)


def retrieval_key(asked: Query, gallery: Gallery, model_digest: str) -> ArtifactKey:
    """Key of an answer; `asked` is cleaned."""
    return ArtifactKey(
        "retrieval",
        {
            "items": gallery.digest(range(len(gallery))),
            "model": model_digest,
            "text": asked.text,
            "image": asked.image,
            "minus": asked.minus,
            "version": VERSION,
        },
    )


def retrieve_request(store: Store, query: Query) -> dict[str, Any]:
    """The task of answering a question."""
    return {"task": "retrieve", "store": str(store.root), "query": asdict(cleaned(query))}


def retrieve_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Answer a question in the worker; the answer goes into the store."""
    found = retrieve(Store(Path(request["store"])), Query(**request["query"]), progress)
    return {"n_searched": found.n_searched}


def recall_request(store: Store, gallery: str, model: str, most: int = MAX_IMAGES) -> dict[str, Any]:
    """The task of measuring a model on a gallery."""
    return {"task": "gallery-recall", "store": str(store.root), "gallery": gallery, "model": model, "most": most}


def recall_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Measure in the worker; the measure goes into the store."""
    from brivl.models.encoders.embedding import open_embedder

    gallery = open_gallery(request["gallery"], request["most"])
    measured = measure_recall(Store(Path(request["store"])), gallery, open_embedder(request["model"]), progress)
    return {"n_items": measured.n_items}


def _search(
    store: Store, asked: Query, gallery: Gallery, embedder: Embedder, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    plus, minus = _terms(asked)
    vector = combine_vectors(
        _vectors(store, asked, embedder), [embedder.encode_texts([asked.minus])[0]] if minus else []
    )
    embedded = embed_gallery(store, gallery, embedder, progress)
    index = gallery_index(store, gallery, embedder, embedded, progress)
    if index is None:
        found = nearest_neighbours(vector, embedded.vectors, MOST_SHOWN)
    else:
        found = index.search(vector, embedded.vectors, MOST_SHOWN)
    there = found.rows[0] >= 0
    rows = embedded.rows[found.rows[0][there]]
    named = None if asked.image or asked.minus else items_showing(gallery, asked.text)
    showing = named or Showing("", frozenset())
    info = {
        "gallery": gallery.name,
        "model": embedder.name,
        "formula": query_formula(plus, minus),
        "n_searched": len(embedded.rows),
        "bad": [name for name, _ in embedded.unreadable[:N_NAMED]],
        "n_bad": len(embedded.unreadable),
        "index_recall": None if index is None else index.recall,
        "notices": _notices(asked, embedder),
        "thing": showing.thing,
        "n_showing": len(showing.rows),
    }
    shows = np.array([int(row) in showing.rows for row in rows], bool)
    return {"rows": rows, "scores": found.scores[0][there], "shows": shows}, info


def _vectors(store: Store, asked: Query, embedder: Embedder) -> list[np.ndarray]:
    vectors = [embedder.encode_texts([asked.text])[0]] if asked.text else []
    if asked.image:
        side = embedder.image_size
        vectors.append(embedder.encode_images(referenced_image(store, asked.image, max(16, side)).image[None])[0])
    return vectors


def _terms(asked: Query) -> tuple[list[str], list[str]]:
    plus = [f"“{_short(asked.text)}”"] if asked.text else []
    if asked.image:
        kind, _, number = asked.image.partition(":")
        plus.append(f"scene {number}" if kind == "scene" else "your picture")
    return plus, [f"“{_short(asked.minus)}”"] if asked.minus else []


def _notices(asked: Query, embedder: Embedder) -> list[str]:
    """What must be said about the words of a question."""
    said = []
    for text in filter(None, (asked.text, asked.minus)):
        if len(text) == MOST_CHARACTERS:
            said.append(f"The text is longer than {MOST_CHARACTERS:,} characters; what follows them is left out.")
        n_tokens = embedder.count_tokens(text)
        if n_tokens > embedder.max_tokens:
            said.append(
                f"The text has {n_tokens:,} tokens; the model reads the first {embedder.max_tokens} and no more."
            )
        foreign = detect_other_language(text)
        if foreign:
            what = "in another script" if foreign == "another script" else f"{foreign}"
            said.append(f"“{_short(text)}” looks {what}. The model knows English; it answers, and may be wrong.")
    return said


def _found(stored: Artifact) -> Found:
    info = stored.info
    return Found(
        np.array(stored.arrays["rows"]),
        np.array(stored.arrays["scores"]),
        info["formula"],
        info["n_searched"],
        tuple(info["bad"]),
        info["n_bad"],
        info["index_recall"],
        tuple(info["notices"]),
        info["thing"],
        np.array(stored.arrays["shows"]),
        info["n_showing"],
    )


def _plain(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text[: 10 * MOST_CHARACTERS])
    return " ".join(printable.split())[:MOST_CHARACTERS]


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39].rstrip()}…"
