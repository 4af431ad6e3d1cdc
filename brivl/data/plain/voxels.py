"""Positions and regions of the voxels of a plain folder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from brivl.core.records import Voxels
from brivl.data.formats.npy import array_names, read_numbers
from brivl.errors import DataError

ROI_PREFIX = "roi_"
MAX_NUMBER = 2**31  # voxels of a grid, or any number here; no image of a brain has more


def read_voxels(path: Path, n_voxels: int, space: str) -> Voxels:
    """Read positions and regions of voxels from voxels/SUBJECT.npz.

    Parameters
    ----------
    path : Path
        File with ijk (n_voxels, 3) and shape (3,); in it also optional affine (4, 4), aal (n_voxels,) and roi_NAME
        (n_voxels,).
        Where it is absent the voxels stand in one row, and the space says that positions are unknown.
    n_voxels : int
        Number of voxels of the responses.
    space : str
        Name of the space.

    Returns
    -------
    Voxels
        The voxels.

    Raises
    ------
    DataError
        Arrays have the wrong shape, or voxels lie outside of the grid.
    """
    if not path.is_file():
        ijk = np.zeros((n_voxels, 3), int)
        ijk[:, 0] = np.arange(n_voxels)
        return Voxels(f"{space}, places of voxels not known", ijk, (n_voxels, 1, 1), None)
    names = array_names(path)
    lacking = sorted({"ijk", "shape"} - set(names))
    if lacking:
        raise DataError(f"Expected ijk and shape in {str(path)!r}, got {names!r}. Add {', '.join(lacking)}.")
    x, y, z = (int(n) for n in _whole(path, "shape", (3,)))
    shape = (x, y, z)
    if not 0 < math.prod(shape) <= MAX_NUMBER or min(shape) < 1:
        raise DataError(
            f"Expected the shape of an image of a brain in {str(path)!r}, got {shape!r}. Correct the array 'shape'."
        )
    ijk = _whole(path, "ijk", (n_voxels, 3))
    if (ijk < 0).any() or (ijk >= shape).any():
        raise DataError(
            f"Expected ijk in {str(path)!r} to lie between 0 and the grid's shape {shape!r} (counted from 0), got "
            f"{ijk.min(0).tolist()!r} to {ijk.max(0).tolist()!r}. Correct ijk or shape."
        )
    affine = _affine(path) if "affine" in names else None
    rois = {
        name[len(ROI_PREFIX) :]: _whole(path, name, (n_voxels,)) != 0 for name in names if name.startswith(ROI_PREFIX)
    }
    aal = _whole(path, "aal", (n_voxels,)) if "aal" in names else None
    if aal is not None and ((aal < 0) | (aal > 116)).any():
        raise DataError(
            f"Expected aal in {str(path)!r} from 0 (none) to 116 (AAL1), got {int(aal.min())} to {int(aal.max())}. Use "
            "the numbers of AAL1."
        )
    return Voxels(space, ijk, shape, affine, rois, aal)


def _whole(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Array of whole numbers of a given shape."""
    values = read_numbers(path, name)
    if values.shape != shape:
        raise DataError(
            f"Expected {name!r} in {str(path)!r} to have shape {shape!r}, got {values.shape!r}. Save it with that "
            "shape."
        )
    numbers = values.astype(np.float64)  # which holds MAX_NUMBER exactly
    if not (np.abs(numbers) < MAX_NUMBER).all() or (numbers != np.round(numbers)).any():
        raise DataError(f"Expected whole numbers in {name!r} of {str(path)!r}, got others. Save it as integers.")
    return values.astype(int)


def _affine(path: Path) -> np.ndarray:
    affine = read_numbers(path, "affine").astype(float)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise DataError(
            f"Expected a finite (4, 4) affine in {str(path)!r}, got shape {affine.shape!r}. Correct or remove it."
        )
    return affine
