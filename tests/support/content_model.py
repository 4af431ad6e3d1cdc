"""In place of a model: features that are what a picture shows or a text names, turned and with a little noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brivl.analyses.transfer import components
from brivl.analyses.transfer import features as transfer_features
from brivl.core.records import Stimulus
from brivl.data.phantoms import story_dataset
from brivl.data.phantoms.movie_stimulus import MovieConfig, movie_scenes
from brivl.scenes.content import CONTENT, content_of_scene, content_of_text
from brivl.scenes.gallery import gallery_scene
from tests.support.subject_pages import shrink_categories

WIDTH, NOISE = 32, 0.2


def use_tiny_stories(patch: pytest.MonkeyPatch, film: MovieConfig) -> None:
    """phantom-stories of few voxels, a frame a TR, and content in place of a model."""
    shrink_categories(patch, 25)
    patch.setattr(story_dataset, "FRAMES_PER_TR", 1)
    patch.setattr(components, "MIN_VOXELS", 20)
    use_content(patch, film)


def use_content(patch: pytest.MonkeyPatch, film: MovieConfig) -> None:
    """Let transfer ask for content; stimuli of as many pictures as the film has TRs are the film, as are its files.

    Files are called frame-0.png and so on, after the film's TRs.
    """
    seen = [content_of_scene(scene) for scene in movie_scenes(film)]

    def features(_store: Any, stimulus: Stimulus, model: str, layer: int, **_more: Any) -> np.ndarray:
        n = len(stimulus.items)
        if stimulus.kind == "text":
            content = [content_of_text(str(text)) for text in stimulus.items]
        elif isinstance(stimulus.items[0], str):
            content = [seen[int(Path(path).stem.removeprefix("frame-"))] for path in stimulus.items]
        else:
            content = seen if n == len(seen) else [content_of_scene(gallery_scene(i)) for i in range(n)]
        turn = np.random.default_rng([len(model), layer, stimulus.kind == "text"])
        X = np.stack(content) @ turn.standard_normal((len(CONTENT), WIDTH)) / np.sqrt(len(CONTENT))
        return (stimulus.weights @ (X + NOISE * turn.standard_normal(X.shape))).astype(np.float32)

    for module in (transfer_features, components):
        patch.setattr(module, "layer_features", features)
