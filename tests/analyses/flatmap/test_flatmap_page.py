"""The flatmap page: what the viewer is told, what a link restores, and what the viewer's news change."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import nibabel
import numpy as np
import pytest
import scipy.sparse
import streamlit as st
from matplotlib.figure import Figure
from PIL import Image

from brivl.analyses.flatmap import cached_maps, clusters_panel, own_map_panel, page, view_state, viewer
from brivl.analyses.flatmap.view_state import MapLook, PaneChoice
from brivl.analyses.flatmap.webgl import component
from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import Voxels
from brivl.data.summary import summarise_dataset
from brivl.encoding.fit import FitRequest, canonical_order, stored_fit
from brivl.encoding.time_course import TimeCourseTarget, time_course_key
from brivl.errors import RequestError
from brivl.ui import cached, url_state
from brivl.ui.results import fit_view
from brivl.ui.tabs import View
from brivl.viz.animation import animation_bytes
from brivl.viz.export import PAPER, Page
from brivl.viz.flatmap.print_surface import surface_page
from tests.support.app_driver import charts, fresh_server, headline, html, maps, open_page, packed, region_charts  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, SENTENCES, fill
from tests.support.figure_samples import flatmap

PAIR = ("brivl-mini", "vit-mini")
LOOK = MapLook(
    12,
    ((1, 2), (30, 4), (5, 60)),
    (0.25, 0.5, 3.0),
    {"joint": 0.3, "difference": 0.05},
    (PaneChoice("brivl-mini|vit_mini", 7, "difference"), PaneChoice("a|b", 3, "best")),
    False,
    True,
    "pial",
    (-90.0, 12.5, 2.0),
    0.1,
)


def test_the_viewer_is_given_all_layers_that_are_there() -> None:
    fill(MOVIE, [7, 8], ["S01"])
    at = open_page("flatmap")
    assert not at.exception and not charts(at)
    ((_, ground), _, (scores, values)) = packed(at)
    (shown,) = maps(at)
    assert scores["layers"] == [7, 8] and scores["names"] == ["BriVL-mini", "ViT-mini"]
    assert len(values["a"]) == 2 * scores["n_voxels"] and "outline_points" in ground
    assert shown["view"]["layer"] == 8 and shown["view"]["map"] == "joint" and shown["view"]["picked"] is None
    assert np.isnan(values["a"][0]), "the first voxel is not fitted"


def test_the_layer_shown_goes_ahead_of_the_others_once() -> None:
    fill(MOVIE, [7, 8], ["S01"])
    at = open_page("flatmap")
    _, (first, ahead), (whole, values) = packed(at)
    assert first["layers"] == [8] and whole["layers"] == [7, 8] and maps(at)[0]["first"]
    np.testing.assert_array_equal(ahead["a"], values["a"][whole["n_voxels"] :])
    assert len(packed(at.run())) == 2 and maps(at)[0]["first"] is None, "the browser has them all by now"


@pytest.mark.parametrize(("kind", "state"), [("best", {}), ("shared", {}), ("joint", {"panes": "x~7~joint"})])
def test_what_one_layer_cannot_paint_waits_for_all(kind: str, state: dict[str, str]) -> None:
    fill(MOVIE, [7, 8], ["S01"])
    at = open_page("flatmap", map=kind, **state)
    assert not at.exception and maps(at)[0]["first"] is None
    assert [meta["layers"] for meta, _ in packed(at) if meta["kind"] == "scores"] == [[7, 8]]


def test_swapped_models_swap_the_values() -> None:
    fill(MOVIE, [8], ["S01"])
    (_, straight), (_, swapped) = (
        packed(at)[1] for at in (open_page("flatmap"), open_page("flatmap", a="vit-mini", b="brivl-mini"))
    )
    np.testing.assert_array_equal(straight["a"], swapped["b"])


def test_mean_over_subjects() -> None:
    fill(MOVIE, [8], ["S01", "S02", "S03", "S04", "S05"])
    one, every = (packed(open_page("flatmap", subject=subject))[1][1] for subject in ("S01", "All"))
    assert np.nanstd(every["a"]) < 0.7 * np.nanstd(one["a"])


@pytest.mark.parametrize("kind", url_state.MAPS)
def test_every_map_has_its_figure_for_print(kind: str) -> None:
    fill(MOVIE, [7, 8], ["S01"])
    at = open_page("flatmap", map=kind)
    assert not at.exception and maps(at)[0]["view"]["map"] == kind
    at.session_state["tabs"] = "Export"
    at.run()
    assert not at.exception and not at.error


@pytest.fixture
def prints(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[Page], Figure]]:
    """What the page hands over to make its files with, later and outside of its run."""
    handed: list[Callable[[Page], Figure]] = []

    def record(*inputs: Any, **more: Any) -> View:
        handed.append(more["print_figure"])
        return fit_view(*inputs, **more)

    monkeypatch.setattr(page, "fit_view", record)
    return handed


def test_the_flatmap_is_exported_as_the_camera_sees_it(prints: list[Callable[[Page], Figure]]) -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap", map="joint", camera="0.25_0.5_4", limits="joint-0.3", voxel="12")
    assert not at.exception
    figure = prints[-1](PAPER)
    brain = figure.axes[0]
    wide, whole = np.ptp(brain.get_xlim()), brain.images[0].get_array().shape[1]
    assert wide == pytest.approx(whole / 4) and np.mean(brain.get_xlim()) == pytest.approx(whole / 4, abs=1)
    assert figure.axes[1].child_axes[0].get_ylim() == pytest.approx((0, 0.3))
    assert [line for line in brain.lines if line.get_gid() == "picked voxel"]


@pytest.mark.parametrize("kind", ("joint", "best", "shared"))
def test_the_surface_is_exported_as_the_camera_sees_it(
    kind: str, prints: list[Callable[[Page], Figure]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(MOVIE, [7, 8], ["S01"])
    views = []

    def small_mesh(voxels: Voxels) -> SurfaceMesh:
        """Four vertices on the first voxels."""
        places = np.array([[0.0, 0, 40], [30, -20, -10], [-30, -20, -10], [0, 35, -10]])
        faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
        weights = scipy.sparse.csr_matrix(np.eye(4, voxels.n_voxels))
        return SurfaceMesh({"inflated": places, "pial": places}, faces, weights, np.full(4, 0.5), np.ones(4), 4)

    def drawn(*inputs: Any) -> Figure:
        views.append(inputs[5])
        return surface_page(*inputs)

    monkeypatch.setattr(cached_maps, "surface", small_mesh)
    monkeypatch.setattr(page, "surface_page", drawn)
    at = open_page("flatmap", map=kind, shape="pial", orbit="20_-30_2", voxel="1", names="off")
    assert not at.exception and not at.error
    texts = " ".join(text.get_text() for text in prints[-1](PAPER).texts).replace("\n", " ")
    assert kind == "best" or "grey: below 0" in texts
    (seen,) = views
    assert (seen.form, seen.yaw, seen.pitch, seen.zoom, seen.voxel, seen.names) == ("pial", 20, -30, 2, 1, False)


def test_one_control_of_the_layer_and_one_of_the_region() -> None:
    store = fill(MOVIE, [7, 8], ["S01"])
    at = open_page("flatmap")
    assert [s.label for s in at.slider] == ["Layer"] and maps(at)[0]["beside"] == ["layer", "region"]
    known = summarise_dataset(store, MOVIE)
    n_layers = known.n_layers(known.default_pair)
    fill(MOVIE, list(range(1, n_layers + 1)), ["S01"])
    at.run()
    assert not at.slider and maps(at)[0]["beside"] == ["region"]  # the map's own slider reaches every layer
    assert [box.label for box in at.selectbox].count("Region") == 1
    at.switch_page("pages/layers.py").run()
    assert [s.label for s in at.slider] == ["Layer"]


def test_a_link_restores_how_the_map_is_looked_at() -> None:
    fill(MOVIE, [7, 8], ["S01"])
    fields = view_state.to_fields(LOOK)
    at = open_page("flatmap", map="pair", region="V1", **fields)
    assert not at.exception
    view = maps(at)[0]["view"]
    assert view["picked"] == 12 and view["polygon"] == [[1, 2], [30, 4], [5, 60]] and view["region"] == "V1"
    assert view["camera"] == {"x": 0.25, "y": 0.5, "zoom": 3.0} and view["fade"] and not view["names"]
    assert view["limits"]["joint"] == 0.3 and view["limits"]["difference"] == 0.05
    assert view["others"][1] == {"set": "a|b", "layer": 3, "map": "best"}
    assert {name: at.query_params[name] for name in fields} == fields


def test_look_survives_another_page() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap", voxel="12")
    at.query_params.clear()
    at.switch_page("pages/layers.py").run()
    at.switch_page("pages/flatmap.py").run()
    assert maps(at)[0]["view"]["picked"] == 12 and at.query_params["voxel"] == ["12"][0]


def test_another_dataset_forgets_the_voxel() -> None:
    fill(MOVIE, [8], ["S01"])
    fill(SENTENCES, [4], ["P01"])
    at = open_page("flatmap", voxel="12")
    at.query_params.clear()
    at.query_params["data"] = SENTENCES
    at.run()
    assert not at.exception and maps(at)[0]["view"]["picked"] is None


def test_fields_come_back() -> None:
    assert view_state.read(view_state.to_fields(LOOK)) == LOOK
    assert view_state.to_fields(MapLook()) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"voxel": "-1", "area": "1.2_3", "camera": "nan_1_2", "limits": "joint-x_split-9", "panes": "a~b"},
        {"voxel": "1e9", "area": "<img>", "camera": "1", "limits": "__", "panes": "~~,x~1~nonsense"},
    ],
)
def test_nonsense_in_a_link_counts_as_nothing(fields: dict[str, str]) -> None:
    assert view_state.read(fields) == MapLook()


def test_nonsense_from_the_browser_counts_as_nothing() -> None:
    wrong = {"picked": "x", "polygon": [[1], 2], "camera": {"x": "a"}, "limits": {"joint": "1"}, "others": [3, {}]}
    assert view_state.from_browser(wrong) == MapLook()
    assert view_state.from_browser({"camera": {"x": 9, "y": -9, "zoom": 1e9}}).camera == (1.1, -0.1, 40.0)


def test_news_of_the_viewer_change_the_question_only_to_what_there_is() -> None:
    fill(MOVIE, [8], ["S01"])
    asked = url_state.Choices(MOVIE, "brivl-mini", "vit-mini", 8, "S01", 12, ("S01",))
    news = {"map": "best", "layer": 7, "region": "V1", "set": "vit-mini|brivl-mini|S01|paper"}
    assert viewer.choices_from(news, asked) == {
        "map": "best",
        "layer": 7,
        "region": "V1",
        "a": "vit-mini",
        "b": "brivl-mini",
        "subject": "S01",
        "preset": "paper",
    }
    wrong = {"map": "x", "layer": 99, "region": None, "set": 3}
    assert viewer.choices_from(wrong, asked) == {"region": "all"}


def test_panes_can_show_other_subjects_presets_and_models_whose_scores_are_sent_when_shown() -> None:
    fill(MOVIE, [7, 8], ["S01", "S02"])
    sets = maps(open_page("flatmap"))[0]["sets"]
    assert [each["title"] for each in sets] == ["BriVL-mini and ViT-mini", "S02"]
    assert sets[0]["values"] and sets[1]["values"] is None
    at = open_page("flatmap", panes=f"{sets[1]['key']}~7~joint")
    shown = maps(at)[0]
    assert shown["sets"][1]["values"] and shown["view"]["others"][0]["set"] == sets[1]["key"]
    (one, first), (two, second) = packed(at)[1:]
    assert one["layers"] == two["layers"] == [7, 8] and not np.array_equal(first["a"], second["a"])


def test_the_view_that_python_gives_is_the_look_that_comes_back() -> None:
    choices = url_state.Choices(MOVIE, "brivl-mini", "vit-mini", 8, "S01", 12, ("S01",))
    view = viewer.view_of(choices, LOOK) | {"limits": dict(LOOK.limits)}
    assert view_state.from_browser(view) == LOOK


# The card


def cards(at) -> list[dict]:
    viewers = [e.proto for e in at.get("bidi_component") if e.proto.component_name == "brivl_card"]
    return [card for proto in viewers if not (card := json.loads(proto.json)).get("empty")]


def test_card_of_a_voxel_says_what_was_fitted_and_what_was_planted() -> None:
    store = fill(MOVIE, [7, 8], ["S01"])
    at = open_page("flatmap", voxel="13")
    assert not at.exception
    (card,) = cards(at)
    known = summarise_dataset(store, MOVIE)
    result = stored_fit(store, FitRequest(MOVIE, known.default_pair, 8, "S01")).result
    said = {name: value for name, value, _ in card["facts"]}
    assert card["title"] == "Voxel 13, FFA" and card["voxel"] == 13 and card["course"] is None
    assert float(said["joint R²"]) == pytest.approx(float(result.r2_joint[13]), rel=6e-3)
    assert [p["layer"] for p in card["layers"]] == [7, 8]
    assert card["layers"][1]["a"] == pytest.approx(float(result.r2_split[0, 13]), rel=1e-6)
    assert said["ground truth (simulated): layer"] == str(13 % 3 * 4) and card["truth"] == {"layer": 4}
    assert any(b.label == "Show time courses" for b in at.button)


def test_card_of_a_region_and_of_a_drawn_area() -> None:
    fill(MOVIE, [8], ["S01"])
    assert not cards(open_page("flatmap"))
    (region,) = cards(open_page("flatmap", region="V1"))
    assert region["title"].startswith("V1, ") and region["voxel"] is None
    (area,) = cards(open_page("flatmap", area="0.0_50.0_50.40_0.40"))
    assert area["title"].startswith("Drawn area, ")
    n = int(area["title"].split(", ")[1].split()[0])
    assert 20 < n < len(packed(open_page("flatmap"))[0][1]["ijk"]) / 3 * 0.6, "half of the map"


def test_card_of_a_voxel_that_was_not_fitted() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap", voxel="0")
    assert not at.exception
    (card,) = cards(at)
    assert dict((n, v) for n, v, _ in card["facts"])["joint R²"] == "–"
    assert card["layers"] == [{"layer": 8, "a": None, "b": None}]
    assert not any(b.label == "Show time courses" for b in at.button)


def test_a_stored_time_course_is_sent_with_the_card() -> None:
    store = fill(MOVIE, [8], ["S01"])
    known = summarise_dataset(store, MOVIE)
    request = FitRequest(MOVIE, known.default_pair, 8, "S01")
    info = {
        "n_most": 1,
        "n_least": 1,
        "tr": 2.0,
        "r2_joint": 0.5,
        "r2_split": [0.2, 0.3],
        "n_voxels": 1,
        "fitted": [0.5, 0.2, 0.3],
        "band_weights": [0.4, 0.6],
    }
    predicted = np.arange(80.0).reshape(2, 40)
    arrays = {
        "measured": np.arange(40.0),
        "predicted": predicted,
        "delays_s": np.array([0.0, 4]),
        "delay_weights": np.ones((2, 2)),
    }
    store.put(time_course_key(store, request, TimeCourseTarget(13), known), arrays, info)
    at = open_page("flatmap", voxel="13")
    assert not at.exception
    (card,) = cards(at)
    ((meta, sent),) = [each for each in packed(at) if each[0]["kind"] == "course"]
    assert card["course"] and meta["kind"] == "course" and meta["tr"] == 2.0
    order = 1 if canonical_order(request.models) == request.models else -1
    np.testing.assert_array_equal(sent["predicted"].reshape(2, 40), predicted[::order])


def test_the_plain_figure_is_there_for_browsers_without_webgl() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap")
    at.session_state["plain map"] = True
    at.run()
    assert not at.exception and not maps(at)
    assert charts(at)[0]["layout"]["meta"]["simulated"] is True


def test_the_code_is_one_module_without_imports() -> None:
    code = component.javascript()
    assert "\nimport " not in code and code.count("export default") == 1 and code.count("export ") == 1
    assert {path.name for path in component.FOLDER.glob("*.js")} == set(component.FILES)
    assert st.components.v2


def test_region_of_a_kept_voxel_can_be_chosen_and_is_compared_with_the_others() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap", voxel="12")
    (choose,) = [b for b in at.button if b.label.startswith("Select all of ")]
    name = choose.label.removeprefix("Select all of ")
    choose.click().run()
    assert not at.exception and at.query_params["region"] in (name, [name]) and "voxel" not in at.query_params
    assert maps(at)[0]["view"]["region"] == name and maps(at)[0]["view"]["picked"] is None
    assert any(link.proto.label == f"{name} among the regions" for link in at.get("page_link"))
    at.query_params.clear()
    at.switch_page("pages/regions.py").run()
    assert region_charts(at)[0]["chosen"] == name


def test_a_single_region_opens_the_level_that_has_it() -> None:
    fill(SENTENCES, [4], ["P01"])
    at = open_page("regions", data=SENTENCES, region="Precentral gyrus, left (Precentral_L)")
    regions = [row["region"] for row in region_charts(at)[0]["rows"]]
    assert "Precentral gyrus, left (Precentral_L)" in regions and len(regions) > 8


def test_clusters_lead_to_their_peaks() -> None:
    """A table at the threshold; a chosen row pins the voxel at the peak in the middle of the map."""
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap", threshold="0.12")
    at.session_state[clusters_panel.PANEL] = True
    at.run()
    assert not at.exception
    table = at.dataframe[0].value
    joint = stored_fit(cached.store(), FitRequest(MOVIE, PAIR, 8, "S01")).result.r2_joint
    assert table["peak"].max() == pytest.approx(np.nanmax(joint), abs=1e-6) and (table["peak"] > 0.12).all()
    assert "above 0.12" in html(at) and "not MNI" in html(at) and "own space" in html(at)
    assert {"x_mm", "size_mm3", "region"} <= set(table)
    voxels, geometry = cached.facts(MOVIE, "S01").voxels, flatmap()
    shown = clusters_panel.ThresholdMap("joint R²", joint, False, 0.2, voxels, geometry, {})
    peak = int(np.nanargmax(joint))
    moved = clusters_panel.look_at(shown, MapLook(area=((1, 2), (30, 4), (5, 60))), peak)
    assert moved.voxel == peak and moved.area == () and moved.camera[2] == clusters_panel.PEAK_ZOOM
    x, y = np.array(moved.camera[:2]) * geometry.mask.shape[::-1] - 0.5
    pixel = np.ravel_multi_index((round(y), round(x)), geometry.mask.shape)
    row = geometry.pixel_to_voxel[np.flatnonzero(np.flatnonzero(geometry.mask) == pixel)[0]]
    assert peak in row.indices, "the middle of the map shows the voxel"
    assert shown.threshold(MapLook()) == 0.1 and shown.threshold(MapLook(threshold=0.3)) == 0.3
    at.session_state["tabs"] = "Table"
    at.run()
    assert not at.exception and [len(frame.value) for frame in at.dataframe][-1] == len(table)
    at.session_state["tabs"] = "Export"
    at.run()
    assert any("clusters and peaks" in button.proto.label for button in at.get("download_button"))


def test_a_map_of_ones_own_lies_beside_the_one_shown() -> None:
    """A file on the grid is drawn with the correlation of both; one on another grid is refused with a sentence."""
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap")
    at.session_state[own_map_panel.PANEL] = True
    at.run()
    assert not at.exception and "not stored" in html(at)
    joint = stored_fit(cached.store(), FitRequest(MOVIE, PAIR, 8, "S01")).result.r2_joint
    voxels = cached.facts(MOVIE, "S01").voxels
    volume = np.nan_to_num(joint).reshape(voxels.shape).astype(np.float32)
    content = nibabel.Nifti1Image(volume, voxels.affine).to_bytes()
    other = nibabel.Nifti1Image(volume[:5], voxels.affine).to_bytes()
    for data, n_charts, expected in ((content, 2, "Spearman ρ = +1.00"), (other, 0, "Resample it")):
        at.file_uploader[0].set_value([("contrast.nii", data, "application/octet-stream")]).run()
        assert not at.exception and len(charts(at)) == n_charts
        assert expected in html(at) + " ".join(error.value for error in at.error)


def test_an_animation_has_a_frame_for_each_fitted_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same colours in every frame, the layer in its title; no animation of a map that compares layers."""
    fill(MOVIE, [7, 8, 9], ["S01"])
    exported: list[list[Callable[[], Figure]]] = []
    monkeypatch.setattr(page, "_exports", lambda view, frames: exported.append(list(frames)))
    for kind in ("difference", "best"):
        at = open_page("flatmap", map=kind)
        at.session_state["tabs"] = "Export"
        assert not at.run().exception
    assert [len(frames) for frames in exported if frames] == [3] and exported[-1] == []
    shown = next(frames for frames in exported if frames)
    texts = [{t.get_text() for t in draw().findobj(lambda artist: hasattr(artist, "get_text"))} for draw in shown[:2]]
    assert any("Layer 7 of 12" in text for text in texts[0]) and any("Layer 8 of 12" in text for text in texts[1])
    numbers = [{text for text in each if re.fullmatch(r"−?[0-9.]+", text)} for each in texts]
    assert numbers[0] and numbers[0] == numbers[1], "the same limits"
    content = animation_bytes(shown[:2], 500)
    animation = Image.open(io.BytesIO(content))
    assert animation.n_frames == 2 and animation.info["duration"] == 500 and animation.info["loop"] == 0
    frames = []
    for place in range(2):
        animation.seek(place)
        frames.append(np.asarray(animation.convert("RGB")))
    assert frames[0].shape == frames[1].shape and (frames[0] != frames[1]).any()
    with pytest.raises(RequestError, match="at least 2 frames"):
        animation_bytes(shown[:1])
