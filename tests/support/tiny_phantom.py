"""A simulated movie experiment small enough for a test: 280 frames in all, 120 voxels in four regions."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.records import Voxels
from brivl.core.simulation.planting import Tuning
from brivl.data.phantoms import base, datasets, movie
from brivl.data.phantoms.movie import BrainLayout, MoviePhantomConfig
from brivl.data.phantoms.movie_stimulus import MovieConfig

NAME = "phantom-movie:240/40"
LAYER = 8
SILENT_REGION = "M1"
TUNING = {"uni": Tuning(LAYER, 0.15, 0.6), "both": Tuning(LAYER, 0.5, 0.6), "multi": Tuning(LAYER, 0.85, 0.6)}


def layout(n_each: int = 30) -> BrainLayout:
    """Voxels in a row, region after region, all at full gain."""
    region = np.repeat(np.array([*TUNING, SILENT_REGION]), n_each)
    ijk = np.stack([np.arange(len(region)), np.zeros(len(region), int), np.zeros(len(region), int)], 1)
    rois = {name: region == name for name in np.unique(region)}
    voxels = Voxels("test", ijk, (len(region), 1, 1), np.eye(4), rois, flatmap="pycortex-S1")
    return BrainLayout(voxels, region, np.ones(len(region)))


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Let the name of a movie phantom stand for this one: no atlas, one frame a TR, planting that no one tunes."""
    patch.setattr(movie, "TUNING", TUNING)
    patch.setattr(base, "load_cortical_voxels", lambda: None)
    patch.setattr(base, "brain_layout", lambda _cortex: layout())
    full = datasets.phantom_movie_config

    def small(size: str) -> MoviePhantomConfig:
        asked = full(size).movie
        return MoviePhantomConfig(MovieConfig(n_train=asked.n_train, n_test=asked.n_test, frames_per_tr=1))

    patch.setattr(datasets, "phantom_movie_config", small)
