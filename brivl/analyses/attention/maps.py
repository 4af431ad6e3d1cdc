"""The map of an attention result over its image, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def scale_map(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale a map bilinearly, each value at the centre of its cell.

    Parameters
    ----------
    values : (rows, columns) array
        The map. Beyond the centres of the outermost cells their values are repeated, as torch's `interpolate` does
        without `align_corners`.
    height, width : int
        Pixels of the result.

    Returns
    -------
    (height, width) array
        The map in the size of the image.
    """
    across = _positions(values.shape[1], width)
    down = _positions(values.shape[0], height)
    wide = np.stack([np.interp(across, np.arange(values.shape[1]), row) for row in values])
    return np.stack([np.interp(down, np.arange(values.shape[0]), column) for column in wide.T], axis=1)


def peak(values: np.ndarray) -> tuple[int, int]:
    """Find the largest value of a map.

    Parameters
    ----------
    values : (rows, columns) array
        The map.

    Returns
    -------
    tuple of int
        Row and column.
    """
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(row), int(column)


@dataclass(frozen=True)
class AttentionFigure:
    """An attention map over its image.

    Attributes
    ----------
    image : (H, W, 3) array of uint8
        The image.
    values : (rows, columns) array
        Relevance of the patches, not negative.
    mask : (H, W) array of bool or None
        Pixels of the thing that the phrase names, where that is known.
    mask_name : str
        Name of the thing.
    opacity : float
        Of the map over the image.
    """

    image: np.ndarray
    values: np.ndarray
    mask: np.ndarray | None = None
    mask_name: str = ""
    opacity: float = 0.65

    @property
    def scaled(self) -> np.ndarray:
        """(H, W) in 0..1: the map bilinear at the size of the image, divided by its largest value."""
        height, width = self.image.shape[:2]
        scaled = scale_map(self.values, height, width)
        return scaled / scaled.max() if scaled.max() > 0 else scaled

    @property
    def hit(self) -> bool | None:
        """Whether the peak lies on the mask; None without a mask."""
        return None if self.mask is None else bool(self.mask[peak(self.scaled)])


def _positions(n_cells: int, n_pixels: int) -> np.ndarray:
    return np.clip((np.arange(n_pixels) + 0.5) * n_cells / n_pixels - 0.5, 0, n_cells - 1)
