"""Views of an atlas as images of region numbers, and scores by region on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AtlasView:
    """One view of an atlas: the region under each pixel. Row 0 is the top."""

    name: str  # title of the view
    labels: np.ndarray  # (height, width) int, number of the region; 0: none
    shade: np.ndarray  # (height, width) float in 0..1, brightness; NaN outside the brain
    marks: Mapping[str, tuple[float, float]]  # "L" and "R" -> (x, y) in pixels


def pixel_values(view: AtlasView, values: Mapping[int, float]) -> np.ndarray:
    """Look up the value of the region under each pixel.

    Parameters
    ----------
    view : AtlasView
        Region numbers of the pixels.
    values : mapping of int to float
        Value of each region number.

    Returns
    -------
    (height, width) array
        Values; NaN where there is no region or no value.
    """
    table = np.full(max([int(view.labels.max(initial=0)), *values]) + 1, np.nan)
    table[list(values)] = list(values.values())
    table[0] = np.nan
    return table[view.labels]


def region_borders(labels: np.ndarray) -> np.ndarray:
    """Find the pixels whose right or lower neighbour belongs to another region.

    Parameters
    ----------
    labels : (height, width) int array
        Region number of each pixel.

    Returns
    -------
    (height, width) bool array
        Pixels on a border.
    """
    border = np.zeros(labels.shape, bool)
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    border[:-1] |= labels[:-1] != labels[1:]
    return border
