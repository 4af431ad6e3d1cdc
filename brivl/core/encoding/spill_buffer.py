"""Matrices that are used again and again: in memory while there is room, in a scratch file beyond."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from brivl.errors import StoreError

ROOM_BYTES = 1536 * 2**20

StoredArray = Callable[[], np.ndarray]  # the array, from wherever it is


class SpillBuffer:
    """Keeps the first `room` bytes of arrays in memory. The scratch file has no name: it cannot outlive the process."""

    def __init__(self, room: int, folder: Path | None = None) -> None:
        self.room, self.folder = room, folder
        self._file = None
        self._lock = threading.Lock()  # parts of a computation keep and read side by side

    def keep(self, array: np.ndarray) -> StoredArray:
        """The array for later: itself, or read from the scratch file each time. StoreError where that is full."""
        with self._lock:
            if array.nbytes <= self.room:
                self.room -= array.nbytes
                return lambda: array
            # Columns stay together where they are, since products of the other layout round in another way.
            by_column = array.flags.f_contiguous and not array.flags.c_contiguous
            start = self._write(np.ascontiguousarray(array.T if by_column else array))
        shape, dtype, order = array.shape, array.dtype, "F" if by_column else "C"
        return lambda: self._read(start, np.empty(shape, dtype, order))

    def close(self) -> None:
        """Give the scratch file back; what was kept there is gone."""
        if self._file is not None:
            self._file.close()

    def _write(self, array: np.ndarray) -> int:
        """Where it begins in the scratch file."""
        try:
            if self._file is None:
                if self.folder is not None:
                    self.folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self.folder)
            start = self._file.seek(0, 2)
            self._file.write(memoryview(array).cast("B"))
            self._file.flush()
        except OSError as error:
            raise StoreError(
                f"Wanted {array.nbytes:,} bytes of scratch space on disk, but there are none ({error.strerror}). Free "
                "some space, or set BRIVL_CACHE to a folder on a larger disk."
            ) from error
        return start

    def _read(self, start: int, array: np.ndarray) -> np.ndarray:
        assert self._file is not None
        with self._lock:
            self._file.seek(start)
            self._file.readinto(memoryview(array.T if array.flags.f_contiguous else array).cast("B"))
        return array
