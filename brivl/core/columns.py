"""Responses too large for memory: arrays of voxels that are read from their file a range of voxels at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import EllipsisType

import numpy as np

# Datasets that can leave arrays of more bytes than this on disk do so; such arrays are fitted in batches of voxels.
LARGE_BYTES = 256 * 2**20
# Columns read at once: 16 KiB of a row are nearly a sequential read, and 3,600 rows of them take 59 MB.
READ_COLUMNS = 4096

Index = int | slice | EllipsisType | np.ndarray


@dataclass(frozen=True)
class LazyArray:
    """An array (..., n_voxels) float32 that stays in its file; slicing reads the requested part into memory.

    Indices are applied axis by axis: two index arrays select Y[rows][:, columns], where numpy would pair them up.
    """

    shape: tuple[int, ...]
    read: Callable[[int, int], np.ndarray]  # (start, stop) -> columns (..., stop - start) float32

    @property
    def dtype(self) -> np.dtype:
        """Always float32.

        Returns
        -------
        np.dtype
            Type of the elements.
        """
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        """Number of axes.

        Returns
        -------
        int
            Length of `shape`.
        """
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the whole array in memory.

        Returns
        -------
        int
            Bytes.
        """
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index | tuple[Index, ...]) -> np.ndarray:
        *leading, last = self._by_axis(index if isinstance(index, tuple) else (index,))
        requested = np.arange(self.shape[-1])[last]
        columns = np.atleast_1d(requested)
        lead = _index_leading_axes(np.empty((*self.shape[:-1], 0), self.dtype), leading).shape[:-1]
        values = np.empty((*lead, len(columns)), self.dtype)
        for positions in _read_groups(columns):
            first = int(columns[positions].min())
            block = self.read(first, int(columns[positions].max()) + 1)
            values[..., positions] = _index_leading_axes(block, leading)[..., columns[positions] - first]
        return values if np.ndim(requested) else values[..., 0]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self[...].astype(dtype or self.dtype, copy=False)

    def _by_axis(self, index: tuple[Index, ...]) -> tuple[Index, ...]:
        """One index for each axis."""
        n_missing = self.ndim - sum(i is not ... for i in index)
        if n_missing < 0:
            raise IndexError(f"{len(index)} indices were given for an array of {self.ndim} axes.")
        full_axes = (slice(None),) * n_missing
        position = next((k for k, i in enumerate(index) if i is ...), len(index))
        return (*index[:position], *full_axes, *index[position + 1 :])


def _read_groups(columns: np.ndarray) -> list[np.ndarray]:
    """Positions in `columns` of those that are read together."""
    group = columns // READ_COLUMNS
    return [np.flatnonzero(group == number) for number in np.unique(group)]


def _index_leading_axes(block: np.ndarray, leading: Sequence[Index]) -> np.ndarray:
    """Apply the indices of all axes but the last, one after the other."""
    axis = 0
    for index in leading:
        block = block[(slice(None),) * axis + (index,)]
        axis += not isinstance(index, int | np.integer)
    return block
