"""Variables of MATLAB files (versions 5 to 7), whatever way MATLAB has nested them."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from brivl.data.formats.mat_scan import scan_mat
from brivl.errors import DataError

_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    Warning,
)
# What the start of UTF-8 looks like that was read as Western text once too often.
_TWICE = ("\u00e2\u20ac", "\u00c3", "\u00c2")


def read_mat(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """Read variables of a MATLAB file.

    Parameters
    ----------
    path : Path
        File of version 5 to 7.
    wanted : collection of str
        Names of variables.

    Returns
    -------
    dict of str to np.ndarray
        Those that the file has, as scipy gives them.

    Raises
    ------
    DataError
        The file is missing, truncated or damaged.
    """
    import scipy.io

    shapes = scan_mat(path, wanted)
    names = [name for name in wanted if name in shapes]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # scipy warns where it could not read a variable
            # Text of two bytes a letter would otherwise lose all but the lower byte of each.
            mat = scipy.io.loadmat(str(path), variable_names=names, uint16_codec=_utf16(path), appendmat=False)
    except (*_BROKEN, scipy.io.matlab.MatReadError) as error:
        raise DataError(
            f"Expected a MATLAB file that can be read, got {str(path)!r} ({error}). Copy or unpack it again."
        ) from error
    return {name: mat[name] for name in names}


def texts(value: Any) -> list[str]:
    """Read the texts of a cell array of strings.

    Parameters
    ----------
    value : array_like
        Cell array, each text nested in any number of cells of one.

    Returns
    -------
    list of str
        The texts in MATLAB's order.
    """
    array = np.asarray(value)
    if array.dtype != object:
        return [_text(array)]
    return [_text(part) for part in array.ravel(order="F")]


def cells(value: Any) -> list[Any]:
    """List the parts of a cell array.

    Parameters
    ----------
    value : array_like
        Cell array, or another array, which is its own only part.

    Returns
    -------
    list
        The parts in MATLAB's order.
    """
    array = np.asarray(value)
    return list(array.ravel(order="F")) if array.dtype == object else [array]


def field(struct: Any, name: str) -> Any | None:
    """Take a field of a 1x1 struct.

    Parameters
    ----------
    struct : array_like
        The struct.
    name : str
        Name of the field.

    Returns
    -------
    object or None
        Its value; None where there is no such field.
    """
    array = np.asarray(struct)
    if array.dtype.names is None or name not in array.dtype.names or array.size != 1:
        return None
    return array.ravel()[0][name]


def whole_numbers(value: Any, what: str, path: Path) -> np.ndarray:
    """Convert numbers of any type and orientation to integers.

    Parameters
    ----------
    value : array_like
        Numbers.
    what : str
        Their name in errors.
    path : Path
        Their file in errors.

    Returns
    -------
    np.ndarray
        (n,) int.

    Raises
    ------
    DataError
        A value is not a whole number.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        raise DataError(
            f"Expected numbers as {what} in {str(path)!r}, got {array.dtype!r}. Copy or unpack the file again."
        )
    flat = array.ravel(order="F").astype(float)
    if not np.isfinite(flat).all() or (flat != np.round(flat)).any() or (np.abs(flat) > 2**53).any():
        raise DataError(
            f"Expected whole numbers as {what} in {str(path)!r}, got others. Copy or unpack the file again."
        )
    return flat.astype(int)


def _text(value: Any) -> str:
    """One text: unwrapped, without padding, and with its letters mended where they were decoded wrongly."""
    for _ in range(8):
        array = np.asarray(value)
        if array.dtype != object or array.size != 1:
            break
        value = array.ravel()[0]
    array = np.asarray(value)
    if array.dtype.kind not in "US":
        return ""
    joined = "".join(str(part) for part in array.ravel())
    return " ".join(_mended(joined.replace("\0", " ")).split())


def _mended(text: str) -> str:
    if not any(mark in text for mark in _TWICE):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text


def _utf16(path: Path) -> str:
    with path.open("rb") as file:
        return "utf-16-le" if file.read(128)[126:128] == b"IM" else "utf-16-be"
