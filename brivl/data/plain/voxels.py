"""Places and regions of the voxels of a plain folder."""

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
    """Voxels from voxels/SUBJECT.npz: ijk (n_voxels, 3), shape (3,), optional affine, aal, roi_NAME.

    Where the file is absent the voxels stand in one row, and the space says that their places are not known.
    DataError where arrays have the wrong shape or voxels lie outside of the grid.
    """
    if not path.is_file():
        ijk = np.zeros((n_voxels, 3), int)
        ijk[:, 0] = np.arange(n_voxels)
        return Voxels(f"{space}, places of voxels not known", ijk, (n_voxels, 1, 1), None)
    names = array_names(path)
    lacking = sorted({"ijk", "shape"} - set(names))
    if lacking:
        raise DataError(f"{str(path)!r} should hold ijk and shape, but {lacking!r} are missing; it holds {names!r}.")
    shape = tuple(int(n) for n in _whole(path, "shape", (3,)))
    if not 0 < math.prod(shape) <= MAX_NUMBER or min(shape) < 1:
        raise DataError(f"shape in {str(path)!r} should be that of an image of a brain but is {shape!r}.")
    ijk = _whole(path, "ijk", (n_voxels, 3))
    if (ijk < 0).any() or (ijk >= shape).any():
        raise DataError(
            f"ijk in {str(path)!r} should lie between 0 and the grid's shape {shape!r} (counted from 0), but reaches "
            f"from {ijk.min(0).tolist()!r} to {ijk.max(0).tolist()!r}."
        )
    affine = _affine(path) if "affine" in names else None
    rois = {
        name[len(ROI_PREFIX) :]: _whole(path, name, (n_voxels,)) != 0 for name in names if name.startswith(ROI_PREFIX)
    }
    aal = _whole(path, "aal", (n_voxels,)) if "aal" in names else None
    if aal is not None and ((aal < 0) | (aal > 116)).any():
        raise DataError(f"aal in {str(path)!r} should be 0 (none) to 116 (AAL1) but reaches {int(aal.max())!r}.")
    return Voxels(space, ijk, shape, affine, rois, aal)


def _whole(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Array of whole numbers of a given shape."""
    values = read_numbers(path, name)
    if values.shape != shape:
        raise DataError(f"{name!r} in {str(path)!r} should have shape {shape!r} but has {values.shape!r}.")
    numbers = values.astype(np.float64)  # in which MOST has a place
    if not (np.abs(numbers) < MAX_NUMBER).all() or (numbers != np.round(numbers)).any():
        raise DataError(f"{name!r} in {str(path)!r} should hold whole numbers but does not.")
    return values.astype(int)


def _affine(path: Path) -> np.ndarray:
    affine = read_numbers(path, "affine").astype(float)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise DataError(f"affine in {str(path)!r} should be a finite (4, 4) matrix but has shape {affine.shape!r}.")
    return affine
