"""Embeddings of the items of a gallery.

They are computed in parts of a few hundred items, each stored when it is done, so that little is lost when a
computation is stopped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.retrieval.ann import MIN_INDEXED_ROWS, AnnIndex, build_index, index_bytes, index_from_bytes
from brivl.data.galleries.gallery import Gallery
from brivl.errors import DataError
from brivl.scenes.captions import caption
from brivl.scenes.gallery import gallery_scene
from brivl.store.artifacts import Compute, Store
from brivl.store.digests import JSON
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from brivl.models.encoders.embedding import Embedder

VERSION = 1
ITEMS_PER_PART = {"image": 512, "video": 40}  # items that are stored together
BATCH_SIZE = {"image": 32, "video": 4}  # items that are in memory as pixels
N_TUNING_TEXTS = 200  # sentences for which the index is tuned


@dataclass(frozen=True)
class GalleryEmbeddings:
    """Embeddings of the items that could be read.

    Attributes
    ----------
    vectors : (m, D) array of float32
        Unit vectors.
    rows : (m,) array of int
        Numbers of the items in the gallery.
    unreadable : tuple of (name, reason)
        Files that could not be read.
    """

    vectors: np.ndarray
    rows: np.ndarray
    unreadable: tuple[tuple[str, str], ...]


def embed_gallery(
    store: Store, gallery: Gallery, embedder: Embedder, progress: ProgressCallback = no_progress
) -> GalleryEmbeddings:
    """Embed all items of a gallery, except the parts that are stored.

    Parameters
    ----------
    store : Store
        Holds the parts.
    gallery : Gallery
        Gallery.
    embedder : Embedder
        Two-stream model.
    progress : ProgressCallback
        Called with the number of embedded items.

    Returns
    -------
    GalleryEmbeddings
        Embeddings of all items that can be read.

    Raises
    ------
    DataError
        If no item can be read.
    """
    vectors: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    unreadable: list[tuple[str, str]] = []
    for rows in _parts(gallery):
        key = _part_key(gallery, rows, embedder.digest)
        part = store.get_or_compute(key, partial(_embed_part, gallery, rows, embedder, progress))
        vectors.append(part.arrays["vectors"])
        numbers.append(part.arrays["rows"] + rows.start)
        unreadable += [(name, reason) for name, reason in part.info["bad"]]
        progress(rows.stop, len(gallery), f"Reading {gallery.title}")
    if not sum(map(len, numbers)):
        raise DataError(
            f"Expected readable items, got {len(gallery):,} that cannot be read, the first because: {unreadable[0][1]}"
        )
    return GalleryEmbeddings(
        np.concatenate([part for part in vectors if len(part)]), np.concatenate(numbers), tuple(unreadable)
    )


def is_embedded(store: Store, gallery: Gallery, model_digest: str) -> bool:
    """Tell whether all embeddings of a gallery are stored, so that a query only has to be embedded itself.

    Parameters
    ----------
    store : Store
        Holds the embeddings.
    gallery : Gallery
        Gallery.
    model_digest : str
        Digest of the two-stream model.

    Returns
    -------
    bool
        True where every part is stored.
    """
    return all(store.has(_part_key(gallery, rows, model_digest)) for rows in _parts(gallery))


def _parts(gallery: Gallery) -> list[range]:
    size = ITEMS_PER_PART[gallery.kind]
    return [range(start, min(start + size, len(gallery))) for start in range(0, len(gallery), size)]


def _part_key(gallery: Gallery, rows: range, model_digest: str) -> ArtifactKey:
    return ArtifactKey(
        "gallery-embeddings",
        {
            "items": gallery.digest(rows),
            "model": model_digest,
            "version": VERSION,
        },
    )


def _embed_part(
    gallery: Gallery, rows: range, embedder: Embedder, progress: ProgressCallback
) -> tuple[Mapping[str, np.ndarray], Mapping[str, JSON]]:
    step = BATCH_SIZE[gallery.kind]
    vectors: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    bad: list[list[str]] = []
    for start in range(rows.start, rows.stop, step):
        progress(start, len(gallery), f"Embedding {gallery.title} with {_short(embedder.name)}")
        pixels = gallery.pixels(range(start, min(start + step, rows.stop)), embedder.image_size)
        bad += [list(pair) for pair in pixels.bad]
        if len(pixels.images):
            vectors.append(_embed_pixels(pixels.images, embedder))
            kept.append(pixels.kept + start - rows.start)
    joined = np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)
    positions = np.concatenate(kept) if kept else np.empty(0, np.int64)
    info = {"gallery": gallery.name, "model": embedder.name, "first": rows.start, "n": len(rows), "bad": bad}
    return {"vectors": joined.astype(np.float32), "rows": positions.astype(np.int64)}, info


def _embed_pixels(images: np.ndarray, embedder: Embedder) -> np.ndarray:
    """Embed images (m, H, W, 3), or videos (m, 16, H, W, 3) as the normalised mean over their frames."""
    if images.ndim == 4:
        return embedder.encode_images(images)
    frames = embedder.encode_images(images.reshape(-1, *images.shape[2:]))
    mean = frames.reshape(*images.shape[:2], -1).mean(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def gallery_index(
    store: Store,
    gallery: Gallery,
    embedder: Embedder,
    embeddings: GalleryEmbeddings,
    progress: ProgressCallback = no_progress,
) -> AnnIndex | None:
    """Return the nearest-neighbour index of a large gallery, built once.

    Parameters
    ----------
    store : Store
        Holds the index.
    gallery : Gallery
        Gallery.
    embedder : Embedder
        Two-stream model; it embeds the sentences for which the index is tuned.
    embeddings : GalleryEmbeddings
        Embeddings of the gallery.
    progress : ProgressCallback
        Called while the index is built.

    Returns
    -------
    AnnIndex or None
        None for galleries of up to 50,000 items, in which a query is compared with every item.
    """
    if len(embeddings.vectors) <= MIN_INDEXED_ROWS:
        return None
    key = ArtifactKey(
        "gallery-index",
        {
            "items": gallery.digest(range(len(gallery))),
            "model": embedder.digest,
            "version": VERSION,
        },
    )
    return _open_index(store, key, lambda: _build_index(embeddings, embedder, progress))


def _build_index(
    embeddings: GalleryEmbeddings, embedder: Embedder, progress: ProgressCallback
) -> tuple[Mapping[str, np.ndarray], Mapping[str, JSON]]:
    started = time.monotonic()
    progress(0, 1, "Building the index, once for this gallery")
    tuning = embedder.encode_texts([caption(gallery_scene(i)) for i in range(N_TUNING_TEXTS)])
    index = build_index(embeddings.vectors, tuning, progress=lambda done, of: progress(done, of, "Building the index"))
    info = {"n_probe": index.n_probe, "recall": index.recall, "seconds": round(time.monotonic() - started, 1)}
    return {"index": index_bytes(index)}, info


_indexes: dict[ArtifactKey, AnnIndex] = {}  # the index that this process opened last


def _open_index(store: Store, key: ArtifactKey, compute: Compute) -> AnnIndex:
    if key not in _indexes:
        artifact = store.get_or_compute(key, compute)
        _indexes.clear()
        _indexes[key] = index_from_bytes(artifact.arrays["index"], artifact.info["n_probe"], artifact.info["recall"])
    return _indexes[key]


def _short(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]
