"""The surface on paper: two spheres with planted values, seen from behind and from the left."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy.spatial import ConvexHull

from brivl.core.flatmap.surface import SurfaceMesh
from brivl.viz.colormaps import colour_sequential
from brivl.viz.export import PAPER, figure_bytes
from brivl.viz.flatmap.painting import MapScores, paint_joint, paint_levels
from brivl.viz.flatmap.print_surface import (
    BY_REGION,
    SurfaceView,
    region_means,
    region_scores,
    surface_as_map,
    surface_page,
)
from brivl.viz.style import LIGHT, FigureLabel

N = 400  # vertices of a sphere, each with a voxel of its own
LEFT = np.arange(2 * N) < N
BEHIND = SurfaceView("inflated", 0, 0, names=False)


def sphere(x: float) -> tuple[np.ndarray, np.ndarray]:
    """Points spread evenly over a sphere of radius 30 mm, and faces whose normals point outwards."""
    i = np.arange(N) + 0.5
    polar, turn = np.arccos(1 - 2 * i / N), np.pi * (1 + 5**0.5) * i
    unit = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], axis=1)
    faces = ConvexHull(unit).simplices
    corners = unit[faces]
    inwards = (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * corners[:, 0]).sum(1) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    return 30 * unit + [x, 0, 0], faces


@pytest.fixture(scope="module")
def mesh() -> SurfaceMesh:
    (left, faces), (right, others) = sphere(-35), sphere(35)
    places = np.concatenate([left, right])
    weights = scipy.sparse.csr_matrix(np.eye(2 * N))
    region = np.where(LEFT, 1, 2)
    forms = {"inflated": places, "pial": places}
    return SurfaceMesh(forms, np.concatenate([faces, others + N]), weights, np.full(2 * N, 0.5), region, 2 * N)


def drawn(mesh: SurfaceMesh, view: SurfaceView, joint: np.ndarray) -> Figure:
    geometry = surface_as_map(mesh, view.form, np.where(LEFT, 1, 2), "MNI152, 4 mm")
    scores = MapScores(joint, joint / 2, joint / 2, ("A", "B"), hatched=False)
    if view.form == BY_REGION:
        scores = region_scores(scores, np.where(LEFT, 1, 2))
    painting = paint_joint(geometry, scores, (0.0, 1.0))
    label = FigureLabel("Headline", "Caption.", True, "phantom")
    return surface_page(mesh, painting, {"Left one": LEFT}, label, PAPER, view, geometry)


def hues(figure: Figure) -> np.ndarray:
    """(h, w, 3): pixels of the surface over their largest channel, which takes out the light; white outside."""
    pixels = imread(io.BytesIO(figure_bytes(figure, "png", 100)))[..., :3]
    box = figure.axes[0].get_window_extent()
    scale = 100 / figure.dpi
    x0, x1, y0, y1 = (round(v * scale) for v in (box.x0, box.x1, box.y0, box.y1))
    part = pixels[len(pixels) - y1 : len(pixels) - y0, x0:x1]
    return part / part.max(-1, keepdims=True).clip(1e-6)


def share(figure: Figure, value: float) -> tuple[float, float]:
    """Parts of the left and right half of the picture that have the hue of a value."""
    colour = colour_sequential(np.array([value]), (0.0, 1.0), LIGHT.negative)[0, :3]
    near = np.abs(hues(figure) - colour / colour.max()).max(-1) < 0.06
    middle = near.shape[1] // 2
    return float(near[:, :middle].mean()), float(near[:, middle:].mean())


JOINT = np.where(LEFT, 0.9, 0.5)


def test_left_is_left_from_behind_and_the_near_side_hides_the_other(mesh: SurfaceMesh) -> None:
    behind = drawn(mesh, BEHIND, JOINT)
    high, low = share(behind, 0.9), share(behind, 0.5)
    assert high[0] > 0.2 > 0.01 > high[1] and low[1] > 0.2 > 0.01 > low[0]
    marks = {text.get_text(): text.get_position() for text in behind.axes[0].texts}
    assert -marks["L"][0] == pytest.approx(marks["R"][0]) and marks["R"][0] == pytest.approx(65 + 12, abs=0.2)
    front = drawn(mesh, replace(BEHIND, yaw=180.0), JOINT)
    assert share(front, 0.9)[1] > 0.2 and share(front, 0.9)[0] < 0.01
    side = drawn(mesh, replace(BEHIND, yaw=-90.0), JOINT)  # from the left
    assert min(share(side, 0.9)) > 0.1 and max(share(side, 0.5)) < 0.01
    assert not {"L", "R"} & {text.get_text() for text in side.axes[0].texts}


def test_zoom_shows_less_of_it(mesh: SurfaceMesh) -> None:
    whole, part = (drawn(mesh, replace(BEHIND, zoom=zoom), JOINT) for zoom in (1.0, 2.0))
    for limits in ("get_xlim", "get_ylim"):
        wide, narrow = (np.ptp(getattr(figure.axes[0], limits)()) for figure in (whole, part))
        assert wide == pytest.approx(2 * narrow)


def test_outline_name_and_pinned_voxel_where_they_are_visible(mesh: SurfaceMesh) -> None:
    seen = mesh.forms["pial"]
    near, far = (int(np.argmin(np.linalg.norm(seen - [-35, y, 0], axis=1))) for y in (-30, 30))
    patch = np.linalg.norm(seen - seen[near], axis=1) < 15
    figure = drawn(mesh, replace(BEHIND, voxel=near, chosen=patch, names=True), JOINT)
    axes = figure.axes[0]
    rings = [line for line in axes.lines if line.get_gid() == "picked voxel"]
    np.testing.assert_allclose(rings[0].get_xydata()[0], seen[near][[0, 2]], atol=0.2)
    assert "Left one" in {text.get_text() for text in axes.texts}
    line = np.concatenate([segment for lines in axes.collections[1:] for segment in lines.get_segments()])
    distance = np.linalg.norm(line - seen[near][[0, 2]], axis=1)
    assert len(line) > 20 and (np.abs(distance - 15) < 5).all()  # the half circle of a patch of this radius
    hidden = drawn(mesh, replace(BEHIND, voxel=far), JOINT)
    assert not [line for line in hidden.axes[0].lines if line.get_gid() == "picked voxel"]


def test_regions_have_the_means_of_their_voxels(mesh: SurfaceMesh, rng: np.random.Generator) -> None:
    values = rng.uniform(0, 1, 2 * N)
    values[3] = np.nan
    aal = np.where(LEFT, 1, 2)
    aal[5] = 0
    means = region_means(values, aal)
    for number in (1, 2):
        np.testing.assert_allclose(means[aal == number], np.nanmean(values[aal == number]))
    assert np.isnan(means[5])
    noisy = JOINT + np.where(np.arange(2 * N) % 2, 0.05, -0.05)
    figure = drawn(mesh, replace(BEHIND, form=BY_REGION), noisy)
    assert share(figure, 0.9)[0] > 0.2 and share(figure, 0.5)[1] > 0.2


def test_classes_are_not_mixed(mesh: SurfaceMesh) -> None:
    geometry = surface_as_map(mesh, "inflated", None, "MNI152, 4 mm")
    scores = MapScores(JOINT, JOINT, JOINT, ("A", "B"), hatched=False)
    painting = paint_levels(geometry, scores, np.arange(2 * N) % 3 + 1, ["one", "two", "three"], "Best layer")
    figure = surface_page(mesh, painting, {}, FigureLabel("H", "C", False), PAPER, BEHIND, geometry)
    triangles = figure.axes[0].collections[0]
    colours = triangles.get_facecolor().reshape(-1, 3, 4)[..., :3]
    assert (colours == colours[:, :1]).all() and len(np.unique(colours.round(3).reshape(-1, 3), axis=0)) > 3
    assert to_rgb("white") not in {tuple(colour) for colour in colours[:, 0]}


def test_values_below_zero_are_plain_grey(mesh: SurfaceMesh) -> None:
    geometry = surface_as_map(mesh, "inflated", None, "MNI152, 4 mm")
    joint = np.full(2 * N, -0.2)
    rgba = paint_joint(geometry, MapScores(joint, joint, joint, ("A", "B"), hatched=False), (0.0, 1.0)).rgba
    assert (rgba[..., 3] == rgba[0, 0, 3]).all() and rgba[0, 0, 3] > 0
