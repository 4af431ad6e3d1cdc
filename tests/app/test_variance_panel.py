"""Unique and shared parts on the flatmap page: offered, computed, drawn, and in the table."""

from __future__ import annotations

import json

import numpy as np
import streamlit as st

from brivl.encoding.fit import FitRequest, stored_fit
from brivl.encoding.single_model import single_model_key
from tests.support.app_driver import fresh_server, headline, html, maps, open_page, packed  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, fill

PAIR = ("brivl-mini", "vit-mini")


def put_alone(store, layer: int = 8) -> dict[str, np.ndarray]:
    """R2 of each model alone, made up: that of both less .01, less .02; by model."""
    request = FitRequest(MOVIE, PAIR, layer, "S01")
    joint = stored_fit(store, request).result.r2_joint
    rows = {model: joint - 0.01 * (i + 1) for i, model in enumerate(PAIR)}
    for model, r2 in rows.items():
        store.put(single_model_key(store, request, model), {"r2": r2, "selected": np.isfinite(r2)}, {})
    return rows


def test_parts_are_offered_and_then_drawn() -> None:
    store = fill(MOVIE, [7, 8], ["S01"])
    at = open_page("flatmap", map="shared")
    assert not at.exception and "not known until each is fitted alone" in headline(at)
    labels = [b.label for b in at.button if b.label.startswith("Fit each model alone")]
    assert labels == ["Fit each model alone, layer 8", "Fit each model alone, all 2 fitted layers"]
    put_alone(store)
    st.cache_resource.clear()
    known = open_page("flatmap", map="unique_a", voxel="12")
    assert "is explained only by BriVL-mini" in headline(known) and "de Heer" in html(known)
    ((meta, values),) = [(m, v) for m, v in packed(known) if m["kind"] == "alone"]
    assert meta["layers"] == [8] and maps(known)[0]["sets"][0]["alone"] is not None
    expected = stored_fit(store, FitRequest(MOVIE, PAIR, 8, "S01")).result.r2_joint - 0.01
    np.testing.assert_array_equal(values["a"].view(np.float16), expected.astype(np.float16))
    (card,) = [json.loads(e.proto.json) for e in known.get("bidi_component") if e.proto.component_name == "brivl_card"]
    facts = {name: value for name, value, _ in card["facts"]}
    assert facts["only BriVL-mini"] == "0.02" and facts["only ViT-mini"] == "0.01"
    at = open_page("flatmap")
    assert not [m for m, _ in packed(at) if m["kind"] == "alone"], "not sent before it is asked for"


def test_parts_are_in_the_table() -> None:
    store = fill(MOVIE, [8], ["S01"])
    put_alone(store)
    at = open_page("flatmap", map="shared")
    at.session_state["tabs"] = "Table"
    at.run()
    table = at.dataframe[-1].value
    np.testing.assert_allclose(table[["unique_a", "unique_b", "shared"]].sum(axis=1), table["r2_joint"], atol=1e-6)
    np.testing.assert_allclose(table["unique_a"], 0.02, atol=1e-6)
