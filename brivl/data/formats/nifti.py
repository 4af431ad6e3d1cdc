"""NIfTI files read with suspicion: headers are checked against what the file can hold before memory is taken."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from brivl.errors import DataError

DEFLATE_RATIO = 1032  # the most that one byte of a deflate stream can unfold to (RFC 1951)
MAX_VOLUME_BYTES = 2**31  # a 7 T whole-brain volume has 0.02 GB; more than 2 GB is a broken header
MAX_OFFSET = 2**26  # bytes of header and extensions; more is a broken header
TR_RANGE = (0.05, 30.0)  # s; outside of this a repetition time is a mistaken unit
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_BROKEN = (ImageFileError, HeaderDataError, WrapStructError, OSError, EOFError, zlib.error, ValueError, OverflowError)


def open_nifti(path: Path) -> nibabel.Nifti1Image:
    """Header of a NIfTI-1 or -2 file, checked; the voxels are not read.

    DataError where the file is missing, not fetched by git-annex, no NIfTI, not numeric, or where its header claims
    more than the file can hold.
    """
    _check_present(path)
    try:
        image = nibabel.load(path)
    except _BROKEN as error:
        raise DataError(f"{str(path)!r} should be a NIfTI image but cannot be read as one ({error}).") from error
    except MemoryError as error:
        raise DataError(f"{str(path)!r} should be a NIfTI image, but its header claims an absurd size.") from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise DataError(f"{str(path)!r} should be a NIfTI image but is {type(image).__name__!r}.")
    _check_claim(path, image)
    return image


def _check_present(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise DataError(f"{str(path)!r} is a link to content that is not here; fetch it with `datalad get`.")
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise DataError(f"Wanted to read the image {str(path)!r}, but cannot: {error.strerror}.") from error
    if b"annex/objects" in start:
        raise DataError(f"{str(path)!r} is a git-annex pointer, not the image; fetch it with `datalad get`.")


def _check_claim(path: Path, image: nibabel.Nifti1Image) -> None:
    """Refuse types that are not numbers, empty grids, and headers that claim more bytes than can be there."""
    dtype, shape = image.dataobj.dtype, image.shape
    if dtype.kind not in "iuf":
        raise DataError(f"{str(path)!r} should hold one real number a voxel but has type {dtype!r}.")
    if not shape or min(shape) < 1:
        raise DataError(f"{str(path)!r} should hold at least one voxel but its header says shape {shape!r}.")
    if image.affine is None or not np.isfinite(image.affine).all():
        raise DataError(f"{str(path)!r} should place its voxels, but its affine has values that are not finite.")
    claimed, offset = math.prod(int(n) for n in shape) * dtype.itemsize, int(image.dataobj.offset)
    held = path.stat().st_size
    most = (held * DEFLATE_RATIO if path.suffix == ".gz" else held) - offset
    volume = math.prod(int(n) for n in shape[:3]) * dtype.itemsize
    if claimed > most or volume > MAX_VOLUME_BYTES or not 0 <= offset <= MAX_OFFSET:
        raise DataError(
            f"{str(path)!r} claims shape {shape!r}, that is {claimed} bytes of voxels, but the file has {held} bytes, "
            "which cannot hold them (or no memory could); it is truncated or its header is broken. Copy it again."
        )


def open_bold(path: Path) -> nibabel.Nifti1Image:
    """A checked 4-D image (x, y, z, n_volumes). DataError where it has other dimensions."""
    image = open_nifti(path)
    if len(image.shape) != 4:
        raise DataError(
            f"{str(path)!r} should be a 4-D time series (x, y, z, volume) but has shape {image.shape!r}; "
            "a single volume cannot be a run."
        )
    return image


def read_mask(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mask (x, y, z) bool, true where the image is not zero, and its affine (4, 4).

    DataError where the image is not 3-D or has no voxel in the mask.
    """
    image = open_nifti(path)
    if len(image.shape) < 3 or any(n != 1 for n in image.shape[3:]):
        raise DataError(f"The mask {str(path)!r} should be 3-D (x, y, z) but has shape {image.shape!r}.")
    values = next(iter_volumes(path, image))
    mask = np.isfinite(values) & (values != 0)
    if not mask.any():
        raise DataError(f"The mask {str(path)!r} should mark voxels with numbers other than 0 but is empty.")
    return mask, image.affine


def iter_volumes(path: Path, image: nibabel.Nifti1Image) -> Iterator[np.ndarray]:
    """Volumes (x, y, z) float32 in order of time, scaled by the header's slope and intercept, one in memory at a time.

    DataError where the file ends early or is damaged (the checksum of a gz file is verified at its end).
    """
    proxy, grid = image.dataobj, image.shape[:3]
    n_volumes = math.prod(image.shape[3:])
    n_bytes = math.prod(grid) * proxy.dtype.itemsize
    try:
        with ImageOpener(path) as file:
            file.seek(proxy.offset)
            for t in range(n_volumes):
                raw = file.read(n_bytes)
                if len(raw) < n_bytes:
                    raise DataError(f"{str(path)!r} ends in volume {t + 1} of {n_volumes}: truncated; copy it again.")
                volume = np.frombuffer(raw, proxy.dtype).reshape(grid, order="F")
                yield _in_units(volume, proxy.slope, proxy.inter)
            file.read(1)  # reaches the end of a gz stream, where its checksum is compared
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{str(path)!r} is truncated or damaged ({error}); copy it again.") from error


def _in_units(volume: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """float32, infinite where a number is too large for it: such voxels are counted and left out later."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = volume if (slope, inter) == (1.0, 0.0) else volume * slope + inter
        return scaled.astype(np.float32)


def header_tr(path: Path, image: nibabel.Nifti1Image) -> float:
    """Repetition time in s from a 4-D header, by its time unit; without a unit, values in TR_RANGE are taken as s.

    DataError where the header has no plausible time.
    """
    unit = image.header.get_xyzt_units()[1]
    return plausible_tr(float(image.header.get_zooms()[3]) * SECONDS.get(unit, 1.0), f"the header of {str(path)!r}")


def plausible_tr(tr: object, source: str) -> float:
    """`tr` as a float in s. DataError where it is no number or outside of TR_RANGE, which mostly means ms."""
    low, high = TR_RANGE
    if isinstance(tr, bool) or not isinstance(tr, int | float) or not low <= tr <= high:
        raise DataError(
            f"The repetition time should be between {low} and {high} seconds, but {source} says {tr!r}; "
            "write it in seconds as RepetitionTime in the *_bold.json beside the run."
        )
    return float(tr)
