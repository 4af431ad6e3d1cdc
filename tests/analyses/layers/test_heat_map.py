"""Layer x region: means against another implementation, planted best layers, what is drawn, page, bundle, clicks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from brivl.analyses.layers.heat_map.figures import curves_figure, heat_figure
from brivl.analyses.layers.heat_map.page import cell_of
from brivl.analyses.layers.heat_map.print_figure import heat_page
from brivl.analyses.layers.heat_map.tables import SCORES, HeatMap, region_layer_means
from brivl.commands.main import main
from brivl.core.claims.coverage import Coverage
from brivl.core.records import EncodingResult
from brivl.core.regions.region_stats import mask_means
from brivl.core.regions.variance_partitioning import partition_variance
from brivl.encoding.fit import FitRequest, FitResult
from brivl.errors import RequestError
from brivl.sharing.bundle import bundle_bytes
from brivl.ui import tabs
from brivl.viz.export import PAPER
from tests.support.app_driver import charts, fresh_server, headline, html, open_page
from tests.support.app_samples import MOVIE, ROIS, SENTENCES, fill
from tests.support.figure_samples import LABEL
from tests.support.sharing_samples import figure_of, stored

__all__ = ["fresh_server"]  # a fixture of every test here
NAMES = ("BriVL", "ViT")
REGIONS = ("V1", "FFA <left>", "IPS")
FIVE = ["S01", "S02", "S03", "S04", "S05"]
PEAKS = {"V1": 2, "FFA <left>": 5, "IPS": 3}


def planted(n_subjects: int = 4, n_layers: int = 6, seed: int = 0) -> pd.DataFrame:
    """Joint R² of each region peaks at a known layer; ViT carries more from layer 4 on."""
    rng = np.random.default_rng(seed)
    rows = []
    for layer in range(1, n_layers + 1):
        for region, peak in PEAKS.items():
            for i in range(n_subjects):
                joint = 0.4 - 0.05 * abs(layer - peak) + rng.normal(0, 0.004)
                share = 0.3 if layer >= 4 else 0.7
                parts = (0.01, 0.02, joint - 0.03)
                rows.append((layer, region, f"S{i}", joint, share * joint, (1 - share) * joint, *parts, 50))
    return pd.DataFrame(rows, columns=["layer", "region", "subject", *SCORES, "n_voxels"])


def heat_of(table: pd.DataFrame, kind: str = "joint", **changes: object) -> HeatMap:
    """A heat map whose fits are all there, unless changes say otherwise."""
    fits = {(int(layer), str(subject)) for layer, subject in zip(table["layer"], table["subject"], strict=True)}
    return HeatMap(table, NAMES, kind, "roi", **({"coverage": Coverage.of(fits)} | changes))


def trace(figure, name: str):
    """The only trace of this name."""
    (found,) = [one for one in figure.data if one.name == name]
    return found


def test_means_are_those_of_masks() -> None:
    rng = np.random.default_rng(0)
    masks = {"A": {"V1": rng.random(40) < 0.5, "FFA": rng.random(40) < 0.3, "none": np.arange(40) == 0}}
    split = rng.normal(0.1, 0.1, (2, 40))
    split[:, 0] = np.nan
    single = rng.normal(0.1, 0.1, (2, 40))
    result = EncodingResult(split.sum(0), split, np.isfinite(split[0]), None, np.full((2, 40), 0.5))
    fits = {(3, "A"): FitResult(FitRequest("made up", ("a", "b"), 3, "A"), result, {}, "hit")}
    table = region_layer_means(fits, masks, lambda _: single).set_index("region")
    assert table.index.tolist() == ["V1", "FFA"], "a region without a fitted voxel has no row"
    parts = partition_variance(result.r2_joint, single).by_name().values()
    kept = {name: mask for name, mask in masks["A"].items() if name != "none"}
    for name, values in zip(SCORES, (result.r2_joint, *result.r2_split, *parts), strict=True):
        np.testing.assert_allclose(table[name], mask_means(values, kept))
    assert table["n_voxels"].tolist() == [int((mask & result.selected).sum()) for mask in kept.values()]
    assert region_layer_means(fits, masks, lambda _: None)[["unique_a", "shared"]].isna().all(axis=None)
    with pytest.raises(RequestError, match="parcellation"):
        region_layer_means(fits, {"A": {"none": np.arange(40) == 0}}, lambda _: None)


def test_planted_best_layers_are_found_and_sort_the_rows() -> None:
    heat = heat_of(planted(), sort="layer")
    assert heat.best().to_dict() == PEAKS
    assert heat.rows() == ["V1", "IPS", "FFA <left>"] and heat_of(planted()).rows() == list(PEAKS)
    assert heat.headline.startswith("Joint R² of 3 ROIs is highest at layers 2 to 5, median 3; the largest is ")
    figure = heat_figure(heat, LABEL)
    best = trace(figure, "best layer")
    assert dict(zip(best.y, best.x, strict=True)) == {0: 2, 1: 3, 2: 5}


def test_cells_and_bands_are_means_and_intervals_over_subjects() -> None:
    table = planted()
    heat = heat_of(table, "difference")
    cells = heat.cells().set_index(["region", "layer"])
    for region, layer in (("V1", 1), ("IPS", 6)):
        rows = table[(table["region"] == region) & (table["layer"] == layer)]
        difference = (rows["r2_split_a"] - rows["r2_split_b"]).to_numpy()
        expected = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
        cell = cells.loc[(region, layer)]
        np.testing.assert_allclose(cell[["value", "low", "high"]].tolist(), [difference.mean(), *expected])
    curves = curves_figure(heat_of(table, "difference", chosen=("V1",)), LABEL)
    band, line = trace(curves, "band V1"), trace(curves, "V1")
    np.testing.assert_allclose(line.y, cells.loc["V1"]["value"])
    np.testing.assert_allclose(band.y, [*cells.loc["V1"]["high"], *cells.loc["V1"]["low"][::-1]])
    one = heat_of(planted(1), chosen=("V1",))
    assert not [t for t in curves_figure(one, LABEL).data if t.name.startswith("band")]


def test_what_may_be_nothing_is_hatched() -> None:
    table = planted(5)
    noise = np.random.default_rng(1).normal(0, 0.1, len(table))
    table["r2_split_a"] = np.where(table["layer"] == 1, table["r2_split_b"] + noise, table["r2_split_a"])
    heat = heat_of(table, "difference")
    cells = heat.cells()
    includes = (cells["low"] <= 0) & (cells["high"] >= 0)
    assert heat.uncertain(cells).tolist() == includes.tolist() and set(cells["layer"][includes]) == {1}
    hatched = trace(heat_figure(heat, LABEL), "interval includes 0")
    assert len(hatched.x) == includes.sum() > 0
    single = heat_of(table[table["subject"] == "S0"].assign(r2_joint=-0.01))
    assert single.uncertain(single.cells()).all()


def test_missing_fits_name_no_best_layer() -> None:
    table = planted()
    table = table[~((table["layer"] == 6) & (table["subject"] != "S0"))]
    fits = {(int(k), str(s)) for k, s in zip(table["layer"], table["subject"], strict=True)}
    missing = {(6, "S1"), (6, "S2"), (6, "S3")}
    heat = heat_of(table, coverage=Coverage.of(fits, missing), sort="layer")
    assert heat.best().empty and heat.rows() == list(PEAKS)
    assert heat.headline == "21 of 24 fits are there; layers of 3 ROIs are compared once all are (4 subjects)"
    assert "Best layers are marked once all fits are there" in heat.caption
    ticks = heat_figure(heat, LABEL).layout.xaxis.ticktext
    assert ticks[0] == "1<br>n = 4" and ticks[5] == "6<br>n = 1"


def test_layers_with_identical_features_have_no_difference() -> None:
    table = planted()
    fits = {(int(k), str(s)) for k, s in zip(table["layer"], table["subject"], strict=True)}
    coverage = Coverage.of(fits, identical=[1, 2])
    assert set(heat_of(table, "difference", coverage=coverage).cells()["layer"]) == {3, 4, 5, 6}
    notes = heat_figure(heat_of(table, "difference", coverage=coverage), LABEL).layout.annotations
    assert [note.x for note in notes if note.text == "identical features"] == [1, 2]
    assert set(heat_of(table, "joint", coverage=coverage).cells()["layer"]) == {1, 2, 3, 4, 5, 6}
    assert "identical features at layers 1, 2" in heat_of(table, coverage=coverage).caption


def test_every_cell_can_be_clicked() -> None:
    figure = heat_figure(heat_of(planted(), layer=5, chosen=("FFA <left>",)), LABEL)
    values, targets = trace(figure, "values"), trace(figure, "cells")
    assert np.isfinite(np.array(values.z)).all() and len(targets.x) == 18
    clicked = [{"customdata": list(targets.customdata[i])} for i in range(18)]
    cells = {cell_of([point]) for point in clicked}
    assert cells == {(region, layer) for region in PEAKS for layer in range(1, 7)}
    assert cell_of([]) is None and cell_of([{"x": 1}]) is None
    (frame,) = figure.layout.shapes
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (4.5, 5.5, 0.5, 1.5)


def test_page_of_print_has_the_same_numbers() -> None:
    heat = heat_of(planted(), "unique_b", layer=3, chosen=("V1", "IPS"))
    figure = heat_page(heat, LABEL, PAPER)
    cells, curves = figure.axes[:2]
    (image,) = cells.images
    assert image.get_array().shape == (3, 6) and np.allclose(image.get_array(), 0.02)
    assert [text.get_text() for text in cells.get_yticklabels()] == list(PEAKS)
    assert [text.get_text() for text in cells.get_xticklabels()][0] == "1\nn = 4"
    assert {line.get_label() for line in curves.lines} >= {"V1", "IPS"}
    assert len(curves.collections) == 2, "a band for each curve"


def test_unknown_words_are_refused() -> None:
    with pytest.raises(RequestError, match="'pair'"):
        heat_of(planted(), "pair")
    with pytest.raises(RequestError, match="'best'"):
        heat_of(planted(), sort="best")


# The page


@pytest.mark.parametrize("kind", ["joint", "difference"])
def test_the_page_shows_heat_map_and_curves(kind: str) -> None:
    fill(MOVIE, list(range(1, 13)), FIVE)
    at = open_page("layers", view="regions", subject="All", map=kind, layer="8", region="FFA")
    assert not at.exception and not at.error
    heat, curves = charts(at)
    values = next(one for one in heat["data"] if one["name"] == "values")
    assert values["z"]["shape"] == f"{len(ROIS)}, 12" and len(heat["layout"]["shapes"]) == 1
    assert [one["name"] for one in curves["data"] if one["mode"] == "lines+markers"] == ["FFA"]
    assert "5 subjects" in headline(at) and "n = 5" in heat["layout"]["xaxis"]["ticktext"][0]
    assert any("FFA, layer 8, on the brain" in link.proto.label for link in at.get("page_link"))
    at.multiselect[0].set_value(["V1"]).run()
    assert [one["name"] for one in charts(at)[1]["data"] if one["mode"] == "lines+markers"] == ["FFA", "V1"]
    at.segmented_control[0].set_value("").run()
    assert "view" not in at.query_params and len(charts(at)) == 1


@pytest.mark.parametrize("tab", tabs.NAMES)
def test_every_tab(tab: str) -> None:
    fill(SENTENCES, [3, 4], ["P01", "M02"])
    at = open_page("layers", data=SENTENCES, view="regions", subject="All", level="merged", sort="layer")
    at.session_state["tabs"] = tab
    at.run()
    assert not at.exception and not at.error
    if tab == "Table":
        assert len(at.dataframe[0].value) == 2 * 2 * 45
    if tab == "Method":
        assert any("hemispheres merged (Tzourio-Mazoyer et al., 2002)" in m.value for m in at.markdown)
    if tab == "Code":
        assert any("'view': 'regions'" in code.value for code in at.code)


def test_parts_that_are_not_known_are_said() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("layers", view="regions", map="unique_a")
    assert not at.exception and not charts(at) and "needs fits of each model alone" in html(at)


def test_bundle_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, path = stored(layers=(7, 8)), tmp_path / "heat.zip"
    record = figure_of(store, "layers", layers=(7, 8), subjects=("S01", "S02"), settings={"view": "regions"})
    assert record.stem == "layers_by_region_roi_joint_All" and "view=regions" in record.link
    path.write_bytes(bundle_bytes(store, record))
    assert main(["verify", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "match" and any("holds these scores" in f["sentence"] for f in said["findings"])
