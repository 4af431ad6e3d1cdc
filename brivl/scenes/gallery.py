"""The shipped gallery: scenes and clips that are sampled when they are needed, the same on every machine."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np

from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.clips import Clip, sample_clip
from brivl.scenes.scene import Scene, sample_scene

N_SCENES = 2000
N_CLIPS = 200
CLIP_SECONDS = 8.0
SEED = 7_000_001  # above all seeds of training and of held-out evaluations


def gallery_scene(number: int) -> Scene:
    """Return a scene of the gallery; the captions of all scenes differ.

    Parameters
    ----------
    number : int
        0 to N_SCENES - 1.

    Returns
    -------
    Scene
        Scene.

    Raises
    ------
    RequestError
        If there is no such scene.
    """
    if not 0 <= number < N_SCENES:
        raise RequestError(f"Expected a number of the scenes 0 to {N_SCENES - 1}, got {number!r}. Choose one of them.")
    return _sampled().first(number + 1)[number]


def gallery_clip(number: int) -> Clip:
    """Return a clip of the gallery.

    Parameters
    ----------
    number : int
        0 to N_CLIPS - 1.

    Returns
    -------
    Clip
        Clip of CLIP_SECONDS.

    Raises
    ------
    RequestError
        If there is no such clip.
    """
    if not 0 <= number < N_CLIPS:
        raise RequestError(f"Expected a number of the clips 0 to {N_CLIPS - 1}, got {number!r}. Choose one of them.")
    return sample_clip(np.random.default_rng([SEED, 1, number]), CLIP_SECONDS)


class _SampledScenes:
    """Scenes of the seed whose captions all differ, sampled as far as they are needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scenes: list[Scene] = []
        self._captions: set[str] = set()
        self._index = 0

    def first(self, n: int) -> list[Scene]:
        with self._lock:
            while len(self._scenes) < n:
                scene = sample_scene(np.random.default_rng([SEED, 0, self._index]))
                self._index += 1
                sentence = caption(scene)
                if sentence not in self._captions:
                    self._captions.add(sentence)
                    self._scenes.append(scene)
            return self._scenes


@lru_cache(maxsize=1)
def _sampled() -> _SampledScenes:
    return _SampledScenes()
