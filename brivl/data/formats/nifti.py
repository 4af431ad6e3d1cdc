"""NIfTI files read with suspicion: headers are checked against what the file can hold before memory is taken."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from brivl.errors import DataError

DEFLATE_RATIO = 1032  # the most that one byte of a deflate stream can unfold to (RFC 1951)
MAX_VOLUME_BYTES = 2**31  # a 7 T whole-brain volume has 0.02 GB; more than 2 GB is a broken header
MAX_OFFSET = 2**26  # bytes of header and extensions; more is a broken header
TR_RANGE = (0.05, 30.0)  # s; outside of this a repetition time is a mistaken unit
MASK_THRESHOLD = 0.5  # probability from which a voxel of a probability map is kept
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_BROKEN = (ImageFileError, HeaderDataError, WrapStructError, OSError, EOFError, zlib.error, ValueError, OverflowError)


def open_nifti(path: Path) -> nibabel.Nifti1Image:
    """Open a NIfTI file and check its header; the voxels are not read.

    Parameters
    ----------
    path : Path
        NIfTI-1 or NIfTI-2 file.

    Returns
    -------
    nibabel.Nifti1Image
        The image.

    Raises
    ------
    DataError
        The file is missing, not fetched by git-annex or no NIfTI, does not hold numbers, or claims more than it holds.
    """
    _check_present(path)
    try:
        image = nibabel.load(path)
    except _BROKEN as error:
        raise DataError(
            f"Expected a NIfTI image, got {str(path)!r}, which cannot be read as one ({error}). Copy it again."
        ) from error
    except MemoryError as error:
        raise DataError(
            f"Expected a NIfTI image, got {str(path)!r}, whose header claims more than memory holds. Copy it again."
        ) from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise DataError(f"Expected a NIfTI image, got {type(image).__name__!r} in {str(path)!r}. Convert it to NIfTI.")
    _check_claim(path, image)
    return image


def _check_present(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise DataError(
            f"Expected an image, got {str(path)!r}, a link to content that is not here. Fetch it with `datalad get`."
        )
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise DataError(
            f"Expected an image that can be read, got {str(path)!r} ({error.strerror}). Check its path and rights."
        ) from error
    if b"annex/objects" in start:
        raise DataError(f"Expected an image, got {str(path)!r}, a pointer of git-annex. Fetch it with `datalad get`.")


def _proxy(image: nibabel.Nifti1Image) -> ArrayProxy:
    """Voxels on disk, as nibabel opens every file."""
    return cast(ArrayProxy, image.dataobj)


def _check_claim(path: Path, image: nibabel.Nifti1Image) -> None:
    """Refuse types that are not numbers, empty grids, and headers that claim more bytes than can be there."""
    dtype, shape = _proxy(image).dtype, image.shape
    if dtype.kind not in "iuf":
        raise DataError(
            f"Expected one real number for each voxel of {str(path)!r}, got type {dtype!r}. Save it as numbers."
        )
    if not shape or min(shape) < 1:
        raise DataError(f"Expected at least one voxel in {str(path)!r}, got shape {shape!r}. Copy the file again.")
    if image.affine is None or not np.isfinite(image.affine).all():
        raise DataError(f"Expected an affine of finite numbers in {str(path)!r}, got others. Write the header again.")
    claimed, offset = math.prod(int(n) for n in shape) * dtype.itemsize, int(_proxy(image).offset)
    held = path.stat().st_size
    most = (held * DEFLATE_RATIO if path.suffix == ".gz" else held) - offset
    volume = math.prod(int(n) for n in shape[:3]) * dtype.itemsize
    if claimed > most or volume > MAX_VOLUME_BYTES or not 0 <= offset <= MAX_OFFSET:
        raise DataError(
            f"Expected a file that holds its shape {shape!r}, that is {claimed} bytes of voxels, got {str(path)!r} of "
            f"{held} bytes, which cannot hold them (or no memory could): truncated, or a broken header. Copy it again."
        )


def open_bold(path: Path) -> nibabel.Nifti1Image:
    """Open a time series.

    Parameters
    ----------
    path : Path
        NIfTI file of shape (x, y, z, n_volumes), or (x, y, z, 1, n_volumes) as AFNI writes it.

    Returns
    -------
    nibabel.Nifti1Image
        The image; `volume_count` and `iter_volumes` know both shapes.

    Raises
    ------
    DataError
        The image has other dimensions, or as `open_nifti`.
    """
    image = open_nifti(path)
    if len(image.shape) not in (4, 5) or (len(image.shape) == 5 and image.shape[3] != 1):
        raise DataError(
            f"Expected a time series (x, y, z, volume) or (x, y, z, 1, volume), got shape {image.shape!r} in "
            f"{str(path)!r}. Name a run of several volumes."
        )
    return image


def volume_count(image: nibabel.Nifti1Image) -> int:
    """Count the volumes of a time series.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        Image of `open_bold`.

    Returns
    -------
    int
        Length of the axis of time.
    """
    return int(image.shape[-1])


@dataclass(frozen=True)
class MaskImage:
    """A mask read from an image.

    Attributes
    ----------
    inside : np.ndarray
        (x, y, z) bool.
    affine : np.ndarray
        (4, 4) voxel index to mm RAS.
    note : str
        How numbers other than one value beside 0 were read; "" for a binary mask.
    """

    inside: np.ndarray
    affine: np.ndarray
    note: str = ""


def read_mask(path: Path) -> MaskImage:
    """Read a mask: the voxels of a binary image that are not 0, or those of a probability map from a threshold up.

    Parameters
    ----------
    path : Path
        NIfTI file: 0 and one other value, or probabilities from 0 to 1.

    Returns
    -------
    MaskImage
        The mask, its affine, and how probabilities were read.

    Raises
    ------
    DataError
        The image is not 3-D, holds other numbers, such as labels of several regions, or leaves no voxel.
    """
    image = open_nifti(path)
    if len(image.shape) < 3 or any(n != 1 for n in image.shape[3:]):
        raise DataError(
            f"Expected a mask of shape (x, y, z), got {image.shape!r} in {str(path)!r}. Name a mask of one volume."
        )
    values = next(iter_volumes(path, image))
    values = np.where(np.isfinite(values), values, 0)
    marked = np.unique(values[values != 0])
    if not marked.size:
        raise DataError(
            f"Expected a mask that marks voxels by numbers other than 0, got zeros only in {str(path)!r}. Replace it, "
            "or remove it to have a mask computed."
        )
    if marked.size == 1:
        return MaskImage(values != 0, image.affine)
    low, high = float(marked[0]), float(marked[-1])
    if low < 0 or high > 1 or high < MASK_THRESHOLD:
        raise DataError(
            f"Expected a mask of 0 and one other number, or probabilities from 0 to 1, got {marked.size} numbers from "
            f"{low:g} to {high:g} beside 0 in {str(path)!r}. Save the voxels to fit as 1 and the others as 0."
        )
    note = f"probabilities from {low:g} to {high:g}, voxels from {MASK_THRESHOLD:g} up are kept"
    return MaskImage(values >= MASK_THRESHOLD, image.affine, note)


def iter_volumes(path: Path, image: nibabel.Nifti1Image) -> Iterator[np.ndarray]:
    """Read the volumes of an image one at a time, scaled by the header's slope and intercept.

    Parameters
    ----------
    path : Path
        The file.
    image : nibabel.Nifti1Image
        The file as `open_nifti` opened it.

    Yields
    ------
    np.ndarray
        (x, y, z) float32, in order of time.

    Raises
    ------
    DataError
        The file is truncated or damaged; the checksum of a gz file is compared at its end.
    """
    proxy, grid = _proxy(image), image.shape[:3]
    n_volumes = math.prod(image.shape[3:])
    n_bytes = math.prod(grid) * proxy.dtype.itemsize
    try:
        with ImageOpener(str(path)) as file:
            file.seek(proxy.offset)
            for t in range(n_volumes):
                raw = file.read(n_bytes)
                if len(raw) < n_bytes:
                    raise DataError(
                        f"Expected {n_volumes} volumes in {str(path)!r}, got an end in volume {t + 1}: it is "
                        "truncated. Copy it again."
                    )
                volume = np.frombuffer(raw, proxy.dtype).reshape(grid, order="F")
                yield _in_units(volume, proxy.slope, proxy.inter)
            file.read(1)  # reaches the end of a gz stream, where its checksum is compared
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"Expected a complete image, got {str(path)!r}, which is truncated or damaged ({error}). Copy it again."
        ) from error


def _in_units(volume: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """float32, infinite where a number is too large for it: such voxels are counted and left out later."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = volume if (slope, inter) == (1.0, 0.0) else volume * slope + inter
        return scaled.astype(np.float32)


def header_tr(path: Path, image: nibabel.Nifti1Image) -> float:
    """Read the repetition time from a header.

    Parameters
    ----------
    path : Path
        The file, for errors.
    image : nibabel.Nifti1Image
        A time series.

    Returns
    -------
    float
        Seconds by the header's unit of time; without a unit, values within TR_RANGE are taken as seconds.

    Raises
    ------
    DataError
        The header has no plausible time.
    """
    unit = image.header.get_xyzt_units()[1]
    return plausible_tr(float(image.header.get_zooms()[-1]) * SECONDS.get(unit, 1.0), f"the header of {str(path)!r}")


def plausible_tr(tr: object, source: str) -> float:
    """Check a repetition time.

    Parameters
    ----------
    tr : object
        Seconds.
    source : str
        Where it stands, for errors.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    DataError
        It is no number or outside of TR_RANGE, which mostly means milliseconds.
    """
    low, high = TR_RANGE
    if isinstance(tr, bool) or not isinstance(tr, int | float) or not low <= tr <= high:
        raise DataError(
            f"Expected a repetition time between {low} and {high} seconds, got {tr!r} in {source}. Write it in seconds "
            "as RepetitionTime in the *_bold.json beside the run."
        )
    return float(tr)
