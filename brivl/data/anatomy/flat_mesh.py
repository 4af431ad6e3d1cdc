"""Flat cortical meshes as pictures: triangles to pixels, pixels to voxels, borders to outlines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import contourpy
import numpy as np
import scipy.sparse
import shapely
from scipy import ndimage

MIN_PIECE_PX2 = 12.0  # px^2 in a picture of 512 rows; smaller pieces of an outline are specks
INSIDE_TOLERANCE = -1e-9  # barycentric weight that still counts as inside, so that no pixel falls between two triangles


@dataclass(frozen=True)
class Raster:
    """The triangle under each pixel: three corners and their barycentric weights. Row 0 is the top."""

    mask: np.ndarray  # (height, width) bool, n_pixels True entries in C order
    corners: np.ndarray  # (n_pixels, 3) vertex indices
    weights: np.ndarray  # (n_pixels, 3), sum to 1

    def interpolate(self, per_vertex: np.ndarray) -> np.ndarray:
        """(n_vertices, ...) -> (n_pixels, ...)."""
        return np.einsum("pc,pc...->p...", self.weights, per_vertex[self.corners])

    def picture(self, per_pixel: np.ndarray) -> np.ndarray:
        """(n_pixels,) -> (height, width) float, NaN outside."""
        image = np.full(self.mask.shape, np.nan)
        image[self.mask] = per_pixel
        return image


def rasterise(points: np.ndarray, faces: np.ndarray, height: int) -> Raster:
    """Pixels of a flat mesh, points (n_vertices, 2) with y up, scaled so that its used vertices fill `height` rows."""
    used = np.zeros(len(points), bool)
    used[faces] = True
    low, high = points[used].min(0), points[used].max(0)
    width = max(int(height * (high[0] - low[0]) / (high[1] - low[1])), 2)
    x = (points[:, 0] - low[0]) * (width - 1) / (high[0] - low[0])
    y = (high[1] - points[:, 1]) * (height - 1) / (high[1] - low[1])
    face, column, row = _candidates(x[faces].T, y[faces].T)
    weights = _barycentric(x[faces[face]].T, y[faces[face]].T, column, row)
    inside = np.flatnonzero(_least(weights) >= INSIDE_TOLERANCE)
    winner = np.full(height * width, -1)
    winner[row[inside] * width + column[inside]] = inside  # where the mesh overlaps itself any triangle will do
    mask = winner >= 0
    chosen = winner[mask]
    return Raster(mask.reshape(height, width), faces[face[chosen]], weights[:, chosen].T)


def _candidates(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pixel centre in the bounding box of every triangle x, y (3, n_faces): (face, column, row)."""
    left, right = np.ceil(_least(x)).astype(int), np.floor(-_least(-x)).astype(int)
    top, bottom = np.ceil(_least(y)).astype(int), np.floor(-_least(-y)).astype(int)
    n_columns = np.maximum(right - left + 1, 0)
    count = n_columns * np.maximum(bottom - top + 1, 0)
    face = np.repeat(np.arange(len(count)), count)
    position = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    down, along = np.divmod(position, n_columns[face])
    return face, left[face] + along, top[face] + down


def _barycentric(x: np.ndarray, y: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Weights (3, n) of the corners x, y (3, n) at the points (column, row); -1 for triangles without area."""
    ax, ay, bx, by = x[1] - x[0], y[1] - y[0], x[2] - x[0], y[2] - y[0]
    px, py = column - x[0], row - y[0]
    area = ax * by - bx * ay
    flat = abs(area) < 1e-12
    area[flat] = 1.0
    second, third = (px * by - bx * py) / area, (ax * py - px * ay) / area
    return np.where(flat, -1.0, np.stack([1 - second - third, second, third]))


def _least(corners: np.ndarray) -> np.ndarray:
    return np.minimum(np.minimum(corners[0], corners[1]), corners[2])


def columns_to_weights(columns: Sequence[np.ndarray], n_voxels: int) -> scipy.sparse.csr_matrix:
    """Equal weight for each sample of a pixel: n_samples arrays (n_pixels,) of voxel columns, -1 for no voxel."""
    stacked = np.stack(columns, axis=1)
    n_pixels, n_samples = stacked.shape
    found = (stacked >= 0).ravel().astype(np.float32)
    starts = np.arange(n_pixels + 1) * n_samples
    weights = scipy.sparse.csr_matrix((found, np.maximum(stacked, 0).ravel(), starts), shape=(n_pixels, n_voxels))
    weights.sum_duplicates()
    return weights


def mean_curvature(points: np.ndarray, faces: np.ndarray, n_smooth: int = 8) -> np.ndarray:
    """(n_vertices,) smoothed mean curvature, up to scale: positive where a closed surface bulges outwards (gyri).

    Distance of each vertex from the mean of its neighbours along the outward normal; faces run counter-clockwise.
    """
    n_vertices = len(points)
    neighbours = neighbour_average(faces, n_vertices)
    cross = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    corners = scipy.sparse.csr_matrix(
        (np.ones(faces.size), faces.ravel(), np.arange(len(faces) + 1) * 3), shape=(len(faces), n_vertices)
    )
    normals = corners.T @ cross
    normals /= np.maximum(np.sqrt((normals**2).sum(1, keepdims=True)), 1e-12)
    bulge = ((points - neighbours @ points) * normals).sum(1)
    for _ in range(n_smooth):
        bulge = (bulge + neighbours @ bulge) / 2
    return bulge


def neighbour_average(faces: np.ndarray, n_vertices: int) -> scipy.sparse.csr_matrix:
    """(n_vertices, n_vertices) operator that averages over the vertices that share an edge."""
    start, end = faces[:, [0, 1, 2, 1, 2, 0]].ravel(), faces[:, [1, 2, 0, 0, 1, 2]].ravel()
    edges = scipy.sparse.csr_matrix((np.ones(len(start)), (start, end)), shape=(n_vertices, n_vertices))
    edges.data[:] = 1.0
    degree = np.asarray(edges.sum(1)).ravel()
    return scipy.sparse.diags(1.0 / np.maximum(degree, 1.0)) @ edges


def shade_folding(depth: np.ndarray) -> np.ndarray:
    """Background in 0..1 from a folding measure: sulci dark, gyri light, the middle half of values stretched most."""
    spread = np.median(abs(depth - np.median(depth))) or 1.0
    return 0.5 + 0.5 * np.tanh(1.5 * depth / (3 * spread))


def mask_outlines(region: np.ndarray, smooth: float = 0.0, speck: float = MIN_PIECE_PX2) -> list[np.ndarray]:
    """Borders (n_points, 2) as (x, y) of a bool picture; `smooth` is the width in pixels that rounds off the steps.

    Pieces and holes of less than `speck` px^2 are left out.
    """
    padded = np.pad(region.astype(float), 2)
    if smooth:
        padded = ndimage.gaussian_filter(padded, smooth)
    lines = contourpy.contour_generator(z=padded).lines(0.5)
    return [line[:-1] - 2 for line in lines if len(line) > 3 and shapely.Polygon(line).area >= speck]


def mask_polygon(mask: np.ndarray) -> shapely.Geometry:
    """A bool picture as a polygon, holes filled."""
    borders = mask_outlines(mask, speck=1.0)
    return shapely.union_all([shapely.make_valid(shapely.Polygon(border)) for border in borders])


def clip_polygons(
    polygons: Iterable[np.ndarray], cortex: shapely.Geometry, speck: float = MIN_PIECE_PX2
) -> list[np.ndarray]:
    """Parts of the polygons that lie on the cortex (see `area_of`) and have `speck` px^2 or more, largest first."""
    drawn = shapely.union_all([shapely.make_valid(shapely.Polygon(polygon)) for polygon in polygons])
    pieces = [piece for piece in shapely.get_parts(cortex & drawn) if piece.geom_type == "Polygon"]
    pieces = sorted((piece for piece in pieces if piece.area >= speck), key=lambda piece: -piece.area)
    return [np.asarray(piece.exterior.coords)[:-1] for piece in pieces]


def label_position(polygons: Sequence[np.ndarray]) -> tuple[float, float]:
    """(x, y) of the centre of the largest circle in the largest polygon."""
    largest = max((shapely.Polygon(polygon) for polygon in polygons), key=lambda polygon: polygon.area)
    centre = shapely.get_coordinates(shapely.maximum_inscribed_circle(largest, tolerance=0.5))[0]
    return float(centre[0]), float(centre[1])


def hemisphere_marks(shape: tuple[int, int]) -> dict[str, tuple[float, float]]:
    """Places of "L" and "R": the upper outer corners, which flattened hemispheres leave free."""
    height, width = shape
    return {"L": (0.03 * width, 0.06 * height), "R": (0.97 * width, 0.06 * height)}
