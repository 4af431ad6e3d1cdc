"""The viewer's surfaces in space in Chromium: regions, turning, colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from brivl.core.flatmap.geometry import leading_voxels
from brivl.core.flatmap.surface import SurfaceMesh
from brivl.viz.browser.map_payload import RegionMasks, flatmap_base_payload, surface_payload
from brivl.viz.flatmap.figure import flatmap_base
from brivl.viz.flatmap.painting import add_outline
from tests.app.test_browser import browser  # noqa: F401 (a fixture)
from tests.support.viewer_page import open_viewer, viewer_data
from tests.support.viewer_sample import Sample, news

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PROJECTED = """(v) => {
  const { space, stage } = window.viewer().panes[0];
  return space.project(v, window.viewer().orbit, stage.clientWidth, stage.clientHeight);
}"""
SEEN = """() => {
  const pane = window.viewer().panes[0];
  pane.draw();
  const { gl } = pane.space;
  const [w, h] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
  const bytes = new Uint8Array(4 * w * h);
  gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
  return bytes.filter((value, i) => i % 4 === 3 && value > 0).length;
}"""


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


def tetrahedra() -> SurfaceMesh:
    """Two tetrahedra side by side, cortex on the left, a structure on the right; a voxel at each vertex."""
    corner = np.array([[0.0, 0, 40], [30, -20, -10], [-30, -20, -10], [0, 35, -10]])
    places = np.concatenate([corner - [60, 0, 0], corner + [60, 0, 0]])
    one = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    weights = scipy.sparse.csr_matrix(np.eye(8, 400))
    region = np.array([1, 1, 2, 2, 37, 37, 37, 37])
    return SurfaceMesh(
        {"inflated": places, "pial": places}, np.concatenate([one, one + 4]), weights, np.full(8, 0.5), region, 4
    )


@pytest.fixture
def space(browser: Any, sample: Sample) -> Iterator[Any]:  # noqa: F811
    voxels = replace(sample.voxels, aal=np.arange(sample.n) % 3)
    solid = surface_payload(tetrahedra(), voxels, {1: "One", 2: "Two", 37: "Hippocampus"})
    data = viewer_data(sample.ground, {"pair": sample.scores}, shape="regions", orbit={"yaw": 0, "pitch": 0, "zoom": 1})
    opened = open_viewer(browser, [sample.ground, sample.scores, solid], data | {"solid": solid.id})
    yield opened
    assert not opened.errors, opened.errors
    opened.close()


def test_regions_have_the_means_of_their_voxels_and_turn(space: Any, sample: Sample) -> None:
    aal = np.arange(sample.n) % 3
    a, b = sample.split[8]
    told = space.evaluate(
        "(() => { const m = window.viewer().solid.regionMeans(window.viewer().scores.layer(8));"
        " return [m.a[1], m.b[2], m.n[1]]; })()"
    )
    expected = [np.nanmean(a[aal == 1]), np.nanmean(b[aal == 2]), np.isfinite(a[aal == 1]).sum()]
    np.testing.assert_allclose(told, expected, rtol=1e-4)
    box = space.locator(".stage").bounding_box()

    def at(vertex: int) -> tuple[float, float, float]:
        return tuple(space.evaluate(PROJECTED, vertex))

    x, y, facing = at(2)  # seen from behind: left is left, this corner looks at us
    assert facing > 0 and x < at(5)[0]
    space.mouse.move(box["x"] + x + 1, box["y"] + y)
    said = space.locator(".tip").first.inner_text().split("\n")
    assert said[0] == "Two" and said[1] == f"mean of {np.isfinite(a[aal == 2]).sum()} voxels"
    assert float(said[2].split()[-1]) == pytest.approx(np.nanmean((a + b)[aal == 2]), rel=6e-3)
    space.mouse.down()
    space.mouse.move(box["x"] + x + 300, box["y"] + y, steps=5)
    space.mouse.up()
    view = news(space)
    assert view["shape"] == "regions" and abs(view["orbit"]["yaw"]) > 90 and view["picked"] is None
    assert at(2)[0] > at(5)[0], "seen from the front, left is right"


def test_a_click_on_a_region_keeps_it_and_the_flat_map_outlines_it(browser: Any, sample: Sample) -> None:  # noqa: F811
    aal = np.arange(sample.n) % 3
    voxels, two = replace(sample.voxels, aal=aal), aal == 2
    ground = flatmap_base_payload(
        sample.geometry, flatmap_base(sample.geometry, {}), voxels, RegionMasks({}, {"Two": two})
    )
    solid = surface_payload(tetrahedra(), voxels, {1: "One", 2: "Two"})
    data = viewer_data(ground, {"pair": sample.scores}, shape="regions", orbit={"yaw": 0, "pitch": 0, "zoom": 1})
    page = open_viewer(browser, [ground, sample.scores, solid], data | {"solid": solid.id})
    box = page.locator(".stage").bounding_box()
    x, y, _ = page.evaluate(PROJECTED, 2)
    page.mouse.click(box["x"] + x + 1, box["y"] + y)
    view = news(page)
    assert view["region"] == "Two" and view["picked"] is None
    opacity = page.evaluate("Array.from(window.viewer().panes[0].opacity.value)")
    assert [round(v, 2) for v in opacity] == [0.35, 0.35, 1, 1, 0.35, 0.35, 0.35, 0.35]
    colours = page.evaluate("Array.from(window.viewer().panes[0].skin2)")
    assert [colour == 0xFF141414 for colour in colours] == [True, True, *[False] * 6], "around it, a dark edge"
    page.evaluate("window.viewer().setShape('flat')")
    page.wait_for_function("window.drawn()")
    sides = np.array(page.evaluate("Array.from(window.viewer().panes[0].options.border)")).reshape(-1, 4)
    leading = leading_voxels(sample.geometry)
    held = np.pad((leading >= 0) & two[np.maximum(leading, 0)], 1)
    assert len(sides) == sum(int((held != np.roll(held, 1, axis)).sum()) for axis in (0, 1))
    np.testing.assert_array_equal(np.abs(sides[:, :2] - sides[:, 2:]).sum(1), 1)
    outlined = add_outline(sample.geometry, "Two", two).outlines["Two"]
    assert all((np.abs(polygon[0] - polygon[-1]) < 1e-9).all() for polygon in outlined), "closed"
    page.evaluate("window.viewer().setShape('regions')")
    page.wait_for_function("window.drawn()")
    page.mouse.click(box["x"] + x + 1, box["y"] + y)
    assert page.evaluate("window.viewer().region") is None, "the same again lets it go"
    assert not page.errors, page.errors
    page.close()


def test_names_stand_on_the_visible_surface(space: Any) -> None:
    """Large enough regions have an anchor in each hemisphere; a vertex behind others is not the foremost."""
    view = "window.viewer()"
    space.evaluate(f"{view}.setShape('pial')")
    space.wait_for_function("window.drawn()")
    assert space.evaluate(f"{view}.solid.anchorsOf({view}.ground).length") == 0, "four vertices are too few"
    seen = f"(v) => {view}.panes[0].space.isForemost(v, {view}.orbit, 800, 500)"
    space.evaluate(f"{view}.setSide('left')")
    assert space.evaluate(seen, 2) and not space.evaluate(seen, 1), "the outer corner, and one behind it"


def test_surface_shows_the_same_colours_as_the_flat_map(space: Any) -> None:
    space.evaluate("window.viewer().setShape('pial')")
    space.wait_for_function("window.drawn()")
    colours = space.evaluate("Array.from(new Uint8Array(window.viewer().panes[0].skin2.buffer))")
    v = space.evaluate(
        "(() => { const s = window.viewer().scores.layer(8), l = window.viewer().ground.luts.sequential;"
        " const v = s.a[6] + s.b[6]; const i = Math.round(255 * Math.min(1, Math.max(0, v / 0.2)));"
        " return v < 0 ? [140, 140, 140] : [l[3 * i], l[3 * i + 1], l[3 * i + 2]]; })()"
    )
    np.testing.assert_allclose(colours[4 * 6 : 4 * 6 + 3], v, atol=1)
    assert space.evaluate(SEEN) > 2000, "something is drawn"
