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
from brivl.data.regions import PARCELLATION_NOUNS, PARCELLATION_TITLES
from brivl.encoding.fit import FitRequest, canonical_order
from brivl.encoding.identical_features import identical_features_key
from brivl.encoding.within_subject import CHANCE, DIFFERENCE, WithinSubjectRequest, within_subject_key
from brivl.errors import RequestError
from brivl.sharing.bundle import bundle_bytes
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.support.app_driver import button, charts, fresh_server, headline, html, open_page
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
    whiskers = next(trace for trace in charts(at)[0]["data"] if trace["name"] == "difference")
    assert whiskers["error_x"]["array"] and [text(at, f"n_voxels-{row}") for row in range(3)]
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
    return next(a["text"] for a in charts(at)[0]["layout"]["annotations"] if a.get("name") == name)


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
    return [a["text"] for a in charts(at)[0]["layout"]["annotations"] if (a.get("name") or "").startswith("subjects-")]


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
    rows = charts(at)[0]["layout"]["yaxis"]["ticktext"]
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
    rows = charts(at)[0]["layout"]["yaxis"]["ticktext"]
    assert rows and all("(" not in row for row in rows), "the atlas stands in the caption"
    names = [cell[0] for cell in charts(at)[0]["data"][0]["customdata"]]
    assert all(name.endswith("(AAL3)" if level == "aal3" else "(HCPex)") for name in names)
    assert ("Rolls" if level == "aal3" else "Huang") in html(at)
    fill(MOVIE, [8], ["S01"])
    movie = open_page("regions", level=level)
    assert "atlases of MNI space" in html(movie) and len(charts(movie)[0]["layout"]["yaxis"]["ticktext"]) == 3


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
    assert f"first {MOST_ROWS} of 120" in parts.caption


def test_a_chosen_row_is_framed_and_leads_to_the_brain() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("regions", region="FFA")
    layout = charts(at)[0]["layout"]
    assert len(layout["yaxis"]["ticktext"]) == 3, "the other rows stay"
    framed = [shape for shape in layout["shapes"] if shape["line"]["width"]]
    assert [layout["yaxis"]["ticktext"][round(shape["y0"] + 0.5)] for shape in framed] == ["FFA"]
    assert any("FFA on the brain" in link.proto.label for link in at.get("page_link"))
    button(at, "Clear region").click().run()
    assert "region" not in at.query_params
    assert not [shape for shape in charts(at)[0]["layout"]["shapes"] if shape["line"]["width"]]


def test_a_click_is_read_whatever_was_hit() -> None:
    assert page._region_of(["V1", 0.1, 0.1, 0.1, ".1", ".1"]) == "V1"  # a bar
    assert page._region_of(["V1"]) == "V1"  # the joint mark
    assert page._region_of(["S01", "V1"]) == "V1"  # a subject's dot


# Over the noise ceiling


def test_switch_divides_by_the_ceiling_and_says_so() -> None:
    fill(MOVIE, [8], ["S01"])
    plain, over = open_page("regions"), open_page("regions", scale="ceiling")
    assert not over.exception and over.toggle[0].value and not plain.toggle[0].value
    ceiling = 0.3 / (0.3 + 0.7 / 10)
    bars = [np.array(charts(at)[0]["data"][0]["customdata"])[:, 1:4].astype(float) for at in (plain, over)]
    np.testing.assert_allclose(bars[1], bars[0] / ceiling, rtol=1e-6)
    assert OVER_CEILING in charts(over)[0]["layout"]["xaxis"]["title"]["text"]
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
