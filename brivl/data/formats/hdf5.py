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
    """An open file of which every read is checked; every error names the file.

    Attributes
    ----------
    path : Path
        The file.
    file : h5py.File
        The file as h5py opened it.
    """

    path: Path
    file: h5py.File

    def names(self) -> list[str]:
        """List what lies at the top level.

        Returns
        -------
        list of str
            Names of arrays and groups.
        """
        with _sentences(self.path, "its list of arrays"):
            return [str(name) for name in self.file]

    def has(self, name: str) -> bool:
        """Tell whether there is something of this name.

        Parameters
        ----------
        name : str
            Name within the file.

        Returns
        -------
        bool
            Whether it is there; `shape` says whether it can be read.
        """
        with _sentences(self.path, name):
            return name in self.file

    def shape(self, name: str) -> tuple[int, ...]:
        """Read the shape of an array from its header.

        Parameters
        ----------
        name : str
            Name of the array.

        Returns
        -------
        tuple of int
            The shape.

        Raises
        ------
        DataError
            The array is missing, does not hold numbers, or is truncated.
        """
        with _sentences(self.path, name):
            return tuple(int(n) for n in self._array(name).shape)

    def array(self, name: str) -> h5py.Dataset:
        """Open an array to be read in parts, within `reading`.

        Parameters
        ----------
        name : str
            Name of the array.

        Returns
        -------
        h5py.Dataset
            The array, checked as by `shape`.
        """
        with _sentences(self.path, name):
            return self._array(name)

    def read(self, name: str, dtype: type | None = None) -> np.ndarray:
        """Read a whole array.

        Parameters
        ----------
        name : str
            Name of the array.
        dtype : type, optional
            Type to which numbers are converted while reading, without a second copy.

        Returns
        -------
        np.ndarray
            The array.
        """
        with _sentences(self.path, name):
            array = self._array(name)
            values = np.empty(array.shape, array.dtype if dtype is None else dtype)
            if values.size:
                array.read_direct(values)
            return values

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Turn what goes wrong while an array is read into a DataError that names it.

        Parameters
        ----------
        name : str
            Name of the array.

        Yields
        ------
        None
            Nothing.
        """
        with _sentences(self.path, name):
            yield

    def _array(self, name: str) -> h5py.Dataset:
        link = self.file.get(name, getlink=True)
        if link is None:
            names = ", ".join(repr(n) for n in list(self.file)[:12]) or "nothing"
            raise DataError(f"Expected the array {name!r} in {str(self.path)!r}, got {names}. Get the file again.")
        item = self.file[name] if isinstance(link, h5py.HardLink) else None
        if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
            raise DataError(
                f"Expected an array within the file, got {name!r} in {str(self.path)!r}, which is a group or a link. "
                "Get the file again."
            )
        if item.shape is None or item.dtype.kind not in "biuf":
            raise DataError(
                f"Expected numbers, got {str(item.dtype)!r} in {name!r} of {str(self.path)!r}. Save it as numbers."
            )
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
                f"Expected {claimed:,} bytes of shape {item.shape!r} for {name!r} in {str(self.path)!r}, got "
                f"{stored:,}: the file is truncated or damaged. Get it again."
            )


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5File]:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    Hdf5File
        The open file.

    Raises
    ------
    DataError
        The file is missing, of another form, truncated or damaged.
    """
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
        raise DataError(
            f"Expected a file that can be read, got {str(path)!r} ({error.strerror}). Check its path and rights."
        ) from error
    if start != SIGNATURE:
        raise DataError(f"Expected an HDF5 file, got {str(path)!r}, which starts with {start!r}. Get the file again.")


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
        return f"Expected {wanted:,} bytes of {str(path)!r}, got {here:,}: it is truncated. Get the file again."
    reason = " ".join(text.split())[:200] or "damaged"
    return (
        f"Expected to read {what!r} in {str(path)!r}, got damaged or truncated content ({reason}). Get the file again."
    )
