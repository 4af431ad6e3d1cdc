"""The attention of a word over the image: bright where it is strong and dim elsewhere, so that colours stay."""

from __future__ import annotations

import numpy as np

DIM = 0.4  # brightness left where there is no attention


def spotlight(image: np.ndarray, weights: np.ndarray, side: int = 128) -> np.ndarray:
    """Dim an image by a map of attention.

    Parameters
    ----------
    image : (H, W, 3) array of uint8
        The image.
    weights : (h, w) array
        Attention, not negative; scaled bilinearly to the image, its smallest value counts as none.
    side : int
        Pixels of a side of the result.

    Returns
    -------
    (side, side, 3) array of uint8
        Brightest at the maximum of the map.
    """
    rows, columns = (_centres(n, side).round().astype(int) for n in image.shape[:2])
    small = image[np.ix_(rows, columns)]
    span = float(weights.max() - weights.min())
    level = (weights - weights.min()) / span if span > 0 else np.ones_like(weights)
    light = DIM + (1 - DIM) * _stretched(level, side)
    return (small * light[..., None]).round().clip(0, 255).astype(np.uint8)


def _centres(n: int, side: int) -> np.ndarray:
    """Positions of the centres of `side` pixels among n cells, counted from the centre of the first cell."""
    return np.clip((np.arange(side) + 0.5) * n / side - 0.5, 0, n - 1)


def _stretched(values: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (np.arange(n) for n in values.shape)
    wide = np.stack([np.interp(_centres(len(columns), side), columns, row) for row in values])
    return np.stack([np.interp(_centres(len(rows), side), rows, column) for column in wide.T], axis=1)
