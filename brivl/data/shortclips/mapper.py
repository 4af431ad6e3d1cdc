"""Mapper files of the shortclips data: from a subject's voxels to a flatmap, to fsaverage, and to ROIs.

    voxel_to_flatmap_{data,indices,indptr,shape}     CSR (n_pixels, n_voxels); older files: pixmap_*
    flatmap_mask                                     (width, height) bool, n_pixels True; older files: pixmask
    flatmap_curvature                                optional (width, height), 0..1
    flatmap_rois                                     optional (width, height, 4), drawn outlines and names
    voxel_to_fsaverage_{data,indices,indptr,shape}   CSR (n_vertices, n_voxels), left hemisphere first; or in two
                                                     parts, vox_to_fsavg_left_* and vox_to_fsavg_right_*
    roi_mask_NAME                                    (n_voxels,); the ROIs differ between subjects

The first axis of an image in the file is x, the second y from below. Operators may have negative coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.data.formats.hdf5 import Hdf5File, open_hdf5
from brivl.errors import DataError

ROI = "roi_mask_"
FLATMAP = ("voxel_to_flatmap", "pixmap")  # newest name first
MASK = ("flatmap_mask", "pixmask")
FSAVERAGE = ("voxel_to_fsaverage",)
HEMISPHERES = ("vox_to_fsavg_left", "vox_to_fsavg_right")
MAX_PIXELS = 50_000_000
PARTS = ("data", "indices", "indptr", "shape")


@dataclass(frozen=True)
class MapperSummary:
    """What a mapper file holds, read without its operators.

    Attributes
    ----------
    n_voxels : int
        Number of voxels.
    has_flatmap, has_fsaverage : bool
        Whether there are operators to the flatmap and to fsaverage.
    rois : dict of str to (n_voxels,) array of bool
        ROIs by name, sorted; empty for some subjects.
    """

    n_voxels: int
    has_flatmap: bool
    has_fsaverage: bool
    rois: dict[str, np.ndarray]


@dataclass(frozen=True)
class FlatmapMapper:
    """The flatmap part of a mapper file, in the axes of the file: x to the right, then y from below.

    Attributes
    ----------
    operator : (n_pixels, n_voxels) CSR matrix of float64
        From voxels to pixels.
    mask : (width, height) array of bool
        Pixels of the flatmap.
    curvature : (width, height) array of float or None
        Curvature.
    """

    operator: scipy.sparse.csr_matrix
    mask: np.ndarray
    curvature: np.ndarray | None


def read_mapper_summary(path: Path) -> MapperSummary:
    """Read the number of voxels, which operators there are, and the ROIs.

    Parameters
    ----------
    path : Path
        Mapper file.

    Returns
    -------
    MapperSummary
        Summary.

    Raises
    ------
    DataError
        If the file is damaged, or its parts have different numbers of voxels.
    """
    with open_hdf5(path) as file:
        names = file.names()
        prefixes = [*FLATMAP, *FSAVERAGE, *HEMISPHERES]
        shapes = {prefix: _shape(file, prefix) for prefix in prefixes if f"{prefix}_shape" in names}
        rois = [name for name in sorted(names) if name.startswith(ROI) and len(name) > len(ROI)]
        counts = {prefix: shape[1] for prefix, shape in shapes.items()} | {roi: _length(file, roi) for roi in rois}
        if len(set(counts.values())) != 1:
            raise DataError(
                f"Expected operators and ROIs of one number of voxels in {str(path)!r}, got "
                f"{counts or 'no operator and no ROI'!r}. Get the file again."
            )
        has_flatmap = any(name in shapes for name in FLATMAP) and any(name in names for name in MASK)
        has_fsaverage = FSAVERAGE[0] in shapes or all(name in shapes for name in HEMISPHERES)
        inside = {name[len(ROI) :]: np.nan_to_num(file.read(name)) != 0 for name in rois}
        return MapperSummary(next(iter(counts.values())), has_flatmap, has_fsaverage, inside)


def read_flatmap(path: Path) -> FlatmapMapper:
    """Read the operator, mask and curvature of the flatmap.

    Parameters
    ----------
    path : Path
        Mapper file.

    Returns
    -------
    FlatmapMapper
        Flatmap part.

    Raises
    ------
    DataError
        If an array is missing, or arrays do not fit each other.
    """
    with open_hdf5(path) as file:
        mask = _image(file, _present(file, MASK))
        if not np.isin(mask, (0, 1)).all():
            raise DataError(
                f"Expected a flatmap mask of 0 and 1 in {str(path)!r}, got other values. Get the file again."
            )
        prefix = _present(file, FLATMAP, "_shape")
        rows, _ = _shape(file, prefix)
        if rows != mask.sum():
            raise DataError(
                f"Expected a mask with one True for each of the {rows:,} rows of {prefix!r} in {str(path)!r}, got "
                f"{int(mask.sum()):,}. Get the file again."
            )
        curvature = _image(file, "flatmap_curvature") if file.has("flatmap_curvature") else None
        if curvature is not None and curvature.shape != mask.shape:
            raise DataError(
                f"Expected 'flatmap_curvature' of the mask's shape {mask.shape!r} in {str(path)!r}, got "
                f"{curvature.shape!r}. Get the file again."
            )
        return FlatmapMapper(_operator(file, prefix), mask.astype(bool), curvature)


def read_fsaverage(path: Path) -> scipy.sparse.csr_matrix:
    """Read the operator to fsaverage.

    Parameters
    ----------
    path : Path
        Mapper file.

    Returns
    -------
    (n_vertices, n_voxels) CSR matrix
        Operator, left hemisphere first.

    Raises
    ------
    DataError
        If the file has none.
    """
    with open_hdf5(path) as file:
        if file.has(f"{FSAVERAGE[0]}_shape"):
            return _operator(file, FSAVERAGE[0])
        sides = [_operator(file, _present(file, (name,), "_shape")) for name in HEMISPHERES]
    if sides[0].shape[1] != sides[1].shape[1]:
        shapes = [side.shape for side in sides]
        raise DataError(
            f"Expected hemispheres of the same voxels in {str(path)!r}, got {shapes!r}. Get the file again."
        )
    return scipy.sparse.vstack(sides, format="csr")


def to_vertices(operator: scipy.sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """Project values of voxels to the vertices of fsaverage.

    Parameters
    ----------
    operator : (n_vertices, n_voxels) CSR matrix
        Operator.
    values : (n_voxels,) array
        Values.

    Returns
    -------
    (n_vertices,) array
        Values of the vertices, NaN where no voxel or a NaN voxel projects to.

    Raises
    ------
    DataError
        If the number of voxels differs.
    """
    reached = np.diff(operator.indptr) > 0
    return np.where(reached, operator @ _checked(operator, values), np.nan)


def _checked(operator: scipy.sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if values.shape != operator.shape[1:]:
        raise DataError(
            f"Expected one value for each of {operator.shape[1]:,} voxels of the mapper, got shape {values.shape!r}. "
            "Take values and mapper of the same subject."
        )
    return values


def _present(file: Hdf5File, names: Sequence[str], ending: str = "") -> str:
    """Return the first of the names that the file has; DataError where it has none."""
    present = [name for name in names if file.has(f"{name}{ending}")]
    if not present:
        file.shape(f"{names[0]}{ending}")  # raises the error of a missing array
    return present[0]


def _image(file: Hdf5File, name: str) -> np.ndarray:
    shape = file.shape(name)
    if len(shape) != 2 or not 0 < shape[0] * shape[1] <= MAX_PIXELS:
        raise DataError(
            f"Expected an image (width, height) as {name!r} in {str(file.path)!r}, got {shape!r}. Get the file again."
        )
    return file.read(name)


def _length(file: Hdf5File, name: str) -> int:
    shape = file.shape(name)
    if len(shape) != 1:
        raise DataError(
            f"Expected {name!r} of shape (n_voxels,) in {str(file.path)!r}, got {shape!r}. Get the file again."
        )
    return shape[0]


def _shape(file: Hdf5File, prefix: str) -> tuple[int, int]:
    """Return the shape of an operator, as its array `shape` gives it."""
    name = f"{prefix}_shape"
    shape = file.shape(name)
    values = file.read(name).tolist() if shape == (2,) else None
    if values is None or any(not 0 < v < 2**31 or v != int(v) for v in values):
        raise DataError(
            f"Expected two integers as {name!r} in {str(file.path)!r}, got {values or shape!r}. Get the file again."
        )
    return int(values[0]), int(values[1])


def _operator(file: Hdf5File, prefix: str) -> scipy.sparse.csr_matrix:
    """Read the four arrays of an operator; every index is checked, since scipy would read beyond its arrays."""
    rows, columns = _shape(file, prefix)
    lengths = {part: _length(file, f"{prefix}_{part}") for part in PARTS[:3]}
    if lengths["indptr"] != rows + 1 or lengths["data"] != lengths["indices"]:
        raise DataError(
            f"Expected {rows + 1} starts of rows and as many coefficients as columns in the operator {prefix!r} in "
            f"{str(file.path)!r}, got {lengths!r}. Get the file again."
        )
    indices, indptr = (_integers(file, f"{prefix}_{part}") for part in PARTS[1:3])
    data = file.read(f"{prefix}_data", np.float64)
    ends = indptr[0] == 0 and indptr[-1] == len(data) and (np.diff(indptr) >= 0).all()
    if not ends or not np.isfinite(data).all() or ((indices < 0) | (indices >= columns)).any():
        raise DataError(
            f"Expected a sparse matrix of {rows} x {columns} finite numbers as {prefix!r} in {str(file.path)!r}, got "
            "rows or columns that do not add up. Get the file again."
        )
    return scipy.sparse.csr_matrix((data, indices, indptr), shape=(rows, columns))


def _integers(file: Hdf5File, name: str) -> np.ndarray:
    values = file.read(name)
    if values.dtype.kind == "f":
        values = values.astype(np.float64)  # float32 cannot hold 2^53
    if values.dtype.kind == "f" and not ((np.abs(values) < 2**53).all() and (values == np.round(values)).all()):
        raise DataError(f"Expected integers as {name!r} in {str(file.path)!r}, got fractions. Get the file again.")
    return values.astype(np.int64)
