"""The images or sentences of samples; images as small tiles, side by side in one contact sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from brivl.core.records import Stimulus
from brivl.data.formats.images import read_images
from brivl.data.stimuli.thumbnails import webp

TILE = 64  # pixels
COLUMNS = 16
GREY = 128  # of the tile of a sample without an image


def sample_items(stimulus: Stimulus, rows: np.ndarray) -> np.ndarray:
    """Return the middle item of each sample.

    Parameters
    ----------
    stimulus : Stimulus
        Items and their weights in each sample.
    rows : (n_rows,) array of int
        Samples.

    Returns
    -------
    (n_rows,) array of int
        Item numbers, -1 for a sample without an item.
    """
    weights = stimulus.weights
    middle = []
    for row in rows:
        items = np.sort(weights.indices[weights.indptr[row] : weights.indptr[row + 1]])
        middle.append(int(items[len(items) // 2]) if len(items) else -1)
    return np.array(middle, int)


def item_images(stimulus: Stimulus, items: np.ndarray) -> np.ndarray:
    """Return images by item number, whether they are an array, frames read one by one, or files.

    Parameters
    ----------
    stimulus : Stimulus
        Stimulus whose items are images.
    items : (n,) array of int
        Item numbers.

    Returns
    -------
    (n, H, W, 3) array of uint8
        Images; files are brought to one size.
    """
    if isinstance(stimulus.items, np.ndarray):
        return stimulus.items[items]
    chosen = [stimulus.items[int(i)] for i in items]
    return np.stack(chosen) if _are_frames(chosen) else read_images(chosen)


def contact_sheet(stimulus: Stimulus, rows: np.ndarray) -> bytes:
    """Draw the image of each sample as a tile of one WebP image.

    Parameters
    ----------
    stimulus : Stimulus
        Stimulus whose items are images.
    rows : (n_rows,) array of int
        Samples, in the order of the tiles.

    Returns
    -------
    bytes
        WebP with COLUMNS tiles of TILE x TILE pixels in a row; tiles of samples without an image are grey.
    """
    tiles = np.full((-(-max(len(rows), 1) // COLUMNS) * COLUMNS, TILE, TILE, 3), GREY, np.uint8)
    tiles[: len(rows)] = sample_frames(stimulus, rows)
    sheet = tiles.reshape(-1, COLUMNS, TILE, TILE, 3).swapaxes(1, 2).reshape(-1, COLUMNS * TILE, 3)
    return webp([sheet])


def sample_frames(stimulus: Stimulus, rows: np.ndarray) -> np.ndarray:
    """Return the image of each sample as a small tile.

    Parameters
    ----------
    stimulus : Stimulus
        Stimulus whose items are images.
    rows : (n_rows,) array of int
        Samples.

    Returns
    -------
    (n_rows, TILE, TILE, 3) array of uint8
        Tiles, grey for samples without an image.
    """
    tiles = np.full((len(rows), TILE, TILE, 3), GREY, np.uint8)
    items = sample_items(stimulus, rows)
    with_image = np.flatnonzero(items >= 0)
    if len(with_image):
        tiles[with_image] = _tiles(stimulus.items, items[with_image])
    return tiles


def _tiles(items: Sequence | np.ndarray, numbers: np.ndarray) -> np.ndarray:
    chosen = [items[int(i)] for i in numbers]
    if _are_frames(chosen):
        return np.stack([_shrink(frame) for frame in chosen])
    return read_images([Path(item) for item in chosen], TILE)


def _are_frames(items: Sequence) -> bool:
    return len(items) > 0 and isinstance(items[0], np.ndarray)


def _shrink(frame: np.ndarray) -> np.ndarray:
    """Take TILE rows and columns of the frame, evenly spaced, without interpolation."""
    at = [np.minimum((np.arange(TILE) + 0.5) * n / TILE, n - 1).astype(int) for n in frame.shape[:2]]
    return frame[np.ix_(*at)]


def sample_sentences(stimulus: Stimulus, rows: np.ndarray) -> list[str]:
    """Return the text of each sample.

    Parameters
    ----------
    stimulus : Stimulus
        Stimulus whose items are texts.
    rows : (n_rows,) array of int
        Samples.

    Returns
    -------
    list of str
        The middle text of each sample, "" for a sample without text.
    """
    return ["" if item < 0 else str(stimulus.items[item]) for item in sample_items(stimulus, rows)]


def split_tiles(sheet: bytes, n: int) -> np.ndarray:
    """Cut a contact sheet into its tiles.

    Parameters
    ----------
    sheet : bytes
        WebP as `contact_sheet` draws it.
    n : int
        Number of tiles.

    Returns
    -------
    (n, TILE, TILE, 3) array of uint8
        The first n tiles.
    """
    image = np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"))
    return image.reshape(-1, TILE, COLUMNS, TILE, 3).swapaxes(1, 2).reshape(-1, TILE, TILE, 3)[:n]
