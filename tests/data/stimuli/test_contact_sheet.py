"""Frames of samples are the same for images in memory, in files, and in a movie that is read frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from PIL import Image

from brivl.core.records import Stimulus
from brivl.data.stimuli.contact_sheet import TILE, contact_sheet, item_images, sample_frames, sample_items, split_tiles

WEIGHTS = scipy.sparse.csr_matrix(np.array([[0.5, 0.5, 0, 0], [0, 0, 0, 0], [0, 0, 0.5, 0.5]]))
ROWS = np.array([2, 1, 0])


class LazyMovie(Sequence):
    """Frames that are read one by one, as those of shortclips are."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._frames[index]


@pytest.fixture
def frames(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (4, 4, 4, 3), dtype=np.uint8), np.ones((1, 16, 16, 1), np.uint8))


@pytest.mark.parametrize("source", ["memory", "movie", "files"])
def test_images_are_read_from_every_kind_of_stimulus(source: str, frames: np.ndarray, tmp_path: Path) -> None:
    items: object = frames
    if source == "movie":
        items = LazyMovie(frames)
    elif source == "files":
        items = [tmp_path / f"{i}.png" for i in range(4)]
        for path, frame in zip(items, frames, strict=True):
            Image.fromarray(frame).save(path)
    stimulus = Stimulus("image", items, WEIGHTS)
    middle = sample_items(stimulus, ROWS)
    np.testing.assert_array_equal(middle, [3, -1, 1])
    images = item_images(stimulus, np.array([3, 1]))  # files are brought to one size
    np.testing.assert_allclose(images.mean((1, 2)), frames[[3, 1]].mean((1, 2)), atol=1 if source == "files" else 0)
    small = sample_frames(stimulus, ROWS)
    assert small.shape == (3, TILE, TILE, 3) and (small[1] == 128).all()
    np.testing.assert_array_equal(small[[0, 2]], frames[[3, 1]])
    shown = split_tiles(contact_sheet(stimulus, ROWS), 3)
    assert np.abs(shown.astype(int) - small).mean() < 16, "compression aside"
