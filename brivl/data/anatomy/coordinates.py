"""Coordinates of voxels in millimetres."""

from __future__ import annotations

import numpy as np

from brivl.core.records import Voxels
from brivl.errors import DataError


def apply_affine(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Transform points by an affine.

    Parameters
    ----------
    affine : (4, 4) array
        The transform.
    points : (n, 3) array
        Points, such as voxel indices.

    Returns
    -------
    (n, 3) array
        Transformed points.
    """
    return points @ affine[:3, :3].T + affine[:3, 3]


def mm_coordinates(voxels: Voxels) -> tuple[np.ndarray, float]:
    """Return the centres of voxels and the largest edge of a voxel.

    Parameters
    ----------
    voxels : Voxels
        Voxels with an affine.

    Returns
    -------
    tuple
        (n_voxels, 3) array, mm RAS; and the edge in mm.

    Raises
    ------
    DataError
        The voxels have no affine.
    """
    if voxels.affine is None:
        raise DataError(
            f"Expected voxels with an affine to MNI space, got none for {voxels.space!r}. Show the voxels as slices."
        )
    edge = float(np.linalg.norm(voxels.affine[:3, :3], axis=0).max())
    return apply_affine(voxels.affine, voxels.ijk), edge
