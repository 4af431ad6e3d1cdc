"""Every page on an empty and on a full cache."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from brivl.config import cache_dir
from brivl.ui import cached, tabs, url_state
from brivl.ui.results import look_up, mean_scores
from tests.support.app_driver import PAGES, button, charts, fresh_server, headline, html, maps, open_page, region_charts  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, SENTENCES, fill

# Nothing stored


@pytest.mark.parametrize("page", PAGES)
def test_empty_cache_offers_a_run_and_computes_nothing(page: str) -> None:
    at = open_page(page, layer="5", subject="S02")
    assert not at.exception and not at.error
    assert "No result yet for layer 5, S02." in html(at)
    assert button(at, "Run layer 5, S02")
    assert not charts(at)
    assert not cache_dir().exists(), "looking must not write, let alone simulate"


def test_a_fit_from_the_command_line_is_not_said_to_be_missing() -> None:
    """Its flatmap is not prepared there; the run that the page offers does that and fits nothing again."""
    store = fill(MOVIE, [8], ["S01"])
    shutil.rmtree(store.root / "subject-flatmap")
    at = open_page("flatmap", layer="8", subject="S01")
    assert "Fitted, but not prepared for this page yet: layer 8, S01." in html(at)
    assert "No result yet" not in html(at) and "nothing is fitted again" in html(at)
    assert (
        button(at, "Run layer 8, S01") and "layer 8" in headline(open_page("layers", layer="8", subject="S01")).lower()
    )


def test_home_on_an_empty_cache_says_what_it_is_and_what_is_simulated() -> None:
    at = open_page("home")
    assert not at.exception and not at.error
    assert "SIMULATED" in html(at) and "No result yet" in html(at)
    assert at.metric[0].value == "0"
    assert button(at, "Run layer 8, S01")
    assert "Compare two models of the brain: by layer, voxel and region" in headline(at)
    assert "Not measurements of any brain" in html(at) and "BSD-3" not in html(at)
    assert [metric.label for metric in at.metric] == ["Results", "Size"]


def test_recent_jobs_name_data_layer_and_subjects() -> None:
    at = open_page("regions", subject="All", layer="3")
    button(at, "Run layer 3, all 5 subjects").click().run()
    cached.job_queue().submit({"task": "audit", "asked": {"fit": {"dataset": MOVIE, "subject": "S01", "layer": 8}}})
    at = open_page("home")
    assert not at.exception
    jobs = next(frame.value for frame in at.dataframe if "job" in frame.value)
    assert jobs["job"][0] == f"Audit · {MOVIE} · S01 · layer 8"
    assert re.fullmatch(rf"{re.escape(MOVIE)} · 5 subjects · layer 3 · started \d\d:\d\d", jobs["job"][1])
    links = [link.proto.label for link in open_page("layers").get("page_link")]
    assert "2 other jobs running · view" in links


def test_all_subjects_are_one_request_each() -> None:
    at = open_page("regions", subject="All", layer="3")
    button(at, "Run layer 3, all 5 subjects").click().run()
    ((request, _),) = cached.job_queue().jobs()
    assert [f["subject"] for f in request["fits"]] == ["S01", "S02", "S03", "S04", "S05"]
    assert {f["layer"] for f in request["fits"]} == {3}


# Everything stored


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("subject", ["S01", "All"])
def test_full_cache_shows_finding_chips_figure_and_self_check(page: str, subject: str) -> None:
    fill(MOVIE, [7, 8], ["S01", "S02", "S03", "S04", "S05"])
    at = open_page(page, subject=subject)
    assert not at.exception and not at.error
    said = html(at)
    assert (
        "SIMULATED" in said
        and "demo models (trained on cartoons)" in said
        and "leakage-free preset" in said
        and "EV &gt; 0.1" in said
    )
    assert "adds up to joint" not in said, "a check of the program is no finding"
    if page == "flatmap":
        assert [shown["simulated"] for shown in maps(at)] == [True]
    elif page == "regions":
        assert [shown["simulated"] for shown in region_charts(at)] == [True]
    else:
        (chart,) = charts(at)
        assert chart["layout"]["meta"]["simulated"] is True
        assert any(a["text"] == "simulated" for a in chart["layout"]["annotations"])
    who = "S01" if subject == "S01" else "5 subjects"
    assert who in headline(at)


def test_headline_names_the_better_model_whichever_side_it_stands_on() -> None:
    fill(MOVIE, [8], ["S01", "S02", "S03", "S04", "S05"])
    straight = open_page("regions", subject="All")
    swapped = open_page("regions", subject="All", a="vit-mini", b="brivl-mini")
    assert "BriVL-mini has the larger split R² in 3 of 3 ROIs" in headline(straight)
    assert headline(swapped) == headline(straight)
    names = [region_charts(at)[0]["names"] for at in (straight, swapped)]
    assert names[0] == names[1][::-1]


@pytest.mark.parametrize(("level", "count"), [("area", 8), ("merged", 45), ("region", 90)])
def test_aal_levels(level: str, count: int) -> None:
    fill(SENTENCES, [4], ["P01", "M02", "M04"])
    at = open_page("regions", data=SENTENCES, subject="All", level=level)
    assert not at.exception and not at.error
    (chart,) = region_charts(at)
    assert len(chart["rows"]) == count
    lobes = [row["lobe"] for row in chart["rows"]]
    assert len(set(lobes)) == (1 if level == "area" else 8) and lobes == sorted(lobes, key=lobes.index)
    assert f"{count} {'areas' if level == 'area' else 'regions'}" in headline(at)


def test_order_by_p_is_ascending() -> None:
    fill(SENTENCES, [4], list(cached.dataset_summary(SENTENCES).subjects))
    at = open_page("regions", data=SENTENCES, subject="All", level="region", order="p")
    (chart,) = region_charts(at)
    place = [column["name"] for column in chart["columns"]].index("p")
    p = [row["cells"][place] for row in chart["rows"]]
    numbers = [float(x.lstrip("<> ")) for x in p if x != "–"]
    assert len(numbers) > 10 and numbers == sorted(numbers)


def test_layers_that_are_missing_are_counted() -> None:
    """Two of twelve layers were called "every layer", and the better of two the best."""
    fill(MOVIE, [5, 8], ["S01"])
    at = open_page("layers")
    said = headline(at)
    assert "2 of 12 layers fitted (5 and 8)" in said and "at both layers compared (5 and 8)" in said
    assert "every layer" not in said and "highest" not in said and "2 of 12 fits" in html(at)
    ticks = charts(at)[0]["layout"]["xaxis"]["ticktext"]
    assert ticks[4] == "5<br>n = 1" and ticks[0] == "1<br>n = 0" and len(ticks) == 12


def test_layers_with_fewer_subjects_are_not_compared() -> None:
    """Layer 1 of two subjects stood beside layer 2 of one under "8 subjects"."""
    fill(MOVIE, [7], ["S01", "S02", "S03", "S04", "S05"])
    fill(MOVIE, [8], ["S01", "S02"])
    at = open_page("layers", subject="All")
    ticks = charts(at)[0]["layout"]["xaxis"]["ticktext"]
    assert ticks[6:8] == ["7<br>n = 5", "8<br>n = 2"]
    assert "at layer 8 2 of 5 subjects are fitted, so models are not compared there yet" in headline(at)
    assert "7 of 60 fits" in html(at)


def test_missing_fits_are_counted_with_the_layers_that_are_there() -> None:
    fill(MOVIE, [8], ["S01", "S02"])
    at = open_page("layers", subject="All")
    (text,) = [caption.value for caption in at.caption if "fits done" in caption.value]
    assert text.startswith("2 of 60 fits done (layer 8). Remaining 58: about ")
    assert "2 fits loaded (computing time 24 s)" in html(at)


def test_region_filters_the_mean() -> None:
    fill(MOVIE, [8], ["S01"])
    known = cached.dataset_summary(MOVIE)
    shown = look_up(url_state.resolve({"data": MOVIE, "region": "V1"}, known)[0], known)
    answer, facts = shown.answers[8, "S01"], shown.facts["S01"]
    inside = facts.voxels.rois["V1"] & answer.result.selected
    table = mean_scores(shown)
    assert table["n_voxels"].tolist() == [inside.sum()]
    np.testing.assert_allclose(table["r2_joint"], answer.result.r2_joint[inside].mean())
    at = open_page("layers", region="V1")
    assert f"{inside.sum():,} voxels" in html(at) and "of V1" in html(at)


@pytest.mark.parametrize("shown", ["pair", "difference"])
def test_other_maps(shown: str) -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap", map=shown)
    assert not at.exception and not at.error
    assert "BriVL-mini has the larger split R² in 3 of 3 ROIs" in headline(at)


def test_recovery_is_measured_where_the_truth_is_known() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap")
    assert any("Planted difference is" in m.value for m in at.markdown) is False, "closed panels cost nothing"
    at.session_state["recovery panel"] = True
    at.run()
    assert not at.exception
    assert any("Planted difference is" in m.value for m in at.markdown)
    planted, estimated = (chart for chart in charts(at) if any(t.get("name") == "voxels" for t in chart["data"]))
    assert [("Planted" in one["data"][2]["hovertemplate"]) for one in (planted, estimated)] == [True, False]
    assert planted["data"][2]["x"] == estimated["data"][2]["x"], "the same voxels"


@pytest.mark.parametrize("tab", tabs.NAMES)
@pytest.mark.parametrize("page", PAGES)
def test_every_tab(page: str, tab: str) -> None:
    fill(MOVIE, [8], ["S01", "S02"])
    at = open_page(page, subject="All")
    at.session_state["tabs"] = tab
    at.run()
    assert not at.exception and not at.error
    if tab == "Method":
        assert any("banded ridge" in m.value for m in at.markdown)
        assert "split R² adds up to joint R² (max |difference| 0 over 2 fits)" in html(at)
    if tab == "Table":
        assert len(at.dataframe) == (2 if page == "flatmap" else 1)  # scores, and clusters and peaks


def test_changing_page_keeps_the_question() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("layers", layer="7", subject="S02")
    at.query_params.clear()
    at.switch_page("pages/regions.py").run()
    assert at.query_params["layer"] == "7" and at.query_params["subject"] == "S02"
    assert "layer 7, S02" in html(at)


def test_another_dataset_forgets_what_belonged_to_the_first() -> None:
    at = open_page("layers", layer="12", subject="S05")
    at.selectbox[0].set_value(SENTENCES).run()
    assert not at.exception and not at.warning
    assert "No result yet for layer 4, P01." in html(at)
    assert [at.selectbox[i].value for i in (1, 2)] == ["brivl-mini", "minilm-l6"]
