"""Coarse maps scaled to images, and the pixel at which they peak."""

from __future__ import annotations

import numpy as np


def scale_map(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear scaling of a map (rows, columns) to (height, width), each value at the middle of its cell.

    Beyond the middles of the outermost cells their values go on, as in torch's interpolate without align_corners.
    """
    across = _positions(values.shape[1], width)
    down = _positions(values.shape[0], height)
    wide = np.stack([np.interp(across, np.arange(values.shape[1]), row) for row in values])
    return np.stack([np.interp(down, np.arange(values.shape[0]), column) for column in wide.T], axis=1)


def peak(values: np.ndarray) -> tuple[int, int]:
    """Row and column of the largest value of a map."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(row), int(column)


def _positions(n_cells: int, n_pixels: int) -> np.ndarray:
    return np.clip((np.arange(n_pixels) + 0.5) * n_cells / n_pixels - 0.5, 0, n_cells - 1)
