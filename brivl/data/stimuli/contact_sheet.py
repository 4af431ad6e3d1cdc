"""Frames or sentences of samples, small, side by side in one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from brivl.core.records import Stimulus
from brivl.data.formats.images import read_images
from brivl.data.stimuli.thumbnails import webp

TILE = 64  # px
COLUMNS = 16


def sample_items(stimulus: Stimulus, rows: np.ndarray) -> np.ndarray:
    """(n_rows,) the middle one of the items shown in each sample, -1 where none was."""
    weights = stimulus.weights
    found = []
    for row in rows:
        items = np.sort(weights.indices[weights.indptr[row] : weights.indptr[row + 1]])
        found.append(int(items[len(items) // 2]) if len(items) else -1)
    return np.array(found, int)


def item_images(stimulus: Stimulus, items: np.ndarray) -> np.ndarray:
    """(n, H, W, 3) uint8 of items, whether they are an array, frames that are read one by one, or files."""
    if isinstance(stimulus.items, np.ndarray):
        return stimulus.items[items]
    found = [stimulus.items[int(i)] for i in items]
    return np.stack(found) if _are_frames(found) else read_images(found)


def contact_sheet(stimulus: Stimulus, rows: np.ndarray) -> bytes:
    """WebP of TILE x TILE tiles, COLUMNS in a row, the frame of each sample in turn; grey where nothing was shown."""
    tiles = np.full((-(-max(len(rows), 1) // COLUMNS) * COLUMNS, TILE, TILE, 3), 128, np.uint8)
    tiles[: len(rows)] = sample_frames(stimulus, rows)
    sheet = tiles.reshape(-1, COLUMNS, TILE, TILE, 3).swapaxes(1, 2).reshape(-1, COLUMNS * TILE, 3)
    return webp([sheet])


def sample_frames(stimulus: Stimulus, rows: np.ndarray) -> np.ndarray:
    """(n_rows, TILE, TILE, 3) uint8: the frame of each sample; grey where nothing was shown."""
    tiles = np.full((len(rows), TILE, TILE, 3), 128, np.uint8)
    items = sample_items(stimulus, rows)
    shown = np.flatnonzero(items >= 0)
    if len(shown):
        tiles[shown] = _tiles(stimulus.items, items[shown])
    return tiles


def _tiles(items: Sequence | np.ndarray, chosen: np.ndarray) -> np.ndarray:
    found = [items[int(i)] for i in chosen]
    if _are_frames(found):
        return np.stack([_small(frame) for frame in found])
    return read_images([Path(item) for item in found], TILE)


def _are_frames(items: Sequence) -> bool:
    return len(items) > 0 and isinstance(items[0], np.ndarray)


def _small(frame: np.ndarray) -> np.ndarray:
    """The frame with TILE rows and columns of its own."""
    at = [np.minimum((np.arange(TILE) + 0.5) * n / TILE, n - 1).astype(int) for n in frame.shape[:2]]
    return frame[np.ix_(*at)]


def sample_sentences(stimulus: Stimulus, rows: np.ndarray) -> list[str]:
    """The text of each sample."""
    return ["" if item < 0 else str(stimulus.items[item]) for item in sample_items(stimulus, rows)]


def split_tiles(sheet: bytes, n: int) -> np.ndarray:
    """(n, TILE, TILE, 3) uint8: the first tiles of a `contact_sheet`."""
    image = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"))
    return image.reshape(-1, TILE, COLUMNS, TILE, 3).swapaxes(1, 2).reshape(-1, TILE, TILE, 3)[:n]
