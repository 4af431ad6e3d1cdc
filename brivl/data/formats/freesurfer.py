"""Surfaces and annotations of FreeSurfer, read by nibabel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nibabel.freesurfer.io import read_annot as _read_annot
from nibabel.freesurfer.io import read_geometry

from brivl.data.formats.annex import is_pointer
from brivl.errors import DataError

MAX_BYTES = 2**29  # of a file; a mesh of a hemisphere has 6 MB
_BROKEN = (OSError, EOFError, ValueError, IndexError, KeyError, TypeError, MemoryError, OverflowError, AttributeError)


def _check(path: Path, what: str) -> None:
    if (path.is_symlink() and not path.exists()) or (path.is_file() and is_pointer(path)):
        raise DataError(
            f"Expected {what}, got {str(path)!r}, a link to content that is not here. Fetch it with `datalad get`."
        )
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise DataError(f"Expected {what}, got {str(path)!r}, which is no file of its size. Copy it again.")


def read_surface(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a mesh such as lh.sphere.reg.

    Parameters
    ----------
    path : Path
        A mesh in FreeSurfer's binary form.

    Returns
    -------
    tuple of np.ndarray
        Vertices (n_vertices, 3) in mm and triangles (n_faces, 3).

    Raises
    ------
    DataError
        The file is missing, not fetched, truncated or no mesh.
    """
    _check(path, "a surface of FreeSurfer")
    try:
        points, faces = read_geometry(str(path))
        points, faces = np.asarray(points, float).reshape(-1, 3), np.asarray(faces, np.int64).reshape(-1, 3)
        is_whole = len(points) > 3 and len(faces) > 3 and 0 <= faces.min() and faces.max() < len(points)
    except _BROKEN as error:
        raise DataError(
            f"Expected a surface of FreeSurfer, got {str(path)!r}, which cannot be read as one ({error}). Copy it "
            "again."
        ) from error
    if not is_whole or not np.isfinite(points).all():
        raise DataError(f"Expected a whole surface of FreeSurfer, got another content of {str(path)!r}. Copy it again.")
    return points, faces


def read_annotation(path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """Read the labels of a hemisphere.

    Parameters
    ----------
    path : Path
        A .annot file.

    Returns
    -------
    tuple
        (n_vertices,) int64 label of each vertex, 0 for none, and the names of labels, counted from 1.

    Raises
    ------
    DataError
        The file is missing, not fetched, truncated or no annotation.
    """
    _check(path, "an annotation of FreeSurfer")
    try:
        labels, _, names = _read_annot(str(path))
        numbers = np.asarray(labels, np.int64) + 1  # -1 stands for a vertex without a label
        titles = {i + 1: bytes(name).decode("utf-8", "replace") for i, name in enumerate(names)}
        is_whole = numbers.ndim == 1 and numbers.size > 0 and 0 <= numbers.min() and numbers.max() <= len(titles)
    except _BROKEN as error:
        raise DataError(
            f"Expected an annotation of FreeSurfer, got {str(path)!r}, which cannot be read as one ({error}). Copy it "
            "again."
        ) from error
    if not is_whole:
        raise DataError(f"Expected labels of its own table in {str(path)!r}, got others. Copy it again.")
    return numbers, titles
