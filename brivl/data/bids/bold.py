"""Runs of BOLD volumes -> responses: one grid, one mask, no linear drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.signal

from brivl.data.formats.nifti import iter_volumes, open_bold, read_mask, volume_count
from brivl.errors import DataError

MEAN_FRACTION = 0.25  # of the 98th percentile of mean BOLD: below it lies air
AFFINE_TOLERANCE = 1e-3  # mm; headers written by different tools round differently
MIN_VOLUMES = 3  # a line takes two, so fewer leave nothing after detrending
BLOCK = 2048  # voxels detrended at a time, to bound the float64 copy


@dataclass(frozen=True)
class Grid:
    """Grid of a run.

    Attributes
    ----------
    shape : tuple of int
        Voxels along (x, y, z).
    n_volumes : int
        Number of volumes.
    affine : np.ndarray
        (4, 4) voxel index to mm RAS.
    """

    shape: tuple[int, int, int]
    n_volumes: int
    affine: np.ndarray


@dataclass(frozen=True)
class Mask:
    """Voxels that are kept.

    Attributes
    ----------
    inside : np.ndarray
        (x, y, z) bool.
    source : str
        Origin of the mask, in words.
    """

    inside: np.ndarray
    source: str


def read_grid(path: Path) -> Grid:
    """Read the grid of a run from its header.

    Parameters
    ----------
    path : Path
        The bold file.

    Returns
    -------
    Grid
        The grid.

    Raises
    ------
    DataError
        The file is no usable time series.
    """
    image = open_bold(path)
    n_volumes = volume_count(image)
    if n_volumes < MIN_VOLUMES:
        raise DataError(
            f"Expected at least {MIN_VOLUMES} volumes, got {n_volumes} in {str(path)!r}. Leave the run out."
        )
    x, y, z = (int(n) for n in image.shape[:3])
    return Grid((x, y, z), n_volumes, image.affine)


def check_same_grid(paths: Sequence[Path], grids: Sequence[Grid]) -> None:
    """Check that all runs lie on one grid.

    Parameters
    ----------
    paths : sequence of Path
        Bold files, to name the first one that differs.
    grids : sequence of Grid
        Their grids.

    Raises
    ------
    DataError
        The shape or affine of a run differs from that of the first run.
    """
    for path, grid in zip(paths[1:], grids[1:], strict=True):
        if grid.shape != grids[0].shape or not _same_affine(grid.affine, grids[0].affine):
            raise DataError(
                f"Expected all runs of a subject on one grid, got {path.name!r} with shape {grid.shape!r} and affine "
                f"{grid.affine.round(3).tolist()!r} where {paths[0].name!r} has {grids[0].shape!r} and "
                f"{grids[0].affine.round(3).tolist()!r}. First align and resample the runs."
            )


def _same_affine(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.allclose(first, second, rtol=0, atol=AFFINE_TOLERANCE))


def mask_from_files(paths: Sequence[Path], grid: Grid) -> Mask:
    """Keep the voxels inside every mask file.

    Parameters
    ----------
    paths : sequence of Path
        Masks.
    grid : Grid
        Grid of the runs.

    Returns
    -------
    Mask
        The voxels, and the names of the files.

    Raises
    ------
    DataError
        A mask lies on another grid, or no voxel is left.
    """
    inside, sources = np.ones(grid.shape, bool), []
    for path in paths:
        mask = read_mask(path)
        if mask.inside.shape != grid.shape or not _same_affine(mask.affine, grid.affine):
            raise DataError(
                f"Expected a mask on the grid of the runs, shape {grid.shape!r}, got {mask.inside.shape!r} or another "
                f"affine in {str(path)!r}. Resample it to the runs, or remove it to have one computed."
            )
        inside &= mask.inside
        sources.append(f"{path.name} ({mask.note})" if mask.note else path.name)
    if not inside.any():
        raise DataError(
            f"Expected masks that share voxels, got none in all of {', '.join(p.name for p in paths)}. Correct them, "
            "or remove them to have one computed."
        )
    return Mask(inside, f"mask from {', '.join(sources)}")


def computed_mask(paths: Sequence[Path]) -> Mask:
    """Compute a mask: voxels that vary in every run and whose mean over runs is bright.

    Bright is above MEAN_FRACTION of the 98th percentile of means. Where BOLD was centred beforehand the mean says
    nothing, so only the variance counts.

    Parameters
    ----------
    paths : sequence of Path
        Bold files of one grid.

    Returns
    -------
    Mask
        The voxels, and the rule.

    Raises
    ------
    DataError
        No voxel is left.
    """
    moments = [_moments(path) for path in paths]
    mean = np.mean([m for m, _ in moments], axis=0)
    sd = np.array([s for _, s in moments])
    inside, rule = np.isfinite(mean) & np.isfinite(sd).all(0) & (sd > 0).all(0), "it varies in every run"
    if inside.any():
        bright = np.percentile(mean[inside], 98)
        if bright > np.median(sd[:, inside]):
            inside &= mean > MEAN_FRACTION * bright
            rule += f" and its mean is above {MEAN_FRACTION:g} of the brightest (98th percentile)"
    if not inside.any():
        raise DataError(
            f"Expected voxels that vary in all runs of {str(paths[0].parent)!r}, got none. Check the images, or add a "
            "mask."
        )
    return Mask(inside, f"mask computed, no mask file found: a voxel is kept if {rule}")


def _moments(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over time (x, y, z), by Welford's update; exactly 0 for a constant voxel."""
    mean, squares, n = np.zeros(1), np.zeros(1), 0
    for n, volume in enumerate(iter_volumes(path, open_bold(path)), start=1):
        with np.errstate(invalid="ignore", over="ignore"):
            step = volume - mean
            mean = mean + step / n
            squares = squares + step * (volume - mean)
    return mean, np.sqrt(squares / n)


def read_run(path: Path, inside: np.ndarray, fwhm: float = 0.0) -> np.ndarray:
    """Read the raw BOLD of one run within a mask, smoothed if that is wanted.

    Parameters
    ----------
    path : Path
        The bold file.
    inside : np.ndarray
        (x, y, z) bool.
    fwhm : float
        Full width at half maximum in mm of the Gaussian with which each volume is smoothed; 0 for none.

    Returns
    -------
    np.ndarray
        (n_volumes, n_voxels) float32, voxels in C order of (x, y, z).
    """
    image = open_bold(path)
    volumes = iter_volumes(path, image)
    if fwhm:
        volumes = (_smooth(volume, image.affine, fwhm) for volume in volumes)
    return np.stack([volume[inside] for volume in volumes])


def _smooth(volume: np.ndarray, affine: np.ndarray, fwhm: float) -> np.ndarray:
    # Imported here: most fits smooth nothing.
    from nibabel import Nifti1Image
    from nilearn.image import smooth_img

    return np.asarray(smooth_img(Nifti1Image(volume, affine), fwhm).dataobj, np.float32)


def detrend_run(Y: np.ndarray) -> np.ndarray:
    """Subtract the least-squares line over time from each voxel of one run.

    A voxel that does not vary becomes exactly 0, not rounding noise; one with a value that is not finite becomes NaN.

    Parameters
    ----------
    Y : np.ndarray
        (n_samples, n_voxels).

    Returns
    -------
    np.ndarray
        (n_samples, n_voxels) float32.
    """
    out = np.empty(Y.shape, np.float32)
    for start in range(0, Y.shape[1], BLOCK):
        block = Y[:, start : start + BLOCK].astype(np.float64)
        finite, constant = np.isfinite(block).all(0), (block == block[0]).all(0)
        line_free = scipy.signal.detrend(np.where(finite, block, 0), axis=0)
        line_free[:, constant] = 0
        line_free[:, ~finite] = math.nan
        out[:, start : start + BLOCK] = line_free
    return out
