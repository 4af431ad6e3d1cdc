"""The surface of a mask of voxels: the sides between inside and outside, smoothed."""

from __future__ import annotations

import numpy as np
import scipy.sparse

N_SMOOTHING = 12
TAUBIN_SHRINK, TAUBIN_INFLATE = (
    0.5,
    -0.53,
)  # Taubin (1995): a step in and a step out, so that smoothing does not shrink the body

# Corners of the side that a voxel turns towards +axis, counter-clockwise from outside.
_SIDES = {
    0: np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1]]),
    1: np.array([[0, 1, 0], [0, 1, 1], [1, 1, 1], [1, 1, 0]]),
    2: np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]),
}


def mask_mesh(mask: np.ndarray, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Make a smoothed surface around a mask.

    Parameters
    ----------
    mask : np.ndarray
        (i, j, k) bool, not empty.
    step : int
        Voxels taken together on each axis, inside where half of them are.

    Returns
    -------
    tuple of np.ndarray
        Vertices (n, 3) in voxel indices, with integers at voxel centres, and triangles (m, 3), counter-clockwise.
    """
    low = np.argwhere(mask).min(0) // step * step
    coarse = _coarse(mask, low, step)
    corners = []
    for axis in range(3):
        for towards in (1, -1):
            beside = np.roll(coarse, -towards, axis)
            cells = np.argwhere(coarse & ~beside)
            side = _SIDES[axis] if towards == 1 else (_SIDES[axis] - np.eye(3, dtype=int)[axis])[::-1]
            corners.append((cells[:, None] + side).reshape(-1, 3))
    points, place = np.unique(np.concatenate(corners), axis=0, return_inverse=True)
    quads = place.reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    smooth = _smoothed(points.astype(float), quads)
    return (smooth - 1) * step + low - 0.5, faces  # the coarse mask has a rim of one cell


def _coarse(mask: np.ndarray, low: np.ndarray, step: int) -> np.ndarray:
    """The mask's box in cells of step voxels, with an empty rim of one cell."""
    box = mask[tuple(slice(start, None) for start in low)]
    filled = np.pad(box, [(0, -n % step) for n in box.shape]).astype(float)
    cells = filled.reshape([k for n in filled.shape for k in (n // step, step)]).mean((1, 3, 5))
    return np.pad(cells >= 0.5, 1)


def _smoothed(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    ends = np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)])
    n = len(points)
    beside = scipy.sparse.csr_matrix((np.ones(len(ends)), ends.T), shape=(n, n))
    beside = ((beside + beside.T) > 0).astype(float)
    mean = scipy.sparse.diags(1 / np.asarray(beside.sum(1)).ravel()) @ beside
    for _ in range(N_SMOOTHING):
        for factor in (TAUBIN_SHRINK, TAUBIN_INFLATE):
            points = points + factor * (mean @ points - points)
    return points
