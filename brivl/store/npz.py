"""Uncompressed npz files whose arrays start at multiples of 64 bytes, so that they can be memory-mapped.

np.load(path, allow_pickle=False) reads them too. Equal arrays give equal bytes.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from brivl.errors import StoreError
from brivl.store.digests import check_dtype

ALIGN_BYTES = 64
MAPPED_FROM = 2**20  # bytes; smaller files are read, since a mapping costs a file descriptor
PADDING_ID = 0xD935  # extra field for alignment, the number that Android's zipalign uses
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
ZIP64_EXTRA = 20  # bytes that zipfile appends to a local header with force_zip64


def check_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Check that arrays can be stored.

    Parameters
    ----------
    arrays : Mapping[str, np.ndarray]
        Name -> array of any shape.

    Returns
    -------
    dict[str, np.ndarray]
        The same, each converted by np.asarray.

    Raises
    ------
    StoreError
        Where a name is not a plain word or a dtype would need pickle.
    """
    checked = {}
    for name, array in arrays.items():
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            raise StoreError(
                f"Expected an array name of letters, digits, '_', '.' and '-', got {name!r}. Rename the array."
            )
        checked[name] = np.asarray(array)
        check_dtype(checked[name], f"array {name!r}")
    return checked


def write_npz(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays into an open file.

    Parameters
    ----------
    file : BinaryIO
        Empty and seekable.
    arrays : Mapping[str, np.ndarray]
        Name -> array of any shape and memory order.

    Raises
    ------
    OSError
        Where the disk refuses.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980, so that equal arrays give equal bytes
            member.extra = _padding(file.tell() + LOCAL_HEADER.size + len(member.filename) + ZIP64_EXTRA)
            with archive.open(member, "w", force_zip64=True) as target:
                np.lib.format.write_array(target, array, allow_pickle=False)


def _padding(position: int) -> bytes:
    """Extra field that moves what would start at `position` to a multiple of ALIGN_BYTES."""
    n_zeros = -(position + 4) % ALIGN_BYTES
    return struct.pack("<HH", PADDING_ID, n_zeros) + bytes(n_zeros)


def read_npz(file: BinaryIO) -> dict[str, np.ndarray]:
    """Read the arrays of an uncompressed npz file of any alignment.

    Parameters
    ----------
    file : BinaryIO
        Open for reading.

    Returns
    -------
    dict[str, np.ndarray]
        Name -> read-only array. Files of at least MAPPED_FROM bytes are memory-mapped; the arrays stay valid when the
        file is closed.

    Raises
    ------
    ValueError, zipfile.BadZipFile, OSError
        For a malformed file.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    file.seek(0, 2)
    small = file.tell() < MAPPED_FROM
    file.seek(0)
    content = np.frombuffer(file.read(), np.uint8) if small else np.memmap(file, np.uint8, mode="r")
    return {member.filename.removesuffix(".npy"): _member_array(file, member, content) for member in members}


def _member_array(file: BinaryIO, member: zipfile.ZipInfo, content: np.ndarray) -> np.ndarray:
    """One member as a view of the bytes of the file."""
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise ValueError(f"member {member.filename!r} is compressed or encrypted")
    file.seek(member.header_offset)
    header = file.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise ValueError(f"member {member.filename!r} has no local header")
    n_name, n_extra = LOCAL_HEADER.unpack(header)[-2:]
    file.seek(n_name + n_extra, 1)
    shape, fortran, dtype = _read_npy_header(file)
    if dtype.hasobject:
        raise ValueError(f"member {member.filename!r} holds Python objects")
    # np.ndarray checks that shape and dtype fit into the buffer; np.memmap objects stay its base (joblib looks there).
    return np.ndarray(shape, dtype, buffer=content, offset=file.tell(), order="F" if fortran else "C")


def _read_npy_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype; leaves the file at the first byte of data."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"npy format {version} is not supported")
