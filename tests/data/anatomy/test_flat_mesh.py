"""Triangles to pixels against scipy's triangulation; curvature and outlines against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull, Delaunay

from brivl.data.anatomy.flat_mesh import (
    clip_polygons,
    columns_to_weights,
    label_position,
    mask_outlines,
    mask_polygon,
    mean_curvature,
    rasterise,
    shade_folding,
)


def test_pixels_agree_with_scipys_triangulation() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((300, 2)) * [50.0, 20.0]
    mesh = Delaunay(points)
    raster = rasterise(points, mesh.simplices, height=90)
    height, width = raster.mask.shape
    low, high = points.min(0), points.max(0)
    x = low[0] + np.arange(width) * (high[0] - low[0]) / (width - 1)
    y = high[1] - np.arange(height) * (high[1] - low[1]) / (height - 1)
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    inside = mesh.find_simplex(grid.reshape(-1, 2)).reshape(height, width) >= 0
    assert (inside != raster.mask).sum() <= 3  # pixels on the very edge
    assert abs(width / height - 50 / 20) < 0.1
    linear = raster.interpolate(points @ [2.0, -3.0] + 1.0)
    np.testing.assert_allclose(linear, (grid @ [2.0, -3.0] + 1.0)[raster.mask], atol=1e-9)


def test_faces_without_area_and_either_turn_are_fine() -> None:
    points = np.array([[0, 0], [10, 0], [10, 10], [0, 10], [5, 5.0]])
    faces = np.array([[0, 1, 2], [0, 3, 2], [0, 4, 2], [1, 1, 2]])
    raster = rasterise(points, faces, height=11)
    assert raster.mask.all() and raster.mask.shape == (11, 11)
    np.testing.assert_allclose(raster.image(raster.interpolate(points[:, 1]))[:, 0], np.arange(10, -1, -1), atol=1e-9)


def test_samples_of_a_pixel_weigh_the_same() -> None:
    weights = columns_to_weights([np.array([0, 2, -1]), np.array([0, 1, -1]), np.array([1, -1, -1])], 3).toarray()
    np.testing.assert_array_equal(weights, [[2, 1, 0], [0, 1, 1], [0, 0, 0]])


def test_folding_is_positive_on_bulges_and_negative_in_dents() -> None:
    rng = np.random.default_rng(1)
    sphere = rng.normal(size=(4000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    faces = ConvexHull(sphere).simplices
    a, b, c = (sphere[faces[:, i]] for i in range(3))
    inward = (np.cross(b - a, c - a) * a).sum(1) < 0
    faces[inward] = faces[inward][:, ::-1]
    bulge = mean_curvature(sphere, faces)
    assert (bulge > 0).all()
    dented = sphere.copy()
    top = sphere[:, 2] > 0.8
    dented[top, 2] = 1.6 - sphere[top, 2]
    curve = mean_curvature(dented, faces)
    assert (curve[sphere[:, 2] > 0.93] < 0).all() and (curve[sphere[:, 2] < 0.6] > 0).all()
    grey = shade_folding(curve)
    assert 0 <= grey.min() < 0.5 < grey.max() <= 1


@pytest.mark.parametrize("smooth", [0.0, 2.0])
def test_outline_of_a_disc_with_a_hole(smooth: float) -> None:
    y, x = np.mgrid[:80, :100]
    radius = np.hypot(x - 60, y - 30)
    borders = mask_outlines((radius < 25) & (radius > 8), smooth)
    assert len(borders) == 2
    for border, wanted in zip(sorted(borders, key=len, reverse=True), (25, 8), strict=True):
        np.testing.assert_allclose(np.hypot(*(border - [60, 30]).T), wanted, atol=1.0)
    assert len(mask_outlines((radius < 25) & (radius > 8), smooth, speck=300.0)) == 1


def test_outlines_are_cut_at_the_edge_of_the_cortex() -> None:
    mask = np.zeros((40, 60), bool)
    mask[:, :30] = True
    square = np.array([[20.0, 10.0], [50.0, 10.0], [50.0, 30.0], [20.0, 30.0]])
    (piece,) = clip_polygons([square], mask_polygon(mask))
    np.testing.assert_allclose([piece.min(0), piece.max(0)], [[20, 10], [29.5, 30]])
    assert clip_polygons([square + [30.0, 0.0]], mask_polygon(mask)) == []
    np.testing.assert_allclose(label_position([piece, square * 0.1])[0], 24.75, atol=0.6)
