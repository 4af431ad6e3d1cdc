"""Matrices that are used repeatedly: in memory while there is room, in a scratch file beyond."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path

import numpy as np

from brivl.errors import StoreError

ROOM_BYTES = 1536 * 2**20

StoredArray = Callable[[], np.ndarray]  # gives the array, from memory or from the file


class SpillBuffer:
    """Store of arrays, of which the first `room` bytes stay in memory.

    The scratch file has no name, so it cannot outlive the process.

    Parameters
    ----------
    room : int
        Bytes of memory.
    folder : Path or None
        Folder of the scratch file; None for the system's folder of temporary files.
    """

    def __init__(self, room: int, folder: Path | None = None) -> None:
        self.room, self.folder = room, folder
        self._file: BufferedRandom | None = None
        self._lock = threading.Lock()  # several threads store and read at a time

    def store(self, array: np.ndarray) -> StoredArray:
        """Store an array.

        Parameters
        ----------
        array : np.ndarray
            Array of any shape.

        Returns
        -------
        StoredArray
            Gives the array itself, or reads it from the scratch file each time.

        Raises
        ------
        StoreError
            If there is no room on disk.
        """
        with self._lock:
            if array.nbytes <= self.room:
                self.room -= array.nbytes
                return lambda: array
            # Arrays stored by column are written by column, since products of the other layout round differently.
            by_column = array.flags.f_contiguous and not array.flags.c_contiguous
            start = self._write(np.ascontiguousarray(array.T if by_column else array))
        shape, dtype = array.shape, array.dtype
        return lambda: self._read(start, np.empty(shape, dtype, "F" if by_column else "C"))

    def close(self) -> None:
        """Delete the scratch file with all arrays in it."""
        if self._file is not None:
            self._file.close()

    def _write(self, array: np.ndarray) -> int:
        """Write the array; its offset in the scratch file."""
        try:
            if self._file is None:
                if self.folder is not None:
                    self.folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self.folder)
            start = self._file.seek(0, 2)
            self._file.write(array.data.cast("B"))
            self._file.flush()
        except OSError as error:
            raise StoreError(
                f"Expected {array.nbytes:,} bytes of scratch space on disk, got an error ({error.strerror}). Free some "
                "space, or set BRIVL_CACHE to a folder on a larger disk."
            ) from error
        return start

    def _read(self, start: int, array: np.ndarray) -> np.ndarray:
        assert self._file is not None
        with self._lock:
            self._file.seek(start)
            self._file.readinto((array.T if array.flags.f_contiguous else array).data.cast("B"))
        return array
