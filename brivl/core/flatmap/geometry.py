"""Voxel values to pictures and back, on a FlatmapGeometry. Pixel coordinates are (x, y), integers at pixel centres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from brivl.core.records import FlatmapGeometry
from brivl.errors import DataError, RequestError

MIN_WEIGHT_FRACTION = 0.25  # of the sum of a pixel's weights, to the sum of their sizes, for the pixel to have a value
LABEL_GRID = 24  # points along each side of a polygon's box among which the place of its name is sought


@dataclass(frozen=True)
class LabelPosition:
    """Where a name fits best within one outline, in pixels."""

    name: str
    x: float
    y: float
    radius: float  # of the free circle around (x, y): a name wider than about 3 radii runs over the outline


def to_pixels(geometry: FlatmapGeometry, values: np.ndarray) -> np.ndarray:
    """Picture of voxel values: weighted mean over the finite voxels of each pixel, NaN where there are none.

    values (n_voxels,) or (k, n_voxels), NaN and infinite voxels left out -> (height, width) or (k, height, width)
    float64. DataError where n_voxels differs from the geometry's.
    """
    weights = geometry.pixel_to_voxel
    values = np.asarray(values, float)
    if values.ndim not in (1, 2) or values.shape[-1] != weights.shape[1]:
        raise DataError(
            f"Wanted values of shape (n_voxels,) or (k, n_voxels) with n_voxels {weights.shape[1]}, "
            f"got {values.shape!r}. Take values and flatmap from the same subject."
        )
    rows = np.atleast_2d(values)
    picture = np.full((len(rows), *geometry.mask.shape), np.nan)
    for image, row in zip(picture, rows, strict=True):
        image[geometry.mask] = _mean_of_finite(weights, row)
    return picture[0] if values.ndim == 1 else picture


def _mean_of_finite(weights: scipy.sparse.csr_matrix, row: np.ndarray) -> np.ndarray:
    finite = np.isfinite(row)
    total = weights @ finite.astype(float)
    # An exact zero test would keep pixels whose only weight is rounding error; where weights of both signs nearly
    # cancel once voxels are left out, a division by what is left would blow noise up.
    shown = total > 1e-6
    if weights.data.min(initial=0) < 0:
        shown &= total > MIN_WEIGHT_FRACTION * (abs(weights) @ finite.astype(float))
    return np.divide(weights @ np.where(finite, row, 0.0), total, out=np.full(len(total), np.nan), where=shown)


def voxel_centres(geometry: FlatmapGeometry) -> np.ndarray:
    """(n_voxels, 2) pixel (x, y) of each voxel: of its own pixels the one nearest to their weighted mean.

    The mean itself can lie on foreign ground where a voxel spans a sulcus. NaN for voxels without a pixel.
    """
    parts = geometry.pixel_to_voxel.tocoo()
    shown = parts.data > 0
    pixel, voxel, weight = parts.row[shown], parts.col[shown], parts.data[shown]
    place = np.argwhere(geometry.mask)[:, ::-1].astype(float)[pixel]
    n_voxels = geometry.pixel_to_voxel.shape[1]
    total = np.bincount(voxel, weight, n_voxels)
    sums = np.stack([np.bincount(voxel, weight * axis, n_voxels) for axis in place.T], axis=1)
    off = ((place - sums[voxel] / total[voxel, None]) ** 2).sum(1)
    order = np.lexsort((pixel, off, voxel))
    owner, first = np.unique(voxel[order], return_index=True)
    centres = np.full((n_voxels, 2), np.nan)
    centres[owner] = place[order[first]]
    return centres


def leading_voxels(geometry: FlatmapGeometry) -> np.ndarray:
    """(height, width) int: the voxel with the largest weight in each pixel, -1 where there is none (hover, click)."""
    weights = geometry.pixel_to_voxel
    pixel = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    shown = weights.data > 0
    pixel, voxel = pixel[shown], weights.indices[shown]
    order = np.argsort(weights.data[shown], kind="stable")
    leading = np.full(weights.shape[0], -1)
    leading[pixel[order]] = voxel[order]
    picture = np.full(geometry.mask.shape, -1)
    picture[geometry.mask] = leading
    return picture


def select_voxels(geometry: FlatmapGeometry, keep: np.ndarray) -> FlatmapGeometry:
    """The same picture for some of the voxels (mask or index array `keep`); weights are made to sum to 1 again."""
    return replace(geometry, pixel_to_voxel=normalise_rows(geometry.pixel_to_voxel[:, keep]))


def normalise_rows(weights: scipy.sparse.spmatrix) -> scipy.sparse.csr_matrix:
    """float32 CSR with rows that sum to 1, or empty where weights are missing or (of both signs) nearly cancel."""
    weights = scipy.sparse.csr_matrix(weights, dtype=np.float64)
    weights.eliminate_zeros()
    total = np.asarray(weights.sum(1)).ravel()
    if weights.data.min(initial=0) < 0:
        kept = total > MIN_WEIGHT_FRACTION * np.asarray(abs(weights).sum(1)).ravel()
        weights = scipy.sparse.csr_matrix(scipy.sparse.diags(kept.astype(float)) @ weights)
        weights.eliminate_zeros()
    weights.data /= np.repeat(total, np.diff(weights.indptr))
    weights.sort_indices()
    return scipy.sparse.csr_matrix(
        (weights.data.astype(np.float32), weights.indices.astype(np.int32), weights.indptr.astype(np.int32)),
        shape=weights.shape,
    )


def label_positions(geometry: FlatmapGeometry, min_radius: float = 0.0) -> list[LabelPosition]:
    """Place of the name within every outline (one per hemisphere, say), the roomiest first within a name."""
    found = []
    for name, polygons in geometry.outlines.items():
        places = [LabelPosition(name, *_roomiest_point(np.asarray(polygon))) for polygon in polygons]
        found += sorted((p for p in places if p.radius >= min_radius), key=lambda place: -place.radius)
    return found


def _roomiest_point(polygon: np.ndarray) -> tuple[float, float, float]:
    """(x, y, distance to the border) of the grid point inside a polygon that is farthest from its border."""
    low, high = polygon.min(0), polygon.max(0)
    steps = (np.arange(LABEL_GRID) + 0.5) / LABEL_GRID
    grid = np.stack(np.meshgrid(*(low + np.outer(steps, high - low)).T), axis=-1).reshape(-1, 2)
    start, end = polygon, np.roll(polygon, -1, axis=0)
    edge_x, edge_y = (end - start).T
    off_x, off_y = grid[:, :1] - start[:, 0], grid[:, 1:] - start[:, 1]
    along = np.clip((off_x * edge_x + off_y * edge_y) / np.maximum(edge_x**2 + edge_y**2, 1e-12), 0, 1)
    distance = np.hypot(off_x - along * edge_x, off_y - along * edge_y).min(1)
    distance[~_inside(grid, start, end)] = -1.0
    best = int(distance.argmax())
    return float(grid[best, 0]), float(grid[best, 1]), float(max(distance[best], 0.0))


def _inside(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Even-odd rule: a ray to the right crosses the border an odd number of times."""
    x, y = points[:, :1], points[:, 1:]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(end[:, 1] == start[:, 1], 1.0, end[:, 1] - start[:, 1])
    crossing = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / rise
    return (spans & (x < crossing)).sum(1) % 2 == 1


def check_geometry(geometry: FlatmapGeometry) -> None:
    """DataError where the parts of a geometry do not fit together."""
    weights, mask, background = geometry.pixel_to_voxel, geometry.mask, geometry.background
    if mask.ndim != 2 or mask.dtype != bool or weights.shape[0] != mask.sum():
        raise DataError(
            f"Wanted a 2-D bool mask with one True per row of pixel_to_voxel {weights.shape!r}, got {mask.dtype} "
            f"{mask.shape!r} with {int(mask.sum())!r}. Build the flatmap again."
        )
    total = np.asarray(weights.sum(1)).ravel()
    empty = np.asarray(abs(weights).sum(1)).ravel() == 0
    if not np.all((abs(total - 1) < 1e-4) | empty):
        raise DataError("Wanted weights that sum to 1 or 0 per pixel. Use normalise_rows on them.")
    if background is not None and (background.shape != mask.shape or not _in_unit_range(background)):
        raise DataError(f"Wanted a background of shape {mask.shape!r} in 0..1, got {background.shape!r}.")
    for name, polygons in geometry.outlines.items():
        if any(np.ndim(p) != 2 or np.shape(p)[1] != 2 or len(p) < 3 for p in polygons):
            raise DataError(f"Wanted outlines of shape (n_points, 2) with 3 points or more for {name!r}.")


def _in_unit_range(background: np.ndarray) -> bool:
    return bool(np.all((background >= 0) & (background <= 1) | np.isnan(background)))


def to_arrays(geometry: FlatmapGeometry) -> dict[str, np.ndarray]:
    """The geometry as plain arrays for an npz file; `from_arrays` turns them back."""
    weights = geometry.pixel_to_voxel
    polygons = [(name, polygon) for name, group in geometry.outlines.items() for polygon in group]
    arrays = {
        "weights_data": weights.data,
        "weights_indices": weights.indices,
        "weights_indptr": weights.indptr,
        "weights_shape": np.array(weights.shape),
        "mask": geometry.mask,
        "outline_names": np.array([name for name, _ in polygons], dtype=np.str_),
        "outline_offsets": np.cumsum([0, *(len(polygon) for _, polygon in polygons)]),
        "outline_points": np.concatenate([np.zeros((0, 2)), *(polygon for _, polygon in polygons)]),
        "space": np.array(geometry.space),
    }
    if geometry.background is not None:
        arrays["background"] = geometry.background
    for kind, places in (("label", geometry.labels), ("mark", geometry.marks)):
        arrays[f"{kind}_names"] = np.array(list(places), dtype=np.str_)
        arrays[f"{kind}_points"] = np.array(list(places.values()), float).reshape(-1, 2)
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> FlatmapGeometry:
    """The geometry that `to_arrays` took apart. DataError where an array is missing or does not fit."""
    try:
        shape = tuple(int(n) for n in arrays["weights_shape"])
        parts = (arrays["weights_data"], arrays["weights_indices"], arrays["weights_indptr"])
        geometry = FlatmapGeometry(
            pixel_to_voxel=scipy.sparse.csr_matrix(parts, shape=shape),
            mask=np.asarray(arrays["mask"]),
            background=np.asarray(arrays["background"]) if "background" in arrays else None,
            outlines=_unpack(arrays["outline_names"], arrays["outline_offsets"], arrays["outline_points"]),
            labels=_places(arrays["label_names"], arrays["label_points"]),
            marks=_places(arrays["mark_names"], arrays["mark_points"]),
            space=str(arrays["space"]),
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"Wanted the arrays of a stored flatmap, but: {error}. Build the flatmap again.") from error
    check_geometry(geometry)
    return geometry


def _unpack(names: np.ndarray, offsets: np.ndarray, points: np.ndarray) -> dict[str, Sequence[np.ndarray]]:
    outlines: dict[str, list[np.ndarray]] = {}
    for name, start, end in zip(names, offsets[:-1], offsets[1:], strict=True):
        outlines.setdefault(str(name), []).append(np.asarray(points[start:end]))
    return dict(outlines)


def _places(names: np.ndarray, points: np.ndarray) -> dict[str, tuple[float, float]]:
    return {str(name): (float(x), float(y)) for name, (x, y) in zip(names, points, strict=True)}


MAX_CORNERS = 64


def inside_polygon(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) bool, even-odd rule; polygon (k, 2) and points (n, 2) as (x, y); NaN points are outside."""
    x, y = np.asarray(points, float).T
    start = np.roll(polygon, 1, axis=0).astype(float)
    odd = np.zeros(len(x), bool)
    for (ax, ay), (bx, by) in zip(start, np.asarray(polygon, float), strict=True):
        rise = by - ay if by != ay else 1.0
        odd ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) * (bx - ax) / rise)
    return odd & np.isfinite(x) & np.isfinite(y)


def format_polygon(polygon: np.ndarray) -> str:
    """ "12.40_98.41_...": corners as x.y in whole pixels, safe in a link."""
    return "_".join(f"{int(x)}.{int(y)}" for x, y in polygon)


def parse_polygon(text: str) -> np.ndarray:
    """(k, 2) int. RequestError for text that `polygon_text` does not write."""
    corners = text.split("_")
    if not 3 <= len(corners) <= MAX_CORNERS:
        raise RequestError(f"Wanted an area of 3 to {MAX_CORNERS} corners and got {len(corners)}; draw it again.")
    try:
        return np.array([[int(number) for number in corner.split(".")] for corner in corners]).reshape(-1, 2)
    except ValueError:
        raise RequestError(f"Wanted an area as x.y_x.y_x.y and got {text[:60]!r}; draw it again.") from None
