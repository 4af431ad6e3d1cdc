"""Flatmap figures: pixels coloured by their voxel, hover fields, scale, names that fit, L and R."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from matplotlib.image import imread

from brivl.core.flatmap.geometry import LabelPosition, leading_voxels
from brivl.core.records import FlatmapGeometry, describe_space
from brivl.errors import RequestError
from brivl.viz.colormaps import colour_2d, colour_diverging, colour_sequential, hatch, layer_colours
from brivl.viz.export import PAPER
from brivl.viz.flatmap import painting as paint
from brivl.viz.flatmap import print_figure
from brivl.viz.flatmap.figure import MapView, flatmap_base, flatmap_figure, picked_voxel
from brivl.viz.flatmap.print_figure import flatmap_page
from brivl.viz.flatmap.scale import PICKED
from brivl.viz.style import LIGHT, SIMULATED, FigureLabel
from tests.support.figure_samples import LABEL, NAMES, flatmap, map_scores


@pytest.fixture(scope="module")
def geometry() -> FlatmapGeometry:
    return flatmap()


@pytest.fixture(scope="module")
def scores(geometry: FlatmapGeometry) -> paint.MapScores:
    return map_scores(geometry.pixel_to_voxel.shape[1])


def at_voxels(geometry: FlatmapGeometry, colours: np.ndarray) -> np.ndarray:
    """The expected image: every pixel has the colour of its one voxel; transparent outside."""
    return np.vstack([colours, np.zeros(4)])[leading_voxels(geometry)]


def shown(rgba: np.ndarray) -> np.ndarray:
    return np.where(rgba[..., 3:] > 0, rgba, 0)


def image_of(figure: object, name: str) -> np.ndarray:
    source = next(image.source for image in figure.layout.images if image.name == name)
    return imread(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))


def trace(figure: object, name: str) -> object:
    return next(t for t in figure.data if t.name == name)


def test_each_mode_gives_a_pixel_the_colour_of_its_voxel(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    for painting, colours in (
        (
            paint.paint_joint(geometry, scores, (-1, 0.2)),
            colour_sequential(np.where(scores.joint < 0, np.nan, scores.joint), (-1, 0.2), LIGHT.negative),
        ),
        (paint.paint_difference(geometry, scores, 0.1), colour_diverging(scores.a - scores.b, 0.1)),
        (paint.paint_pair(geometry, scores, (0, 0.1)), colour_2d(scores.a, scores.b, (0, 0.1))),
    ):
        positive = np.append(~(painting.values < 0).any(0) | (len(painting.values) > 1) | (colours[:, 3] > 0), True)
        checked = positive[leading_voxels(geometry)][..., None]
        expected = shown(at_voxels(geometry, colours))
        np.testing.assert_allclose(shown(painting.rgba) * checked, expected * checked, atol=1e-6)
        assert painting.rgba[leading_voxels(geometry) == 0][:, 3].max() == 0  # the voxel that was not fitted


def test_values_below_zero_are_hatched(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    values = np.full(len(scores.joint), -0.1)
    rgba = paint.paint_value(geometry, scores, values, ((0, 0.2), "R²")).rgba
    covered = leading_voxels(geometry) >= 0
    lines = hatch(covered.shape)
    assert (rgba[covered & lines] == [LIGHT.negative] * 3 + [1]).all()
    assert rgba[covered & ~lines][:, 3].max() == 0
    assert 0.2 < (covered & lines).sum() / covered.sum() < 0.5


def test_names_do_not_lie_on_one_another() -> None:
    """Of three names at one place the largest region keeps it, the next moves away, and the last is left out."""
    crowd = [
        LabelPosition(name, 50.0, 20.0, radius) for name, radius in (("M1M", 9), ("S1M", 30), ("FO", 8), ("V1", 20))
    ]
    placed = {label.name: label for label in paint.labels_that_fit([*crowd, LabelPosition("IPS", 90, 20, 30)], 2.0)}
    assert (placed["S1M"].y, placed["IPS"].y) == (20, 20)
    boxes = [(p.x, p.y, 2.0 * len(p.name)) for p in placed.values()]
    for i, (x, y, wide) in enumerate(boxes):
        for x1, y1, wide1 in boxes[:i]:
            assert abs(x - x1) > (wide + wide1) / 2 or abs(y - y1) >= 2.0
    assert len(placed) == 4, "one of the four at one place has no room"


def test_classes_are_not_averaged() -> None:
    geometry = flatmap()
    mixed = geometry.pixel_to_voxel.tolil()
    mixed[0, :] = 0
    mixed[0, 2], mixed[0, 5] = 0.4, 0.6
    geometry = FlatmapGeometry(
        mixed.tocsr(), geometry.mask, None, geometry.outlines, geometry.labels, geometry.marks, geometry.space
    )
    scores = map_scores(mixed.shape[1])
    values = np.ones(mixed.shape[1])
    values[2], values[5], values[7] = 2, 12, 0
    painting = paint.paint_levels(geometry, scores, values, [str(i) for i in range(1, 13)], "best layer")
    first = tuple(np.argwhere(geometry.mask)[0])
    np.testing.assert_allclose(painting.rgba[first][:3], layer_colours(12)[11])
    assert painting.rgba[leading_voxels(geometry) == 7][:, 3].max() == 0
    assert painting.scale.levels[-1] == "12"
    with pytest.raises(RequestError, match="from 0 to 3, got 0 to 12"):
        paint.paint_levels(geometry, scores, values, ["1", "2", "3"], "best layer")


def test_opacity_fades_and_never_hides_what_has_none(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    n = len(scores.joint)
    opacity = np.linspace(0, 1, n)
    opacity[3] = np.nan
    faded = paint.MapScores(scores.joint, scores.a, scores.b, NAMES, opacity=opacity)
    rgba = paint.paint_joint(geometry, faded, (0, 0.2)).rgba
    leading = leading_voxels(geometry)
    plain = paint.paint_joint(geometry, scores, (0, 0.2)).rgba[..., 3]
    for voxel, part in ((n - 1, 1), (3, 1), (n // 2, opacity[n // 2])):
        at = leading == voxel
        np.testing.assert_allclose(rgba[at][:, 3], part * plain[at])


def test_curvature_shows_where_there_is_no_data(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    rgba = paint.paint_joint(geometry, scores, (0, 0.2)).rgba
    rgba[..., 3] = leading_voxels(geometry) > 0
    mixed = paint.overlay_on_curvature(geometry, rgba, "light")
    leading = leading_voxels(geometry)
    bare = mixed[leading == 0]
    assert (bare[:, 3] == 1).all() and (bare[:, 0] == bare[:, 1]).all() and bare[:, 0].min() >= LIGHT.curvature[0]
    np.testing.assert_allclose(mixed[leading > 0], rgba[leading > 0])
    assert mixed[~geometry.mask].max() == 0
    half = rgba.copy()
    half[..., 3] *= 0.5
    expected = (
        0.5 * rgba[leading == 4][0, :3]
        + 0.5 * paint.overlay_on_curvature(geometry, rgba * 0, "light")[leading == 4][0, :3]
    )
    np.testing.assert_allclose(paint.overlay_on_curvature(geometry, half, "light")[leading == 4][0, :3], expected)


def test_the_image_of_the_page_is_the_painting(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    painting = paint.paint_pair(geometry, scores, (0, 0.1))
    figure = flatmap_figure(geometry, painting, scores, LABEL)
    expected = paint.overlay_on_curvature(geometry, painting.rgba, "light")
    np.testing.assert_allclose(image_of(figure, "data"), expected, atol=0.5 / 255 + 1e-6)
    image = figure.layout.images[0]
    assert (image.x, image.y, image.sizex, image.sizey) == (-0.5, -0.5, 100, 40)


def test_hover_names_voxel_rois_and_three_values(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    figure = flatmap_figure(geometry, paint.paint_joint(geometry, scores, (0, 0.2)), scores, LABEL)
    hover = trace(figure, "voxels")
    assert hover.marker.opacity == 0 and len(hover.x) == len(scores.joint) - 1
    leading = leading_voxels(geometry)
    for (number, joint, a, b), rois, x, y in zip(hover.customdata, hover.text, hover.x, hover.y, strict=True):
        voxel = int(number)
        assert leading[int(y), int(x)] == voxel
        np.testing.assert_allclose([joint, a, b], [scores.joint[voxel], scores.a[voxel], scores.b[voxel]], atol=6e-6)
        assert rois == ("V1, FFA" if voxel % 6 == 0 else "V1" if voxel % 3 == 0 else "no ROI")
    for word in ("voxel", "joint R²", *NAMES):
        assert word in hover.hovertemplate


def test_axes_are_equal_with_the_first_row_on_top(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    figure = flatmap_figure(geometry, paint.paint_difference(geometry, scores, 0.1), scores, LABEL)
    assert figure.layout.yaxis.scaleanchor == "x" and list(figure.layout.yaxis.range) == [39.5, -0.5]
    marks = {note.name: note for note in figure.layout.annotations}
    assert marks["L"].x < marks["R"].x and (marks["L"].x, marks["L"].y) == geometry.marks["L"]
    assert SIMULATED in marks and marks["space"].text == describe_space(geometry.space)
    real = flatmap_figure(geometry, paint.paint_difference(geometry, scores, 0.1), scores, FigureLabel("x"))
    assert SIMULATED not in [note.name for note in real.layout.annotations]


def test_names_are_hidden_where_the_region_is_smaller(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    painting = paint.paint_joint(geometry, scores, (0, 0.2))
    wide = trace(flatmap_figure(geometry, painting, scores, LABEL, MapView(width=4000, height=1600)), "names")
    assert sorted(wide.text) == ["FFA", "FFA", "V1", "superior temporal gyrus"]
    narrow = trace(flatmap_figure(geometry, painting, scores, LABEL, MapView(width=200, height=300)), "names")
    assert list(narrow.text) == ["V1"]
    none = flatmap_figure(geometry, painting, scores, LABEL, MapView(names=False))
    assert "names" not in [t.name for t in none.data]


def test_outlines_are_white_over_a_dark_halo_and_one_may_be_heavy(
    geometry: FlatmapGeometry, scores: paint.MapScores
) -> None:
    figure = flatmap_figure(
        geometry, paint.paint_joint(geometry, scores, (0, 0.2)), scores, LABEL, MapView(highlight="FFA")
    )
    lines = [t.name for t in figure.data if t.mode == "lines"]
    assert lines == ["outline halo", "outlines", "highlight halo", "FFA"]
    path, chosen = trace(figure, "outlines"), trace(figure, "FFA")
    assert path.line.color == "#FFFFFF" and path.line.width < trace(figure, "outline halo").line.width
    assert np.isnan(path.x).sum() == 4 and np.isnan(chosen.x).sum() == 2
    first = np.asarray(path.x)[: np.flatnonzero(np.isnan(path.x))[0]]
    assert first[0] == first[-1]


def test_limits_are_printed_at_the_scale(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    bar = flatmap_figure(geometry, paint.paint_difference(geometry, scores, 0.15), scores, LABEL).layout.coloraxis
    assert (bar.cmin, bar.cmax) == (-0.15, 0.15)
    ticks = bar.colorbar.ticktext
    assert ticks[0] == "−0.15<br><i>vit-mini higher</i>" and ticks[-1] == "0.15<br><i>brivl-mini higher</i>"
    levels = paint.paint_levels(geometry, scores, np.ones(len(scores.a)), ["1", "2", "3"], "best layer")
    axis = flatmap_figure(geometry, levels, scores, LABEL).layout.coloraxis
    assert list(axis.colorbar.ticktext) == ["1", "2", "3"]
    assert [stop[0] for stop in axis.colorscale] == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])


def test_the_square_names_both_axes_and_marks_the_picked_voxel(
    geometry: FlatmapGeometry, scores: paint.MapScores
) -> None:
    painting = paint.paint_pair(geometry, scores, (0, 0.1))
    figure = flatmap_figure(geometry, painting, scores, LABEL, MapView(picked=9))
    assert NAMES[0] in figure.layout.xaxis2.title.text and NAMES[1] in figure.layout.yaxis2.title.text
    assert list(figure.layout.xaxis2.ticktext) == ["0", "0.1"]
    on_map, in_square = (t for t in figure.data if t.name == PICKED)
    assert leading_voxels(geometry)[int(on_map.y[0]), int(on_map.x[0])] == 9
    assert (in_square.x[0], in_square.y[0]) == pytest.approx((scores.a[9], scores.b[9])) and in_square.xaxis == "x2"
    legend = image_of(figure, "scale")
    np.testing.assert_allclose(legend[-1, -1, :3], colour_2d(np.array(1.0), np.array(0.0), (0, 1))[:3], atol=1 / 255)


def test_the_page_for_print_shows_the_part_of_the_map_that_is_on_the_screen(
    geometry: FlatmapGeometry, scores: paint.MapScores
) -> None:
    painting = paint.paint_joint(geometry, scores, (0, 0.2))
    height, width = geometry.mask.shape
    axes = flatmap_page(geometry, painting, LABEL, PAPER, view=print_figure.MapView(0.25, 0.5, 4, 9)).axes[0]
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    assert (left + right + 1) / 2 == pytest.approx(0.25 * width) and right - left == pytest.approx(width / 4)
    assert (bottom + top + 1) / 2 == pytest.approx(0.5 * height) and bottom - top == pytest.approx(height / 4)
    rings = [line for line in axes.lines if line.get_gid() == "picked voxel"]
    assert len(rings) == 2 and leading_voxels(geometry)[int(rings[0].get_ydata()[0]), int(rings[0].get_xdata()[0])] == 9
    plain = flatmap_page(geometry, painting, LABEL, PAPER).axes[0]
    assert plain.get_xlim() == (-0.5, width - 0.5) and plain.get_ylim() == (height - 0.5, -0.5)


def test_page_for_print_has_the_same_image_and_words(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    painting = paint.paint_pair(geometry, scores, (0, 0.1))
    figure = flatmap_page(geometry, painting, LABEL, PAPER, highlight="V1")
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(image, paint.overlay_on_curvature(geometry, painting.rgba, "light"), atol=1e-9)
    text = "\n".join(t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    for word in (LABEL.headline, SIMULATED, geometry.space, *NAMES, "L", "R", "V1"):
        assert word in text
    bar = flatmap_page(geometry, paint.paint_joint(geometry, scores, (0, 0.2)), LABEL, PAPER)
    assert "joint R²" in [t.get_text() for t in bar.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_geometry_without_background(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    bare = FlatmapGeometry(geometry.pixel_to_voxel, geometry.mask, None, {}, {}, {}, "slices")
    painting = paint.paint_joint(bare, scores, (0, 0.2))
    figure = flatmap_figure(bare, painting, scores, LABEL)
    np.testing.assert_allclose(image_of(figure, "data"), painting.rgba, atol=0.5 / 255 + 1e-6)


def test_a_stored_base_gives_the_same_figure(geometry: FlatmapGeometry, scores: paint.MapScores) -> None:
    painting = paint.paint_joint(geometry, scores, (0, 0.2))
    with_base = flatmap_figure(geometry, painting, scores, LABEL, base=flatmap_base(geometry, scores.rois))
    assert with_base == flatmap_figure(geometry, painting, scores, LABEL)


@pytest.mark.parametrize(
    ("point", "voxel"),
    [
        ({"customdata": [7, 0.1, 0.1, 0.0]}, 7),
        ({"customdata": None}, None),
        ({"x": 3}, None),
    ],
)
def test_voxel_of_a_selected_point(point: dict, voxel: int | None) -> None:
    assert picked_voxel(point) == voxel
