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
    """Those of the `wanted` variables that a file has, as scipy gives them. DataError where the file is damaged."""
    import scipy.io

    found = scan_mat(path, wanted)
    names = [name for name in wanted if name in found]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # scipy warns where it could not read a variable
            # Text of two bytes a letter would otherwise lose all but the lower byte of each.
            mat = scipy.io.loadmat(str(path), variable_names=names, uint16_codec=_utf16(path), appendmat=False)
    except (*_BROKEN, scipy.io.matlab.MatReadError) as error:
        raise DataError(f"Wanted to read {str(path)!r} and could not ({error}); copy or unpack it again.") from error
    return {name: mat[name] for name in names}


def texts(value: Any) -> list[str]:
    """The texts of a cell of strings, in MATLAB's order, however deeply each is wrapped in cells of one."""
    array = np.asarray(value)
    if array.dtype != object:
        return [_text(array)]
    return [_text(part) for part in array.ravel(order="F")]


def cells(value: Any) -> list[Any]:
    """The parts of a cell array, in MATLAB's order."""
    array = np.asarray(value)
    return list(array.ravel(order="F")) if array.dtype == object else [array]


def field(struct: Any, name: str) -> Any | None:
    """A field of a 1x1 struct; None where there is no such field."""
    array = np.asarray(struct)
    if array.dtype.names is None or name not in array.dtype.names or array.size != 1:
        return None
    return array.ravel()[0][name]


def whole_numbers(value: Any, what: str, path: Path) -> np.ndarray:
    """Numbers of any type and orientation as (n,) int. DataError where they are not whole."""
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        raise DataError(f"{what} in {str(path)!r} should be numbers but is {array.dtype!r}; the file is damaged.")
    flat = array.ravel(order="F").astype(float)
    if not np.isfinite(flat).all() or (flat != np.round(flat)).any() or (np.abs(flat) > 2**53).any():
        raise DataError(f"{what} in {str(path)!r} should be whole numbers but is not; the file is damaged.")
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
