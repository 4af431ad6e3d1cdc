"""Arrays in .npy and .npz files, read without pickle; headers are checked against what the file can hold."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from brivl.core.columns import LazyArray
from brivl.errors import DataError

NUMERIC = "fiub"  # kinds of dtype that are numbers: float, int, unsigned, bool
STRIP_ROWS = 256
MAX_HEADER_BYTES = 10_000  # bytes, as numpy's own limit, which numpy checks only after it has read them all
LARGE_BYTES = 2**28  # bytes; numbers that unfold to more have been packed to no less than a hundredth
MAX_COMPRESSION = 100
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    KeyError,
    tokenize.TokenError,
    SyntaxError,
)


def array_names(path: Path) -> tuple[str, ...]:
    """List the arrays in an npz file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of str
        Names, sorted.

    Raises
    ------
    DataError
        The file is not an npz file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(sorted(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")))
    except _BROKEN as error:
        raise DataError(
            f"Expected an .npz file, got {str(path)!r}, which cannot be read ({error}). Save it again."
        ) from error


def array_shape(path: Path, name: str | None = None) -> tuple[int, ...]:
    """Read the shape of an array from its header alone.

    Parameters
    ----------
    path : Path
        A .npy or .npz file.
    name : str, optional
        Name within an .npz file.

    Returns
    -------
    tuple of int
        The shape.

    Raises
    ------
    DataError
        The array cannot be read, does not hold numbers, or claims more than the file holds.
    """
    with _opened(path, name) as (file, held):
        return _header(path, name, file, held)[0]


def read_numbers(path: Path, name: str | None = None) -> np.ndarray:
    """Read an array of numbers of any kind.

    Parameters
    ----------
    path : Path
        A .npy or .npz file.
    name : str, optional
        Name within an .npz file.

    Returns
    -------
    np.ndarray
        The array in its own dtype.

    Raises
    ------
    DataError
        As in `array_shape`, or the file is damaged.
    """
    with _opened(path, name) as (file, held):
        _header(path, name, file, held)
    try:
        with _opened(path, name) as (file, _):
            return np.lib.format.read_array(file, allow_pickle=False)
    except MemoryError as error:
        raise DataError(
            f"Expected enough memory to read {array_label(path, name)}, got too little. Close other programs, or save "
            "fewer columns."
        ) from error


def read_float32(path: Path, name: str | None = None) -> np.ndarray:
    """Read an array as float32.

    Parameters
    ----------
    path : Path
        A .npy or .npz file.
    name : str, optional
        Name within an .npz file.

    Returns
    -------
    np.ndarray
        The array, infinite where a number is too large for float32.

    Raises
    ------
    DataError
        As in `read_numbers`.
    """
    with np.errstate(over="ignore"):
        return read_numbers(path, name).astype(np.float32)


def response_columns(path: Path, n_train: int, n_test: int) -> tuple[LazyArray, LazyArray | None]:
    """Open responses that stay in their .npy file until voxels are asked for.

    Parameters
    ----------
    path : Path
        File of shape (n_train + n_test, n_voxels).
    n_train, n_test : int
        Number of training rows and of test rows, which follow them.

    Returns
    -------
    tuple of LazyArray and LazyArray or None
        Training responses (n_train, n_voxels), and test responses (1, n_test, n_voxels) or None.

    Raises
    ------
    DataError
        As in `array_shape`, now or when columns are read.
    """
    n_voxels = array_shape(path)[1]
    test = slice(n_train, n_train + n_test)
    Y_train = LazyArray((n_train, n_voxels), partial(_read_columns, path, slice(0, n_train)))
    Y_test = LazyArray((1, n_test, n_voxels), lambda start, stop: _read_columns(path, test, start, stop)[None])
    return Y_train, Y_test if n_test else None


def _read_columns(path: Path, rows: slice, start: int, stop: int) -> np.ndarray:
    """Rows and columns start to stop of the array (n_rows, n_columns) in a .npy file, float32.

    The file is mapped, a strip of rows at a time, so that no more of it than a strip counts as memory of the process.
    """
    with _opened(path, None) as (file, held):
        n_rows = _header(path, None, file, held)[0][0]
        first, last, _ = rows.indices(n_rows)
        values = np.empty((last - first, stop - start), np.float32)
        for i in range(first, last, STRIP_ROWS):
            strip = slice(i, min(i + STRIP_ROWS, last))
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
            with np.errstate(over="ignore", invalid="ignore"):  # infinite where a number is too large, as read_float32
                values[strip.start - first : strip.stop - first] = mapped[strip, start:stop]
            del mapped
        return values


def array_label(path: Path, name: str | None) -> str:
    """Name an array in errors.

    Parameters
    ----------
    path : Path
        Its file.
    name : str or None
        Name within an .npz file.

    Returns
    -------
    str
        File, and name within it.
    """
    return f"{str(path)!r}" if name is None else f"{name!r} in {str(path)!r}"


@contextmanager
def _opened(path: Path, name: str | None) -> Iterator[tuple[IO[bytes], int]]:
    """The stream of one array and the bytes in it; what goes wrong inside becomes a DataError."""
    try:
        if name is None:
            with path.open("rb") as file:
                yield file, path.stat().st_size
        else:
            with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
                entry = archive.getinfo(f"{name}.npy")
                if entry.file_size > max(LARGE_BYTES, MAX_COMPRESSION * entry.compress_size):
                    raise ValueError(f"{entry.compress_size} bytes would unfold to {entry.file_size}, as no numbers do")
                yield file, min(entry.file_size, path.stat().st_size * 1032)  # what deflate can unfold to at most
    except _BROKEN as error:
        raise DataError(
            f"Expected an array in {array_label(path, name)}, got what cannot be read ({error}). Save it again "
            "with numpy."
        ) from error


def _header(path: Path, name: str | None, file: IO[bytes], held: int) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    _check_header_length(file, version)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.kind not in NUMERIC:
        raise DataError(
            f"Expected numbers in {array_label(path, name)}, got dtype {str(dtype)!r}. Save them as numbers, since "
            "objects are not read."
        )
    claimed = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 0 or claimed > held - file.tell():
        raise DataError(
            f"Expected {claimed} bytes in {array_label(path, name)} for shape {shape!r} of {str(dtype)!r}, got {held} "
            "bytes at most: it is truncated or its header is broken. Save it again."
        )
    return shape, dtype


def _check_header_length(file: IO[bytes], version: tuple[int, int]) -> None:
    """Raise ValueError for a header so long that reading it would fill the memory."""
    start, form = file.tell(), "<H" if version == (1, 0) else "<I"
    (length,) = struct.unpack(form, file.read(struct.calcsize(form)).ljust(4, b"\0")[: struct.calcsize(form)])
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header claims {length} bytes")
    file.seek(start)
