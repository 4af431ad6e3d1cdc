"""What a word looked at: the picture itself, lit where the attention is and dim elsewhere, so that colours stay."""

from __future__ import annotations

import numpy as np

DIM = 0.22  # brightness left where there is no attention


def spotlight(image: np.ndarray, weights: np.ndarray, side: int = 128) -> np.ndarray:
    """Image (H, W, 3) uint8 and attention (h, w) >= 0 -> (side, side, 3) uint8, brightest at the map's maximum.

    The map is stretched bilinearly; its smallest value counts as none.
    """
    rows, columns = (_centres(n, side).round().astype(int) for n in image.shape[:2])
    small = image[np.ix_(rows, columns)]
    span = float(weights.max() - weights.min())
    level = (weights - weights.min()) / span if span > 0 else np.ones_like(weights)
    light = DIM + (1 - DIM) * _stretched(level, side)
    return (small * light[..., None]).round().clip(0, 255).astype(np.uint8)


def _centres(n: int, side: int) -> np.ndarray:
    """Where the middles of `side` pixels fall among n cells, counted from the middle of the first."""
    return np.clip((np.arange(side) + 0.5) * n / side - 0.5, 0, n - 1)


def _stretched(values: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (np.arange(n) for n in values.shape)
    wide = np.stack([np.interp(_centres(len(columns), side), columns, row) for row in values])
    return np.stack([np.interp(_centres(len(rows), side), rows, column) for column in wide.T], axis=1)
