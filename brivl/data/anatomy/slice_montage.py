"""Voxels as a montage of slices: for grids that belong to no surface, single slices included."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import nibabel
import numpy as np
import scipy.sparse

from brivl.core.records import FlatmapGeometry, Voxels
from brivl.data.anatomy.flat_mesh import label_position, mask_outlines
from brivl.errors import DataError

MONTAGE_HEIGHT = 512  # px that a montage should about fill
ASPECT = 16 / 9
VOXEL_BACKGROUND = 0.6  # background where no anatomy is given: shows where voxels are
MARGIN = 24  # px on both sides, room for L and R
NO_VOXEL = -1


@dataclass(frozen=True)
class _View:
    """Which grid axis runs to the right, which up, which through the slices, and whether against its index."""

    axes: tuple[int, int, int]
    reversed: tuple[bool, bool, bool]
    marked: bool  # the axis to the right is known to run from left to right

    def oriented(self, grid: np.ndarray) -> np.ndarray:
        """(n_slices, n_rows, n_columns): slice 0 lowest, row 0 at the top, column 0 on the left."""
        right, up, through = (slice(None, None, -1) if flip else slice(None) for flip in self.reversed)
        oriented = grid.transpose(self.axes)[right, up, through]
        return oriented.transpose(2, 1, 0)[:, ::-1]


def slice_montage(voxels: Voxels, background: np.ndarray | None = None) -> FlatmapGeometry:
    """Arrange the slices that hold voxels in a montage, from the lowest up, left to right.

    Slices are axial, or of the one slice that a flat grid has; a grid that is one line of voxels (positions unknown) is
    broken into rows, to be read like text. Left is left where the affine says so; without an affine the first axis runs
    to the right, the second up, and there are no marks.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.
    background : np.ndarray, optional
        Anatomy on the voxels' grid, shape `voxels.shape`.

    Returns
    -------
    FlatmapGeometry
        The montage.

    Raises
    ------
    DataError
        Voxels lie off their grid, there are none, or the background has another shape.
    """
    _check(voxels, background)
    if background is None and sorted(voxels.shape)[1] == 1:
        voxels = _folded(voxels)
    view = _view(voxels)
    numbers = np.full(voxels.shape, NO_VOXEL)
    numbers[tuple(voxels.ijk.T)] = np.arange(voxels.n_voxels)
    tiles = view.oriented(numbers)
    kept = (tiles != NO_VOXEL).any((1, 2))
    box = _box(tiles[kept], whole=background is not None)
    layout = _Layout.fitting(tiles[kept][(slice(None), *box)].shape, _edges(voxels, view))
    montage = layout.paint(tiles[kept][(slice(None), *box)], NO_VOXEL)
    mask = montage != NO_VOXEL
    anatomy = None if background is None else layout.paint(_unit(view.oriented(background))[kept][(slice(None), *box)])
    outlines = _outlines(voxels, montage)
    return FlatmapGeometry(
        pixel_to_voxel=_one_voxel_each(montage[mask], voxels.n_voxels),
        mask=mask,
        background=np.where(mask, VOXEL_BACKGROUND, np.nan) if anatomy is None else anatomy,
        outlines=outlines,
        labels={name: label_position(polygons) for name, polygons in outlines.items()},
        marks=layout.marks() if view.marked else {},
        space=voxels.space,
    )


def _check(voxels: Voxels, background: np.ndarray | None) -> None:
    ijk = voxels.ijk
    if not len(ijk) or (ijk < 0).any() or (ijk >= voxels.shape).any():
        raise DataError(
            f"Expected at least one voxel, and all on the grid {voxels.shape!r}, got {len(ijk)!r} voxels"
            + (f" with indices from {ijk.min(0)!r} to {ijk.max(0)!r}." if len(ijk) else ".")
            + " Check the mask."
        )
    if background is not None and background.shape != tuple(voxels.shape):
        raise DataError(
            f"Expected a background on the voxels' grid {voxels.shape!r}, got {background.shape!r}. Resample it."
        )


def _folded(voxels: Voxels) -> Voxels:
    """A line of voxels as rows of a page, first voxel at the top left; where they lie is no longer claimed."""
    place = voxels.ijk.max(1)
    n_columns = math.ceil(math.sqrt(max(voxels.shape) * ASPECT))
    n_rows = -(-max(voxels.shape) // n_columns)
    row, column = np.divmod(place, n_columns)
    ijk = np.stack([column, n_rows - 1 - row, np.zeros_like(row)], axis=1)
    return replace(voxels, ijk=ijk, shape=(n_columns, n_rows, 1), affine=None)


def _view(voxels: Voxels) -> _View:
    """Axial unless the grid has one slice along another axis; then that slice, with the sides as the affine says."""
    if voxels.affine is None:
        world, backwards = [0, 1, 2], [False] * 3
    else:
        orientation = nibabel.io_orientation(voxels.affine)  # grid axis -> (world axis, direction)
        if np.isnan(orientation).any():
            raise DataError(
                f"Expected an affine that keeps three axes apart, got {voxels.affine!r}. Correct the affine."
            )
        world = [int(np.flatnonzero(orientation[:, 0] == axis)[0]) for axis in range(3)]
        backwards = [bool(orientation[axis, 1] < 0) for axis in world]
    flat = [axis for axis in (2, 1, 0) if voxels.shape[world[axis]] == 1]
    through = flat[0] if flat else 2
    right, up = (axis for axis in range(3) if axis != through)
    return _View(
        axes=(world[right], world[up], world[through]),
        reversed=(backwards[right], backwards[up], backwards[through]),
        marked=voxels.affine is not None and right == 0,
    )


def _edges(voxels: Voxels, view: _View) -> tuple[float, float]:
    """Height and width of a voxel in the picture, in mm or, without an affine, 1."""
    if voxels.affine is None:
        return 1.0, 1.0
    edges = np.linalg.norm(voxels.affine[:3, :3], axis=0)
    return float(edges[view.axes[1]]), float(edges[view.axes[0]])


def _box(tiles: np.ndarray, whole: bool) -> tuple[slice, slice]:
    """Rows and columns to show: all where there is anatomy, else those with voxels and one more on each side."""
    if whole:
        return slice(None), slice(None)
    used = (tiles != NO_VOXEL).any(0)
    rows, columns = (
        slice(max(int(line[0]) - 1, 0), int(line[-1]) + 2)
        for line in (np.flatnonzero(used.any(1)), np.flatnonzero(used.any(0)))
    )
    return rows, columns


@dataclass(frozen=True)
class _Layout:
    """Tiles of tall x wide voxels, each voxel a block of block[0] x block[1] pixels, in n_rows x n_columns."""

    tall: int
    wide: int
    block: tuple[int, int]
    n_rows: int
    n_columns: int

    @classmethod
    def fitting(cls, shape: tuple[int, int, int], edges: tuple[float, float]) -> _Layout:
        n_tiles, tall, wide = shape
        ratio = (tall * edges[0]) / (wide * edges[1])
        n_columns = min(max(round(math.sqrt(n_tiles * ASPECT * ratio)), 1), n_tiles)
        n_rows = -(-n_tiles // n_columns)
        fit = min(MONTAGE_HEIGHT / (n_rows * tall * edges[0]), ASPECT * MONTAGE_HEIGHT / (n_columns * wide * edges[1]))
        scale = max(fit, 1 / min(edges))  # px per mm, at least one pixel per voxel
        height, width = (max(round(edge * scale), 1) for edge in edges)
        return cls(tall, wide, (height, width), n_rows, -(-n_tiles // n_rows))

    def paint(self, tiles: np.ndarray, empty: float = np.nan) -> np.ndarray:
        """(n_tiles, tall, wide) -> (height, width), `empty` between and beside the tiles."""
        canvas = np.full((self.n_rows * self.n_columns, self.tall, self.wide), empty, dtype=tiles.dtype)
        canvas[: len(tiles)] = tiles
        grid = canvas.reshape(self.n_rows, self.n_columns, self.tall, self.wide).swapaxes(1, 2)
        sheet = grid.reshape(self.n_rows * self.tall, self.n_columns * self.wide)
        pixels = sheet.repeat(self.block[0], axis=0).repeat(self.block[1], axis=1)
        return np.pad(pixels, ((0, 0), (MARGIN, MARGIN)), constant_values=empty)

    def marks(self) -> dict[str, tuple[float, float]]:
        """L and R beside the upper row."""
        width = self.n_columns * self.wide * self.block[1] + 2 * MARGIN
        middle = self.tall * self.block[0] / 2
        return {"L": (MARGIN / 2, middle), "R": (width - MARGIN / 2, middle)}


def _unit(anatomy: np.ndarray) -> np.ndarray:
    """Anatomy in 0..1, its 1st and 99th percentile at the ends; NaN stays."""
    anatomy = np.where(np.isfinite(anatomy), anatomy, np.nan).astype(float)
    if np.isnan(anatomy).all():
        return anatomy
    low, high = np.nanpercentile(anatomy, [1, 99])
    return np.clip((anatomy - low) / (high - low if high > low else 1.0), 0, 1)


def _one_voxel_each(voxel: np.ndarray, n_voxels: int) -> scipy.sparse.csr_matrix:
    n_pixels = len(voxel)
    return scipy.sparse.csr_matrix(
        (np.ones(n_pixels, np.float32), voxel.astype(np.int32), np.arange(n_pixels + 1, dtype=np.int32)),
        shape=(n_pixels, n_voxels),
    )


def _outlines(voxels: Voxels, montage: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Borders of the voxels' ROIs in the montage."""
    inside = montage != NO_VOXEL
    drawn = {
        name: mask_outlines(inside & np.asarray(member, bool)[np.maximum(montage, 0)])
        for name, member in voxels.rois.items()
    }
    return {name: polygons for name, polygons in drawn.items() if polygons}
