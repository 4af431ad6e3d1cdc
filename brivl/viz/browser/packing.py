"""Pack named arrays for the browser into bytes: "BRV1", length of a JSON header, the header, the arrays."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brivl.errors import DataError

MAGIC = b"BRV1"
COMPRESSION_LEVEL = 5  # of zlib
MAX_DEFLATED = 0.9  # an array is stored compressed if that leaves less than this fraction of its size
TYPES = {"u1": np.uint8, "u2": np.uint16, "i2": np.int16, "u4": np.uint32, "f2": np.float16, "f4": np.float32}
NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}


@dataclass(frozen=True)
class Packed:
    """Packed arrays."""

    id: str  # digest of the content, under which the browser keeps it
    data: bytes


def pack(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Packed:
    """Pack arrays, flattened in C order.

    Parameters
    ----------
    meta : mapping of str to JSON values
        Header.
    arrays : mapping of str to array
        Arrays of the types in TYPES.

    Returns
    -------
    Packed
        Bytes and their digest.

    Raises
    ------
    DataError
        If an array has another type.
    """
    entries, chunks, offset = [], [], 0
    for name, array in arrays.items():
        chunk, deflated = _encode(name, np.ascontiguousarray(array))
        entry = {"name": name, "type": NAMES[array.dtype], "at": offset, "size": len(chunk), "deflated": deflated}
        entries.append(entry)
        chunks.append(chunk)
        offset += len(chunk)
    body = b"".join(chunks)
    digest = hashlib.blake2b(json.dumps([meta, entries]).encode() + body, digest_size=12).hexdigest()
    header = json.dumps({"id": digest, "meta": meta, "arrays": entries}).encode()
    return Packed(digest, MAGIC + struct.pack("<I", len(header)) + header + body)


def _encode(name: str, array: np.ndarray) -> tuple[bytes, bool]:
    """Bytes of an array, and whether they are compressed."""
    if array.dtype not in NAMES:
        raise DataError(
            f"Expected one of the types {sorted(TYPES)} for {name!r}, got {array.dtype}. Convert the array."
        )
    plain = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    if array.dtype == np.float16:  # scores are noisy and hardly compress
        return plain, False
    deflated = zlib.compress(plain, COMPRESSION_LEVEL)
    return (deflated, True) if len(deflated) < MAX_DEFLATED * len(plain) else (plain, False)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Unpack the bytes of `pack`.

    Parameters
    ----------
    data : bytes
        Packed arrays.

    Returns
    -------
    meta : dict
        Header.
    arrays : dict of str to array
        Flat arrays.

    Raises
    ------
    DataError
        If the bytes are not packed arrays.
    """
    if data[:4] != MAGIC:
        raise DataError(f"Expected packed arrays, which begin with {MAGIC!r}, got {data[:4]!r}. Pack the arrays again.")
    (size,) = struct.unpack_from("<I", data, 4)
    header, start = json.loads(data[8 : 8 + size]), 8 + size
    arrays = {}
    for entry in header["arrays"]:
        chunk = data[start + entry["at"] : start + entry["at"] + entry["size"]]
        plain = zlib.decompress(chunk) if entry["deflated"] else chunk
        arrays[entry["name"]] = np.frombuffer(plain, TYPES[entry["type"]])
    return header["meta"], arrays
