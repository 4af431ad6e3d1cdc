"""Mapper files of the shortclips data: from a subject's voxels to a flatmap, to fsaverage, and to ROIs.

    voxel_to_flatmap_{data,indices,indptr,shape}     CSR (n_pixels, n_voxels); older files say pixmap
    flatmap_mask                                     (width, height) bool, n_pixels True; older files say pixmask
    flatmap_curvature                                optional (width, height), 0..1
    flatmap_rois                                     optional (width, height, 4), drawn outlines and names
    voxel_to_fsaverage_{data,indices,indptr,shape}   CSR (n_vertices, n_voxels), left hemisphere first; or in two
                                                     parts, vox_to_fsavg_left_* and vox_to_fsavg_right_*
    roi_mask_NAME                                    (n_voxels,), which ROIs there are differs between subjects

The first axis of a picture in the file is x, the second y from below. Operators may have negative coefficients.
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
    """What a mapper file has to offer; read without its operators."""

    n_voxels: int
    has_flatmap: bool
    has_fsaverage: bool
    rois: dict[str, np.ndarray]  # name -> (n_voxels,) bool, sorted by name; empty for some subjects


@dataclass(frozen=True)
class FlatmapMapper:
    """The flatmap part of a mapper file, in its own axes: x to the right first, then y from below."""

    operator: scipy.sparse.csr_matrix  # (n_pixels, n_voxels), float64
    mask: np.ndarray  # (width, height) bool
    curvature: np.ndarray | None  # (width, height) float


def read_mapper_summary(path: Path) -> MapperSummary:
    """Number of voxels, what can be drawn, and the ROIs. DataError where the file is damaged or parts disagree."""
    with open_hdf5(path) as file:
        names = file.names()
        prefixes = [*FLATMAP, *FSAVERAGE, *HEMISPHERES]
        here = {prefix: _shape(file, prefix) for prefix in prefixes if f"{prefix}_shape" in names}
        rois = [name for name in sorted(names) if name.startswith(ROI) and len(name) > len(ROI)]
        counts = {prefix: shape[1] for prefix, shape in here.items()} | {roi: _length(file, roi) for roi in rois}
        if len(set(counts.values())) != 1:
            said = counts or "no operator and no ROI"
            raise DataError(f"Everything in {str(path)!r} should be for one number of voxels, but it has {said!r}.")
        has_flatmap = any(name in here for name in FLATMAP) and any(name in names for name in MASK)
        has_fsaverage = FSAVERAGE[0] in here or all(name in here for name in HEMISPHERES)
        inside = {name[len(ROI) :]: np.nan_to_num(file.read(name)) != 0 for name in rois}
        return MapperSummary(next(iter(counts.values())), has_flatmap, has_fsaverage, inside)


def read_flatmap(path: Path) -> FlatmapMapper:
    """Operator, mask and curvature. DataError where one is missing or they do not fit each other."""
    with open_hdf5(path) as file:
        mask = _picture(file, _present(file, MASK))
        if not np.isin(mask, (0, 1)).all():
            raise DataError(f"The flatmap mask in {str(path)!r} should be of 0 and 1 but holds other values.")
        prefix = _present(file, FLATMAP, "_shape")
        rows, _ = _shape(file, prefix)
        if rows != mask.sum():
            raise DataError(
                f"The mask in {str(path)!r} should have one True for each of the {rows:,} rows of {prefix!r} but has "
                f"{int(mask.sum()):,}; get the file again."
            )
        curvature = _picture(file, "flatmap_curvature") if file.has("flatmap_curvature") else None
        if curvature is not None and curvature.shape != mask.shape:
            raise DataError(
                f"'flatmap_curvature' in {str(path)!r} should have the mask's shape {mask.shape!r} but has "
                f"{curvature.shape!r}."
            )
        return FlatmapMapper(_operator(file, prefix), mask.astype(bool), curvature)


def read_fsaverage(path: Path) -> scipy.sparse.csr_matrix:
    """Operator (n_vertices, n_voxels) to fsaverage, left hemisphere first. DataError where the file has none."""
    with open_hdf5(path) as file:
        if file.has(f"{FSAVERAGE[0]}_shape"):
            return _operator(file, FSAVERAGE[0])
        sides = [_operator(file, _present(file, (name,), "_shape")) for name in HEMISPHERES]
    if sides[0].shape[1] != sides[1].shape[1]:
        shapes = [side.shape for side in sides]
        raise DataError(f"Both hemispheres in {str(path)!r} should be for the same voxels but have shapes {shapes!r}.")
    return scipy.sparse.vstack(sides, format="csr")


def to_flatmap_image(mapper: FlatmapMapper, values: np.ndarray) -> np.ndarray:
    """Picture (height, width) of values (n_voxels,), NaN outside and where a pixel's coefficients sum to 0 or less.

    The operator as it stands: a pixel with a NaN voxel is NaN, and coefficients are not made to sum to 1. DataError
    where the number of voxels differs.
    """
    values = _fitting(mapper.operator, values)
    pixels = np.where(np.asarray(mapper.operator.sum(1)).ravel() > 0, mapper.operator @ values, np.nan)
    picture = np.full(mapper.mask.shape, np.nan)
    picture[mapper.mask] = pixels
    return picture.T[::-1]


def to_vertices(operator: scipy.sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """Values (n_voxels,) on the vertices of fsaverage (n_vertices,), NaN where no voxel, or a NaN voxel, reaches."""
    reached = np.diff(operator.indptr) > 0
    return np.where(reached, operator @ _fitting(operator, values), np.nan)


def _fitting(operator: scipy.sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if values.shape != operator.shape[1:]:
        raise DataError(
            f"Wanted one value for each of {operator.shape[1]:,} voxels of the mapper and got shape {values.shape!r}; "
            "take values and mapper of the same subject."
        )
    return values


def _present(file: Hdf5File, names: Sequence[str], ending: str = "") -> str:
    """The first of the names that the file has; the complaint of reading it where it has none."""
    found = [name for name in names if file.has(f"{name}{ending}")]
    if not found:
        file.shape(f"{names[0]}{ending}")
    return found[0]


def _picture(file: Hdf5File, name: str) -> np.ndarray:
    shape = file.shape(name)
    if len(shape) != 2 or not 0 < shape[0] * shape[1] <= MAX_PIXELS:
        raise DataError(f"{name!r} in {str(file.path)!r} should be a picture (width, height) but has {shape!r}.")
    return file.read(name)


def _length(file: Hdf5File, name: str) -> int:
    shape = file.shape(name)
    if len(shape) != 1:
        raise DataError(f"{name!r} in {str(file.path)!r} should have shape (n_voxels,) but has {shape!r}.")
    return shape[0]


def _shape(file: Hdf5File, prefix: str) -> tuple[int, int]:
    """Shape that an operator says it has."""
    name = f"{prefix}_shape"
    shape = file.shape(name)
    values = file.read(name).tolist() if shape == (2,) else None
    if values is None or any(not 0 < v < 2**31 or v != int(v) for v in values):
        raise DataError(f"{name!r} in {str(file.path)!r} should be two whole numbers but is {values or shape!r}.")
    return int(values[0]), int(values[1])


def _operator(file: Hdf5File, prefix: str) -> scipy.sparse.csr_matrix:
    """CSR float64 of the four arrays of an operator, every index checked: scipy would read beyond its arrays."""
    rows, columns = _shape(file, prefix)
    lengths = {part: _length(file, f"{prefix}_{part}") for part in PARTS[:3]}
    if lengths["indptr"] != rows + 1 or lengths["data"] != lengths["indices"]:
        raise DataError(
            f"The operator {prefix!r} in {str(file.path)!r} should have {rows + 1} starts of rows and as many "
            f"coefficients as columns but has {lengths!r}; get the file again."
        )
    indices, indptr = (_whole(file, f"{prefix}_{part}") for part in PARTS[1:3])
    data = file.read(f"{prefix}_data", np.float64)
    ends = indptr[0] == 0 and indptr[-1] == len(data) and (np.diff(indptr) >= 0).all()
    if not ends or not np.isfinite(data).all() or ((indices < 0) | (indices >= columns)).any():
        raise DataError(
            f"The operator {prefix!r} in {str(file.path)!r} should be a sparse matrix of {rows} x {columns} finite "
            "numbers, but its rows or columns do not add up; get the file again."
        )
    return scipy.sparse.csr_matrix((data, indices, indptr), shape=(rows, columns))


def _whole(file: Hdf5File, name: str) -> np.ndarray:
    values = file.read(name)
    if values.dtype.kind == "f":
        values = values.astype(np.float64)  # in which 2^53 has a place
    if values.dtype.kind == "f" and not ((np.abs(values) < 2**53).all() and (values == np.round(values)).all()):
        raise DataError(f"{name!r} in {str(file.path)!r} should hold whole numbers but does not.")
    return values.astype(np.int64)
