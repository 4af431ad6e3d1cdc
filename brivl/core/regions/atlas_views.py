"""An atlas as pictures of region numbers, and scores by region on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AtlasView:
    """One view of an atlas: the region under each pixel. Row 0 is the top."""

    name: str  # as written above it
    labels: np.ndarray  # (height, width) int, number of the region; 0: none
    shade: np.ndarray  # (height, width) float in 0..1, brightness; NaN outside the brain
    marks: Mapping[str, tuple[float, float]]  # "L" and "R" -> (x, y) in pixels


def pixel_values(view: AtlasView, values: Mapping[int, float]) -> np.ndarray:
    """(height, width) value of the region under each pixel, NaN where there is none."""
    table = np.full(max([int(view.labels.max(initial=0)), *values]) + 1, np.nan)
    table[list(values)] = list(values.values())
    table[0] = np.nan
    return table[view.labels]


def region_borders(labels: np.ndarray) -> np.ndarray:
    """(height, width) bool: pixels whose right or lower neighbour belongs to another region."""
    found = np.zeros(labels.shape, bool)
    found[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    found[:-1] |= labels[:-1] != labels[1:]
    return found
