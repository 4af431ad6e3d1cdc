"""Unique and shared variance on pages: said to be missing, offered, computed, drawn, and in the tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from brivl.encoding.fit import FitRequest, single_model_key, stored_fit
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.support.app_driver import (  # noqa: F401 (a fixture)
    button,
    charts,
    fresh_server,
    headline,
    html,
    maps,
    open_page,
    packed,
    region_charts,
)
from tests.support.app_samples import MOVIE, fill

PAIR = ("brivl-mini", "vit-mini")
NAMES = ("BriVL-mini", "ViT-mini")
# Made-up R2 of each model alone: that of both less .01 (A), less .02 (B). Unique A is joint less B, so .02.
UNIQUE_A, UNIQUE_B = 0.02, 0.01


def put_alone(store: Store, layer: int = 8, subject: str = "S01") -> dict[str, np.ndarray]:
    """Made-up R2 of each model alone, by model."""
    request = FitRequest(MOVIE, PAIR, layer, subject)
    joint = stored_fit(store, request).result.r2_joint
    rows = {model: joint - 0.01 * (i + 1) for i, model in enumerate(PAIR)}
    for model, r2 in rows.items():
        store.put(single_model_key(store, request, model), {"r2": r2, "selected": np.isfinite(r2)}, {})
    return rows


def trace(at: AppTest, name: str) -> dict:
    """A trace of the first chart, by its name in the legend."""
    return next(t for t in charts(at)[0]["data"] if t.get("name") == name)


def values(axis: object) -> np.ndarray:
    """Numbers of a trace, which plotly may have packed."""
    if isinstance(axis, dict):
        import base64

        return np.frombuffer(base64.b64decode(axis["bdata"]), axis["dtype"]).astype(float)
    return np.array([np.nan if v is None else v for v in axis], float)


def table(at: AppTest):
    at.session_state["tabs"] = "Table"
    at.run()
    return next(frame.value for frame in at.dataframe if "peak" not in frame.value)  # not clusters and peaks


@pytest.mark.parametrize("page", ["layers", "regions", "flatmap"])
def test_a_fit_without_parts_says_so_and_has_one_button(page: str) -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page(page, subject="S01")
    assert not at.exception and "nique parts not computed" in html(at)
    assert len([b for b in at.button if "unique parts" in b.label]) == 1
    button(at, "Compute unique parts").click().run()
    ((request, status),) = cached.job_queue().jobs()
    assert status.active and request["task"] == "parts" and [fit["layer"] for fit in request["fits"]] == [8]
    assert not [b for b in at.button if "unique parts" in b.label], "it runs"


@pytest.mark.parametrize("page", ["layers", "regions", "flatmap"])
def test_a_fit_with_parts_has_no_button_and_names_both_in_the_headline(page: str) -> None:
    store = fill(MOVIE, [8], ["S01"])
    put_alone(store)
    at = open_page(page, subject="S01", map="difference")
    assert not at.exception and "not computed" not in html(at)
    assert not [b for b in at.button if "unique parts" in b.label]
    assert "split R²" in headline(at) and "% of R² is shared" in headline(at)


def test_layers_draw_unique_and_shared_variance_beside_split() -> None:
    store = fill(MOVIE, [7, 8], ["S01"])
    for layer in (7, 8):
        put_alone(store, layer)
    at = open_page("layers", subject="S01")
    joint = values(trace(at, "joint R²")["y"])
    for name, expected in ((f"unique to {NAMES[0]}", UNIQUE_A), (f"unique to {NAMES[1]}", UNIQUE_B)):
        np.testing.assert_allclose(values(trace(at, name)["y"]), expected, atol=1e-6)
        assert trace(at, name)["line"]["dash"] == "dot"
    np.testing.assert_allclose(values(trace(at, "shared")["y"]), joint - UNIQUE_A - UNIQUE_B, atol=1e-6)
    assert "Dotted: unique R²" in html(at) and "joint R² minus R² of the other model alone" in html(at)
    shown = table(at)
    np.testing.assert_allclose(shown[["unique_a", "unique_b", "shared"]].sum(axis=1), shown["r2_joint"], atol=1e-6)


def test_a_layer_that_a_subject_lacks_has_no_mean_of_parts() -> None:
    store = fill(MOVIE, [7, 8], ["S01", "S02"])
    for layer, subject in ((7, "S01"), (7, "S02"), (8, "S01")):
        put_alone(store, layer, subject)
    at = open_page("layers", subject="All")
    np.testing.assert_allclose(values(trace(at, f"unique to {NAMES[0]}")["y"]), [UNIQUE_A, np.nan], atol=1e-6)
    assert "Unique parts not computed for 1 of 4 fits" in html(at)


def test_regions_have_a_mark_in_each_bar_and_columns() -> None:
    store = fill(MOVIE, [8], ["S01"])
    put_alone(store)
    at = open_page("regions", subject="S01")
    for side, name, expected in (("a", NAMES[0], UNIQUE_A), ("b", NAMES[1], UNIQUE_B)):
        (chart,) = region_charts(at)
        assert chart["has_unique"] and f"to {name}" in chart["rows"][0]["spoken"].replace("unique to", "to")
        np.testing.assert_allclose([row[f"unique_{side}"] for row in chart["rows"]], expected, atol=1e-5)
    assert "Diamonds: unique R²" in html(at)
    shown = table(at)
    parts = shown[["mean_unique_a", "mean_unique_b", "mean_shared"]]
    np.testing.assert_allclose(parts.sum(axis=1), shown["mean_joint"], atol=1e-6)
    np.testing.assert_allclose(parts["mean_unique_a"], UNIQUE_A, atol=1e-6)


def test_maps_of_parts_have_limits_of_their_own() -> None:
    store = fill(MOVIE, [8], ["S01"])
    put_alone(store)
    limits = maps(open_page("flatmap", map="unique_a", subject="S01"))[0]["view"]["limits"]
    assert limits["unique"] in (0.02, 0.05) and limits["unique"] < limits["split"] < limits["joint"]
    assert limits["shared"] <= limits["joint"]
    by_hand = maps(open_page("flatmap", map="unique_a", subject="S01", limits="unique-0.3_shared-0.4"))[0]["view"]
    assert by_hand["limits"]["unique"] == 0.3 and by_hand["limits"]["shared"] == 0.4
    assert by_hand["limits"]["joint"] == limits["joint"]


def test_parts_are_offered_and_then_drawn() -> None:
    store = fill(MOVIE, [7, 8], ["S01"])
    at = open_page("flatmap", map="shared")
    assert not at.exception and "need fits of each model alone" in headline(at)
    assert "Unique parts not computed for 2 of 2 fits" in html(at), "of all layers that the map can show"
    put_alone(store)
    st.cache_resource.clear()
    known = open_page("flatmap", map="unique_a", voxel="12")
    assert "unique to BriVL-mini 0.020" in headline(known) and "de Heer" in html(known)
    ((meta, arrays),) = [(m, v) for m, v in packed(known) if m["kind"] == "alone"]
    assert meta["layers"] == [8] and maps(known)[0]["sets"][0]["alone"] is not None
    expected = stored_fit(store, FitRequest(MOVIE, PAIR, 8, "S01")).result.r2_joint - 0.01
    np.testing.assert_array_equal(arrays["a"].view(np.float16), expected.astype(np.float16))
    (card,) = [json.loads(e.proto.json) for e in known.get("bidi_component") if e.proto.component_name == "brivl_card"]
    facts = {name: value for name, value, _ in card["facts"]}
    assert facts["unique to BriVL-mini"] == "0.02" and facts["unique to ViT-mini"] == "0.01"
    at = open_page("flatmap")
    assert not [m for m, _ in packed(at) if m["kind"] == "alone"], "not sent before it is asked for"


def test_parts_are_in_the_table_of_the_flatmap() -> None:
    store = fill(MOVIE, [8], ["S01"])
    put_alone(store)
    shown = table(open_page("flatmap", map="joint"))
    np.testing.assert_allclose(shown[["unique_a", "unique_b", "shared"]].sum(axis=1), shown["r2_joint"], atol=1e-6)
    np.testing.assert_allclose(shown["unique_a"], UNIQUE_A, atol=1e-6)
