"""A map from a file of the user, NIfTI or GIfTI, on the voxels of a subject."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Mapping

import nibabel
import numpy as np
from nibabel.gifti import GiftiImage

from brivl.core.records import SurfaceVertices, Voxels
from brivl.data.regions import coordinates
from brivl.errors import DataError

MOST_BYTES = 1 << 30  # of an unpacked file
TOLERANCE = 1e-3  # mm, in which two affines are the same
RIGHT = re.compile(r"right|(^|[._-])(hemi-)?rh?([._-]|$)", re.IGNORECASE)
ENDINGS = ("nii", "nii.gz", "gii")


def read_own_map(files: Mapping[str, bytes], voxels: Voxels) -> tuple[np.ndarray, str]:
    """Read a map and check that it belongs to the voxels.

    Parameters
    ----------
    files : mapping of str to bytes
        Content by name: one NIfTI file, or one GIfTI file for each hemisphere.
    voxels : Voxels
        Voxels of the subject.

    Returns
    -------
    values : (n_voxels,) array
        The map, NaN where the file has no finite value.
    note : str
        A sentence on how the file was read.

    Raises
    ------
    DataError
        Where a file cannot be read, or lies on another grid or mesh.
    """
    surfaces = [name for name in files if name.lower().endswith(".gii")]
    if voxels.surface is not None:
        if len(surfaces) != len(files) or not 1 <= len(files) <= 2:
            raise DataError(
                f"Expected one GIfTI file (.gii) for each hemisphere, since these data lie on {voxels.surface.mesh}, "
                f"got {', '.join(files)}. Choose the files of that mesh."
            )
        return _from_gifti(files, voxels.surface)
    if len(files) != 1 or surfaces:
        raise DataError(
            f"Expected one NIfTI file (.nii, .nii.gz), since these data are voxels, got {', '.join(files)}. Choose one."
        )
    ((name, content),) = files.items()
    return _from_nifti(name, content, voxels)


def _from_nifti(name: str, content: bytes, voxels: Voxels) -> tuple[np.ndarray, str]:
    if voxels.affine is None:
        raise DataError("Expected voxels with an affine, got none for these data. Choose data whose places are known.")
    try:
        image = nibabel.Nifti1Image.from_bytes(_unpacked(content))
        volume, affine = np.asarray(image.dataobj, float), np.asarray(image.affine, float)
    except DataError:
        raise
    except Exception as error:  # nibabel's reader raises whatever a broken file makes it
        raise DataError(f"Expected a NIfTI file, got {name!r}, which cannot be read. Save it again.") from error
    volume = volume[..., 0] if volume.ndim == 4 and volume.shape[3] == 1 else volume
    if volume.ndim != 3:
        raise DataError(f"Expected one volume, got an array of shape {volume.shape!r} in {name!r}. Choose one volume.")
    if volume.shape == tuple(voxels.shape) and np.allclose(affine, voxels.affine, atol=TOLERANCE):
        return _checked(volume[tuple(np.asarray(voxels.ijk).T)], name), f"{name} lies on the grid of the data."
    mm = coordinates(voxels)
    if not voxels.in_mni or mm is None:
        raise DataError(
            f"Expected a map on the grid of these voxels, {voxels.shape!r} with their affine, got {volume.shape!r} in "
            f"{name!r}. Resample it to a map that tab Share's bundle holds (nilearn.image.resample_to_img)."
        )
    index = np.linalg.solve(affine, np.c_[mm, np.ones(len(mm))].T)[:3]
    index = np.floor(index + 0.5).astype(int)
    inside = ((index >= 0) & (index < np.array(volume.shape)[:, None])).all(0)
    values = np.full(voxels.n_voxels, np.nan)
    values[inside] = volume[tuple(index[:, inside])]
    grid = " x ".join(map(str, volume.shape))
    note = f"{name} has another grid ({grid}) and was read at the nearest voxel, as a map in MNI space."
    return _checked(values, name), note


def _unpacked(content: bytes) -> bytes:
    """Without gzip; a small file must not unpack to all of memory."""
    if content[:2] != b"\x1f\x8b":
        return content
    with gzip.open(io.BytesIO(content)) as packed:
        plain = packed.read(MOST_BYTES + 1)
    if len(plain) > MOST_BYTES:
        raise DataError(f"Expected a file of at most {MOST_BYTES:,} bytes unpacked, got more. Crop the map.")
    return plain


def _from_gifti(files: Mapping[str, bytes], surface: SurfaceVertices) -> tuple[np.ndarray, str]:
    values = np.full(len(surface.vertex), np.nan)
    structure = np.array(surface.structures)[surface.structure]
    read = []
    for name, content in files.items():
        try:
            image = GiftiImage.from_bytes(content)
            data = np.asarray(image.darrays[0].data, float)
        except Exception as error:  # as above
            raise DataError(f"Expected a GIfTI file, got {name!r}, which cannot be read. Save it again.") from error
        primary = (image.meta.get("AnatomicalStructurePrimary") or "") or image.darrays[0].meta.get(
            "AnatomicalStructurePrimary", ""
        )
        right = bool(RIGHT.search(primary or name))
        side, n_vertices = "right" if right else "left", surface.n_vertices[right]
        if data.shape != (n_vertices,):
            raise DataError(
                f"Expected {n_vertices:,} values for the {side} hemisphere of {surface.mesh}, got shape {data.shape!r} "
                f"in {name!r}. Resample the map to that mesh."
            )
        mine = (surface.vertex >= 0) & np.char.endswith(structure, side.upper())
        values[mine] = data[surface.vertex[mine]]
        read.append(f"{name} as the {side} hemisphere")
    return _checked(values, ", ".join(files)), f"Read {' and '.join(read)} of {surface.mesh}."


def _checked(values: np.ndarray, name: str) -> np.ndarray:
    values = np.where(np.isfinite(values), values, np.nan)
    if np.isfinite(values).sum() < 2 or np.nanmin(values) == np.nanmax(values):
        raise DataError(f"Expected different values at these voxels, got one or none in {name!r}. Choose another map.")
    return values
