"""Maps of voxel values as NIfTI files, from the places of the voxels; and values read back at these places."""

from __future__ import annotations

import gzip
import io
import zlib

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError

from brivl.core.records import Voxels, names_mni
from brivl.errors import DataError

MAX_BYTES = 2**29  # of an image unpacked
_BROKEN = (ImageFileError, OSError, EOFError, zlib.error, ValueError, OverflowError)


def nifti_bytes(voxels: Voxels, values: np.ndarray) -> bytes:
    """Write values of voxels as a .nii.gz map.

    Axes are (x, y, z) also for grids that are indexed (z, y, x), as pycortex keeps them and takes them from NIfTI.

    Parameters
    ----------
    voxels : Voxels
        Positions of the voxels.
    values : np.ndarray
        (n_voxels,); NaN where none was fitted, as outside of the voxels.

    Returns
    -------
    bytes
        The file, float32. Equal values give equal bytes.

    Raises
    ------
    DataError
        The voxels have no affine.
    """
    if voxels.affine is None:
        raise DataError(
            f"Expected a grid with an affine for a NIfTI map, got {voxels.space!r}, which has none. Export a table."
        )
    grid, affine, ijk = _xyz(voxels)
    volume = np.full(grid, np.nan, np.float32)
    volume[tuple(ijk.T)] = values
    image = nibabel.Nifti1Image(volume, affine)
    # Both transforms, since tools differ in the one that they read; 4 is MNI152, 2 is aligned to another image.
    code = 4 if names_mni(voxels.space) else 2
    image.set_qform(affine, code)
    image.set_sform(affine, code)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"R2 by voxel"
    image.header["cal_min"], image.header["cal_max"] = 0.0, max(0.0, float(np.nanmax(values, initial=0.0)))
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def read_values(content: bytes, voxels: Voxels) -> np.ndarray:
    """Read values of a .nii.gz map at the positions of voxels.

    Parameters
    ----------
    content : bytes
        The file.
    voxels : Voxels
        Positions of the voxels.

    Returns
    -------
    np.ndarray
        (n_voxels,) float32.

    Raises
    ------
    DataError
        The map cannot be read, or lies on another grid.
    """
    grid, affine, ijk = _xyz(voxels)
    try:
        with gzip.open(io.BytesIO(content)) as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise DataError(
                f"Expected a map of at most {MAX_BYTES} bytes, got one that unpacks to more. Export it again."
            )
        image = nibabel.Nifti1Image.from_bytes(raw)
        volume = np.asarray(image.dataobj, np.float32)
    except _BROKEN as error:
        raise DataError(
            f"Expected a NIfTI image as map, got what cannot be read ({error}). Export it again."
        ) from error
    if volume.shape != grid or not np.allclose(image.affine, affine, atol=1e-3):
        raise DataError(
            f"Expected a map on the grid of the voxels, {grid!r}, got {volume.shape!r} or another affine. Choose the "
            "map of this dataset."
        )
    return volume[tuple(ijk.T)]


def _xyz(voxels: Voxels) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """Shape, affine and indices of the voxels with x first."""
    order = [2, 1, 0] if voxels.flatmap == "pycortex-S1" else [0, 1, 2]
    affine = np.asarray(voxels.affine, float)[:, [*order, 3]]
    return tuple(int(voxels.shape[axis]) for axis in order), affine, np.asarray(voxels.ijk)[:, order]
