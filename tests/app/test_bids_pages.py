"""Pages of a BIDS folder: how it was read, which column, warnings before the fit, delays."""

from __future__ import annotations

from pathlib import Path

import pytest

from brivl.config import cache_dir
from brivl.data.registry import options_of
from brivl.tasks.registry import run_task
from tests.data.bids.test_reading import make_study
from tests.support.app_driver import fresh_server, html, open_page  # noqa: F401 (a fixture)
from tests.support.fmriprep_fixture import make_fmriprep


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    root = make_study(tmp_path / "study")
    monkeypatch.setenv("BRIVL_DATA", str(root))
    return str(root)


def column_box(at):
    return next(box for box in at.sidebar.selectbox if box.label == "Stimulus column")


def test_the_sidebar_says_what_was_read_and_the_column_can_be_chosen(study: str) -> None:
    at = open_page("layers", data=study)
    assert not at.exception and not at.error
    assert "Stimuli: 12 distinct images from the column stimulus." in html(at)
    assert column_box(at).value == "" and not at.sidebar.warning
    column_box(at).set_value("trial_type").run()
    assert not at.exception and options_of(at.session_state["selection"]["data"]) == {"column": "trial_type"}
    assert "Stimuli: 2 distinct texts from the column trial_type: a, b." in html(at)
    warnings = " ".join(warning.value for warning in at.sidebar.warning)
    assert "Only 2 distinct texts" in warnings and "2 of 2 texts recur in other runs" in warnings


def test_space_and_derivatives_are_chosen_where_there_is_a_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = make_fmriprep(tmp_path / "study")
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path))
    at = open_page("layers", data=str(raw))
    boxes = {box.label: box for box in at.sidebar.selectbox}
    assert not at.exception and boxes["Space"].options == [
        "MNI152NLin2009cAsym (default)",
        "MNI152NLin2009cAsym",
        "T1w",
    ]
    assert "Folder of BOLD" not in boxes and "Hemisphere" not in boxes
    boxes["Space"].set_value("T1w").run()
    assert not at.exception and options_of(at.session_state["selection"]["data"]) == {"space": "T1w"}
    assert "form space-T1w_desc-preproc" in html(at)


def test_cleaning_is_chosen_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = make_fmriprep(tmp_path / "study")
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path))
    asked = {"dataset": str(raw), "models": ["brivl-mini", "minilm-l6"], "layer": 2, "subject": "sub-01"}
    run_task({"task": "sweep", "store": str(cache_dir()), "fits": [asked], "n_jobs": 1}, lambda *_: None)
    at = open_page("layers", data=str(raw), a="brivl-mini", b="minilm-l6", layer="2", subject="sub-01")
    assert not at.exception and "cleaned: confounds auto, linear drift" in html(at)
    assert "6 volumes before the steady state are neither fitted nor scored: 2 in each run." in html(at)
    assert "strategy auto) are not regressed out: they explain nothing" in html(at)  # as the fit decided
    box = next(box for box in at.sidebar.selectbox if box.label == "Confounds")
    box.set_value("none").run()
    assert not at.exception and options_of(at.session_state["selection"]["data"]) == {"clean": "none"}
    assert "the linear drift of each run is removed; no high-pass filter, no confounds." in html(at)


def test_delays_are_chosen_in_the_sidebar(study: str) -> None:
    at = open_page("layers", data=study)
    box = next(box for box in at.sidebar.text_input if box.label == "Delays in seconds")
    box.set_value("0,2.5,5").run()
    assert not at.exception and at.session_state["selection"]["preset"] == "strict:0,2.5,5"
    box = next(box for box in at.sidebar.text_input if box.label == "Delays in seconds")
    box.set_value("5,0").run()
    assert any("Expected delays as rising seconds" in error.value for error in at.error)


def test_the_page_of_a_fit_reports_on_and_off(study: str) -> None:
    asked = {"dataset": study, "models": ["brivl-mini", "vit-mini"], "layer": 2, "subject": "sub-01"}
    run_task({"task": "sweep", "store": str(cache_dir()), "fits": [asked], "n_jobs": 1}, lambda *_: None)
    at = open_page("layers", data=study, a="brivl-mini", b="vit-mini", layer="2", subject="sub-01")
    assert not at.exception and not at.error
    assert "stimulus on/off regressed out, R² " in html(at)
