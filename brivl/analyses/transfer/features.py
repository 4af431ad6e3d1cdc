"""Features of stories and film in one another's space: layers of two streams, and linear maps from paired captions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse

from brivl.config import n_cores
from brivl.core.progress import ProgressCallback
from brivl.core.records import Stimulus
from brivl.core.text.timed_words import regress_out_word_rate
from brivl.data.features import layer_features
from brivl.errors import RequestError
from brivl.models.registry import card_for
from brivl.scenes.captions import caption
from brivl.scenes.gallery import N_SCENES, gallery_scene
from brivl.scenes.scene import render
from brivl.store.artifacts import Store
from brivl.store.digests import file_digest, json_digest
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from brivl.core.transfer.maps import LinearMap

VERSION = 1
IMAGE_SIZE = 64  # of drawn scenes
FEWEST, MOST = 50, 20_000  # pairs


@dataclass(frozen=True)
class Streams:
    """A layer that looks at pictures and one that reads texts: of one model, or of two that never met."""

    vision: tuple[str, int]  # model, layer (1-based)
    language: tuple[str, int]


@dataclass(frozen=True)
class BothSpaces:
    """Features (n_samples, n_features) of both modalities in the space of each stream, and the maps between these."""

    stories: np.ndarray  # as read
    movie: np.ndarray  # as seen
    stories_as_seen: np.ndarray  # by `to_vision`
    movie_as_read: np.ndarray  # by `to_language`
    to_language: LinearMap
    to_vision: LinearMap


def streams_of(vision: str, language: str, depth: float) -> Streams:
    """Layers at one relative depth (above 0, up to 1) of both. Raises RequestError for a model of the wrong kind."""
    found = []
    for name, kind in ((vision, "image"), (language, "text")):
        card = card_for(name)
        if kind not in card.kinds:
            raise RequestError(f"Wanted a model that takes {kind} stimuli and got {name!r}; choose another.")
        found.append((name, max(1, round(depth * card.n_layers[kind]))))
    return Streams(*found)


def pairs_digest(source: str, n: int) -> str:
    """Digest of the pairs: drawn scenes, or those of a folder. RequestError for too few or many, DataError for none."""
    if not FEWEST <= n <= MOST or (not source and n > N_SCENES):
        raise RequestError(
            f"Wanted {FEWEST} to {N_SCENES if not source else MOST:,} pairs of pictures and captions and got {n!r}."
        )
    if not source:
        return json_digest(["scenes", n, IMAGE_SIZE, VERSION, [_said(i) for i in range(3)]])
    paths, texts = _listed(source, n)
    return json_digest([texts, [file_digest(path) for path in paths]])


def both_spaces(
    store: Store,
    streams: Streams,
    shown: tuple[Stimulus, Stimulus],
    train: np.ndarray,
    pairs: tuple[str, int],
    progress: ProgressCallback,
) -> BothSpaces:
    """Features of the stories and the film shown, and of both through the maps.

    train: rows of the stories with which the rate of words is taken out; pairs: source, number.
    """
    from brivl.core.transfer.maps import fit_linear_map

    stories, movie = shown
    images, captions = pair_stimuli(store, pairs, progress)
    V = layer_features(store, images, *streams.vision, progress=progress)
    L = layer_features(store, captions, *streams.language, progress=progress)
    to_language, to_vision = fit_linear_map(V, L), fit_linear_map(L, V)
    read = layer_features(store, stories, *streams.language, progress=progress)
    seen = layer_features(store, movie, *streams.vision, progress=progress)
    rate = np.asarray(stories.weights.sum(1)).ravel()
    read = regress_out_word_rate(np.asarray(read), rate, train)
    return BothSpaces(read, seen, to_vision(read), to_language(seen), to_language, to_vision)


def pair_stimuli(store: Store, pairs: tuple[str, int], progress: ProgressCallback) -> tuple[Stimulus, Stimulus]:
    """Pictures and their captions as two stimuli of as many samples."""
    source, n = pairs
    if source:
        paths, texts = _listed(source, n)
        return Stimulus("image", paths, _each(n)), Stimulus("text", texts, _each(n))
    digest = pairs_digest(source, n)

    def compute() -> tuple[dict[str, np.ndarray], dict]:
        progress(0, 1, "Drawing scenes for the maps between the modalities")
        return {"images": _drawn(n)}, {"simulated": True}

    images = store.get_or_compute(ArtifactKey("transfer-scenes", {"pairs": digest}), compute).arrays["images"]
    return Stimulus("image", images, _each(n), digest=digest), Stimulus("text", [_said(i) for i in range(n)], _each(n))


def word_features(store: Store, words: list[str], language: tuple[str, int], progress: ProgressCallback) -> np.ndarray:
    """(n_words, n_features) of words by themselves."""
    return layer_features(store, Stimulus("text", words, _each(len(words))), *language, progress=progress)


def _each(n: int) -> scipy.sparse.csr_matrix:
    return scipy.sparse.identity(n, np.float32, "csr")


def _said(number: int) -> str:
    return caption(gallery_scene(number), np.random.default_rng([number, 11]))


def _drawn(n: int) -> np.ndarray:
    import joblib

    scenes = [gallery_scene(i) for i in range(n)]
    drawn = joblib.Parallel(n_jobs=min(n_cores(), 8))(joblib.delayed(render)(scene, IMAGE_SIZE) for scene in scenes)
    return np.stack([one.image for one in drawn])


def _listed(source: str, n: int) -> tuple[list[Path], list[str]]:
    """Image files and captions of the first n pairs with an image of their own. Raises RequestError for fewer."""
    from brivl.data.pairs.registry import open_pairs

    first = {
        pair.location.file: pair.caption for pair in reversed(open_pairs(source).pairs) if not pair.location.member
    }
    found = list(first.items())[::-1][:n]
    if len(found) < n:
        raise RequestError(f"Wanted {n:,} images with captions in {source!r} and found {len(found):,}; ask for fewer.")
    return [path for path, _ in found], [text for _, text in found]
