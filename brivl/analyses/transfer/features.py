"""Features of stories and movie in the space of each stream, with linear maps learned from images with captions."""

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
from brivl.models.feature_model import Kind
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
IMAGE_SIZE = 64  # pixels, of drawn scenes
MIN_PAIRS, MAX_PAIRS = 50, 20_000


@dataclass(frozen=True)
class Streams:
    """A layer of a vision stream and one of a language stream: of one model, or of two unimodal models."""

    vision: tuple[str, int]  # model, layer (counted from 1)
    language: tuple[str, int]


@dataclass(frozen=True)
class BothSpaces:
    """Features (n_samples, n_features) of both modalities in the space of each stream, and the maps between these."""

    stories: np.ndarray  # in language space
    movie: np.ndarray  # in vision space
    stories_in_vision_space: np.ndarray  # by `to_vision`
    movie_in_language_space: np.ndarray  # by `to_language`
    to_language: LinearMap
    to_vision: LinearMap


def streams_of(vision: str, language: str, depth: float) -> Streams:
    """Choose layers of two streams at one relative depth.

    Parameters
    ----------
    vision, language : str
        Names of models, which may be the same.
    depth : float
        Above 0, up to 1.

    Returns
    -------
    Streams
        Models and layers.

    Raises
    ------
    RequestError
        For a model that does not take images or text.
    """
    kinds: tuple[tuple[str, Kind], ...] = ((vision, "image"), (language, "text"))
    layers = []
    for name, kind in kinds:
        card = card_for(name)
        if kind not in card.kinds:
            raise RequestError(f"Expected a model that takes {kind} stimuli, got {name!r}. Choose another model.")
        layers.append((name, max(1, round(depth * card.n_layers[kind]))))
    return Streams(*layers)


def pairs_digest(source: str, n: int) -> str:
    """Make a digest of the images with captions.

    Parameters
    ----------
    source : str
        Folder or listing; "" for drawn scenes.
    n : int
        How many of them.

    Returns
    -------
    str
        64 hex digits.

    Raises
    ------
    RequestError
        For too few or too many.
    """
    if not MIN_PAIRS <= n <= MAX_PAIRS or (not source and n > N_SCENES):
        most = MAX_PAIRS if source else N_SCENES
        raise RequestError(f"Expected {MIN_PAIRS} to {most:,} pairs of images and captions, got {n!r}. Choose another.")
    if not source:
        return json_digest(["scenes", n, IMAGE_SIZE, VERSION, [_scene_caption(i) for i in range(3)]])
    paths, texts = _pair_files(source, n)
    return json_digest([texts, [file_digest(path) for path in paths]])


def both_spaces(
    store: Store,
    streams: Streams,
    stimuli: tuple[Stimulus, Stimulus],
    train: np.ndarray,
    pairs: tuple[str, int],
    progress: ProgressCallback,
) -> BothSpaces:
    """Extract features of stories and movie, and map each into the space of the other stream.

    Parameters
    ----------
    store : Store
        Where features are kept.
    streams : Streams
        Models and layers.
    stimuli : tuple of Stimulus
        Stories and movie.
    train : (n_train,) int array
        Samples of the stories from which the regression on the word rate is fitted.
    pairs : tuple
        Source and number of the images with captions.
    progress : callable
        Progress callback.

    Returns
    -------
    BothSpaces
        Features and maps.
    """
    from brivl.core.transfer.maps import fit_linear_map

    stories, movie = stimuli
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
    """Make stimuli of the images and of their captions.

    Parameters
    ----------
    store : Store
        Where drawn scenes are kept.
    pairs : tuple
        Source and number of the images with captions.
    progress : callable
        Progress callback.

    Returns
    -------
    images : Stimulus
        One image per sample.
    captions : Stimulus
        One caption per sample.
    """
    source, n = pairs
    if source:
        paths, texts = _pair_files(source, n)
        return Stimulus("image", paths, _one_per_sample(n)), Stimulus("text", texts, _one_per_sample(n))
    digest = pairs_digest(source, n)

    def compute() -> tuple[dict[str, np.ndarray], dict[str, bool]]:
        progress(0, 1, "Drawing scenes for the maps between the modalities")
        return {"images": _rendered_scenes(n)}, {"simulated": True}

    images = store.get_or_compute(ArtifactKey("transfer-scenes", {"pairs": digest}), compute).arrays["images"]
    texts = [_scene_caption(i) for i in range(n)]
    return Stimulus("image", images, _one_per_sample(n), digest=digest), Stimulus("text", texts, _one_per_sample(n))


def _one_per_sample(n: int) -> scipy.sparse.csr_matrix:
    return scipy.sparse.identity(n, np.float32, "csr")


def _scene_caption(number: int) -> str:
    return caption(gallery_scene(number), np.random.default_rng([number, 11]))


def _rendered_scenes(n: int) -> np.ndarray:
    import joblib

    scenes = [gallery_scene(i) for i in range(n)]
    rendered = joblib.Parallel(n_jobs=min(n_cores(), 8))(joblib.delayed(render)(scene, IMAGE_SIZE) for scene in scenes)
    return np.stack([one.image for one in rendered])


def _pair_files(source: str, n: int) -> tuple[list[Path], list[str]]:
    """Files and captions of the first n images; of several captions of an image the first counts."""
    from brivl.data.pairs.registry import open_pairs

    first = {
        pair.location.file: pair.caption for pair in reversed(open_pairs(source).pairs) if not pair.location.member
    }
    pairs = list(first.items())[::-1][:n]
    if len(pairs) < n:
        raise RequestError(
            f"Expected {n:,} images with captions in {source!r}, found {len(pairs):,}. Choose a smaller number."
        )
    return [path for path, _ in pairs], [text for _, text in pairs]
