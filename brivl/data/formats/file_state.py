"""Whether a file of a dataset is here and whole, from names, sizes and headers; contents are read on demand only."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brivl.data.formats.annex import KEY, is_pointer
from brivl.data.formats.mat_scan import scan_mat
from brivl.data.formats.npy import array_shape
from brivl.errors import DataError

State = Literal["present", "missing", "not fetched", "truncated", "archive", "unreadable"]
CHUNK = 1 << 22
HDF5 = b"\x89HDF\r\n\x1a\n"
_HASHES = {"MD5": "md5", "SHA1": "sha1", "SHA224": "sha224", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}


@dataclass(frozen=True)
class FileState:
    """State of one file of a dataset.

    Attributes
    ----------
    name : str
        Path below the folder of the dataset.
    state : State
        Whether it is present, and if not, why.
    size : int
        Bytes that are here.
    published : int or None
        Bytes that the source publishes; None where it does not say.
    checksum : str
        Name of the checksum that the source publishes, such as "md5"; "" where it publishes none.
    note : str
        Explanation for people.
    """

    name: str
    state: State
    size: int = 0
    published: int | None = None
    checksum: str = ""  # "md5", say: what the source publishes; "" where it publishes none
    note: str = ""


def file_state(folder: Path, name: str) -> FileState:
    """Find the state of a file without reading all of it.

    Parameters
    ----------
    folder : Path
        Folder of the dataset.
    name : str
        Path of the file below it.

    Returns
    -------
    FileState
        Its state, by names, sizes and headers.
    """
    path = folder / name
    size, algorithm, _ = _published(path)
    try:
        if is_pointer(path):
            return FileState(name, "not fetched", 0, size, algorithm, "a pointer of git-annex, without its content")
        if not path.is_file():
            packed = _archive(folder, name)
            note = f"in {packed.name}, which is not unpacked" if packed else ""
            return FileState(name, "archive" if packed else "missing", 0, size, algorithm, note)
        here = path.stat().st_size
        wrong = _wrong_size(path, here, size)
    except OSError as error:
        return FileState(name, "unreadable", 0, size, algorithm, f"{error.strerror}")
    return FileState(name, "truncated" if wrong else "present", here, size, algorithm, wrong)


def has_checksum(path: Path, progress: Callable[[int], None] = lambda n_bytes: None) -> bool | None:
    """Compare a file's content with the checksum in its git-annex key.

    Parameters
    ----------
    path : Path
        The file.
    progress : callable
        Receives the number of bytes read so far; what it raises ends the reading.

    Returns
    -------
    bool or None
        Whether they agree; None where no checksum is published.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    _, algorithm, digest = _published(path)
    if not algorithm:
        return None
    total, done = hashlib.new(algorithm, usedforsecurity=False), 0
    try:
        with path.open("rb") as file:
            while block := file.read(CHUNK):
                total.update(block)
                done += len(block)
                progress(done)
    except OSError as error:
        raise DataError(
            f"Expected a file that can be read, got {str(path)!r} ({error.strerror}). Check its rights."
        ) from error
    return total.hexdigest() == digest


def _published(path: Path) -> tuple[int | None, str, str]:
    """Size, algorithm and checksum from the key in an annexed file's link or pointer."""
    try:
        name = os.readlink(path) if path.is_symlink() else _pointer_text(path)
    except OSError:
        name = ""
    match = KEY.match(name.rsplit("/", 1)[-1]) if "annex" in name else None
    if match is None:
        return None, "", ""
    algorithm = _HASHES.get(match["backend"].removesuffix("E"), "")
    return int(match["size"]), algorithm, match["name"].split(".")[0] if algorithm else ""


def _pointer_text(path: Path) -> str:
    if not is_pointer(path):
        return ""
    with path.open("rb") as file:
        return file.readline(1000).decode("utf-8", "replace").strip()


def _archive(folder: Path, name: str) -> Path | None:
    """The archive of a subject's folder, where it lies beside it."""
    archives = sorted(folder.glob(f"{name.split('/')[0]}.tar*"))
    return archives[0] if archives else None


def _wrong_size(path: Path, here: int, published: int | None) -> str:
    """Why a file is not whole, by its size and its header; "" where it looks whole."""
    if published is not None and here != published:
        return f"{here:,} bytes of {published:,}"
    if not here:
        return "empty, 0 bytes"
    if path.name.endswith((".nii", ".nii.gz")):
        return _short_nifti(path, here)
    if path.suffix == ".npy":
        try:
            array_shape(path)
        except DataError as error:
            return str(error)
    if path.suffix == ".mat":
        try:
            scan_mat(path)
        except DataError as error:
            return str(error)
    if path.suffix.startswith((".hdf", ".h5")):
        claimed = _hdf5_end(path)
        if claimed is None:
            return "not an HDF5 file"
        return f"{here:,} bytes of {claimed:,}" if here < claimed else ""
    return ""


def _short_nifti(path: Path, here: int) -> str:
    """Why an image is cut short, by the size that its header states; "" where it is whole, or no image at all."""
    is_packed = path.name.endswith(".gz")
    try:
        with gzip.open(path) if is_packed else path.open("rb") as file:
            head = file.read(352)
    except (OSError, EOFError, zlib.error):
        return "its header cannot be read"
    expected = _nifti_bytes(head)
    if expected is None:
        return "" if len(head) == 352 else f"{here:,} bytes, less than a header"
    if not is_packed:
        return f"{here:,} bytes of {expected:,}" if here < expected else ""
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        unpacked = int.from_bytes(file.read(4), "little")  # size of the last member, modulo 2^32 (RFC 1952)
    if unpacked == expected % 2**32:
        return ""
    n_bytes = _unpacked_bytes(path, expected)  # only where the short way does not tell: several members, or cut short
    return f"{n_bytes:,} unpacked bytes of {expected:,}" if n_bytes < expected else ""


def _nifti_bytes(head: bytes) -> int | None:
    """Bytes of the unpacked file that a NIfTI-1 header states; None where it is none."""
    for order in ("<", ">"):
        if len(head) == 352 and struct.unpack_from(f"{order}i", head)[0] == 348:
            n_dims, *sizes = struct.unpack_from(f"{order}8h", head, 40)
            (bits,) = struct.unpack_from(f"{order}h", head, 72)
            (offset,) = struct.unpack_from(f"{order}f", head, 108)
            if 1 <= n_dims <= 7 and bits > 0 and all(size > 0 for size in sizes[:n_dims]) and 352 <= offset < 2**31:
                return int(offset) + math.prod(sizes[:n_dims]) * bits // 8
    return None


def _unpacked_bytes(path: Path, enough: int) -> int:
    """Bytes that can be unpacked from a file, up to what is enough."""
    n_bytes = 0
    try:
        with gzip.open(path) as file:
            while n_bytes < enough and (block := file.read(CHUNK)):
                n_bytes += len(block)
    except (OSError, EOFError, zlib.error):
        pass
    return n_bytes


def _hdf5_end(path: Path) -> int | None:
    """The size that an HDF5 file's superblock claims (HDF5 file format, II.A); None where it has no superblock."""
    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith(HDF5) or len(head) < 64:
        return None
    at = {0: 40, 1: 44}.get(head[8], 28)  # version 1 has four bytes more before the addresses
    return struct.unpack_from("<Q", head, at)[0]
