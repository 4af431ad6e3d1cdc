"""Embeddings of a gallery by a model: made in parts, each stored when it is done, so that a stop loses little."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.retrieval.ann import MIN_INDEXED_ROWS, AnnIndex, build_index, index_bytes, index_from_bytes
from brivl.data.galleries.gallery import Gallery
from brivl.errors import DataError
from brivl.scenes.captions import caption
from brivl.scenes.gallery import gallery_scene
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from brivl.models.encoders.embedding import Embedder

VERSION = 1
ITEMS_PER_PART = {"image": 512, "video": 40}  # items stored together
BATCH_SIZE = {"image": 32, "video": 4}  # items in memory as pixels
N_TUNING_TEXTS = 200  # sentences that an index is tuned on


@dataclass(frozen=True)
class GalleryEmbeddings:
    """Unit vectors (m, D) float32, the gallery's rows that they belong to (m,), and (name, reason) of what was left."""

    vectors: np.ndarray
    rows: np.ndarray
    unreadable: tuple[tuple[str, str], ...]


def embed_gallery(
    store: Store, gallery: Gallery, embedder: Embedder, progress: ProgressCallback = no_progress
) -> GalleryEmbeddings:
    """The embeddings, from the store as far as they are there. Raises DataError where no item can be read."""
    size, parts = ITEMS_PER_PART[gallery.kind], []
    for start in range(0, len(gallery), size):
        rows = range(start, min(start + size, len(gallery)))
        key = _part_key(gallery, rows, embedder.digest)
        part = store.get_or_compute(key, lambda rows=rows: _embed(gallery, rows, embedder, progress))
        parts.append((part.arrays["vectors"], part.arrays["rows"] + start, part.info["bad"]))
        progress(rows.stop, len(gallery), f"Reading {gallery.title}")
    vectors, rows, bad = zip(*parts, strict=True)
    named = tuple((name, why) for found in bad for name, why in found)
    if not sum(map(len, rows)):
        raise DataError(f"None of the {len(gallery):,} items can be read. The first: {named[0][1]}")
    return GalleryEmbeddings(np.concatenate([x for x in vectors if len(x)]), np.concatenate(rows), named)


def is_embedded(store: Store, gallery: Gallery, model_digest: str) -> bool:
    """Whether all parts of a gallery are in the store, so that a question takes no longer than its own embedding."""
    size = ITEMS_PER_PART[gallery.kind]
    parts = (range(start, min(start + size, len(gallery))) for start in range(0, len(gallery), size))
    return all(store.has(_part_key(gallery, rows, model_digest)) for rows in parts)


def _part_key(gallery: Gallery, rows: range, model_digest: str) -> ArtifactKey:
    return ArtifactKey(
        "gallery-embeddings",
        {
            "items": gallery.digest(rows),
            "model": model_digest,
            "version": VERSION,
        },
    )


def _embed(gallery: Gallery, rows: range, embedder: Embedder, progress: ProgressCallback) -> tuple[dict, dict]:
    step, vectors, kept, bad = BATCH_SIZE[gallery.kind], [], [], []
    for start in range(rows.start, rows.stop, step):
        progress(start, len(gallery), f"Embedding {gallery.title} with {_short(embedder.name)}")
        pixels = gallery.pixels(range(start, min(start + step, rows.stop)), embedder.image_size)
        bad += [list(pair) for pair in pixels.bad]
        if len(pixels.images):
            vectors.append(_vectors(pixels.images, embedder))
            kept.append(pixels.kept + start - rows.start)
    joined = np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)
    places = np.concatenate(kept) if kept else np.empty(0, np.int64)
    info = {"gallery": gallery.name, "model": embedder.name, "first": rows.start, "n": len(rows), "bad": bad}
    return {"vectors": joined.astype(np.float32), "rows": places.astype(np.int64)}, info


def _vectors(images: np.ndarray, embedder: Embedder) -> np.ndarray:
    """Of images (m, H, W, 3) their vectors; of videos (m, 16, H, W, 3) the mean over frames, made unit length."""
    if images.ndim == 4:
        return embedder.encode_images(images)
    frames = embedder.encode_images(images.reshape(-1, *images.shape[2:]))
    mean = frames.reshape(*images.shape[:2], -1).mean(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def gallery_index(
    store: Store,
    gallery: Gallery,
    embedder: Embedder,
    embedded: GalleryEmbeddings,
    progress: ProgressCallback = no_progress,
) -> AnnIndex | None:
    """The index of a gallery of more than 50,000 items, None for smaller ones, which are compared whole."""
    if len(embedded.vectors) <= MIN_INDEXED_ROWS:
        return None
    key = ArtifactKey(
        "gallery-index",
        {
            "items": gallery.digest(range(len(gallery))),
            "model": embedder.digest,
            "version": VERSION,
        },
    )
    return _opened_index(store, key, lambda: _build(embedded, embedder, progress))


def _build(embedded: GalleryEmbeddings, embedder: Embedder, progress: ProgressCallback) -> tuple[dict, dict]:
    began = time.monotonic()
    progress(0, 1, "Building the index, once for this gallery")
    tuning = embedder.encode_texts([caption(gallery_scene(i)) for i in range(N_TUNING_TEXTS)])
    index = build_index(embedded.vectors, tuning, progress=lambda done, of: progress(done, of, "Building the index"))
    about = {"n_probe": index.n_probe, "recall": index.recall, "seconds": round(time.monotonic() - began, 1)}
    return {"index": index_bytes(index)}, about


_indexes: dict[ArtifactKey, AnnIndex] = {}  # the last one that was opened in this process


def _opened_index(store: Store, key: ArtifactKey, compute: Any) -> AnnIndex:
    if key not in _indexes:
        found = store.get_or_compute(key, compute)
        _indexes.clear()
        _indexes[key] = index_from_bytes(found.arrays["index"], found.info["n_probe"], found.info["recall"])
    return _indexes[key]


def _short(name: Any) -> str:
    return str(name).rstrip("/").rsplit("/", 1)[-1]
