"""Digests of what goes into an answer: JSON values, arrays, files, folders. All sha256, all streaming."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brivl.errors import StoreError

JSON = Any  # None, bool, int, float, str, list of JSON, dict of str to JSON
CHUNK_BYTES = 16 * 2**20
PLAIN_KINDS = "biufcUSMm"  # numpy dtype kinds whose bytes are their value; objects and records are not


def plain_json(value: JSON, where: str = "value") -> JSON:
    """Private copy of a JSON value made of None, bool, int, float, str, list and dict only.

    Tuples become lists and numpy scalars Python numbers.
    Raises StoreError for anything else, for keys that are not strings, and for NaN or infinity.
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
        f"A JSON value (null, bool, finite number, string, list, mapping with string keys) was wanted for {where}, "
        f"but {type(value).__name__} {value!r:.80} came. Convert it first, or leave it out."
    )


def canonical_json(value: JSON, where: str = "value") -> str:
    """The one text of a JSON value: sorted keys, no blanks, ASCII. Raises StoreError as plain_json does."""
    return json.dumps(plain_json(value, where), sort_keys=True, separators=(",", ":"), allow_nan=False)


def json_digest(value: JSON, where: str = "value") -> str:
    """sha256 (64 hex digits) of the canonical text of a JSON value."""
    return hashlib.sha256(canonical_json(value, where).encode("ascii")).hexdigest()


def check_plain(array: np.ndarray, where: str) -> None:
    """Refuse arrays whose bytes are not their value. Raises StoreError."""
    if array.dtype.kind not in PLAIN_KINDS:
        raise StoreError(
            f"An array of numbers, bools, dates or strings was wanted for {where}, but one of dtype {array.dtype!r} "
            "came. Convert it first, for instance with np.asarray(values, dtype=np.str_) for names."
        )


def array_digest(*arrays: np.ndarray) -> str:
    """sha256 (64 hex digits) of dtype, shape and values of arrays of any shape; memory order does not matter.

    Memory-mapped arrays are read block by block. Raises StoreError for object and record arrays.
    """
    digest = hashlib.sha256()
    for i, array in enumerate(arrays):
        array = np.asarray(array)
        check_plain(array, f"array {i}")
        digest.update(f"{array.dtype.str}{array.shape};".encode("ascii"))
        for block in _blocks(array):
            digest.update(block)
    return digest.hexdigest()


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Bytes of an array in C order, as uint8 vectors of about CHUNK_BYTES, copied only where not contiguous."""
    rows = array.reshape(1, -1) if array.flags.c_contiguous else array
    step = max(1, CHUNK_BYTES // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), step):
        yield np.ascontiguousarray(rows[start : start + step]).reshape(-1).view(np.uint8)


def file_digest(path: Path) -> str:
    """sha256 (64 hex digits) of a file's bytes. Raises OSError where it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(folder: Path, files: Iterable[Path] | None = None) -> str:
    """sha256 (64 hex digits) of names (relative to the folder) and bytes of its files, or of those given.

    Where the folder lies and in which order the files come does not matter. Raises OSError where one cannot be read,
    ValueError where one lies outside.
    """
    chosen = folder.rglob("*") if files is None else files
    by_name = {path.relative_to(folder).as_posix(): path for path in chosen if files is not None or path.is_file()}
    return json_digest([[name, file_digest(by_name[name])] for name in sorted(by_name)])
