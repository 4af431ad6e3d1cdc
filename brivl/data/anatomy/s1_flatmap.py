"""The flatmap of pycortex's subject S1: pixels sampled through the thickness of the cortex, as pycortex does it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.flatmap.geometry import from_arrays, normalise_rows, select_voxels, to_arrays
from brivl.core.records import FlatmapGeometry
from brivl.data.anatomy.cortex import SPACE, TRANSFORM, S1Surfaces, load_s1
from brivl.data.anatomy.flat_mesh import (
    MIN_PIECE_PX2,
    Raster,
    clip_polygons,
    columns_to_weights,
    hemisphere_marks,
    label_position,
    mask_polygon,
    mean_curvature,
    rasterise,
    shade_folding,
)
from brivl.errors import DataError
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

N_DEPTHS = 16  # samples from white matter to pia in each pixel; pycortex takes 32, with no visible difference
VERSION = 2  # to be raised when the picture changes, so that stored ones are made anew


def s1_flatmap(
    ijk: np.ndarray, height: int = 512, store: Store | None = None, store_root: Path | None = None
) -> FlatmapGeometry:
    """Make the flatmap of voxels of pycortex's S1.

    Parameters
    ----------
    ijk : np.ndarray
        (n_voxels, 3) index (z, y, x) on the grid of `fullhead`, any subset in any order.
    height : int
        Height in pixels.
    store : Store, optional
        Where the geometry of the whole grid is stored, of which a subset is a cheap choice of columns.
    store_root : Path, optional
        Folder of the pycortex database; by default within the cache.

    Returns
    -------
    FlatmapGeometry
        The geometry.

    Raises
    ------
    DataError
        Voxels lie off the grid.
    """
    if store is None:
        whole, shape = _whole_grid(load_s1(store_root), height)
    else:
        key = ArtifactKey("flatmap", {"brain": SPACE, "height": height, "n_depths": N_DEPTHS, "version": VERSION})
        arrays = store.get_or_compute(key, lambda: _packed(load_s1(store_root), height)).arrays
        z, y, x = (int(n) for n in arrays["grid_shape"])
        whole, shape = from_arrays(arrays), (z, y, x)
    return select_voxels(whole, _columns(np.asarray(ijk), shape))


def _columns(ijk: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if ijk.ndim != 2 or ijk.shape[1] != 3 or ijk.dtype.kind not in "iu" or (ijk < 0).any() or (ijk >= shape).any():
        raise DataError(
            f"Expected integer voxel indices (z, y, x), shape (n_voxels, 3), on the grid {shape!r} of S1's transform "
            f"{TRANSFORM!r}, got shape {ijk.shape!r}, type {ijk.dtype}, values up to {ijk.max(initial=0)!r}. Use "
            "voxels of that grid."
        )
    return np.ravel_multi_index(tuple(ijk.T), shape)


def _packed(s1: S1Surfaces, height: int) -> tuple[Mapping[str, np.ndarray], Mapping[str, int]]:
    whole, shape = _whole_grid(s1, height)
    return {**to_arrays(whole), "grid_shape": np.array(shape)}, {"n_pixels": int(whole.mask.sum())}


def _whole_grid(s1: S1Surfaces, height: int) -> tuple[FlatmapGeometry, tuple[int, int, int]]:
    """Geometry with one column per voxel of the grid, in C order, and the grid's shape."""
    raster = rasterise(s1.flat, s1.flat_faces, height)
    outlines = _outlines(s1, raster.mask)
    geometry = FlatmapGeometry(
        pixel_to_voxel=_sampled(s1, raster),
        mask=raster.mask,
        background=raster.image(shade_folding(raster.interpolate(mean_curvature((s1.pia + s1.wm) / 2, s1.faces)))),
        outlines=outlines,
        labels={name: label_position(polygons) for name, polygons in outlines.items()},
        marks=hemisphere_marks(raster.mask.shape),
        space=SPACE,
    )
    return geometry, s1.shape


def _sampled(s1: S1Surfaces, raster: Raster) -> scipy.sparse.csr_matrix:
    """Nearest voxel at N_DEPTHS depths between white matter and pia, equal weights."""
    to_index = np.linalg.inv(s1.affine)
    wm, pia = (raster.interpolate(surface @ to_index[:3, :3].T + to_index[:3, 3]) for surface in (s1.wm, s1.pia))
    columns = [_nearest_column(wm + depth * (pia - wm), s1.shape) for depth in (np.arange(N_DEPTHS) + 0.5) / N_DEPTHS]
    return normalise_rows(columns_to_weights(columns, int(np.prod(s1.shape))))


def _nearest_column(index: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Flat position in the grid of the voxel at each (z, y, x) (n_pixels, 3), -1 off the grid."""
    z, y, x = np.rint(index).astype(np.int32).T
    on_grid = (z >= 0) & (z < shape[0]) & (y >= 0) & (y < shape[1]) & (x >= 0) & (x < shape[2])
    return np.where(on_grid, (z * shape[1] + y) * shape[2] + x, -1)


def _outlines(s1: S1Surfaces, mask: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Drawn ROIs in pixels, cut at the edge of their hemisphere: some are drawn across it, even onto the other one."""
    size, speck = np.array(mask.shape[::-1]) - 1, MIN_PIECE_PX2 * (mask.shape[0] / 512) ** 2
    low, high = s1.flat[:, 0].min(), s1.flat[:, 0].max()
    between = -low / (high - low) * size[0]  # the column of x = 0, where the hemispheres meet
    columns = np.arange(mask.shape[1])
    sides = (mask_polygon(mask & (columns <= between)), mask_polygon(mask & (columns > between)))
    outlines: dict[str, list[np.ndarray]] = {}
    for name, drawn in s1.rois.items():
        for polygon in (fractions * size for fractions in drawn):
            outlines.setdefault(name, []).extend(
                clip_polygons([polygon], sides[int(polygon[:, 0].mean() > between)], speck)
            )
    return {name: polygons for name, polygons in outlines.items() if polygons}
