"""Recall of a gallery: how often a model finds the items by their captions, and the captions by their items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.retrieval.recall import Recall, recall_by_owner
from brivl.data.galleries.embeddings import embed_gallery
from brivl.data.galleries.gallery import Captions, Gallery
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.digests import JSON
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from brivl.models.encoders.embedding import Embedder

VERSION = 1
BATCH_SIZE = 128  # captions


@dataclass(frozen=True)
class GalleryRecall:
    """Recall in both directions.

    Attributes
    ----------
    forward : Recall
        Of items by captions.
    back : Recall
        Of captions by items.
    n_items, n_texts : int
        Numbers of items and of captions.
    """

    forward: Recall
    back: Recall
    n_items: int
    n_texts: int


def recall_key(gallery: Gallery, model_digest: str) -> ArtifactKey:
    """Return the key under which the recall of a model on a gallery is stored.

    Parameters
    ----------
    gallery : Gallery
        Gallery with captions.
    model_digest : str
        Digest of the two-stream model.

    Returns
    -------
    ArtifactKey
        Key.
    """
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
    """Return the recall if it was measured before; no model is loaded.

    Parameters
    ----------
    store : Store
        Holds measurements.
    gallery : Gallery
        Gallery with captions.
    model_digest : str
        Digest of the two-stream model.

    Returns
    -------
    GalleryRecall or None
        The measurement, None where there is none.
    """
    artifact = store.get(recall_key(gallery, model_digest))
    if artifact is None:
        return None
    info = dict(artifact.info)
    return GalleryRecall(Recall(**info["forward"]), Recall(**info["back"]), info["n_items"], info["n_texts"])


def measure_recall(
    store: Store, gallery: Gallery, embedder: Embedder, progress: ProgressCallback = no_progress
) -> GalleryRecall:
    """Measure recall in both directions between the items of a gallery and their captions.

    Parameters
    ----------
    store : Store
        Holds the measurement and the embeddings.
    gallery : Gallery
        Gallery.
    embedder : Embedder
        Two-stream model.
    progress : ProgressCallback
        Called while items and captions are embedded.

    Returns
    -------
    GalleryRecall
        The measurement.

    Raises
    ------
    RequestError
        If the gallery has no captions.
    """
    captions = gallery.captions()
    if captions is None:
        raise RequestError(
            f"Expected a gallery with captions to measure recall, got {gallery.title} without any. Use search instead."
        )
    store.get_or_compute(
        recall_key(gallery, embedder.digest), lambda: _measure(store, gallery, captions, embedder, progress)
    )
    recall = stored_recall(store, gallery, embedder.digest)
    assert recall is not None
    return recall


def _measure(
    store: Store, gallery: Gallery, captions: Captions, embedder: Embedder, progress: ProgressCallback
) -> tuple[Mapping[str, np.ndarray], Mapping[str, JSON]]:
    embeddings = embed_gallery(store, gallery, embedder, progress)
    texts = _embed_captions(captions, embedder, progress)
    kept = np.isin(captions.owners, embeddings.rows)  # captions of items that could be read
    recall = GalleryRecall(
        recall_by_owner(texts[kept], embeddings.vectors, captions.owners[kept], embeddings.rows),
        recall_by_owner(embeddings.vectors, texts[kept], embeddings.rows, captions.owners[kept]),
        len(embeddings.rows),
        int(kept.sum()),
    )
    return {}, {**asdict(recall), "gallery": gallery.name, "model": embedder.name}


def _embed_captions(captions: Captions, embedder: Embedder, progress: ProgressCallback) -> np.ndarray:
    vectors: list[np.ndarray] = []
    for start in range(0, len(captions.texts), BATCH_SIZE):
        progress(start, len(captions.texts), "Embedding the captions")
        vectors.append(embedder.encode_texts(captions.texts[start : start + BATCH_SIZE]))
    return np.concatenate(vectors)
