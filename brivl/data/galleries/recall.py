"""How well a model finds the items of a gallery by their captions, and the captions by their items."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.retrieval.recall import Recall, recall_by_owner
from brivl.data.galleries.embeddings import embed_gallery
from brivl.data.galleries.gallery import Captions, Gallery
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from brivl.models.encoders.embedding import Embedder

VERSION = 1
TEXTS_AT_ONCE = 128


@dataclass(frozen=True)
class GalleryRecall:
    """Recall of items by sentences (forward) and of sentences by items (back)."""

    forward: Recall
    back: Recall
    n_items: int
    n_texts: int


def recall_key(gallery: Gallery, model_digest: str) -> ArtifactKey:
    """Key of the measure of a model on a gallery."""
    return ArtifactKey(
        "gallery-recall",
        {
            "items": gallery.digest(range(len(gallery))),
            "captions": gallery.captions_digest,
            "model": model_digest,
            "version": VERSION,
        },
    )


def stored_recall(store: Store, gallery: Gallery, model_digest: str) -> GalleryRecall | None:
    """The stored measure, None if there is none. Light."""
    found = store.get(recall_key(gallery, model_digest))
    if found is None:
        return None
    about = dict(found.info)
    return GalleryRecall(Recall(**about["forward"]), Recall(**about["back"]), about["n_items"], about["n_texts"])


def measure_recall(
    store: Store, gallery: Gallery, embedder: Embedder, progress: ProgressCallback = no_progress
) -> GalleryRecall:
    """Recall both ways between a gallery's items and its sentences. Raises RequestError where it has none."""
    said = gallery.captions()
    if said is None:
        raise RequestError(f"{gallery.title} have no captions, so recall cannot be measured; search works without.")

    def compute() -> tuple[dict, dict]:
        embedded = embed_gallery(store, gallery, embedder, progress)
        texts = _sentences(said, embedder, progress)
        here = np.isin(said.owners, embedded.rows)
        found = GalleryRecall(
            recall_by_owner(texts[here], embedded.vectors, said.owners[here], embedded.rows),
            recall_by_owner(embedded.vectors, texts[here], embedded.rows, said.owners[here]),
            len(embedded.rows),
            int(here.sum()),
        )
        return {}, {**asdict(found), "gallery": gallery.name, "model": embedder.name}

    store.get_or_compute(recall_key(gallery, embedder.digest), compute)
    measured = stored_recall(store, gallery, embedder.digest)
    assert measured is not None
    return measured


def _sentences(said: Captions, embedder: Embedder, progress: ProgressCallback) -> np.ndarray:
    parts: list[np.ndarray] = []
    for start in range(0, len(said.texts), TEXTS_AT_ONCE):
        progress(start, len(said.texts), "Reading the captions")
        parts.append(embedder.encode_texts(said.texts[start : start + TEXTS_AT_ONCE]))
    return np.concatenate(parts)
