"""Pages while a job runs, after it failed, and with bad links and datasets."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from brivl.data.registry import open_dataset
from brivl.errors import RequestError
from brivl.jobs import queue
from brivl.jobs.queue import JobStatus
from brivl.jobs.rate import Rate
from brivl.ui import cached, jobs, url_state
from brivl.ui.jobs import in_progress
from tests.support.app_driver import (  # noqa: F401 (a fixture)
    PAGES,
    PATIENCE,
    button,
    charts,
    fresh_server,
    headline,
    html,
    open_page,
    region_charts,
)
from tests.support.app_samples import MOVIE, fill

# While a job runs


def test_run_shows_progress_and_cancel_ends_it() -> None:
    at = open_page("layers")
    button(at, "Run layer 8, S01").click().run()
    assert not at.exception
    (status,) = cached.job_queue().active()
    assert button(at, "Cancel")
    again = open_page("layers")  # another session sees the same job
    assert button(again, "Cancel") and len(cached.job_queue().active()) == 1
    button(at, "Cancel").click().run()
    assert cached.job_queue().status(status.job_id).state == "cancelled"
    assert [info.value for info in at.info] == ["Cancelled. Finished fits were kept."]
    assert button(at, "Run layer 8, S01")


def test_the_first_run_of_home_has_the_tests_of_regions_and_other_pages_watch_it() -> None:
    at = open_page("home")
    button(at, "Run layer 8, S01").click().run()
    ((request, _),) = cached.job_queue().jobs()
    assert [test["fit"]["subject"] for test in request["tests"]] == ["S01"]
    for page in ("layers", "regions"):
        assert button(open_page(page), "Cancel") and len(cached.job_queue().active()) == 1
    button(open_page("layers"), "Cancel").click().run()
    assert not cached.job_queue().active()


def test_the_page_is_drawn_again_as_soon_as_another_fit_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interim figures: the fragment that watches a sweep asks for the page once more fits are done, and only then."""
    done = [1.0]

    class Watched:
        def status(self, job_id: str) -> JobStatus:
            return JobStatus(job_id, "running", "Fitting", done[0], 12.0)

    def script() -> None:
        import streamlit as st

        from brivl.ui import jobs

        st.session_state["n_draws"] = st.session_state.get("n_draws", 0) + 1
        jobs.watch("0" * 32)

    with monkeypatch.context() as patch:
        patch.setattr(cached, "job_queue", Watched)
        at = AppTest.from_function(script, default_timeout=PATIENCE).run()
        counts = [at.session_state["n_draws"]]
        for now in (1.6, 2.1, 2.9, 3.0):
            done[0] = now
            at.run()
            counts.append(at.session_state["n_draws"])
    assert not at.exception and np.diff(counts).tolist() == [1, 2, 1, 2]


def test_old_figure_stays_dimmed_while_the_new_one_is_computed() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("regions")
    at.query_params["layer"] = "9"
    at.run()
    button(at, "Run layer 9, S01").click().run()
    assert not at.exception
    assert any(
        c.value.startswith("Shown until the new result is ready") and "layer 8, S01" in c.value for c in at.caption
    )
    assert len(region_charts(at)) == 1


def test_failure_is_a_sentence_and_run_stays() -> None:
    at = open_page("layers")
    cached.job_queue()._command = (sys.executable, "-c", "raise SystemExit(3)")
    button(at, "Run layer 8, S01").click().run()
    ((request, status),) = cached.job_queue().jobs()
    cached.job_queue().wait(status.job_id, PATIENCE)
    at.run()
    assert "stopped with code 3" in at.error[0].value and "Traceback" not in at.error[0].value
    assert button(at, "Run layer 8, S01")
    assert queue.job_id_of(request) == status.job_id


# Bad input


@pytest.mark.parametrize("page", ("home", *PAGES))
def test_unknown_fields_of_a_link_are_said_and_replaced(page: str) -> None:
    at = open_page(
        page, layer="99", subject="nobody", preset="<b>x</b>", a="unknown", map="globe", level="zzz", foo="bar"
    )
    assert not at.exception
    (warning,) = at.warning
    for sentence in (
        "Layer 99 does not exist here (1–12). Showing layer 8.",
        "Subject nobody does not exist here (S01, S02, S03, S04, S05, All). Showing S01.",
        "Model unknown does not exist here",
        "Map globe does not exist here",
        "Parcellation zzz does not exist here",
    ):
        assert sentence in warning.value.replace("\\", "")
    assert at.query_params["layer"] == "8" and at.query_params["subject"] == "S01"


@pytest.mark.parametrize("page", PAGES)
def test_a_region_that_no_subject_has_is_said(page: str) -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page(page, region="Narnia")
    assert not at.exception
    assert at.warning[0].value == "Region Narnia does not exist here \\(S01\\). Showing all voxels."
    assert "region" not in at.query_params
    assert not open_page(page, region="V1").warning


def test_a_value_of_a_link_is_text_and_not_too_long() -> None:
    note = url_state.missing_note("region", "[click](http://evil.example)" + "x" * 500, "S01", "all voxels")
    assert "\\[click\\]\\(http" in note and len(note) < 150


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
    assert not at.exception and "'/nowhere/at/all'" in at.error[0].value
    at = open_page("layers", data="nonsense")
    assert "Expected a dataset, got 'nonsense'. Built-in datasets: phantom-movie" in at.error[0].value


def test_a_folder_of_the_data_is_opened_by_its_name_as_links_of_bundles_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plain_folder(tmp_path / "data" / "mine")
    for root in (tmp_path / "data", tmp_path / "data" / "mine"):
        monkeypatch.setenv("BRIVL_DATA", str(root))
        at = open_page("layers", data="mine")
        assert not at.exception and not at.error and at.query_params["data"] == folder
        assert open_dataset("mine", cached.store()).subjects == ("S1",)
    monkeypatch.delenv("BRIVL_DATA")
    with pytest.raises(RequestError, match="Expected the name of a dataset, got 'mine'"):
        open_dataset("mine", cached.store())


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


def test_time_left_does_not_count_preparations() -> None:
    rate = Rate()
    for second in range(60):
        rate.update(0, second)  # simulating, extracting features: no share of the fit
    rate.update(0.5, 69.0)
    assert rate.seconds_left(1, 69.0) == pytest.approx(10.0)


def test_progress_says_the_stage_and_a_range_only_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brivl.ui.jobs.time.time", lambda: 1025.0)
    status = JobStatus("id", "running", "Fitting layer 8, S02", 3.4, 12, None, 1000.0, stage=3, n_stages=4)
    assert in_progress(status) == "Stage 3 of 4: fitting layer 8, S02 · 3 of 12 fits · 25 s elapsed"
    known = replace(status, seconds_left=(20.0, 40.0))
    assert in_progress(known).endswith("25 s elapsed · 20–40 s left in this stage")
    last = replace(known, stage=4, seconds_left=(50.0, 300.0))
    assert in_progress(last, "").endswith("fitting layer 8, S02 · 25 s elapsed · 50 s to 5 min left")
    waits = JobStatus("id", "queued", "Queued behind: Decoding · S01 (stage 2 of 4)")
    assert in_progress(waits) == "Queued behind: Decoding · S01 (stage 2 of 4)"


def test_cancel_asks_where_another_session_waits_for_the_same_job(monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page("layers")
    button(at, "Run layer 8, S01").click().run()
    (status,) = cached.job_queue().active()
    jobs.waiting().note(status.job_id, "another session")
    monkeypatch.setattr(jobs, "is_connected", lambda session: session == "another session")
    button(at, "Cancel").click().run()
    assert not at.exception and cached.job_queue().status(status.job_id).active
    assert "Another visitor or tab is waiting" in at.warning[0].value
    button(at, "Let it run").click().run()
    assert not at.warning and cached.job_queue().status(status.job_id).active
    button(at, "Cancel").click().run()
    button(at, "Cancel for all").click().run()
    assert not at.exception and cached.job_queue().status(status.job_id).state == "cancelled"
    assert [info.value for info in at.info] == ["Cancelled. Finished fits were kept."]


def test_a_visitor_of_home_only_looks_at_a_job_and_does_not_wait_for_it() -> None:
    at = open_page("layers")
    button(at, "Run layer 8, S01").click().run()
    (status,) = cached.job_queue().active()
    jobs.waiting().forget(status.job_id)
    home = open_page("home", layer="3")
    assert button(home, "Cancel") and jobs.waiting().others(status.job_id, "another", lambda session: True) == 0


def test_cancel_does_not_ask_for_a_tab_that_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page("layers")
    button(at, "Run layer 8, S01").click().run()
    (status,) = cached.job_queue().active()
    jobs.waiting().note(status.job_id, "a closed tab")
    assert not jobs.is_connected("a closed tab")
    monkeypatch.setattr(jobs, "is_connected", lambda session: False)  # AppTest's own runtime knows no sessions
    button(at, "Cancel").click().run()
    assert cached.job_queue().status(status.job_id).state == "cancelled"
