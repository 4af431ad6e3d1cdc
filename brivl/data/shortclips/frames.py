"""Frames of a movie that stay in their HDF5 files and are read a slice at a time; a run may not fit in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod
from pathlib import Path

import h5py
import numpy as np

from brivl.data.formats.hdf5 import Hdf5File, open_hdf5
from brivl.errors import DataError

KEY = "stimuli"
BLOCK_BYTES = 128 * 2**20  # of the frames read last, kept as uint8
STRIP_BYTES = 64 * 2**20  # read at a time, in the type of the file
MAX_SIDE = 8192  # pixels


@dataclass(frozen=True)
class FrameFile:
    """A file with the frames of one run.

    Attributes
    ----------
    path : Path
        HDF5 file.
    n_frames : int
        Number of frames.
    size : (height, width)
        Pixels of a frame.
    chunk : int
        Frames that are stored, and so decompressed, together.
    """

    path: Path
    n_frames: int
    size: tuple[int, int]
    chunk: int


def read_frame_header(path: Path) -> FrameFile:
    """Read the number and size of the frames in a file.

    Parameters
    ----------
    path : Path
        HDF5 file.

    Returns
    -------
    FrameFile
        Number, size and chunks of the frames.

    Raises
    ------
    DataError
        If the file holds no frames.
    """
    with open_hdf5(path) as file:
        shape = file.shape(KEY)
        array = file.array(KEY)
        sides_fit = len(shape) == 4 and shape[3] == 3 and max(shape[1:3]) <= MAX_SIDE
        if not sides_fit or 0 in shape or array.dtype.kind not in "uif":
            raise DataError(
                f"Expected frames (n_frames, height, width, 3), 0..255 or, as floats, 0..1, as {KEY!r} in "
                f"{str(path)!r}, got shape {shape!r} and type {str(array.dtype)!r}. Get the file again."
            )
        return FrameFile(path, shape[0], (shape[1], shape[2]), array.chunks[0] if array.chunks else 1)


@dataclass
class MovieFrames(Sequence[np.ndarray]):
    """Frames of several files as one sequence; a slice is an array (n, H, W, 3) uint8, read on access.

    Frames are read in blocks along the chunks of the file, and the last block is kept, so that reading in order
    decompresses every frame once. Sizes may differ between files, but not within a slice (DataError).
    """

    files: tuple[FrameFile, ...]
    ends: list[int] = field(init=False, repr=False)
    _last: tuple[int, int, np.ndarray] | None = field(default=None, init=False, repr=False)  # file, start, frames

    def __post_init__(self) -> None:
        self.ends = list(accumulate(file.n_frames for file in self.files))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    # The stubs of numpy do not declare an array, which a slice is here, to be a sequence.
    def __getitem__(self, index: int | slice) -> np.ndarray:  # type: ignore[override]
        """Read one frame (H, W, 3), or the frames of a slice (n, H, W, 3), uint8."""
        if isinstance(index, slice):
            numbers = range(*index.indices(len(self)))
            if numbers.step == 1:
                return self._frames(numbers.start, numbers.stop)
            return np.concatenate([self._frames(0, 0), *(self._frames(i, i + 1) for i in numbers)])
        if not -len(self) <= index < len(self):
            raise IndexError(f"Expected a number below the {len(self)} frames, got {index!r}.")
        return self._frames(index % len(self), index % len(self) + 1)[0]

    def _frames(self, start: int, stop: int) -> np.ndarray:
        """Take frames start..stop-1 out of the blocks that hold them."""
        pieces = [] if start < stop else [np.empty((0, *self.files[0].size, 3), np.uint8)]
        while start < stop:
            number = bisect_right(self.ends, start)
            first = self.ends[number] - self.files[number].n_frames
            block_start, block = self._block(number, start - first)
            inside = start - first - block_start
            pieces.append(block[inside : inside + stop - start])
            start += len(pieces[-1])
        if len({piece.shape[1:] for piece in pieces}) > 1:
            raise DataError(
                f"Expected frames of one size, got {[piece.shape[1:] for piece in pieces]!r}. Make them equal."
            )
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _block(self, number: int, frame: int) -> tuple[int, np.ndarray]:
        """Return the block of a file that holds a frame, and the number in the file of the block's first frame."""
        if self._last is not None and self._last[0] == number:
            start, block = self._last[1:]
            if start <= frame < start + len(block):
                return start, block
        file = self.files[number]
        capacity = max(1, BLOCK_BYTES // (3 * prod(file.size)))
        length = min(file.chunk, capacity) if file.chunk > 1 else min(64, capacity)
        length *= max(1, min(64, capacity) // length)
        start = frame - frame % length
        self._last = None  # frees the old block before the new one is read
        block = _read(file, start, min(start + length, file.n_frames))
        self._last = number, start, block
        return start, block


def _read(file: FrameFile, start: int, stop: int) -> np.ndarray:
    """Read frames of a file as uint8, strip by strip, so that frames stored as floats take no more memory."""
    frames = np.empty((stop - start, *file.size, 3), np.uint8)
    with open_hdf5(file.path) as opened:
        array = opened.array(KEY)
        if array.shape != (file.n_frames, *file.size, 3):
            raise DataError(
                f"Expected {file.n_frames} frames of {file.size!r} pixels in {str(file.path)!r}, got {array.shape!r}: "
                "the file has changed while it was read. Start again."
            )
        for rows in _strips(array, stop - start):
            with opened.reading(KEY):
                strip = array[start:stop, rows]
            frames[:, rows] = _as_bytes(strip, opened)
    return frames


def _strips(array: h5py.Dataset, n_frames: int) -> list[slice]:
    """Return rows of the frames to read together: whole chunks, and not more than STRIP_BYTES if that is possible."""
    height = array.shape[1]
    row = n_frames * prod(array.shape[2:]) * array.dtype.itemsize
    chunk = min(array.chunks[1], height) if array.chunks else 1
    step = max(chunk, STRIP_BYTES // row // chunk * chunk)
    return [slice(first, min(first + step, height)) for first in range(0, height, step)]


def _as_bytes(frames: np.ndarray, file: Hdf5File) -> np.ndarray:
    """Keep 0..255 and scale floats 0..1; anything else is a DataError."""
    if frames.dtype == np.uint8:
        return frames
    top = 1 if frames.dtype.kind == "f" else 255
    low, high = float(frames.min()), float(frames.max())
    if not (low >= 0 and high <= top):  # false for NaN too
        raise DataError(
            f"Expected 0..255, or 0..1 as floats, as {KEY!r} in {str(file.path)!r}, got values of type "
            f"{str(frames.dtype)!r} from {low:g} to {high:g}. Get the file again."
        )
    return np.round(frames * 255.0) if top == 1 else frames
