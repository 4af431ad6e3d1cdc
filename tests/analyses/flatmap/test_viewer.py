"""The viewer in Chromium: its picture against the one for print, what it says under the pointer and tells Python."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from brivl.core.flatmap.geometry import inside_polygon, leading_voxels, voxel_centres
from brivl.core.regions.variance_partitioning import partition_variance
from brivl.viz.browser.map_payload import RegionMasks, flatmap_base_payload, scores_payload, single_model_payload
from brivl.viz.flatmap import painting
from brivl.viz.flatmap.figure import flatmap_base
from tests.app.test_browser import browser  # noqa: F401 (a fixture)
from tests.support.figure_samples import NAMES
from tests.support.viewer_page import open_viewer, viewer_data
from tests.support.viewer_sample import LAYERS, Sample, news

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


@pytest.fixture(scope="module")
def page(browser: Any, sample: Sample) -> Iterator[Any]:  # noqa: F811
    opened = open_viewer(browser, [sample.ground, sample.scores], viewer_data(sample.ground, {"pair": sample.scores}))
    yield opened
    assert not opened.errors, opened.errors
    opened.close()


@pytest.fixture(autouse=True)
def as_at_first(page: Any, sample: Sample) -> None:
    """Each test finds the map as it was opened."""
    data = viewer_data(sample.ground, {"pair": sample.scores}) | {"seq": 1_000_000}
    page.wait_for_function("!window.viewer().due")  # else news of the test before would be taken for those of this one
    page.evaluate("async (data) => { window.news.length = 0; await window.mounted(data); }", data)


def pixels(page: Any, pane: int = 0) -> np.ndarray:
    """The picture that the viewer sends to the screen, (height, width, 4)."""
    flat = page.evaluate(f"() => Array.from(new Uint8Array(window.viewer().panes[{pane}].pixels.buffer))")
    return np.array(flat).reshape(120, 300, 4)


def at_voxel(page: Any, voxel: int) -> tuple[float, float]:
    """Where a voxel lies in the window."""
    return tuple(
        page.evaluate(
            "(v) => { const p = window.viewer().panes[0], b = p.stage.getBoundingClientRect();"
            " const [x, y] = p.toStage(window.viewer().ground.place(v)); return [b.left + x, b.top + y]; }",
            voxel,
        )
    )


# Colours


@pytest.mark.parametrize("kind", ["joint", "a", "b", "pair", "difference"])
def test_the_picture_is_the_one_for_print(page: Any, sample: Sample, kind: str) -> None:
    page.evaluate(f"window.viewer().setMap('{kind}')")
    off = np.abs(pixels(page) - sample.painted(kind))
    assert (off > 1.5).mean() < 0.002 and np.median(off) < 1, "colours but for values on the border of two"


@pytest.mark.parametrize("kind", ["joint", "pair", "difference"])
def test_values_below_the_threshold_show_the_cortex(page: Any, sample: Sample, kind: str) -> None:
    page.evaluate(f"window.viewer().setMap('{kind}')")
    page.evaluate("window.viewer().setThreshold(0.04)")
    off = np.abs(pixels(page) - sample.painted(kind, threshold=0.04))
    assert (off > 1.5).mean() < 0.002 and np.median(off) < 1
    assert (np.abs(pixels(page) - sample.painted(kind)) > 1.5).mean() > 0.02, "the threshold hides something"
    assert "below 0.04 is not shown" in page.locator(".scale-note").last.inner_text()
    assert news(page)["threshold"] == 0.04


def test_another_layer_other_pixels(page: Any, sample: Sample) -> None:
    page.evaluate("window.viewer().setLayer(9)")
    assert (np.abs(pixels(page) - sample.painted("joint", 9)) > 1.5).mean() < 0.002


def test_opacity_by_explainable_variance_and_by_region(page: Any, sample: Sample) -> None:
    page.evaluate("window.viewer().setFade(true)")
    opacity = np.clip(sample.ev / 0.5, 0.15, 1)
    assert (np.abs(pixels(page) - sample.painted("joint", opacity=opacity)) > 2.5).mean() < 0.003
    page.evaluate("window.viewer().setRegion('V1')")
    opacity = opacity * np.where(sample.v1, 1, 0.35)
    assert (np.abs(pixels(page) - sample.painted("joint", opacity=opacity)) > 2.5).mean() < 0.003


def test_best_layer_against_argmax(page: Any, sample: Sample) -> None:
    joint = np.stack([sample.split[layer].sum(0) for layer in LAYERS])
    told = page.evaluate(
        "(() => { const b = window.viewer().scores.bestLayer(); return [[...b.place], [...b.margin]]; })()"
    )
    place, margin = (np.array([np.nan if x is None else x for x in part], float) for part in told)
    fitted = np.isfinite(joint[0]) & (joint.max(0) > 0)
    np.testing.assert_array_equal(place[fitted], joint[:, fitted].argmax(0) + 1)
    assert np.isnan(place[~fitted]).all()
    most = joint[:, fitted].max(0)
    others = (joint[:, fitted].sum(0) - most) / 2
    np.testing.assert_allclose(margin[fitted], np.clip((most - others) / most, 0, 1), atol=1e-3)


# Under the pointer


def test_hover_says_voxel_region_and_both_values(page: Any, sample: Sample) -> None:
    voxel = int(np.flatnonzero(sample.v1)[40])
    page.mouse.move(*at_voxel(page, voxel))
    said = page.locator(".tip").first.inner_text().split("\n")
    a, b = sample.split[8][:, voxel]
    assert said[0] == "V1" and said[1].startswith(f"voxel {voxel} ({voxel}, {2 * voxel}, 0)")
    assert said[2].endswith("native-space mm")
    assert float(said[3].split()[-1]) == pytest.approx(a + b, rel=6e-3)
    assert said[4].startswith(NAMES[0]) and float(said[4].split()[-1].replace("−", "-")) == pytest.approx(a, rel=6e-3)
    assert float(said[5].split()[-1].replace("−", "-")) == pytest.approx(b, rel=6e-3)


def test_every_pixel_knows_its_voxel(page: Any, sample: Sample) -> None:
    leading = np.array(page.evaluate("() => Array.from(window.viewer().ground.leading)")).reshape(120, 300)
    np.testing.assert_array_equal(leading, leading_voxels(sample.geometry))


def test_click_keeps_the_voxel_and_tells_python(page: Any) -> None:
    page.mouse.click(*at_voxel(page, 333))
    assert news(page)["picked"] == 333
    assert page.locator(".ring.picked").first.is_visible()


def test_the_controls_take_one_row_and_name_every_map(page: Any) -> None:
    rows = page.evaluate(
        "() => new Set([...window.viewer().root.querySelector('.controls').children]"
        ".filter((e) => e.offsetWidth).map((e) => Math.round((e.offsetTop + e.offsetHeight / 2) / 12))).size"
    )
    assert rows == 1, "at the width of a page of 1280 px with its sidebar"
    titles = page.locator(".controls select[title=Map] option").all_inner_texts()
    assert titles[:3] == ["Joint R²", f"Split R², {NAMES[0]}", f"Split R², {NAMES[1]}"]
    assert titles[-3:] == [f"Unique R², {NAMES[0]}", f"Unique R², {NAMES[1]}", "Shared R²"]
    page.locator(".controls select[title=Map]").select_option("difference")
    assert news(page)["map"] == "difference"


def test_full_screen_and_the_list_of_keys(page: Any) -> None:
    page.locator(".viewer").focus()
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    assert page.evaluate("window.viewer().panes[0].stage.clientWidth") > 650, "the map is as large as the screen"
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement === null")
    page.keyboard.press("?")
    page.locator(".key-sheet", has_text="previous, next layer").wait_for()
    page.keyboard.press("Escape")
    page.locator(".key-sheet").wait_for(state="hidden")


def test_letters_of_hemispheres_stay_over_their_hemisphere(page: Any, sample: Sample) -> None:
    """Zoomed into the left hemisphere only L is shown, into the right one only R; between them both are."""
    (left, right) = (sample.geometry.marks[side][0] / sample.geometry.mask.shape[1] for side in "LR")
    for x, letters in ((left, "L"), (right, "R")):
        page.evaluate("(x) => window.viewer()._aim({x, y: 0.5, zoom: 6})", x)
        page.wait_for_function("(s) => window.viewer().panes[0].overlay.canvas.dataset.marks === s", arg=letters)
    page.evaluate("window.viewer()._aim({x: 0.5, y: 0.5, zoom: 1})")
    page.wait_for_function("window.viewer().panes[0].overlay.canvas.dataset.marks === 'LR'")


def test_coordinates_are_called_native_where_they_are(page: Any) -> None:
    page.mouse.move(*at_voxel(page, 333))
    assert "native-space mm" in page.locator(".tip").first.inner_text()
    assert "MNI" not in page.locator(".tip").first.inner_text()


def test_box_and_lasso_choose_what_python_chooses(page: Any, sample: Sample) -> None:
    centres = voxel_centres(sample.geometry)
    (x0, y0), (x1, y1) = (at_voxel(page, v) for v in (200, 420))
    for tool, path in (("box", [(x0, y0), (x1, y1)]), ("lasso", [(x0, y0), (x1, y0), (x1, y1 + 40), (x0 - 30, y1)])):
        page.evaluate(f"window.viewer().setTool('{tool}')")
        page.mouse.move(*path[0])
        page.mouse.down()
        for x, y in path[1:]:
            page.mouse.move(x, y, steps=6)
        page.mouse.up()
        polygon = np.array(news(page)["polygon"])
        inside = np.array(page.evaluate("() => Array.from(window.viewer().inside())"), bool)
        np.testing.assert_array_equal(inside, inside_polygon(polygon, centres))
        assert 5 < inside.sum() < sample.n / 2
    page.evaluate("window.viewer().setTool('pan')")


# Moving, layers, panes


def test_scrubbing_layers_is_told_once_it_has_settled(page: Any) -> None:
    slider = page.locator(".layer input")
    slider.focus()
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.locator(".layer output").inner_text() == "7"
    assert news(page)["layer"] == 7 and page.evaluate("window.news.length") == 1


def test_dragging_and_the_wheel_move_the_map(page: Any) -> None:
    x, y = at_voxel(page, 333)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    assert page.evaluate("window.viewer().camera.zoom") > 1.5
    assert np.hypot(*np.subtract(at_voxel(page, 333), (x, y))) < 6, "the place under the pointer stays"
    page.mouse.down()
    page.mouse.move(x + 60, y + 20, steps=4)
    page.mouse.up()
    assert np.hypot(*np.subtract(at_voxel(page, 333), (x + 60, y + 20))) < 8
    assert news(page)["camera"]["zoom"] > 1.5 and page.evaluate("window.viewer().picked") is None


def test_panes_are_linked(page: Any, sample: Sample) -> None:
    page.evaluate("window.viewer().setPanes(3)")
    page.wait_for_function("window.viewer().panes.length === 3 && window.drawn()")
    heads = page.locator(".pane")
    assert heads.count() == 3
    page.locator(".pane select[title='Map of this pane']").nth(1).select_option("difference")
    off = np.abs(pixels(page, 1) - sample.painted("difference", page.evaluate("window.viewer().views()[1].layer")))
    assert (off > 1.5).mean() < 0.002
    assert page.locator(".scale").count() == 2, "one scale for each kind of map"
    page.mouse.move(*at_voxel(page, 333))
    shown = [page.locator(".ring.cursor").nth(i).is_visible() for i in range(3)]
    assert shown == [False, True, True]
    assert [o["map"] for o in news(page)["others"]] == ["difference", "joint"]


def test_keys(page: Any) -> None:
    page.locator(".viewer").focus()
    for key in ("]", "m", "m", "+"):
        page.keyboard.press(key)
    view = news(page)
    assert (view["layer"], view["map"]) == (9, "b") and view["camera"]["zoom"] > 1
    page.keyboard.press("Escape")
    page.wait_for_function("window.viewer().camera.zoom === 1")


# What comes late, and names


def test_old_news_from_python_do_not_undo_what_was_done_since(page: Any, sample: Sample) -> None:
    page.evaluate("window.viewer().setMap('pair')")
    sent = news(page)
    assert sent["map"] == "pair"
    page.evaluate("(data) => window.mounted(data)", viewer_data(sample.ground, {"pair": sample.scores}))  # seq 0
    assert page.evaluate("window.viewer().map") == "pair"


def test_the_layer_shown_is_painted_before_the_others_come(browser: Any, sample: Sample) -> None:  # noqa: F811
    first = scores_payload({8: sample.split[8]}, NAMES, sample.ev)
    data = viewer_data(sample.ground, {"pair": sample.scores}) | {"first": first.id}
    opened = open_viewer(browser, [sample.ground, first], data)
    np.testing.assert_allclose(pixels(opened), sample.painted("joint"), atol=2)
    assert opened.evaluate("window.viewer().scores.layers") == [8]
    opened.evaluate("window.viewer().setMap('difference')")
    opened.evaluate("(text) => window.keep(text)", base64.b64encode(sample.scores.data).decode())
    opened.wait_for_function("window.viewer().scores.layers.length === 3")
    assert opened.evaluate("window.viewer().map") == "difference", "what was done meanwhile stays"
    np.testing.assert_allclose(pixels(opened), sample.painted("difference"), atol=2)
    assert not opened.errors, opened.errors
    opened.close()


def test_names_from_files_are_text(browser: Any, sample: Sample) -> None:  # noqa: F811
    bad = "<img src=x onerror=window.hacked=1>"
    regions = RegionMasks({bad: sample.v1}, {bad: sample.v1})
    ground = flatmap_base_payload(sample.geometry, flatmap_base(sample.geometry, {}), sample.voxels, regions)
    scores = scores_payload(sample.split, (bad, bad), sample.ev)
    opened = open_viewer(browser, [ground, scores], viewer_data(ground, {bad: scores}, map="pair", region=bad))
    opened.mouse.move(*at_voxel(opened, int(np.flatnonzero(sample.v1)[40])))
    assert opened.locator(".tip").first.inner_text().startswith(bad)
    assert opened.evaluate("window.hacked") is None and opened.locator("img").count() == 0
    opened.close()


@pytest.mark.parametrize("kind", ["unique_a", "unique_b", "shared"])
def test_parts_are_painted_as_for_print(browser: Any, sample: Sample, kind: str) -> None:  # noqa: F811
    rng = np.random.default_rng(7)
    alone = np.stack([s + rng.normal(0.02, 0.01, sample.n) for s in sample.split[8]]).astype(np.float16).astype(float)
    sent = single_model_payload({8: alone})
    data = viewer_data(sample.ground, {"pair": sample.scores}, map=kind)
    data["sets"][0]["alone"] = sent.id
    opened = open_viewer(browser, [sample.ground, sample.scores, sent], data)
    values = partition_variance(sample.split[8].sum(0), alone).by_name()[kind]
    limits = (0.0, 0.15 if kind == "shared" else 0.04)  # their own, not those of split R2
    paint = painting.paint_value(sample.geometry, sample.of(8), values, (limits, kind))
    rgba = painting.overlay_on_curvature(sample.geometry, paint.rgba, "light")
    expected = np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], axis=-1) * 255
    off = np.abs(pixels(opened) - expected)
    assert (off > 1.5).mean() < 0.002 and np.median(off) < 1, "colours but for values on the border of two"
    opened.evaluate("window.viewer().setLayer(9)")
    assert "not fitted alone at layer 9" in opened.locator(".scale-note").last.inner_text()
    assert not opened.errors, opened.errors
    opened.close()
