"""Voxel values on flatmaps: images of voxels, positions of voxels and names, polygons, and plain arrays for storage.

Pixel coordinates are (x, y), with integers at pixel centres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from brivl.core.records import FlatmapGeometry
from brivl.errors import DataError, RequestError

# A pixel has a value if the sum of its weights is at least this fraction of the sum of their magnitudes.
MIN_WEIGHT_FRACTION = 0.25
LABEL_GRID = 24  # points along each side of a polygon's bounding box that are tried as positions of its name
MAX_CORNERS = 64  # of a drawn polygon
POINT_BATCH = 4096  # points that are compared with all edges of a polygon at once


@dataclass(frozen=True)
class LabelPosition:
    """Position within an outline where its name fits best, in pixels."""

    name: str
    x: float
    y: float
    radius: float  # of the free circle around (x, y); a name wider than about 3 radii crosses the outline


def to_pixels(geometry: FlatmapGeometry, values: np.ndarray) -> np.ndarray:
    """Draw voxel values on a flatmap: each pixel is the weighted mean of its voxels with finite values.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    values : (n_voxels,) or (k, n_voxels) array
        One or several maps; NaN and infinite values are left out.

    Returns
    -------
    (height, width) or (k, height, width) float64 array
        Images; NaN where a pixel has no value.

    Raises
    ------
    DataError
        If the number of voxels is not that of the flatmap.
    """
    weights = geometry.pixel_to_voxel
    values = np.asarray(values, float)
    if values.ndim not in (1, 2) or values.shape[-1] != weights.shape[1]:
        raise DataError(
            f"Expected values of shape (n_voxels,) or (k, n_voxels) with n_voxels {weights.shape[1]}, got "
            f"{values.shape!r}. Take values and flatmap from the same subject."
        )
    rows = np.atleast_2d(values)
    images = np.full((len(rows), *geometry.mask.shape), np.nan)
    for image, row in zip(images, rows, strict=True):
        image[geometry.mask] = _mean_of_finite(weights, row)
    return images[0] if values.ndim == 1 else images


def _mean_of_finite(weights: scipy.sparse.csr_matrix, row: np.ndarray) -> np.ndarray:
    finite = np.isfinite(row)
    total = weights @ finite.astype(float)
    # A test for exact zero would keep pixels whose only weight is a rounding error. Where weights of both signs nearly
    # cancel because voxels are left out, dividing by the small remainder would amplify noise.
    shown = total > 1e-6
    if weights.data.min(initial=0) < 0:
        shown &= total > MIN_WEIGHT_FRACTION * (abs(weights) @ finite.astype(float))
    return np.divide(weights @ np.where(finite, row, 0.0), total, out=np.full(len(total), np.nan), where=shown)


def voxel_centres(geometry: FlatmapGeometry) -> np.ndarray:
    """Find a pixel for each voxel: of its own pixels the one nearest to their weighted mean.

    The mean itself can lie on pixels of other voxels where a voxel spans a sulcus.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.

    Returns
    -------
    (n_voxels, 2) array
        Pixel (x, y) of each voxel; NaN for voxels without a pixel.
    """
    entries = geometry.pixel_to_voxel.tocoo()
    shown = entries.data > 0
    pixel, voxel, weight = entries.row[shown], entries.col[shown], entries.data[shown]
    position = np.argwhere(geometry.mask)[:, ::-1].astype(float)[pixel]
    n_voxels = geometry.pixel_to_voxel.shape[1]
    total = np.bincount(voxel, weight, n_voxels)
    sums = np.stack([np.bincount(voxel, weight * axis, n_voxels) for axis in position.T], axis=1)
    distance = ((position - sums[voxel] / total[voxel, None]) ** 2).sum(1)
    order = np.lexsort((pixel, distance, voxel))
    owner, first = np.unique(voxel[order], return_index=True)
    centres = np.full((n_voxels, 2), np.nan)
    centres[owner] = position[order[first]]
    return centres


def leading_voxels(geometry: FlatmapGeometry) -> np.ndarray:
    """Find the voxel with the largest weight in each pixel, which is the one that a pointer selects.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.

    Returns
    -------
    (height, width) int array
        Index of a voxel; -1 where there is none.
    """
    weights = geometry.pixel_to_voxel
    pixel = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    shown = weights.data > 0
    pixel, voxel = pixel[shown], weights.indices[shown]
    order = np.argsort(weights.data[shown], kind="stable")
    leading = np.full(weights.shape[0], -1)
    leading[pixel[order]] = voxel[order]
    image = np.full(geometry.mask.shape, -1)
    image[geometry.mask] = leading
    return image


def select_voxels(geometry: FlatmapGeometry, keep: np.ndarray) -> FlatmapGeometry:
    """Restrict a flatmap to some of the voxels and normalise its weights again.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of all voxels.
    keep : (n_voxels,) bool array or (n_kept,) int array
        Voxels to keep.

    Returns
    -------
    FlatmapGeometry
        Flatmap of the kept voxels.
    """
    return replace(geometry, pixel_to_voxel=normalise_rows(geometry.pixel_to_voxel[:, keep]))


def normalise_rows(weights: scipy.sparse.spmatrix) -> scipy.sparse.csr_matrix:
    """Scale the weights of each pixel to a sum of 1.

    Parameters
    ----------
    weights : (n_pixels, n_voxels) sparse matrix
        Weights of voxels in pixels.

    Returns
    -------
    (n_pixels, n_voxels) float32 CSR matrix
        Rows that sum to 1; empty where weights are missing, or weights of both signs nearly cancel.
    """
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
    """Find the position of the name within every outline.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap with outlines; a region may have several, such as one in each hemisphere.
    min_radius : float
        Radius of the free circle below which an outline gets no name, in pixels.

    Returns
    -------
    list of LabelPosition
        Positions, for each region the one with the largest free circle first.
    """
    labels: list[LabelPosition] = []
    for name, polygons in geometry.outlines.items():
        positions = [LabelPosition(name, *_roomiest_point(np.asarray(polygon))) for polygon in polygons]
        labels += sorted((p for p in positions if p.radius >= min_radius), key=lambda position: -position.radius)
    return labels


def _roomiest_point(polygon: np.ndarray) -> tuple[float, float, float]:
    """Grid point (x, y) inside a polygon that is farthest from its border, and its distance to the border."""
    low, high = polygon.min(0), polygon.max(0)
    steps = (np.arange(LABEL_GRID) + 0.5) / LABEL_GRID
    grid = np.stack(np.meshgrid(*(low + np.outer(steps, high - low)).T), axis=-1).reshape(-1, 2)
    start, end = polygon, np.roll(polygon, -1, axis=0)
    edge_x, edge_y = (end - start).T
    off_x, off_y = grid[:, :1] - start[:, 0], grid[:, 1:] - start[:, 1]
    along = np.clip((off_x * edge_x + off_y * edge_y) / np.maximum(edge_x**2 + edge_y**2, 1e-12), 0, 1)
    distance = np.hypot(off_x - along * edge_x, off_y - along * edge_y).min(1)
    distance[~inside_polygon(polygon, grid)] = -1.0
    best = int(distance.argmax())
    return float(grid[best, 0]), float(grid[best, 1]), float(max(distance[best], 0.0))


def check_geometry(geometry: FlatmapGeometry) -> None:
    """Check that the parts of a flatmap fit together.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap to check.

    Raises
    ------
    DataError
        If shapes differ, weights do not sum to 1, or the background or an outline is invalid.
    """
    weights, mask, background = geometry.pixel_to_voxel, geometry.mask, geometry.background
    if mask.ndim != 2 or mask.dtype != bool or weights.shape[0] != mask.sum():
        raise DataError(
            f"Expected a 2-D bool mask with one True per row of pixel_to_voxel {weights.shape!r}, got {mask.dtype} "
            f"{mask.shape!r} with {int(mask.sum())!r} True. Build the flatmap again."
        )
    total = np.asarray(weights.sum(1)).ravel()
    empty = np.asarray(abs(weights).sum(1)).ravel() == 0
    if not np.all((abs(total - 1) < 1e-4) | empty):
        raise DataError("Expected weights that sum to 1 or 0 per pixel, got other sums. Apply normalise_rows to them.")
    if background is not None and (background.shape != mask.shape or not _in_unit_range(background)):
        raise DataError(
            f"Expected a background of shape {mask.shape!r} with values from 0 to 1, got shape {background.shape!r} "
            f"with values from {np.nanmin(background):g} to {np.nanmax(background):g}. Build the flatmap again."
        )
    for name, polygons in geometry.outlines.items():
        if any(np.ndim(p) != 2 or np.shape(p)[1] != 2 or len(p) < 3 for p in polygons):
            raise DataError(
                f"Expected outlines of shape (n_points, 2) with at least 3 points, got others for {name!r}. Build the "
                "flatmap again."
            )


def _in_unit_range(background: np.ndarray) -> bool:
    return bool(np.all((background >= 0) & (background <= 1) | np.isnan(background)))


def to_arrays(geometry: FlatmapGeometry) -> dict[str, np.ndarray]:
    """Convert a flatmap to plain arrays for an npz file.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap to store.

    Returns
    -------
    dict of str to array
        Arrays that `from_arrays` reads.
    """
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
    for kind, positions in (("label", geometry.labels), ("mark", geometry.marks)):
        arrays[f"{kind}_names"] = np.array(list(positions), dtype=np.str_)
        arrays[f"{kind}_points"] = np.array(list(positions.values()), float).reshape(-1, 2)
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> FlatmapGeometry:
    """Build a flatmap from the arrays of `to_arrays`.

    Parameters
    ----------
    arrays : mapping of str to array
        Stored arrays.

    Returns
    -------
    FlatmapGeometry
        The stored flatmap.

    Raises
    ------
    DataError
        If an array is missing or does not fit.
    """
    try:
        n_pixels, n_voxels = (int(n) for n in arrays["weights_shape"])
        parts = (arrays["weights_data"], arrays["weights_indices"], arrays["weights_indptr"])
        geometry = FlatmapGeometry(
            pixel_to_voxel=scipy.sparse.csr_matrix(parts, shape=(n_pixels, n_voxels)),
            mask=np.asarray(arrays["mask"]),
            background=np.asarray(arrays["background"]) if "background" in arrays else None,
            outlines=_unpack(arrays["outline_names"], arrays["outline_offsets"], arrays["outline_points"]),
            labels=_positions(arrays["label_names"], arrays["label_points"]),
            marks=_positions(arrays["mark_names"], arrays["mark_points"]),
            space=str(arrays["space"]),
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"Expected the arrays of a stored flatmap, got {error!r}. Build the flatmap again.") from error
    check_geometry(geometry)
    return geometry


def _unpack(names: np.ndarray, offsets: np.ndarray, points: np.ndarray) -> dict[str, Sequence[np.ndarray]]:
    outlines: dict[str, list[np.ndarray]] = {}
    for name, start, end in zip(names, offsets[:-1], offsets[1:], strict=True):
        outlines.setdefault(str(name), []).append(np.asarray(points[start:end]))
    return dict(outlines)


def _positions(names: np.ndarray, points: np.ndarray) -> dict[str, tuple[float, float]]:
    return {str(name): (float(x), float(y)) for name, (x, y) in zip(names, points, strict=True)}


def inside_polygon(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Find the points inside a polygon by the even-odd rule.

    Parameters
    ----------
    polygon : (n_corners, 2) array
        Corners (x, y) of a closed polygon.
    points : (n_points, 2) array
        Points (x, y); NaN lies outside.

    Returns
    -------
    (n_points,) bool array
        Whether each point lies inside.
    """
    points, end = np.asarray(points, float), np.asarray(polygon, float)
    start = np.roll(end, 1, axis=0)
    rise = np.where(end[:, 1] == start[:, 1], 1.0, end[:, 1] - start[:, 1])
    odd = np.zeros(len(points), bool)
    for first in range(0, len(points), POINT_BATCH):
        x, y = points[first : first + POINT_BATCH].T[..., None]
        crosses_height = (start[:, 1] > y) != (end[:, 1] > y)
        crossing = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / rise
        odd[first : first + POINT_BATCH] = (crosses_height & (x < crossing)).sum(1) % 2 == 1
    return odd & np.isfinite(points).all(1)


def format_polygon(polygon: np.ndarray) -> str:
    """Write a polygon as text for a link, such as "12.40_98.41_13.44": corners x.y in whole pixels.

    Parameters
    ----------
    polygon : (n_corners, 2) array
        Corners (x, y) in pixels.

    Returns
    -------
    str
        Text that `parse_polygon` reads.
    """
    return "_".join(f"{int(x)}.{int(y)}" for x, y in polygon)


def parse_polygon(text: str) -> np.ndarray:
    """Read a polygon from the text of a link.

    Parameters
    ----------
    text : str
        Text as `format_polygon` writes it.

    Returns
    -------
    (n_corners, 2) int array
        Corners (x, y) in pixels.

    Raises
    ------
    RequestError
        If the text is no polygon of 3 to 64 corners.
    """
    corners = text.split("_")
    if not 3 <= len(corners) <= MAX_CORNERS:
        raise RequestError(f"Expected an area of 3 to {MAX_CORNERS} corners, got {len(corners)}. Draw the area again.")
    try:
        return np.array([[int(number) for number in corner.split(".")] for corner in corners]).reshape(-1, 2)
    except ValueError:
        raise RequestError(f"Expected an area as x.y_x.y_x.y, got {text[:60]!r}. Draw the area again.") from None
