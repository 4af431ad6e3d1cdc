"""Areas drawn on a map: closed polygons of whole-pixel corners, as text in a link and as a choice of voxels."""

from __future__ import annotations

import numpy as np

from brivl.errors import RequestError

MOST_CORNERS = 64


def inside_polygon(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) bool, even-odd rule; polygon (k, 2) and points (n, 2) as (x, y); NaN points are outside."""
    x, y = np.asarray(points, float).T
    start = np.roll(polygon, 1, axis=0).astype(float)
    odd = np.zeros(len(x), bool)
    for (ax, ay), (bx, by) in zip(start, np.asarray(polygon, float), strict=True):
        rise = by - ay if by != ay else 1.0
        odd ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) * (bx - ax) / rise)
    return odd & np.isfinite(x) & np.isfinite(y)


def polygon_text(polygon: np.ndarray) -> str:
    """ "12.40_98.41_...": corners as x.y in whole pixels, safe in a link."""
    return "_".join(f"{int(x)}.{int(y)}" for x, y in polygon)


def read_polygon(text: str) -> np.ndarray:
    """(k, 2) int. RequestError for text that `polygon_text` does not write."""
    corners = text.split("_")
    if not 3 <= len(corners) <= MOST_CORNERS:
        raise RequestError(f"Wanted an area of 3 to {MOST_CORNERS} corners and got {len(corners)}; draw it again.")
    try:
        return np.array([[int(number) for number in corner.split(".")] for corner in corners]).reshape(-1, 2)
    except ValueError:
        raise RequestError(f"Wanted an area as x.y_x.y_x.y and got {text[:60]!r}; draw it again.") from None
