"""Grayordinates in CIFTI-2 form: which vertices and voxels a file holds, time series, labels, and maps to export."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xml.parsers.expat import ExpatError

import nibabel
import numpy as np
from nibabel import imageglobals
from nibabel.cifti2 import Cifti2Header, Cifti2Image
from nibabel.cifti2.cifti2 import Cifti2HeaderError
from nibabel.cifti2.cifti2_axes import BrainModelAxis, LabelAxis, ScalarAxis, SeriesAxis
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from brivl.data.formats.annex import is_pointer
from brivl.data.formats.nifti import MAX_OFFSET
from brivl.errors import DataError

LEFT, RIGHT = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"
MAX_VERTICES = 1_000_000  # of one hemisphere; more is a broken header
_BROKEN = (
    *(ImageFileError, HeaderDataError, WrapStructError, Cifti2HeaderError, ExpatError, OSError, EOFError, zlib.error),
    *(ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError, ArithmeticError),
)


@dataclass(frozen=True)
class Grayordinates:
    """Where the columns of a CIFTI file lie.

    Attributes
    ----------
    structure : np.ndarray
        (n,) str, CIFTI's name of the structure of each column.
    vertex : np.ndarray
        (n,) int, vertex of its hemisphere's mesh; -1 for voxels.
    ijk : np.ndarray
        (n, 3) int, index of voxels; -1 for vertices.
    n_vertices : tuple of int
        Vertices of the left and right mesh; 0 for a hemisphere that the file does not have.
    affine : np.ndarray or None
        (4, 4) voxel index to mm; None without voxels.
    shape : tuple of int or None
        Shape of the volume; None without voxels.
    """

    structure: np.ndarray
    vertex: np.ndarray
    ijk: np.ndarray
    n_vertices: tuple[int, int]
    affine: np.ndarray | None
    shape: tuple[int, int, int] | None

    @property
    def n(self) -> int:
        """Number of columns."""
        return len(self.vertex)

    @property
    def is_right(self) -> np.ndarray:
        """(n,) bool, columns on the right cortex."""
        return self.structure == RIGHT

    @property
    def n_cortex(self) -> int:
        """Number of columns that are vertices."""
        return int((self.vertex >= 0).sum())


def _open(path: Path) -> Cifti2Image:
    if (path.is_symlink() and not path.exists()) or (path.is_file() and is_pointer(path)):
        raise DataError(
            f"Expected a CIFTI file, got {str(path)!r}, a link to content that is not here. Fetch it with "
            "`datalad get`."
        )
    try:
        with imageglobals.LoggingOutputSuppressor():  # nibabel reports that the header has no size of voxels
            image = nibabel.load(path)
        if not isinstance(image, Cifti2Image):
            raise DataError(
                f"Expected a CIFTI-2 file, got {str(path)!r} without the description of brain models that CIFTI has. "
                "Name the *.dtseries.nii that fMRIPrep or the HCP pipelines wrote."
            )
        proxy: Any = image.dataobj
        claimed, held = math.prod(int(n) for n in proxy.shape) * proxy.dtype.itemsize, path.stat().st_size
        offset, dtype = int(proxy.offset), proxy.dtype
    except _BROKEN as error:
        raise DataError(
            f"Expected a CIFTI-2 file, got {str(path)!r}, which cannot be read as one ({error}). Copy it again."
        ) from error
    if dtype.kind not in "iuf" or path.suffix == ".gz":
        raise DataError(
            f"Expected real numbers in an uncompressed CIFTI file, got type {dtype!r} in {str(path)!r}. Save it anew."
        )
    if not 0 <= offset <= MAX_OFFSET or claimed > held - offset:
        raise DataError(
            f"Expected a file that holds its shape {proxy.shape!r}, that is {claimed} bytes, got {str(path)!r} of "
            f"{held} bytes: it is truncated. Copy it again."
        )
    return image


def read_grayordinates(path: Path) -> Grayordinates:
    """Read where the columns of a CIFTI file lie.

    Parameters
    ----------
    path : Path
        A .dtseries.nii, .dscalar.nii or .dlabel.nii file.

    Returns
    -------
    Grayordinates
        Vertices and voxels, in the order of columns.

    Raises
    ------
    DataError
        The file is missing, truncated or damaged, or its columns are not vertices and voxels.
    """
    return _grayordinates(path, _axes(path, _open(path))[1])


def _axes(path: Path, image: Cifti2Image) -> tuple[Any, Any]:
    """Axis of rows and axis of columns, of the lengths of the data."""
    try:
        axes = [image.header.get_axis(i) for i in range(image.ndim)]
        lengths = tuple(len(axis) for axis in axes)
    except _BROKEN as error:
        raise DataError(
            f"Expected a CIFTI file that describes its rows and columns, got {str(path)!r} ({error}). Copy it again."
        ) from error
    if lengths != tuple(image.shape) or len(axes) != 2:
        raise DataError(
            f"Expected rows and columns of {str(path)!r} as its header describes them, {lengths!r}, got "
            f"{tuple(image.shape)!r}. Copy it again."
        )
    return axes[0], axes[1]


def _grayordinates(path: Path, axis: Any) -> Grayordinates:
    if not isinstance(axis, BrainModelAxis):
        raise DataError(
            f"Expected a brain model, that is vertices and voxels, in the columns of {str(path)!r}, got "
            f"{type(axis).__name__!r}. Name a dense file (*.dtseries.nii); for parcels give a table and its labels."
        )
    counts = {str(name): int(n) for name, n in axis.nvertices.items()}
    other = sorted(set(counts) - {LEFT, RIGHT})
    vertex = np.where(axis.surface_mask, np.asarray(axis.vertex), -1).astype(np.int64)
    ijk = np.where(axis.surface_mask[:, None], -1, np.asarray(axis.voxel)).astype(np.int64)
    structure = np.asarray(axis.name).astype(str)
    limit = np.array([counts.get(name, 0) for name in structure])
    shape = None if axis.volume_shape is None else tuple(int(n) for n in axis.volume_shape)
    voxels = ijk[~axis.surface_mask]
    fits = not other and max(counts.values(), default=0) <= MAX_VERTICES
    fits &= bool(((vertex >= 0) & (vertex < limit))[axis.surface_mask].all())
    if len(voxels):
        fits &= shape is not None and axis.affine is not None and np.isfinite(axis.affine).all()
        fits &= shape is not None and bool((voxels >= 0).all() and (voxels < np.array(shape)).all())
    if not fits:
        raise DataError(
            f"Expected vertices of the two cortical meshes and voxels of one volume in {str(path)!r}, got vertices "
            f"or voxels beyond them{f', and meshes of {other}' if other else ''}. Write the file again."
        )
    return Grayordinates(
        structure,
        vertex,
        ijk,
        (counts.get(LEFT, 0), counts.get(RIGHT, 0)),
        np.asarray(axis.affine, float) if len(voxels) else None,
        cast("tuple[int, int, int]", shape) if len(voxels) else None,
    )


def series_length(path: Path) -> tuple[int, float | None]:
    """Read the number of volumes of a CIFTI time series, and its step.

    Parameters
    ----------
    path : Path
        A .dtseries.nii file.

    Returns
    -------
    tuple
        Number of volumes, and seconds between them; None where the file gives no seconds.

    Raises
    ------
    DataError
        Rows are no series in time, or as `read_grayordinates`.
    """
    rows = _series_rows(path, _open(path))
    step = float(rows.step) if str(rows.unit).upper() == "SECOND" else math.nan
    return len(rows), step if math.isfinite(step) and step > 0 else None


def _series_rows(path: Path, image: Cifti2Image) -> SeriesAxis:
    rows, columns = _axes(path, image)
    if not isinstance(rows, SeriesAxis):
        raise DataError(
            f"Expected a time series in the rows of {str(path)!r}, got {type(rows).__name__!r}. Name a *.dtseries.nii."
        )
    _grayordinates(path, columns)
    return rows


def read_dense_series(path: Path) -> np.ndarray:
    """Read a CIFTI time series.

    Parameters
    ----------
    path : Path
        A .dtseries.nii file.

    Returns
    -------
    np.ndarray
        (n_volumes, n_grayordinates) float32.

    Raises
    ------
    DataError
        The file is damaged, or as `series_length`.
    """
    image = _open(path)
    _series_rows(path, image)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(image.dataobj, np.float32)
    except _BROKEN as error:
        raise DataError(f"Expected a complete CIFTI file, got {str(path)!r} ({error}). Copy it again.") from error


def read_dense_labels(path: Path) -> tuple[Grayordinates, np.ndarray, dict[int, str]]:
    """Read the first map of labels of a CIFTI file.

    Parameters
    ----------
    path : Path
        A .dlabel.nii file.

    Returns
    -------
    tuple
        Grayordinates, (n,) int64 label of each, and the names of labels.

    Raises
    ------
    DataError
        The file holds no labels, or as `read_grayordinates`.
    """
    image = _open(path)
    rows, columns = _axes(path, image)
    if not isinstance(rows, LabelAxis):
        raise DataError(
            f"Expected a table of labels in {str(path)!r}, got rows of {type(rows).__name__!r}. Name a *.dlabel.nii."
        )
    table: Mapping[int, tuple[str, Any]] = rows.label[0]
    values = np.asarray(image.dataobj[0], float)
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise DataError(f"Expected whole numbers as labels in {str(path)!r}, got others. Write the file again.")
    names = {int(number): str(entry[0]) for number, entry in table.items()}
    return _grayordinates(path, columns), values.astype(np.int64), names


def read_dense_scalars(path: Path) -> tuple[Grayordinates, np.ndarray]:
    """Read the first map of numbers of a CIFTI file.

    Parameters
    ----------
    path : Path
        A .dscalar.nii file.

    Returns
    -------
    tuple
        Grayordinates, and (n,) float32 values.

    Raises
    ------
    DataError
        As `read_grayordinates`.
    """
    image = _open(path)
    return _grayordinates(path, _axes(path, image)[1]), np.asarray(image.dataobj[0], np.float32)


def dscalar_bytes(where: Grayordinates, values: np.ndarray, name: str) -> bytes:
    """Write one value for each grayordinate as a .dscalar.nii.

    Parameters
    ----------
    where : Grayordinates
        The columns.
    values : np.ndarray
        (n,), NaN where nothing was fitted.
    name : str
        Name of the map.

    Returns
    -------
    bytes
        The file, float32. Equal values give equal bytes.
    """
    counts = {side: n for side, n in zip((LEFT, RIGHT), where.n_vertices, strict=True) if n}
    axis = BrainModelAxis(
        where.structure.astype(object),
        voxel=where.ijk,
        vertex=where.vertex,
        affine=where.affine,
        volume_shape=where.shape,
        nvertices=counts,
    )
    header = Cifti2Header.from_axes((ScalarAxis([name]), axis))
    with imageglobals.LoggingOutputSuppressor():
        image = Cifti2Image(np.asarray(values, np.float32)[None], header)
        image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS")
        return image.to_bytes()
