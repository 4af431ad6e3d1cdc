"""Maps of voxel values as NIfTI files, from the places of the voxels; and values read back at these places."""

from __future__ import annotations

import gzip
import io
import zlib

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError

from brivl.core.records import Voxels
from brivl.errors import DataError

MAX_BYTES = 2**29  # of an image unpacked
_BROKEN = (ImageFileError, OSError, EOFError, zlib.error, ValueError, OverflowError)


def nifti_bytes(voxels: Voxels, values: np.ndarray) -> bytes:
    """A .nii.gz of values (n_voxels,) float32, NaN where there is no voxel or none was fitted.

    Axes are (x, y, z) also for grids that are indexed (z, y, x), as pycortex keeps them and takes them from NIfTI.
    Equal values give equal bytes. DataError for voxels without an affine.
    """
    if voxels.affine is None:
        raise DataError(f"Wanted a grid with an affine for a NIfTI map, and {voxels.space!r} has none.")
    grid, affine, ijk = _xyz(voxels)
    volume = np.full(grid, np.nan, np.float32)
    volume[tuple(ijk.T)] = values
    image = nibabel.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"R2 by voxel"
    image.header["cal_min"], image.header["cal_max"] = 0.0, max(0.0, float(np.nanmax(values, initial=0.0)))
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def read_values(content: bytes, voxels: Voxels) -> np.ndarray:
    """(n_voxels,) values of a .nii.gz at the places of voxels.

    DataError where it cannot be read, or lies on another grid.
    """
    grid, affine, ijk = _xyz(voxels)
    try:
        with gzip.open(io.BytesIO(content)) as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise DataError(f"A map unpacks to more than {MAX_BYTES} bytes and is not read.")
        image = nibabel.Nifti1Image.from_bytes(raw)
        volume = np.asarray(image.dataobj, np.float32)
    except _BROKEN as error:
        raise DataError(f"A map should be a NIfTI image but cannot be read as one ({error}).") from error
    if volume.shape != grid or not np.allclose(image.affine, affine, atol=1e-3):
        raise DataError(
            f"A map has a grid of {volume.shape!r}, and the voxels lie on one of {grid!r} placed elsewhere."
        )
    return volume[tuple(ijk.T)]


def _xyz(voxels: Voxels) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """Shape, affine and indices of the voxels with x first."""
    order = [2, 1, 0] if voxels.flatmap == "pycortex-S1" else [0, 1, 2]
    affine = np.asarray(voxels.affine, float)[:, [*order, 3]]
    return tuple(int(voxels.shape[axis]) for axis in order), affine, np.asarray(voxels.ijk)[:, order]
