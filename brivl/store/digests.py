"""SHA-256 digests of the inputs of a result: JSON values, arrays and files. Large inputs are read in blocks."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from brivl.errors import StoreError

JSON = Any  # None, bool, int, float, str, list of JSON, dict of str to JSON
CHUNK_BYTES = 16 * 2**20
PLAIN_KINDS = "biufcUSMm"  # numpy dtype kinds whose bytes are their value; objects and records are not


def plain_json(value: JSON, where: str = "value") -> JSON:
    """Copy a JSON value, with tuples as lists and numpy scalars as Python numbers.

    Parameters
    ----------
    value : JSON
        Made of None, bool, int, finite float, str, list, tuple, numpy scalars and mappings with string keys.
    where : str
        Name of the value in an error.

    Returns
    -------
    JSON
        A copy that shares no list or dict with `value`.

    Raises
    ------
    StoreError
        For any other type, for keys that are not strings, and for NaN or infinity.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [plain_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain_json(item, f"{where}.{key}") for key, item in value.items()}
    raise StoreError(
        f"Expected a JSON value (null, bool, finite number, string, list, mapping with string keys) for {where}, "
        f"got {type(value).__name__} {value!r:.80}. Convert it first, or leave it out."
    )


def canonical_json(value: JSON, where: str = "value") -> str:
    """Write a JSON value in its canonical form: sorted keys, no blanks, ASCII.

    Parameters
    ----------
    value : JSON
        As for `plain_json`, which raises StoreError for anything else.
    where : str
        Name of the value in an error.

    Returns
    -------
    str
        The same text for equal values.
    """
    return json.dumps(plain_json(value, where), sort_keys=True, separators=(",", ":"), allow_nan=False)


def json_digest(value: JSON, where: str = "value") -> str:
    """Compute the digest of a JSON value.

    Parameters
    ----------
    value : JSON
        As for `plain_json`, which raises StoreError for anything else.
    where : str
        Name of the value in an error.

    Returns
    -------
    str
        64 hex digits: the SHA-256 of the canonical text.
    """
    return hashlib.sha256(canonical_json(value, where).encode("ascii")).hexdigest()


def check_dtype(array: np.ndarray, where: str) -> None:
    """Refuse arrays whose bytes are not their value.

    Parameters
    ----------
    array : np.ndarray
        Any shape.
    where : str
        Name of the array in an error.

    Raises
    ------
    StoreError
        For object and record arrays.
    """
    if array.dtype.kind not in PLAIN_KINDS:
        raise StoreError(
            f"Expected an array of numbers, bools, dates or strings for {where}, got dtype {array.dtype!r}. "
            "Convert it first, for instance with np.asarray(values, dtype=np.str_) for names."
        )


def array_digest(*arrays: np.ndarray) -> str:
    """Compute one digest of dtype, shape and values of arrays; their memory order does not matter.

    Parameters
    ----------
    *arrays : np.ndarray
        Any shapes. Memory-mapped arrays are read in blocks.

    Returns
    -------
    str
        64 hex digits (SHA-256).

    Raises
    ------
    StoreError
        For object and record arrays.
    """
    digest = hashlib.sha256()
    for i, array in enumerate(arrays):
        array = np.asarray(array)
        check_dtype(array, f"array {i}")
        digest.update(f"{array.dtype.str}{array.shape};".encode("ascii"))
        for block in _blocks(array):
            digest.update(block.data)
    return digest.hexdigest()


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Bytes of an array in C order, as uint8 vectors of about CHUNK_BYTES, copied only where not contiguous."""
    rows = array.reshape(1, -1) if array.flags.c_contiguous else array
    step = max(1, CHUNK_BYTES // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), step):
        yield np.ascontiguousarray(rows[start : start + step]).reshape(-1).view(np.uint8)


def file_digest(file: Path | io.BufferedIOBase) -> str:
    """Compute the digest of a file's bytes.

    Parameters
    ----------
    file : Path | io.BufferedIOBase
        A path, or an open file, which is read from its current position to its end.

    Returns
    -------
    str
        64 hex digits (SHA-256).

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    if isinstance(file, Path):
        with open(file, "rb") as opened:
            return file_digest(opened)
    return hashlib.file_digest(file, "sha256").hexdigest()


def cached_file_digest(path: Path) -> str:
    """Compute the digest of a file's bytes, once per process as long as its state on disk stays.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        64 hex digits (SHA-256).

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    status = path.stat()
    # A copy may keep the time of modification (cp -p), but neither the time of change nor, mostly, the inode.
    return _digest_of_state(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@lru_cache(maxsize=65536)
def _digest_of_state(path: Path, *_state: int) -> str:
    return file_digest(path)
