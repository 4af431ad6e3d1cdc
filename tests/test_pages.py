"""Every page under Streamlit's AppTest: empty cache, full cache, while a job runs, and with bad input."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from brivl.app import cached, state, tabs
from brivl.app.asking import look_up, mean_scores
from brivl.backend import jobs
from brivl.backend.jobs import JobBoard
from brivl.backend.methods import cli_lines, methods_paragraph, python_lines
from brivl.cli.main import main
from brivl.config import PROJECT, cache_dir
from tests.app_samples import MOVIE, SENTENCES, fill

APP = PROJECT / "app.py"
PAGES = ("layers", "flatmap", "regions")
PATIENCE = 60  # s for one run of a page on a busy machine
SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture(autouse=True)
def fresh_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No answer of another test, and workers that only sleep."""
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(cached, "JobBoard", lambda root: JobBoard(root, command=SLEEPER))
    yield
    cached.board().shutdown()


def open_page(page: str, **fields: str) -> AppTest:
    """A page, run once, with the URL's fields."""
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in ({"data": MOVIE} | fields).items():
        at.query_params[name] = value
    if page != "home":
        at.switch_page(f"pages/{page}.py")
    return at.run()


def html(at: AppTest) -> str:
    """What the page says outside of widgets."""
    return "\n".join(e.proto.body for e in at.get("html") if "<style>" not in e.proto.body)


def headline(at: AppTest) -> str:
    return next(line for line in html(at).splitlines() if "bx-headline" in line).replace("\N{NON-BREAKING HYPHEN}", "-")


def charts(at: AppTest) -> list[dict]:
    return [json.loads(e.proto.spec) for e in at.get("plotly_chart")]


def button(at: AppTest, label: str):
    return next(b for b in at.button if b.label.startswith(label))


# Nothing stored


@pytest.mark.parametrize("page", PAGES)
def test_empty_cache_offers_a_run_and_computes_nothing(page: str) -> None:
    at = open_page(page, layer="5", subject="S02")
    assert not at.exception and not at.error
    assert "No result yet for layer 5, S02." in html(at)
    assert button(at, "Run layer 5, S02")
    assert not charts(at)
    assert not cache_dir().exists(), "looking must not write, let alone simulate"


def test_home_on_an_empty_cache_says_what_it_is_and_what_is_simulated() -> None:
    at = open_page("home")
    assert not at.exception and not at.error
    assert "SIMULATED" in html(at) and "No answer yet" in html(at)
    assert at.metric[0].value == "0"
    assert button(at, "Run layer 8, S01")


def test_all_subjects_are_one_request_each() -> None:
    at = open_page("regions", subject="All", layer="3")
    button(at, "Run layer 3, all 5 subjects").click().run()
    ((request, _),) = cached.board().jobs()
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
    assert "SIMULATED" in said and "stand-in models" in said and "EV &gt; 0.1" in said
    assert "split adds up to joint: max |diff| 0 " in said
    (chart,) = charts(at)
    assert chart["layout"]["meta"]["simulated"] is True
    assert any(a["text"] == "simulated" for a in chart["layout"]["annotations"])
    who = "S01" if subject == "S01" else "5 subjects"
    assert who in headline(at)


def test_headline_names_the_better_model_whichever_side_it_stands_on() -> None:
    fill(MOVIE, [8], ["S01", "S02", "S03"])
    straight = open_page("regions", subject="All")
    swapped = open_page("regions", subject="All", a="vit-mini", b="brivl-mini")
    assert "BriVL-mini explains more than ViT-mini in 3 of 3 ROIs" in headline(straight)
    assert headline(swapped) == headline(straight)
    names = [[t["name"] for t in charts(at)[0]["data"] if "split" in t["name"]] for at in (straight, swapped)]
    assert names[0] == names[1][::-1]


@pytest.mark.parametrize(("level", "count"), [("area", 8), ("merged", 45), ("region", 90)])
def test_aal_levels(level: str, count: int) -> None:
    fill(SENTENCES, [4], ["P01", "M02", "M04"])
    at = open_page("regions", data=SENTENCES, subject="All", level=level)
    assert not at.exception and not at.error
    (chart,) = charts(at)
    assert len(chart["layout"]["yaxis"]["ticktext"]) == count
    assert f"{count} {'areas' if level == 'area' else 'regions'}" in headline(at)


def test_order_by_p_is_ascending() -> None:
    fill(SENTENCES, [4], ["P01", "M02", "M04", "M07"])
    at = open_page("regions", data=SENTENCES, subject="All", level="region", order="p")
    (chart,) = charts(at)
    p = [data[4] for data in chart["data"][0]["customdata"]]
    numbers = [float(x.lstrip("<> ")) for x in p if x != "–"]
    assert len(numbers) > 10 and numbers == sorted(numbers)


def test_one_subject_is_said_to_be_no_sample_of_people() -> None:
    fill(MOVIE, [8], ["S01"])
    assert "Unit of pairing: voxels of one subject" in html(open_page("regions"))


def test_region_filters_the_mean() -> None:
    fill(MOVIE, [8], ["S01"])
    known = cached.known(MOVIE)
    shown = look_up(state.resolve({"data": MOVIE, "region": "V1"}, known)[0], known)
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
    assert "BriVL-mini explains more than ViT-mini in 3 of 3 ROIs" in headline(at)


def test_recovery_is_measured_where_the_truth_is_known() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("flatmap")
    assert any("Planted difference is" in m.value for m in at.markdown) is False, "closed panels cost nothing"
    at.session_state["recovery panel"] = True
    at.run()
    assert not at.exception
    assert any("Planted difference is" in m.value for m in at.markdown)


@pytest.mark.parametrize("tab", tabs.NAMES)
@pytest.mark.parametrize("page", PAGES)
def test_every_tab(page: str, tab: str) -> None:
    fill(MOVIE, [8], ["S01", "S02"])
    at = open_page(page, subject="All")
    at.session_state["tabs"] = tab
    at.run()
    assert not at.exception and not at.error
    if tab == "Method":
        assert any("Banded ridge" in m.value for m in at.markdown)
    if tab == "Table":
        assert len(at.dataframe) == 1


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


# While a job runs


def test_run_shows_progress_and_cancel_ends_it() -> None:
    at = open_page("layers")
    button(at, "Run layer 8, S01").click().run()
    assert not at.exception
    (status,) = cached.board().active()
    assert button(at, "Cancel")
    again = open_page("layers")  # another session sees the same job
    assert button(again, "Cancel") and len(cached.board().active()) == 1
    started = time.monotonic()
    button(at, "Cancel").click().run()
    assert cached.board().status(status.job_id).state == "cancelled"
    assert time.monotonic() - started < PATIENCE
    assert any("cancelled" in info.value for info in at.info)
    assert button(at, "Run layer 8, S01")


def test_old_figure_stays_dimmed_while_the_new_one_is_computed() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("regions")
    at.query_params["layer"] = "9"
    at.run()
    button(at, "Run layer 9, S01").click().run()
    assert not at.exception
    assert any(c.value == "Still shown: layer 8, S01" for c in at.caption)
    assert len(charts(at)) == 1


def test_failure_is_a_sentence_and_run_stays() -> None:
    at = open_page("layers")
    cached.board()._command = (sys.executable, "-c", "raise SystemExit(3)")
    button(at, "Run layer 8, S01").click().run()
    ((request, status),) = cached.board().jobs()
    cached.board().wait(status.job_id, PATIENCE)
    at.run()
    assert "stopped with code 3" in at.error[0].value and "Traceback" not in at.error[0].value
    assert button(at, "Run layer 8, S01")
    assert jobs.job_id_of(request) == status.job_id


# Bad input


@pytest.mark.parametrize("page", ("home", *PAGES))
def test_unknown_fields_of_a_link_are_said_and_replaced(page: str) -> None:
    at = open_page(page, layer="99", subject="nobody", preset="<b>x</b>", a="unknown", map="globe", foo="bar")
    assert not at.exception
    (warning,) = at.warning
    for asked in ("'99'", "'nobody'", "'unknown'"):
        assert asked in warning.value
    assert at.query_params["layer"] == "8" and at.query_params["subject"] == "S01"


@pytest.mark.parametrize("page", ("home", *PAGES))
def test_a_dataset_that_cannot_be_opened(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "data" / "broken"
    (broken / "responses").mkdir(parents=True)
    (broken / "responses" / "S1.npy").write_bytes(b"no numbers")
    monkeypatch.setenv("BRIVL_DATA", str(broken.parent))
    at = open_page(page, data=str(broken))
    assert not at.exception
    assert len(at.error) == 1 and "Traceback" not in at.error[0].value
    button(at, "Show the simulated movie").click().run()
    assert not at.error and at.query_params["data"] == "phantom-movie"


def test_a_name_that_is_no_dataset() -> None:
    at = open_page("layers", data="/nowhere/at/all")
    assert not at.exception and "/nowhere/at/all" in at.error[0].value


def test_regions_without_names_say_what_is_needed(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "plain")
    assert "No result yet for layer 1, S1." in html(open_page("regions", data=folder))
    fill(folder, [1], ["S1"])
    for page in ("layers", "flatmap"):
        at = open_page(page, data=folder)
        assert not at.exception and not at.error
        assert "simulated" not in html(at).lower() and "(S1" in headline(at)
    at = open_page("regions", data=folder)
    assert not at.exception and "Add ROI masks or AAL labels" in at.error[0].value


def plain_folder(folder: Path) -> str:
    """The user's own features A and B of 40 samples, with responses of S1."""
    rng = np.random.default_rng(0)
    for part in ("features", "responses"):
        (folder / part).mkdir(parents=True)
    for name in ("A", "B"):
        np.save(folder / "features" / f"{name}.npy", rng.standard_normal((40, 3)))
    np.save(folder / "responses" / "S1.npy", rng.standard_normal((40, 6)))
    np.save(folder / "run_onsets.npy", np.arange(0, 40, 10))
    return str(folder)


# What is taken away


def done_page(subject: str = "All"):
    fill(MOVIE, [8], ["S01", "S02", "S03", "S04", "S05"])
    known = cached.known(MOVIE)
    return look_up(state.resolve({"data": MOVIE, "subject": subject}, known)[0], known)


def test_methods_paragraph_says_what_the_request_says() -> None:
    text = methods_paragraph(done_page().done)
    for part in ("Simulated data", "240 training volumes in 12 runs", "shown 10 times", "TR 2 s", "layer 8", "'strict'",
                 "0, 4, 6, 8 s (0, 2, 3, 4 TR)", "11 fixed ratios", "above 0.1", "himalaya"):  # fmt: skip
        assert part in text


def test_python_lines_give_the_numbers_of_the_page() -> None:
    shown = done_page()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(python_lines(shown.done), {})
    lines = printed.getvalue().splitlines()
    assert len(lines) == 5
    means = mean_scores(shown).set_index("subject")
    for line in lines:
        subject, layer, joint = line.split()[:3]
        assert layer == "8"
        np.testing.assert_allclose(float(joint), means.loc[subject, "r2_joint"])


def test_command_lines_give_the_files_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    shown = done_page("S03")
    monkeypatch.chdir(tmp_path)
    line = cli_lines(shown.done)
    words = line.split()
    assert words[:3] == ["python", "-m", "brivl"]
    monkeypatch.setattr("brivl.backend.phantoms._stored_subject", None)  # it must not simulate
    view_bytes = tabs.npz_bytes(shown.answers[8, "S03"], shown.facts["S03"].voxels)
    with np.load(io.BytesIO(view_bytes), allow_pickle=False) as ours:
        assert ours["r2_split"].shape == (2, shown.facts["S03"].voxels.n_voxels)
        assert bool(ours["simulated"]) is True
        assert {"roi_V1", "ijk", "affine", "space", "models"} <= set(ours.files)
    assert main([*words[3:-2], "--json"]) in (None, 0)
    printed = json.loads(capsys.readouterr().out)
    assert printed["cache"] == "hit" and printed["simulated"] is True


def test_server_process_imports_nothing_heavy() -> None:
    """Pages of shipped models leave torch, pycortex, himalaya and nilearn to the workers."""
    code = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
from tests.app_samples import MOVIE, SENTENCES, fill
fill(MOVIE, [8], ["S01"]); fill(SENTENCES, [4], ["P01"])
from streamlit.testing.v1 import AppTest
for data in (MOVIE, SENTENCES):
    for page in ("home", "layers", "flatmap", "regions"):
        at = AppTest.from_file({str(APP)!r}, default_timeout={PATIENCE})
        at.query_params["data"] = data
        if page != "home":
            at.switch_page(f"pages/{{page}}.py")
        at.run()
        assert not at.exception and not at.error, (page, at.exception, at.error)
print([m for m in ("torch", "cortex", "himalaya", "sklearn", "nilearn", "transformers", "timm") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"
