"""Grayordinates in CIFTI-2 form: which vertices and voxels a file holds, time series, labels, and maps to export."""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import nibabel
import numpy as np
from nibabel import imageglobals
from nibabel.cifti2 import Cifti2Header, Cifti2Image
from nibabel.cifti2.cifti2 import Cifti2HeaderError
from nibabel.cifti2.cifti2_axes import BrainModelAxis, ScalarAxis
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from brivl.data.formats.annex import is_pointer
from brivl.data.formats.nifti import MAX_OFFSET
from brivl.errors import DataError

LEFT, RIGHT = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"
SURFACE_MODEL = "CIFTI_MODEL_TYPE_SURFACE"
CIFTI_CODE = 32  # of NIfTI's header extensions
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


@dataclass(frozen=True)
class _Opened:
    """A CIFTI file whose header agrees with its size."""

    path: Path
    image: nibabel.Nifti2Image
    rows: Any  # nibabel's map of the rows
    columns: Any


@contextmanager
def _quiet_nibabel() -> Iterator[None]:
    """Without nibabel's report, on stderr, that a header has no size of voxels, which no CIFTI header has."""
    before, imageglobals.logger.disabled = imageglobals.logger.disabled, True
    try:
        yield
    finally:
        imageglobals.logger.disabled = before


def _open(path: Path) -> _Opened:
    """As a plain NIfTI-2 image, whose description nibabel parses; its CIFTI image takes a second for each file."""
    if (path.is_symlink() and not path.exists()) or (path.is_file() and is_pointer(path)):
        raise DataError(
            f"Expected a CIFTI file, got {str(path)!r}, a link to content that is not here. Fetch it with "
            "`datalad get`."
        )
    try:
        with _quiet_nibabel(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nibabel reports sizes of voxels and extensions, which are checked here
            image = nibabel.Nifti2Image.from_filename(path)
        described = [part.get_content() for part in image.header.extensions if part.get_code() == CIFTI_CODE]
        if not described or not isinstance(described[0], Cifti2Header):
            raise DataError(
                f"Expected a CIFTI-2 file, got {str(path)!r} without the description of brain models that CIFTI has. "
                "Name the *.dtseries.nii that fMRIPrep or the HCP pipelines wrote."
            )
        rows, columns = (described[0].matrix.get_index_map(axis) for axis in (0, 1))
        proxy: Any = image.dataobj
        shape, dtype, offset = tuple(int(n) for n in proxy.shape), proxy.dtype, int(proxy.offset)
        claimed, held = math.prod(shape) * dtype.itemsize, path.stat().st_size
    except _BROKEN as error:
        raise DataError(
            f"Expected a CIFTI-2 file, got {str(path)!r}, which cannot be read as one ({error}). Copy it again."
        ) from error
    if dtype.kind not in "iuf" or path.suffix == ".gz":
        raise DataError(
            f"Expected real numbers in an uncompressed CIFTI file, got type {dtype!r} in {str(path)!r}. Save it anew."
        )
    if len(shape) != 6 or shape[:4] != (1, 1, 1, 1) or min(shape) < 1:
        raise DataError(f"Expected a matrix of rows and columns in {str(path)!r}, got {shape!r}. Copy it again.")
    if not 0 <= offset <= MAX_OFFSET or claimed > held - offset:
        raise DataError(
            f"Expected a file that holds its {shape[4]} rows of {shape[5]} columns, that is {claimed} bytes, got "
            f"{str(path)!r} of {held} bytes: it is truncated. Copy it again."
        )
    return _Opened(path, image, rows, columns)


def _values(opened: _Opened, row: int | None = None) -> np.ndarray:
    """(n_rows, n_columns) float32, or one row."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            values = opened.image.dataobj[0, 0, 0, 0] if row is None else opened.image.dataobj[0, 0, 0, 0, row]
            return np.asarray(values, np.float32)
    except _BROKEN as error:
        raise DataError(
            f"Expected a complete CIFTI file, got {str(opened.path)!r} ({error}). Copy it again."
        ) from error


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
    return _grayordinates(_open(path))


def _kind(mapping: Any) -> str:
    """What the entries of an axis are, in CIFTI's words without their prefix."""
    return str(mapping.indices_map_to_data_type).removeprefix("CIFTI_INDEX_TYPE_").lower().replace("_", " ")


def _grayordinates(opened: _Opened) -> Grayordinates:
    path, n = opened.path, opened.image.shape[5]
    if _kind(opened.columns) != "brain models":
        raise DataError(
            f"Expected a brain model, that is vertices and voxels, in the columns of {str(path)!r}, got "
            f"{_kind(opened.columns)}. Name a dense file (*.dtseries.nii); for parcels give a table and its labels."
        )
    structure, vertex, ijk = np.full(n, "", "<U40"), np.full(n, -1), np.full((n, 3), -1)
    counts, is_named, problem = {LEFT: 0, RIGHT: 0}, np.zeros(n, bool), ""
    try:
        for model in opened.columns.brain_models:
            name, at = str(model.brain_structure), slice(model.index_offset, model.index_offset + model.index_count)
            is_named[at], structure[at] = True, name
            if str(model.model_type) == SURFACE_MODEL:
                if name not in counts or not 0 < model.surface_number_of_vertices <= MAX_VERTICES:
                    problem = f"a mesh of {name} with {model.surface_number_of_vertices} vertices"
                    break
                counts[name] = int(model.surface_number_of_vertices)
                vertex[at] = np.asarray(model.vertex_indices, np.int64)
                if vertex[at].min(initial=0) < 0 or vertex[at].max(initial=0) >= counts[name]:
                    problem = f"vertices of {name} beyond its mesh"
            else:
                ijk[at] = np.asarray(model.voxel_indices_ijk, np.int64).reshape(-1, 3)
        affine, shape = (None, None) if (vertex >= 0).all() else _volume(opened.columns.volume)
    except _BROKEN as error:
        raise DataError(
            f"Expected a description of vertices and voxels in {str(path)!r}, got another one ({error}). Write the "
            "file again."
        ) from error
    below = ijk[vertex < 0]
    if not is_named.all():
        problem = problem or f"{int((~is_named).sum())} columns of {n} that are neither"
    if shape is not None and ((below < 0).any() or (below >= np.array(shape)).any()):
        problem = problem or "voxels beyond its volume"
    if problem:
        raise DataError(
            f"Expected vertices of the two cortical meshes and voxels of one volume in {str(path)!r}, got {problem}. "
            "Write the file again."
        )
    return Grayordinates(structure, vertex, ijk, (counts[LEFT], counts[RIGHT]), affine, shape)


def _volume(volume: Any) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Affine in mm, and shape."""
    transform = volume.transformation_matrix_voxel_indices_ijk_to_xyz
    affine = np.asarray(transform.matrix, float) * 1.0
    affine[:3] *= 10.0 ** (int(transform.meter_exponent) + 3)
    x, y, z = (int(n) for n in volume.volume_dimensions)
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or min(x, y, z) < 1:
        raise ValueError("a volume without an affine")
    return affine, (x, y, z)


@dataclass(frozen=True)
class DenseSeries:
    """What the header of a CIFTI time series says.

    Attributes
    ----------
    where : Grayordinates
        Columns.
    n_volumes : int
        Rows.
    step_s : float or None
        Seconds between rows; None where the file gives no seconds.
    """

    where: Grayordinates
    n_volumes: int
    step_s: float | None


def scan_dense_series(path: Path) -> DenseSeries:
    """Read the header of a CIFTI time series.

    Parameters
    ----------
    path : Path
        A .dtseries.nii file.

    Returns
    -------
    DenseSeries
        Columns, number of volumes and step.

    Raises
    ------
    DataError
        Rows are no series in time, or as `read_grayordinates`.
    """
    opened = _open(path)
    _check_series(opened)
    try:
        unit, step = str(opened.rows.series_unit).upper(), float(opened.rows.series_step)
        step *= 10.0 ** int(opened.rows.series_exponent or 0)
    except _BROKEN:
        unit, step = "", math.nan
    is_time = unit == "SECOND" and math.isfinite(step) and step > 0
    return DenseSeries(_grayordinates(opened), int(opened.image.shape[4]), step if is_time else None)


def _check_series(opened: _Opened) -> None:
    if _kind(opened.rows) != "series":
        raise DataError(
            f"Expected a time series in the rows of {str(opened.path)!r}, got {_kind(opened.rows)}. Name a "
            "*.dtseries.nii."
        )


def read_dense_series(path: Path) -> np.ndarray:
    """Read a CIFTI time series, whose columns `scan_dense_series` checks.

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
        Rows are no series in time, or the file is truncated or damaged.
    """
    opened = _open(path)
    _check_series(opened)
    return _values(opened)


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
    opened = _open(path)
    if _kind(opened.rows) != "labels":
        raise DataError(
            f"Expected a table of labels in {str(path)!r}, got rows of {_kind(opened.rows)}. Name a *.dlabel.nii."
        )
    values = _values(opened, 0)
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise DataError(f"Expected whole numbers as labels in {str(path)!r}, got others. Write the file again.")
    try:
        table = next(iter(opened.rows.named_maps)).label_table
        names = {int(key): str(table[key].label) for key in table}
    except (*_BROKEN, StopIteration) as error:
        raise DataError(f"Expected a table of labels in {str(path)!r}, got none. Write the file again.") from error
    return _grayordinates(opened), values.astype(np.int64), names


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
    opened = _open(path)
    return _grayordinates(opened), _values(opened, 0)


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
    with _quiet_nibabel():
        image = Cifti2Image(np.asarray(values, np.float32)[None], header)
        image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS")
        return image.to_bytes()
