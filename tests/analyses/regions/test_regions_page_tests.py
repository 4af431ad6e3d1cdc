"""Page Regions: tests within a subject, looked up or asked for by a button; scores over the noise ceiling."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import streamlit as st

from brivl.analyses.regions import page
from brivl.analyses.regions.ceiling import OVER_CEILING
from brivl.analyses.regions.tables import MOST_ROWS, RegionQuestion, in_order, region_parts
from brivl.commands.main import main
from brivl.core.encoding.explainable_variance import noise_ceiling, normalise_by_ceiling
from brivl.core.records import EncodingResult
from brivl.core.regions.prevalence import prevalence
from brivl.data.flatmaps import flatmap_key
from brivl.data.regions import PARCELLATION_NOUNS, PARCELLATION_TITLES
from brivl.encoding.fit import FitRequest, canonical_order
from brivl.encoding.identical_features import identical_features_key
from brivl.encoding.within_subject import CHANCE, DIFFERENCE, WithinSubjectRequest, within_subject_key
from brivl.errors import RequestError
from brivl.sharing.bundle import bundle_bytes
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.support.app_driver import button, fresh_server, headline, html, open_page, packed, region_charts
from tests.support.app_samples import MOVIE, ROIS, SENTENCES, fill
from tests.support.sharing_samples import figure_of

__all__ = ["fresh_server"]  # a fixture of every test here
PAIR = ("brivl-mini", "vit-mini")
FIVE = ["S01", "S02", "S03", "S04", "S05"]


def put_tests(store: Store, asked: WithinSubjectRequest, n: int) -> None:
    """Tests of n voxels, made up; the second of the pair as stored is worse by .02 everywhere."""
    known = cached.dataset_summary(asked.fit.dataset)
    arrays = {"columns": np.arange(1, n + 1)}
    sign = 1 if canonical_order(PAIR) == PAIR else -1
    for prefix, m in (("", n), ("roi_", len(ROIS))):
        arrays |= {f"{prefix}chance_{name}": np.full((3, m), 0.0123) for name in CHANCE}
        arrays |= {f"{prefix}difference_{name}": np.full(m, 0.0045) for name in DIFFERENCE}
        arrays |= {f"{prefix}difference_difference": np.full(m, sign * 0.02)}
    info = {
        "levels": {"roi": list(ROIS)},
        "n_blocks": 27,
        "blocks": "blocks of 20 s or a little more",
        "n_folds": 1,
        "n_orders": 1001,
        "exact": False,
        "n_signs": 1001,
        "signs_exact": False,
        "simulated": True,
    }
    store.put(within_subject_key(store, asked, known), arrays, info)


def test_tests_are_asked_for_by_a_button() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("regions")
    assert not at.exception and "longer than the haemodynamic response" in html(at)
    button(at, "Test within this subject").click().run()
    ((request, _),) = cached.model_queue().jobs()
    assert request["task"] == "infer" and request["asked"]["block_s"] == 20 and request["asked"]["region"] == "all"
    cached.model_queue().shutdown()


def test_stored_tests_are_shown_with_what_p_can_reach() -> None:
    store = fill(MOVIE, [8], ["S01"])
    put_tests(store, WithinSubjectRequest(FitRequest(MOVIE, PAIR, 8, "S01")), 40)
    at = open_page("regions")
    assert not at.exception and not at.error
    said = html(at)
    assert "is above chance in 40 of 40 voxels" in said and "BriVL-mini has the larger split R² in 40" in said
    assert "27 blocks of at least 20 s" in said and "smallest p &lt; .001" in said
    table = at.dataframe[-1].value
    assert table["region"].tolist() == list(ROIS) and set(table["p, chance"]) == {".012"}
    swapped = open_page("regions", a=PAIR[1], b=PAIR[0]).dataframe[-1].value
    assert swapped.filter(like=" − ").iloc[0, 0] == "−0.020"


def test_a_run_of_one_subject_computes_its_tests_too() -> None:
    """p and q of one subject are those of blocks of stimuli, so they are part of the answer."""
    at = open_page("regions")
    button(at, "Run layer 8, S01").click().run()
    ((request, _),) = cached.job_queue().jobs()
    (tests,) = request["tests"]
    assert request["task"] == "sweep" and tests["fit"] == request["fits"][0] and tests["block_s"] == 20
    assert "tests" not in open_run("regions", subject="All")


def open_run(page: str, **fields: str) -> dict:
    """The job that a page offers first."""
    at = open_page(page, **fields)
    button(at, "Run").click().run()
    return next(request for request, _ in cached.job_queue().jobs() if len(request["fits"]) > 1)


def test_one_subject_leads_with_tests_over_blocks() -> None:
    """p over voxels is a choice with its warning, and no headline knows it."""
    store = fill(MOVIE, [8], ["S01"])
    empty = open_page("regions")
    assert "no test within this subject has been computed yet" in html(empty) and "not tested" in headline(empty)
    assert [text(empty, f"p-{row}") for row in range(3)] == ["–"] * 3
    put_tests(store, WithinSubjectRequest(FitRequest(MOVIE, PAIR, 8, "S01")), 40)
    st.cache_resource.clear()
    at = open_page("regions")
    assert [text(at, f"p-{row}") for row in range(3)] == [".004"] * 3
    assert "blocks of stimuli, q &lt; .05" in headline(at) and "anti-conservative" not in html(at)
    assert all(None not in (row["low"], row["high"]) for row in region_charts(at)[0]["rows"])
    assert all(text(at, f"n_voxels-{row}") for row in range(3))
    over_voxels = open_page("regions", unit="voxel")
    assert headline(over_voxels) == headline(at) and "anti-conservative" in html(over_voxels)


def test_a_bundle_of_tests_over_blocks_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, path = fill(MOVIE, [8], ["S01"]), tmp_path / "regions.zip"
    put_tests(store, WithinSubjectRequest(FitRequest(MOVIE, PAIR, 8, "S01")), 40)
    record = figure_of(store, "regions", subjects=("S01",))
    assert set(record.make_tables()["scores"]["unit"]) == {"block"}
    assert "sign flips of blocks of held-out samples" in record.evidence.methods()
    path.write_bytes(bundle_bytes(store, record))
    assert main(["verify", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "match"


def text(at, name: str) -> str:
    """A cell of the columns of words in the figure."""
    (chart,), (column, _, row) = region_charts(at), name.rpartition("-")
    return chart["rows"][int(row)]["cells"][[each["name"] for each in chart["columns"]].index(column)]


def test_nothing_is_compared_until_all_subjects_are_there() -> None:
    """2 of 5 subjects had a headline of "no difference in 16 ROIs"."""
    fill(MOVIE, [8], ["S01", "S02"])
    at = open_page("regions", subject="All")
    assert "2 of 5 subjects fitted" in headline(at) and "are compared in 3 ROIs once the other 3" in headline(at)
    assert [text(at, f"p-{row}") for row in range(3)] == ["–"] * 3 and not counts(at)
    assert "2 of 5 subjects" in html(at) and "2 of 5 fits" in html(at)
    assert "Largest difference" not in html(at)


def test_identical_features_are_said_on_every_page() -> None:
    """From a note that a worker has made of the features; names of models decide nothing."""
    store = fill(MOVIE, [7, 8], ["S01"])
    key = identical_features_key(store, FitRequest(MOVIE, PAIR, 8, "S01"), cached.dataset_summary(MOVIE))
    store.put(key, {"identical": np.array(True)}, {"identical": True, "simulated": True})
    for page_name, fields in (("regions", {}), ("flatmap", {"map": "difference"}), ("layers", {})):
        at = open_page(page_name, **fields)
        assert not at.exception and "the two models have identical features at" in headline(at), page_name
    assert "larger" not in headline(open_page("regions")) and "Largest difference" not in html(open_page("regions"))
    assert "larger" in headline(open_page("regions", layer="7"))


def test_several_subjects_are_tested_by_one_button() -> None:
    fill(MOVIE, [8], ["S01", "S02"])
    at = open_page("regions", subject="All")
    button(at, "Test within each subject").click().run()
    ((request, _),) = cached.model_queue().jobs()
    assert request["task"] == "infer-each"
    assert [asked["fit"]["subject"] for asked in request["asked"]] == ["S01", "S02"]
    cached.model_queue().shutdown()


# In how many subjects


def counts(at) -> list[str]:
    """The column of subjects in the figure."""
    (chart,) = region_charts(at)
    there = any(column["name"] == "subjects" for column in chart["columns"])
    return [text(at, f"subjects-{row}") for row in range(len(chart["rows"]))] if there else []


def signs(store: Store, subject: str) -> np.ndarray:
    """(n_rois,) sign of the mean difference of a subject, from the stored scores."""
    answer = cached.stored_fit(FitRequest(MOVIE, PAIR, 8, subject))
    a, b = answer.result.r2_split
    masks = cached.facts(MOVIE, subject).voxels.rois.values()
    return np.array([np.sign(np.nanmean((a - b)[mask])) for mask in masks])


def test_prevalence_counts_signs_until_there_are_tests() -> None:
    store = fill(MOVIE, [8], FIVE)
    at = open_page("regions", subject="All")
    each = np.array([signs(store, s) for s in FIVE])
    assert not at.exception
    assert sorted(counts(at)) == sorted(f"{n} of 5" for n in (each == np.sign(each.sum(0))).sum(0))
    assert "untested" in html(at)
    for subject in FIVE[:4]:
        put_tests(store, WithinSubjectRequest(FitRequest(MOVIE, PAIR, 8, subject)), 40)
    assert "untested" in html(open_page("regions", subject="All")), "one subject is not tested yet"
    put_tests(store, WithinSubjectRequest(FitRequest(MOVIE, PAIR, 8, "S05")), 40)
    st.cache_resource.clear()
    tested = open_page("regions", subject="All")
    assert counts(tested) == ["5 of 5"] * 3 and "untested" not in html(tested)
    table = tested.dataframe[-1].value
    assert table["subject"].tolist() == FIVE and set(table["larger split R²: BriVL-mini"]) == {40}
    assert not counts(open_page("regions")), "one subject has no such column"


def test_prevalence_of_planted_differences() -> None:
    differences = np.array([[0.1, -0.1, np.nan, 0.2], [0.2, -0.3, 0.1, -0.1], [0.1, 0.1, 0.1, -0.1]])
    by_sign = prevalence(differences)
    assert by_sign.k.tolist() == [3, 2, 2, 0] and by_sign.n.tolist() == [3, 3, 2, 3] and by_sign.basis == "sign"
    clear = np.array([[True, False, True, True], [False, True, False, True], [True, True, True, True]])
    by_tests = prevalence(differences, clear)
    assert by_tests.k.tolist() == [2, 1, 1, 0] and by_tests.basis == "tests"


def test_voxels_as_pairs_come_with_the_effective_n() -> None:
    fill(MOVIE, [8], FIVE)
    at = open_page("regions", subject="All", unit="voxel")
    assert not at.exception and "n is 5, not up to" in html(at)
    assert headline(at) == headline(open_page("regions", subject="All")), "a headline rests on subjects"
    voxels = cached.facts(MOVIE, "S01").voxels
    a, b = (
        np.concatenate([cached.stored_fit(FitRequest(MOVIE, PAIR, 8, s)).result.r2_split[side] for s in FIVE])
        for side in (0, 1)
    )
    inside = np.tile(voxels.rois["FFA"], 5) & np.isfinite(a)
    expected = scipy.stats.ttest_rel(a[inside], b[inside]).pvalue
    answers = {(8, s): cached.stored_fit(FitRequest(MOVIE, PAIR, 8, s)) for s in FIVE}
    facts = {s: cached.facts(MOVIE, s) for s in FIVE}
    table = region_parts(answers, facts, RegionQuestion("roi", ("A", "B"), by_voxel=True)).table.set_index("region")
    assert table.loc["FFA", "p"] == pytest.approx(expected) and table.loc["FFA", "n"] == inside.sum()
    button_of = next(t for t in at.toggle if t.label == "Test over voxels")
    button_of.set_value(False).run()
    assert "unit" not in at.query_params and "not up to" not in html(at)


# Which regions, in which order


@pytest.mark.parametrize("order", ["p", "effect", "name"])
def test_rows_are_in_the_order_asked_for(order: str) -> None:
    fill(SENTENCES, [4], ["P01"])
    at = open_page("regions", data=SENTENCES, level="merged", order=order, unit="voxel")
    rows = [row["region"] for row in region_charts(at)[0]["rows"]]
    plain = region_parts(*answers_of(SENTENCES, ("P01",)), RegionQuestion("merged", ("A", "B"), by_voxel=True)).table
    key = {"p": plain["p"], "effect": -plain["difference"], "name": plain["region"].str.casefold()}[order]
    assert rows == plain["region"].iloc[np.argsort(key.to_numpy(), kind="stable")].tolist()


def answers_of(name: str, subjects: tuple[str, ...]) -> tuple[dict, dict]:
    """Answers and facts from the cache of this test."""
    pair = cached.dataset_summary(name).default_pair
    found = {(4, s): cached.stored_fit(FitRequest(name, pair, 4, s)) for s in subjects}
    return found, {s: cached.facts(name, s) for s in subjects}


def test_the_caption_counts_the_subjects_who_have_the_region() -> None:
    fill(SENTENCES, [4], ["P01", "M02", "M04"])
    answers, facts = answers_of(SENTENCES, ("P01", "M02", "M04"))
    question = RegionQuestion("area", ("A", "B"))
    assert "t-test over 3 subjects;" in region_parts(answers, facts, question).caption
    voxels = facts["M02"].voxels
    lacking = facts | {"M02": replace(facts["M02"], voxels=replace(voxels, aal=np.zeros_like(voxels.aal)))}
    assert "those of 3 subjects who have voxels in a region (2);" in region_parts(answers, lacking, question).caption


def test_atlases_are_called_by_their_names() -> None:
    """HCPex has 426 regions, HCP-MMP1 has 360; "45 regions, sides merged" did not say of which atlas."""
    assert PARCELLATION_TITLES["hcp"].startswith("HCPex") and PARCELLATION_NOUNS["hcp"] == "HCPex regions"
    assert all(PARCELLATION_TITLES[level].startswith("AAL") for level in ("area", "merged", "region", "aal3"))


@pytest.mark.parametrize("level", ["aal3", "hcp"])
def test_further_atlases_in_mni_space_only(level: str) -> None:
    fill(SENTENCES, [4], ["P01"])
    at = open_page("regions", data=SENTENCES, level=level)
    assert not at.exception and not at.error
    (chart,) = region_charts(at)
    assert chart["rows"] and all("(" not in row["short"] for row in chart["rows"]), "the atlas stands in the caption"
    names = [row["region"] for row in chart["rows"]]
    lobes = [row["lobe"] for row in chart["rows"]]
    assert all(lobes) and lobes == sorted(lobes, key=lobes.index), "regions of a lobe stand together"
    assert all(name.endswith("(AAL3)" if level == "aal3" else "(HCPex)") for name in names)
    assert ("Rolls" if level == "aal3" else "Huang") in html(at)
    fill(MOVIE, [8], ["S01"])
    movie = open_page("regions", level=level)
    assert "atlases of MNI space" in html(movie) and len(region_charts(movie)[0]["rows"]) == 3


def test_a_long_atlas_is_drawn_in_part_and_given_in_full() -> None:
    rng, regions = np.random.default_rng(0), [f"R{i}" for i in range(200)]
    table = pd.DataFrame({"region": regions, "p": rng.random(200), "difference": rng.normal(size=200)})
    assert in_order(table, "p")["p"].is_monotonic_increasing
    fill(SENTENCES, [4], ["P01"])
    found, facts = answers_of(SENTENCES, ("P01",))
    voxels = replace(
        facts["P01"].voxels, rois={f"R{i}": np.arange(facts["P01"].voxels.n_voxels) == i + 1 for i in range(120)}
    )
    facts = {"P01": replace(facts["P01"], voxels=voxels)}
    parts = region_parts(found, facts, RegionQuestion("roi", ("A", "B"), highlighted="R119"))
    assert len(parts.table) == 120 and parts.scores.n_regions == MOST_ROWS + 1 and parts.scores.highlight == "R119"
    assert f"first {MOST_ROWS}; the table has all" in parts.caption and parts.every_row.n_regions == 120


def test_a_chosen_row_is_framed_and_leads_to_the_brain() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("regions", region="FFA")
    (chart,) = region_charts(at)
    assert len(chart["rows"]) == 3 and chart["chosen"] == "FFA", "the other rows stay"
    assert any("FFA on the brain" in link.proto.label for link in at.get("page_link"))
    button(at, "Clear region").click().run()
    assert "region" not in at.query_params
    assert region_charts(at)[0]["chosen"] is None


def test_the_map_of_the_regions_is_that_of_the_flatmap() -> None:
    """The browser gets the same base map, and the voxels and means of each region."""
    fill(MOVIE, [8], ["S01"])
    at = open_page("regions", map="difference")
    (chart,) = region_charts(at)
    (base, _), (members, arrays) = packed(at)
    assert base["kind"] == "ground" and members["kind"] == "members" and chart["ground"] and chart["members"]
    voxels = cached.facts(MOVIE, "S01").voxels
    for i, name in enumerate(chart["regions"]):
        inside = arrays["voxels"][arrays["offsets"][i] : arrays["offsets"][i + 1]]
        np.testing.assert_array_equal(inside, np.flatnonzero(voxels.rois[name]))
    kind = next(kind for kind in chart["kinds"] if kind["key"] == chart["kind_of_map"])
    values = dict(zip(chart["regions"], kind["values"], strict=True))
    for row in chart["rows"]:
        assert values[row["region"]] == pytest.approx(row["difference"], abs=1e-5)
    assert kind["limits"][0] == -kind["limits"][1] and kind["mode"] == "diverging"


def test_bars_stay_where_there_is_no_map() -> None:
    store = fill(MOVIE, [8], ["S01"])
    store.remove(flatmap_key(cached.facts(MOVIE, "S01").voxels))
    st.cache_resource.clear()
    at = open_page("regions")
    (chart,) = region_charts(at)
    assert not at.exception and chart["ground"] is None and len(chart["rows"]) == 3
    assert "no map of S01's voxels yet" in chart["map_note"]


def test_rows_can_be_cut_to_what_matters() -> None:
    """Top 20 by joint R2 and q < .05 hold for the page, the figure for print and the caption; the table has all."""
    fill(SENTENCES, [4], list(cached.dataset_summary(SENTENCES).subjects))
    at = open_page("regions", data=SENTENCES, subject="All", level="region", rows="top")
    (chart,) = region_charts(at)
    joint = sorted((row["joint"] for row in chart["rows"]), reverse=True)
    listed = sorted((row["joint"] for row in chart["rows"] if row["listed"]), reverse=True)
    assert len(joint) == 90 and listed == joint[:20]
    assert "20 of 90 regions with the highest joint R²" in html(at)
    low = open_page("regions", data=SENTENCES, subject="All", level="region", rows="q")
    (chart,) = region_charts(low)
    place = [column["name"] for column in chart["columns"]].index("q")
    q = {listed: [row["cells"][place] for row in chart["rows"] if row["listed"] is listed] for listed in (True, False)}
    assert q[True] and all(float(text.lstrip("<> ")) < 0.05 for text in q[True])
    assert all(text == "–" or float(text.lstrip("<> ")) >= 0.05 for text in q[False])
    assert f"Rows: {len(q[True])} of 90 with q &lt; .05" in html(low)
    untested = open_page("regions", data=SENTENCES, subject="P01", level="region", rows="q")
    assert "No region has q &lt; .05, so all are shown" in html(untested)
    assert all(row["listed"] for row in region_charts(untested)[0]["rows"])


def test_a_click_chooses_a_region_and_a_second_one_clears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[dict] = []
    monkeypatch.setattr(page.url_state, "change", lambda **fields: changes.append(fields))
    monkeypatch.setattr(page.url_state, "raw_fields", dict)
    for news in ({"region": "V1", "map": "joint"}, {"region": None, "map": "difference"}, {"region": 3, "map": "x"}, 7):
        monkeypatch.setattr(page.st, "session_state", {page.CHART: {"settled": news}})
        page._take_news()
    assert changes == [{"region": "V1"}, {"region": None, "map": "difference"}, {"region": None}]


# Over the noise ceiling


def test_switch_divides_by_the_ceiling_and_says_so() -> None:
    fill(MOVIE, [8], ["S01"])
    plain, over = open_page("regions"), open_page("regions", scale="ceiling")
    assert not over.exception and over.toggle[0].value and not plain.toggle[0].value
    ceiling = 0.3 / (0.3 + 0.7 / 10)
    bars = [
        np.array([[row[name] for name in ("joint", "a", "b")] for row in region_charts(at)[0]["rows"]])
        for at in (plain, over)
    ]
    np.testing.assert_allclose(bars[1], bars[0] / ceiling, atol=1e-4)
    assert region_charts(over)[0]["quantity"] == OVER_CEILING
    assert OVER_CEILING in headline(over) and "noise ceiling" not in headline(plain)
    assert "divided by its noise ceiling" in html(over)
    plain.toggle[0].set_value(True).run()
    assert plain.query_params["scale"] in ("ceiling", ["ceiling"]) and "divided by its noise ceiling" in html(plain)


def test_scale_and_pairs_survive_another_page() -> None:
    fill(MOVIE, [8], ["S01", "S02"])
    at = open_page("regions", subject="All", scale="ceiling", unit="voxel")
    at.query_params.clear()
    at.switch_page("pages/layers.py").run()
    at.switch_page("pages/regions.py").run()
    assert at.query_params.get("scale") == "ceiling" and at.query_params.get("unit") == "voxel"
    assert "divided by its noise ceiling" in html(at) and "not up to" in html(at)


def test_data_without_repeats_have_no_switch() -> None:
    fill(SENTENCES, [4], ["P01"])
    at = open_page("regions", data=SENTENCES, scale="ceiling")
    assert not at.exception and [t.label for t in at.toggle] == ["Test over voxels"] and "noise ceiling" not in html(at)


def test_scores_over_the_ceiling() -> None:
    ev = np.array([0.5, 0.05, np.nan, 0.11])
    split = np.array([[0.1, 0.1, 0.1, 0.2], [0.2, 0.1, 0.1, 0.1]])
    result = EncodingResult(split.sum(0), split, np.ones(4, bool), ev, np.full((2, 4), 0.5))
    found = normalise_by_ceiling(result, 10, 0.1)
    expected = split / noise_ceiling(np.array([0.5, np.nan, np.nan, 0.11]), 10)
    np.testing.assert_allclose(found.r2_split, expected)
    np.testing.assert_allclose(found.r2_split.sum(0), found.r2_joint)
    with pytest.raises(RequestError, match="without repeats"):
        normalise_by_ceiling(EncodingResult(split.sum(0), split, np.ones(4, bool), None, split), 10, 0.1)
