"""Responses too large for memory: arrays of voxels that are read from their file a range of columns at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import EllipsisType

import numpy as np

# Arrays of more bytes than this are left on disk by datasets that can, and fitted in batches of voxels.
LARGE_BYTES = 256 * 2**20
# Columns that are read at once: 16 KiB of a row are nearly a sequential read, and 3,600 rows of them 59 MB.
READ_COLUMNS = 4096

Index = int | slice | EllipsisType | np.ndarray


@dataclass(frozen=True)
class LazyArray:
    """An array (..., n_voxels) float32 that stays in its file; slicing reads what is asked for, into memory.

    Indices are taken axis by axis: Y[rows][:, columns] for arrays of both, where numpy would pair them up.
    """

    shape: tuple[int, ...]
    read: Callable[[int, int], np.ndarray]  # (start, stop) -> columns (..., stop - start) float32

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index | tuple[Index, ...]) -> np.ndarray:
        *leading, last = self._by_axis(index if isinstance(index, tuple) else (index,))
        wanted = np.arange(self.shape[-1])[last]
        columns = np.atleast_1d(wanted)
        lead = _taken(np.empty((*self.shape[:-1], 0), self.dtype), leading).shape[:-1]
        found = np.empty((*lead, len(columns)), self.dtype)
        for here in _neighbours(columns):
            first = int(columns[here].min())
            block = self.read(first, int(columns[here].max()) + 1)
            found[..., here] = _taken(block, leading)[..., columns[here] - first]
        return found if np.ndim(wanted) else found[..., 0]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self[...].astype(dtype or self.dtype, copy=False)

    def _by_axis(self, index: tuple[Index, ...]) -> tuple[Index, ...]:
        """One index for each axis."""
        n_missing = self.ndim - sum(i is not ... for i in index)
        if n_missing < 0:
            raise IndexError(f"{len(index)} indices were given for an array of {self.ndim} axes.")
        everything = (slice(None),) * n_missing
        place = next((k for k, i in enumerate(index) if i is ...), len(index))
        return (*index[:place], *everything, *index[place + 1 :])


def _neighbours(columns: np.ndarray) -> list[np.ndarray]:
    """Positions of the columns that are read together."""
    part = columns // READ_COLUMNS
    return [np.flatnonzero(part == number) for number in np.unique(part)]


def _taken(block: np.ndarray, leading: Sequence[Index]) -> np.ndarray:
    """Indices of all axes but the last, one after the other."""
    axis = 0
    for index in leading:
        block = block[(slice(None),) * axis + (index,)]
        axis += not isinstance(index, int | np.integer)
    return block
