"""Flat cortical meshes as images: triangles to pixels, pixels to voxels, borders to outlines."""

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
    """The triangle under each pixel. Row 0 is the top.

    Attributes
    ----------
    mask : np.ndarray
        (height, width) bool, n_pixels True entries in C order.
    corners : np.ndarray
        (n_pixels, 3) vertex indices of the triangle.
    weights : np.ndarray
        (n_pixels, 3) barycentric weights of the corners, which sum to 1.
    """

    mask: np.ndarray
    corners: np.ndarray
    weights: np.ndarray

    def interpolate(self, per_vertex: np.ndarray) -> np.ndarray:
        """Interpolate values of vertices at the pixels.

        Parameters
        ----------
        per_vertex : np.ndarray
            (n_vertices, ...).

        Returns
        -------
        np.ndarray
            (n_pixels, ...).
        """
        return np.einsum("pc,pc...->p...", self.weights, per_vertex[self.corners])

    def image(self, per_pixel: np.ndarray) -> np.ndarray:
        """Arrange values of pixels as an image.

        Parameters
        ----------
        per_pixel : np.ndarray
            (n_pixels,).

        Returns
        -------
        np.ndarray
            (height, width) float, NaN outside of the mesh.
        """
        image = np.full(self.mask.shape, np.nan)
        image[self.mask] = per_pixel
        return image


def rasterise(points: np.ndarray, faces: np.ndarray, height: int) -> Raster:
    """Find the triangle under each pixel of a flat mesh.

    Parameters
    ----------
    points : np.ndarray
        (n_vertices, 2), y up; the vertices in use are scaled to fill the height.
    faces : np.ndarray
        (n_faces, 3) vertex indices.
    height : int
        Height of the image in pixels.

    Returns
    -------
    Raster
        Triangles and weights.
    """
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
    """Give equal weight to each sample of a pixel.

    Parameters
    ----------
    columns : sequence of np.ndarray
        Voxel index of each pixel, (n_pixels,) for each sample, -1 for no voxel.
    n_voxels : int
        Number of voxels.

    Returns
    -------
    scipy.sparse.csr_matrix
        (n_pixels, n_voxels) counts.
    """
    stacked = np.stack(columns, axis=1)
    n_pixels, n_samples = stacked.shape
    is_hit = (stacked >= 0).ravel().astype(np.float32)
    starts = np.arange(n_pixels + 1) * n_samples
    weights = scipy.sparse.csr_matrix((is_hit, np.maximum(stacked, 0).ravel(), starts), shape=(n_pixels, n_voxels))
    weights.sum_duplicates()
    return weights


def mean_curvature(points: np.ndarray, faces: np.ndarray, n_smooth: int = 8) -> np.ndarray:
    """Estimate the smoothed mean curvature, up to scale: the distance of vertices from the mean of their neighbours.

    Parameters
    ----------
    points : np.ndarray
        (n_vertices, 3) mm.
    faces : np.ndarray
        (n_faces, 3), counter-clockwise seen from outside.
    n_smooth : int
        Number of averages over neighbours.

    Returns
    -------
    np.ndarray
        (n_vertices,), positive where a closed surface bulges outwards (gyri).
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
    """Make the operator that averages over vertices which share an edge.

    Parameters
    ----------
    faces : np.ndarray
        (n_faces, 3) vertex indices.
    n_vertices : int
        Number of vertices.

    Returns
    -------
    scipy.sparse.csr_matrix
        (n_vertices, n_vertices).
    """
    start, end = faces[:, [0, 1, 2, 1, 2, 0]].ravel(), faces[:, [1, 2, 0, 0, 1, 2]].ravel()
    edges = scipy.sparse.csr_matrix((np.ones(len(start)), (start, end)), shape=(n_vertices, n_vertices))
    edges.data[:] = 1.0
    degree = np.asarray(edges.sum(1)).ravel()
    return scipy.sparse.diags(1.0 / np.maximum(degree, 1.0)) @ edges


def shade_folding(depth: np.ndarray) -> np.ndarray:
    """Scale a folding measure to grey values: sulci dark, gyri light, the middle half of values stretched most.

    Parameters
    ----------
    depth : np.ndarray
        (n,) folding measure, such as mean curvature.

    Returns
    -------
    np.ndarray
        (n,) from 0 to 1.
    """
    spread = np.median(abs(depth - np.median(depth))) or 1.0
    return 0.5 + 0.5 * np.tanh(1.5 * depth / (3 * spread))


def mask_outlines(region: np.ndarray, smooth: float = 0.0, speck: float = MIN_PIECE_PX2) -> list[np.ndarray]:
    """Draw the borders of a mask.

    Parameters
    ----------
    region : np.ndarray
        (height, width) bool.
    smooth : float
        Width in pixels of the filter that rounds off steps; 0 for none.
    speck : float
        Pieces and holes of less than this area in square pixels are left out.

    Returns
    -------
    list of np.ndarray
        Polygons (n_points, 2) as (x, y).
    """
    padded = np.pad(region.astype(float), 2)
    if smooth:
        padded = ndimage.gaussian_filter(padded, smooth)
    # Of the types of lines that contourpy has, arrays (LineType.Separate, its default) are asked for.
    lines = [np.asarray(line) for line in contourpy.contour_generator(z=padded).lines(0.5)]
    return [line[:-1] - 2 for line in lines if len(line) > 3 and shapely.Polygon(line).area >= speck]


def mask_polygon(mask: np.ndarray) -> shapely.Geometry:
    """Convert a mask to a polygon with its holes filled.

    Parameters
    ----------
    mask : np.ndarray
        (height, width) bool.

    Returns
    -------
    shapely.Geometry
        The polygon.
    """
    borders = mask_outlines(mask, speck=1.0)
    return shapely.union_all([shapely.make_valid(shapely.Polygon(border)) for border in borders])


def clip_polygons(
    polygons: Iterable[np.ndarray], cortex: shapely.Geometry, speck: float = MIN_PIECE_PX2
) -> list[np.ndarray]:
    """Keep the parts of polygons that lie on the cortex, largest first.

    Parameters
    ----------
    polygons : iterable of np.ndarray
        (n_points, 2) as (x, y).
    cortex : shapely.Geometry
        Area of the cortex, from `mask_polygon`.
    speck : float
        Parts of less than this area in square pixels are left out.

    Returns
    -------
    list of np.ndarray
        Polygons (n_points, 2).
    """
    drawn = shapely.union_all([shapely.make_valid(shapely.Polygon(polygon)) for polygon in polygons])
    pieces = [piece for piece in shapely.get_parts(cortex & drawn) if piece.geom_type == "Polygon"]
    pieces = sorted((piece for piece in pieces if piece.area >= speck), key=lambda piece: -piece.area)
    return [np.asarray(piece.exterior.coords)[:-1] for piece in pieces]


def label_position(polygons: Sequence[np.ndarray]) -> tuple[float, float]:
    """Find the centre of the largest circle in the largest polygon.

    Parameters
    ----------
    polygons : sequence of np.ndarray
        (n_points, 2) as (x, y).

    Returns
    -------
    tuple of float
        (x, y).
    """
    largest = max((shapely.Polygon(polygon) for polygon in polygons), key=lambda polygon: polygon.area)
    centre = shapely.get_coordinates(shapely.maximum_inscribed_circle(largest, tolerance=0.5))[0]
    return float(centre[0]), float(centre[1])


def hemisphere_marks(shape: tuple[int, int]) -> dict[str, tuple[float, float]]:
    """Place "L" and "R" in the upper outer corners, which flattened hemispheres leave free.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the image.

    Returns
    -------
    dict of str to tuple of float
        (x, y) of both letters.
    """
    height, width = shape
    return {"L": (0.03 * width, 0.06 * height), "R": (0.97 * width, 0.06 * height)}
