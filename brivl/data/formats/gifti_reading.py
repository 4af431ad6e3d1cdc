"""Time series on the vertices of a surface (GIfTI, *.func.gii), and meshes and labels in GIfTI form.

Files are read by nibabel, after a pass over the XML without its data: a header that claims more than the file can hold,
an array kept in another file, or an end that is missing is refused before memory is taken.
"""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

import nibabel
import numpy as np
from nibabel.gifti import GiftiImage

from brivl.data.formats.annex import is_pointer
from brivl.data.formats.nifti import DEFLATE_RATIO
from brivl.errors import DataError

CHUNK = 1 << 20
ITEM_BYTES = {"NIFTI_TYPE_UINT8": 1, "NIFTI_TYPE_INT32": 4, "NIFTI_TYPE_FLOAT32": 4, "NIFTI_TYPE_FLOAT64": 8}
POINTS, TRIANGLES = "NIFTI_INTENT_POINTSET", "NIFTI_INTENT_TRIANGLE"
NO_SIDE = ""  # of a file that does not name its hemisphere
_SIDES = {"CortexLeft": "L", "CortexRight": "R"}
_BROKEN = (expat.ExpatError, OSError, EOFError, zlib.error, ValueError, KeyError, IndexError, TypeError, AttributeError)


@dataclass(frozen=True)
class GiftiArrays:
    """What a GIfTI file says of its arrays.

    Attributes
    ----------
    shapes : tuple of tuple of int
        Shape of each array.
    intents : tuple of str
        Intent of each array, such as "NIFTI_INTENT_TIME_SERIES".
    side : str
        "L" or "R" by the metadata of the file; "" where these do not say.
    step_s : float or None
        Time between arrays in seconds, where metadata have TimeStep (milliseconds).
    """

    shapes: tuple[tuple[int, ...], ...]
    intents: tuple[str, ...]
    side: str = NO_SIDE
    step_s: float | None = None

    @property
    def n_vertices(self) -> int:
        """Length of the first axis of the first array."""
        return self.shapes[0][0]

    @property
    def n_volumes(self) -> int:
        """Number of arrays, or of columns of a single 2-D array."""
        return self.shapes[0][1] if len(self.shapes) == 1 and len(self.shapes[0]) == 2 else len(self.shapes)


class _Scan:
    """Handlers of the pass over the XML."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.intents: list[str] = []
        self.n_bytes = 0
        self.meta: dict[str, str] = {}
        self._name, self._part, self._text = "", "", ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "DataArray":
            n_axes = int(attributes.get("Dimensionality", "0"))
            shape = tuple(int(attributes[f"Dim{axis}"]) for axis in range(n_axes))
            if not 1 <= n_axes <= 2 or min(shape) < 1:
                raise ValueError(f"an array of shape {shape}")
            if attributes.get("Encoding") == "ExternalFileBinary":
                raise ValueError("an array kept in another file")
            self.n_bytes += math.prod(shape) * ITEM_BYTES[attributes["DataType"]]
            self.shapes.append(shape)
            self.intents.append(attributes.get("Intent", ""))
        self._part, self._text = tag if tag in ("Name", "Value") else "", ""

    def end(self, tag: str) -> None:
        if tag == "Name":
            self._name = self._text.strip()
        elif tag == "Value":
            self.meta.setdefault(self._name, self._text.strip())
        self._part = ""

    def characters(self, text: str) -> None:
        if self._part:
            self._text += text

    def entity(self, *_: Any) -> None:
        raise ValueError("an XML entity")


def scan_gifti(path: Path) -> GiftiArrays:
    """Read what a GIfTI file says of its arrays, without their data.

    Parameters
    ----------
    path : Path
        A .gii file.

    Returns
    -------
    GiftiArrays
        Shapes, intents and metadata.

    Raises
    ------
    DataError
        The file is missing, not fetched by git-annex, no GIfTI, truncated, or claims more than it holds.
    """
    if (path.is_symlink() and not path.exists()) or (path.is_file() and is_pointer(path)):
        raise DataError(
            f"Expected a surface file, got {str(path)!r}, a link to content that is not here. Fetch it with "
            "`datalad get`."
        )
    scan, parser = _Scan(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = scan.start, scan.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = scan.characters, scan.entity
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
        n_held = path.stat().st_size
    except _BROKEN as error:
        raise _unreadable(path, error) from error
    if not scan.shapes:
        raise DataError(f"Expected arrays in the GIfTI file {str(path)!r}, got none. Copy it again.")
    if scan.n_bytes > n_held * DEFLATE_RATIO:
        raise DataError(
            f"Expected a file that holds the arrays that it names, {scan.n_bytes} bytes, got {str(path)!r} of {n_held} "
            "bytes, which cannot hold them. Copy it again."
        )
    side = _SIDES.get(scan.meta.get("AnatomicalStructurePrimary", ""), NO_SIDE)
    return GiftiArrays(tuple(scan.shapes), tuple(scan.intents), side, _step_s(scan.meta.get("TimeStep", "")))


def _unreadable(path: Path, error: Exception) -> DataError:
    what = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    return DataError(
        f"Expected a GIfTI file, got {str(path)!r}, which cannot be read as one ({what}): truncated, or of another "
        "form. Copy it again."
    )


def _step_s(text: str) -> float | None:
    try:
        step = float(text) / 1000
    except ValueError:
        return None
    return step if math.isfinite(step) and step > 0 else None


def scan_series(path: Path) -> GiftiArrays:
    """Check that a GIfTI file is a time series, without reading its data.

    Parameters
    ----------
    path : Path
        A .func.gii file: one array for each volume, or one array (n_vertices, n_volumes).

    Returns
    -------
    GiftiArrays
        What the file says.

    Raises
    ------
    DataError
        Arrays differ in length, or as `scan_gifti`.
    """
    arrays = scan_gifti(path)
    if len(arrays.shapes) > 1 and any(
        shape not in ((arrays.n_vertices,), (arrays.n_vertices, 1)) for shape in arrays.shapes
    ):
        raise DataError(
            f"Expected one array for each volume in {str(path)!r}, all of one length, got shapes "
            f"{sorted(set(arrays.shapes))[:4]!r}. Name a file of BOLD on vertices, not a mesh."
        )
    return arrays


def read_series(path: Path) -> np.ndarray:
    """Read a time series on vertices.

    Parameters
    ----------
    path : Path
        A .func.gii file.

    Returns
    -------
    np.ndarray
        (n_volumes, n_vertices) float32.

    Raises
    ------
    DataError
        The file is damaged, or as `scan_series`.
    """
    claimed = scan_series(path)
    parts = [np.asarray(array, np.float32) for array in _arrays(path, claimed)]
    if len(parts) == 1 and parts[0].ndim == 2:
        return np.ascontiguousarray(parts[0].T)
    return np.stack([part.reshape(-1) for part in parts])


def read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a mesh.

    Parameters
    ----------
    path : Path
        A .surf.gii file.

    Returns
    -------
    tuple of np.ndarray
        Vertices (n_vertices, 3) float64 in mm, and triangles (n_faces, 3) int64.

    Raises
    ------
    DataError
        The file holds no mesh, or as `scan_gifti`.
    """
    claimed = scan_gifti(path)
    arrays = dict(zip(claimed.intents, _arrays(path, claimed), strict=True))
    points, faces = arrays.get(POINTS), arrays.get(TRIANGLES)
    if points is None or faces is None or points.shape[1:] != (3,) or faces.shape[1:] != (3,):
        raise DataError(
            f"Expected points and triangles in {str(path)!r}, got {list(claimed.intents)!r}. Name a .surf.gii mesh."
        )
    faces = np.asarray(faces, np.int64)
    if not np.isfinite(points).all() or faces.min() < 0 or faces.max() >= len(points):
        raise DataError(
            f"Expected triangles of the {len(points)} vertices of {str(path)!r}, got others, or places that are no "
            "numbers. Copy it again."
        )
    return np.asarray(points, float), faces


def read_labels(path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """Read labels of vertices.

    Parameters
    ----------
    path : Path
        A .label.gii file.

    Returns
    -------
    tuple
        (n_vertices,) int64 label of each vertex, and the names of labels.

    Raises
    ------
    DataError
        The file holds no labels, or as `scan_gifti`.
    """
    claimed = scan_gifti(path)
    image = _load(path)
    names = {int(label.key): str(label.label) for label in image.labeltable.labels}
    labels = _arrays(path, claimed, image)[0].reshape(-1)
    if len(claimed.shapes[0]) > 1 and claimed.shapes[0][1] != 1 or (labels != np.round(labels)).any():
        raise DataError(
            f"Expected one whole number for each vertex in {str(path)!r}, got others. Name a .label.gii file."
        )
    return labels.astype(np.int64), names


def _load(path: Path) -> GiftiImage:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nibabel warns of versions and of counts, which are checked here
            image = nibabel.load(path)
    except (*_BROKEN, nibabel.filebasedimages.ImageFileError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(image, GiftiImage):
        raise DataError(f"Expected a GIfTI file, got {type(image).__name__!r} in {str(path)!r}. Convert it.")
    return image


def _arrays(path: Path, claimed: GiftiArrays, image: GiftiImage | None = None) -> list[np.ndarray]:
    """Data of each array, of the shape that the file names."""
    arrays = [array.data for array in (image or _load(path)).darrays]
    shapes = tuple(np.shape(array) for array in arrays)
    if shapes != claimed.shapes or any(np.asarray(array).dtype.kind not in "iuf" for array in arrays):
        raise DataError(
            f"Expected arrays of shapes {claimed.shapes[:4]!r} in {str(path)!r}, got {shapes[:4]!r}: it is damaged. "
            "Copy it again."
        )
    return arrays
