"""The shipped gallery: scenes and clips that are drawn when they are wanted, the same ones everywhere."""

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
SEED = 7_000_001  # above all seeds of training and of held-out measures


def gallery_scene(number: int) -> Scene:
    """Scene 0 to N_SCENES - 1; the captions of all differ. Raises RequestError for another number."""
    if not 0 <= number < N_SCENES:
        raise RequestError(f"The gallery holds scenes 0 to {N_SCENES - 1}, and {number!r} was asked for.")
    return _drawn().first(number + 1)[number]


def gallery_clip(number: int) -> Clip:
    """Clip 0 to N_CLIPS - 1. Raises RequestError for another number."""
    if not 0 <= number < N_CLIPS:
        raise RequestError(f"The gallery holds clips 0 to {N_CLIPS - 1}, and {number!r} was asked for.")
    return sample_clip(np.random.default_rng([SEED, 1, number]), CLIP_SECONDS)


class _Drawn:
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
                said = caption(scene)
                if said not in self._captions:
                    self._captions.add(said)
                    self._scenes.append(scene)
            return self._scenes


@lru_cache(maxsize=1)
def _drawn() -> _Drawn:
    return _Drawn()
