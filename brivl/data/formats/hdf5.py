"""Arrays of numbers in HDF5 files that may be truncated, damaged or made to harm: sizes are checked before reading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

import h5py
import numpy as np

from brivl.errors import DataError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_COMPRESSION = 1100  # deflate reaches 1032; more is not data but a claim
MAX_CHUNK_BYTES = 16 * 2**20  # bytes; a chunk larger than this and than its array is a damaged header
# h5py turns what libhdf5 finds wrong into whatever Python error is nearest.
READ_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    SystemError,
    AttributeError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Hdf5File:
    """An open file; every complaint names it."""

    path: Path
    file: h5py.File

    def names(self) -> list[str]:
        """Names of what lies at the top level."""
        with _sentences(self.path, "its list of arrays"):
            return [str(name) for name in self.file]

    def has(self, name: str) -> bool:
        with _sentences(self.path, name):
            return name in self.file

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array, from the header. DataError where it is missing, no array of numbers, or not all there."""
        with _sentences(self.path, name):
            return tuple(int(n) for n in self._array(name).shape)

    def array(self, name: str) -> h5py.Dataset:
        """The array, checked as by `shape`, to be read in parts within `reading`."""
        with _sentences(self.path, name):
            return self._array(name)

    def read(self, name: str, dtype: type | None = None) -> np.ndarray:
        """The whole array, converted to `dtype` while reading (no second copy)."""
        with _sentences(self.path, name):
            array = self._array(name)
            values = np.empty(array.shape, array.dtype if dtype is None else dtype)
            if values.size:
                array.read_direct(values)
            return values

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """What goes wrong within becomes a DataError that names the array."""
        with _sentences(self.path, name):
            yield

    def _array(self, name: str) -> h5py.Dataset:
        link = self.file.get(name, getlink=True)
        if link is None:
            found = ", ".join(repr(n) for n in list(self.file)[:12]) or "nothing"
            raise DataError(f"{str(self.path)!r} should hold the array {name!r} but holds {found}; get the file again.")
        item = self.file[name] if isinstance(link, h5py.HardLink) else None
        if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
            raise DataError(f"{name!r} in {str(self.path)!r} should be an array within the file but is none.")
        if item.shape is None or item.dtype.kind not in "biuf":
            raise DataError(f"{name!r} in {str(self.path)!r} should hold numbers but holds {str(item.dtype)!r}.")
        self._check_size(name, item)
        return item

    def _check_size(self, name: str, item: h5py.Dataset) -> None:
        """Refuse arrays that claim more than the file can hold, before memory is taken for them."""
        claimed, size = prod(item.shape) * item.dtype.itemsize, self.path.stat().st_size
        stored = min(int(item.id.get_storage_size()), size)
        most = stored * MAX_COMPRESSION if item.chunks else stored
        chunk = prod(item.chunks or (0,)) * item.dtype.itemsize
        if claimed > most or chunk > max(claimed, MAX_CHUNK_BYTES):
            raise DataError(
                f"{name!r} in {str(self.path)!r} should be stored in the file, but of {claimed:,} bytes of shape "
                f"{item.shape!r} only {stored:,} are; the file is truncated or damaged: get it again."
            )


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5File]:
    """An HDF5 file for reading. DataError where it is missing, of another form, truncated or damaged."""
    _check_signature(path)
    with _sentences(path, "its header"):
        file = h5py.File(path, "r", locking=False)
    try:
        yield Hdf5File(path, file)
    finally:
        with _sentences(path, "its end"):
            file.close()


def _check_signature(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(len(SIGNATURE))
    except OSError as error:
        raise DataError(f"Wanted to read {str(path)!r}, but it cannot be read: {error.strerror}.") from error
    if start != SIGNATURE:
        raise DataError(f"{str(path)!r} should be an HDF5 file but starts with {start!r}; get the file again.")


@contextmanager
def _sentences(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        raise DataError(_complaint(path, what, str(error))) from error


def _complaint(path: Path, what: str, text: str) -> str:
    cut = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", text)
    if cut:
        here, wanted = (int(n) for n in cut.groups())
        return f"{str(path)!r} is truncated: {here:,} of {wanted:,} bytes are here; get the file again."
    reason = " ".join(text.split())[:200] or "damaged"
    return f"{what!r} in {str(path)!r} cannot be read ({reason}); the file is damaged or truncated: get it again."
