"""Named arrays in one run of bytes for the browser: "BRV1", length of a JSON header, the header, the arrays."""

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
LEVEL = 5  # of zlib
WORTH = 0.9  # an array is stored deflated where that leaves less than this share of it
TYPES = {"u1": np.uint8, "u2": np.uint16, "i2": np.int16, "u4": np.uint32, "f2": np.float16, "f4": np.float32}
NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}


@dataclass(frozen=True)
class Packed:
    """Bytes, and the digest of their content under which the browser keeps them."""

    id: str
    data: bytes


def pack(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Packed:
    """Arrays of the types in TYPES, flattened in C order, and a JSON-able meta. DataError for another type."""
    described, parts, at = [], [], 0
    for name, array in arrays.items():
        part, deflated = _stored(name, np.ascontiguousarray(array))
        described.append({"name": name, "type": NAMES[array.dtype], "at": at, "size": len(part), "deflated": deflated})
        parts.append(part)
        at += len(part)
    body = b"".join(parts)
    digest = hashlib.blake2b(json.dumps([meta, described]).encode() + body, digest_size=12).hexdigest()
    header = json.dumps({"id": digest, "meta": meta, "arrays": described}).encode()
    return Packed(digest, MAGIC + struct.pack("<I", len(header)) + header + body)


def _stored(name: str, array: np.ndarray) -> tuple[bytes, bool]:
    if array.dtype not in NAMES:
        raise DataError(f"Wanted one of the types {sorted(TYPES)} for {name!r} and got {array.dtype}; convert it.")
    plain = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    if array.dtype == np.float16:  # noise does not shrink
        return plain, False
    deflated = zlib.compress(plain, LEVEL)
    return (deflated, True) if len(deflated) < WORTH * len(plain) else (plain, False)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Meta and flat arrays of packed bytes. DataError where they are none."""
    if data[:4] != MAGIC:
        raise DataError(f"Wanted packed arrays, which begin with {MAGIC!r}, and got {data[:4]!r}.")
    (size,) = struct.unpack_from("<I", data, 4)
    header, start = json.loads(data[8 : 8 + size]), 8 + size
    arrays = {}
    for entry in header["arrays"]:
        part = data[start + entry["at"] : start + entry["at"] + entry["size"]]
        plain = zlib.decompress(part) if entry["deflated"] else part
        arrays[entry["name"]] = np.frombuffer(plain, TYPES[entry["type"]])
    return header["meta"], arrays
