"""Frames of a movie that stay in their HDF5 files: looked at a slice at a time, a long run never whole in memory."""

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
BLOCK_BYTES = 128 * 2**20  # what is kept of the frames read last, as uint8
STRIP_BYTES = 64 * 2**20  # what is read at a time, in the type of the file
MAX_SIDE = 8192


@dataclass(frozen=True)
class FrameFile:
    """Frames of one run, (n_frames, H, W, 3), in one file."""

    path: Path
    n_frames: int
    size: tuple[int, int]  # H, W
    chunk: int  # frames that are stored, and so decompressed, together


def read_frame_header(path: Path) -> FrameFile:
    """Number and size of the frames in a file, from its header. DataError where it holds no frames."""
    with open_hdf5(path) as file:
        shape = file.shape(KEY)
        array = file.array(KEY)
        sides_fit = len(shape) == 4 and shape[3] == 3 and max(shape[1:3]) <= MAX_SIDE
        if not sides_fit or 0 in shape or array.dtype.kind not in "uif":
            raise DataError(
                f"{KEY!r} in {str(path)!r} should be frames (n_frames, height, width, 3), 0..255 or, as floats, 0..1, "
                f"but has shape {shape!r} and type {str(array.dtype)!r}."
            )
        return FrameFile(path, shape[0], (shape[1], shape[2]), array.chunks[0] if array.chunks else 1)


@dataclass
class MovieFrames(Sequence):
    """Frames of several files as one sequence; a slice is an array (n, H, W, 3) uint8, read when it is asked for.

    Frames are read in blocks along the chunks of the file, and the last block is kept, so that going through in order
    decompresses every frame once. Sizes may differ between files only if no slice spans both (DataError).
    """

    files: tuple[FrameFile, ...]
    ends: list[int] = field(init=False, repr=False)
    _kept: tuple[int, int, np.ndarray] | None = field(default=None, init=False, repr=False)  # file, start, frames

    def __post_init__(self) -> None:
        self.ends = list(accumulate(file.n_frames for file in self.files))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, index: int | slice) -> np.ndarray:
        """One frame (H, W, 3), or the frames of a slice (n, H, W, 3), uint8."""
        if isinstance(index, slice):
            wanted = range(*index.indices(len(self)))
            if wanted.step == 1:
                return self._frames(wanted.start, wanted.stop)
            return np.concatenate([self._frames(0, 0), *(self._frames(i, i + 1) for i in wanted)])
        if not -len(self) <= index < len(self):
            raise IndexError(f"Wanted one of {len(self)} frames and got {index!r}.")
        return self._frames(index % len(self), index % len(self) + 1)[0]

    def _frames(self, start: int, stop: int) -> np.ndarray:
        """Frames start..stop-1 out of the blocks that hold them."""
        parts = [] if start < stop else [np.empty((0, *self.files[0].size, 3), np.uint8)]
        while start < stop:
            number = bisect_right(self.ends, start)
            first = self.ends[number] - self.files[number].n_frames
            block_start, block = self._block(number, start - first)
            inside = start - first - block_start
            parts.append(block[inside : inside + stop - start])
            start += len(parts[-1])
        if len({part.shape[1:] for part in parts}) > 1:
            raise DataError(f"Frames should be of one size, but these are {[p.shape[1:] for p in parts]!r}.")
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _block(self, number: int, frame: int) -> tuple[int, np.ndarray]:
        """The block of a file that holds a frame, and the number in the file of its first frame."""
        if self._kept is not None and self._kept[0] == number:
            start, block = self._kept[1:]
            if start <= frame < start + len(block):
                return start, block
        file = self.files[number]
        room = max(1, BLOCK_BYTES // (3 * prod(file.size)))
        length = min(file.chunk, room) if file.chunk > 1 else min(64, room)
        length *= max(1, min(64, room) // length)
        start = frame - frame % length
        self._kept = None  # the old block goes before the new one comes
        block = _read(file, start, min(start + length, file.n_frames))
        self._kept = number, start, block
        return start, block


def _read(file: FrameFile, start: int, stop: int) -> np.ndarray:
    """Frames of a file as uint8, strip by strip, so that frames stored as floats take no more memory."""
    frames = np.empty((stop - start, *file.size, 3), np.uint8)
    with open_hdf5(file.path) as opened:
        array = opened.array(KEY)
        if array.shape != (file.n_frames, *file.size, 3):
            raise DataError(f"{str(file.path)!r} has changed while it was read; start again.")
        for rows in _strips(array, stop - start):
            with opened.reading(KEY):
                strip = array[start:stop, rows]
            frames[:, rows] = _as_bytes(strip, opened)
    return frames


def _strips(array: h5py.Dataset, n_frames: int) -> list[slice]:
    """Rows of the frames to read together: whole chunks, and not more than STRIP_BYTES if that is possible."""
    tall = array.shape[1]
    row = n_frames * prod(array.shape[2:]) * array.dtype.itemsize
    chunk = min(array.chunks[1], tall) if array.chunks else 1
    step = max(chunk, STRIP_BYTES // row // chunk * chunk)
    return [slice(first, min(first + step, tall)) for first in range(0, tall, step)]


def _as_bytes(frames: np.ndarray, file: Hdf5File) -> np.ndarray:
    """0..255 as they are; floats 0..1 scaled and rounded. DataError for anything else."""
    if frames.dtype == np.uint8:
        return frames
    top = 1 if frames.dtype.kind == "f" else 255
    low, high = float(frames.min()), float(frames.max())
    if not (low >= 0 and high <= top):  # false for NaN too
        raise DataError(
            f"{KEY!r} in {str(file.path)!r} should be 0..255, or 0..1 as floats, but values of type "
            f"{str(frames.dtype)!r} reach from {low:g} to {high:g}."
        )
    return np.round(frames * 255.0) if top == 1 else frames
