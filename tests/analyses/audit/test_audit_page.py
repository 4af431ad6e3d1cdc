"""The page Audit: before, while and after an audit is computed; and the guard on the pages that fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.audit.analysis import AUDIT
from brivl.analyses.audit.faults import CLEANING_OFF, FAULTS, why_not
from brivl.analyses.audit.figures import PairScores, pair_figure
from brivl.analyses.audit.nuisance import BASELINES
from brivl.analyses.audit.request import AuditRequest, link_fields
from brivl.analyses.audit.rows import FAULT_COLUMNS, STORED_TITLES
from brivl.analysis import keys_of
from brivl.config import cache_dir
from brivl.data.summary import summarise_dataset
from brivl.jobs.queue import JobQueue
from brivl.sharing.saved_views import saved_views
from brivl.store.artifacts import Store
from brivl.ui import cached, tabs
from brivl.viz.style import FigureLabel
from tests.support.app_driver import PATIENCE, SLEEPER, button, charts, fresh_server, headline, html, open_page  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, SENTENCES
from tests.support.plain_sample import N_VOXELS, make_plain


@pytest.fixture(autouse=True)
def model_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker for results of analyses that only sleeps."""
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.model_queue().shutdown()


@pytest.fixture
def plain(tmp_path: Path) -> str:
    return str(make_plain(tmp_path / "data" / "plain", {"simulated": True}))


def asked_of(folder: str) -> dict[str, str]:
    return {"data": folder, "a": "signal", "b": "other", "layer": "2", "subject": "A"}


def keep_audit(folder: str) -> list[dict]:
    """An audit of this folder as a worker would have stored it, of made-up numbers; its rows of faults."""
    store, request = Store(cache_dir()), AuditRequest(folder, "A", ("signal", "other"), 2)
    known = summarise_dataset(store, folder)
    faults, baselines = [], []
    of_all_data = [fault for fault in FAULTS.values() if fault is not CLEANING_OFF]
    for i, fault in enumerate(of_all_data):
        row = dict.fromkeys(FAULT_COLUMNS) | {"fault": fault.name, "title": STORED_TITLES[fault.name]}
        row["why_not"] = why_not(fault, "features", known.dataset.design("A"))
        if not row["why_not"]:
            row |= {f"{s}_{state}": 0.1 + i / 100 for s in ("joint", "a", "b", "difference") for state in ("off", "on")}
            row |= {f"{s}_change": 0.01 for s in ("joint", "a", "b", "difference")}
            row |= {"n_off": 12, "n_on": 12, "counted_as": "voxels"}
        faults.append(row)
    for name in ("position", "autocorrelation"):
        states = {f"{s}_{state}": 0.2 for s in ("joint", "a", "b", "difference") for state in ("without", "with")}
        row = {"baseline": name, "title": BASELINES[name].title, "alone": -0.01, "alone_shuffled": 0.123}
        baselines.append(row | states | {"baseline_with": 0.001})
    info = {
        "faults": faults,
        "baselines": baselines,
        "n_voxels": N_VOXELS,
        "n_silent": 0,
        "simulated": True,
        "leaks": {"strict": "", "paper": "Leakage: 8 of 8 passages."},
        "shared_items": 7,
        "n_held_out": 120,
        "models": ["other", "signal"],
    }
    store.put(keys_of(AUDIT, store, request, known)[0], {}, info)
    return faults


def test_every_fault_is_explained_and_shown_with_its_effect(plain: str) -> None:
    rows = keep_audit(plain)
    at = open_page("audit", **asked_of(plain))
    assert not at.exception and not at.error
    assert (
        "As published, joint R² stays at 0.160; signal \N{MINUS SIGN} other stays at \N{MINUS SIGN}0.160"
        in headline(at)
    )
    text = html(at) + "".join(m.value for m in at.markdown)
    for words in (
        "SIMULATED",
        f"{N_VOXELS} voxels",
        "KFold(5, shuffle=True",
        "RandomResizedCrop",
        "Fig. 6c",
        "Not applicable, because padding belongs to texts",
        "Preset paper: Leakage: 8 of 8 passages.",
        "Preset strict: no passage or run",
        "7 of 120 held-out",
    ):
        assert words in text, words
    assert "<br>" not in text and " less " not in text
    (faults,) = charts(at)
    assert len(faults["data"]) == 9
    shown = next(trace for trace in faults["data"] if trace["name"] == "joint, with fault")
    wanted = [row["joint_on"] for row in rows if row["joint_on"] is not None]
    assert len(wanted) == 5 and list(shown["hovertext"])[0].endswith("joint, with fault: 0.100")
    assert any(note["text"] == "simulated" for note in faults["layout"]["annotations"])
    at = open_page("audit", **asked_of(plain), show="baselines")
    assert not at.exception and "Low-level features alone reach R² = " in headline(at)
    (baselines,) = charts(at)
    assert [t["name"] for t in baselines["data"] if "with baseline" in t["name"]][0] == "joint, with baseline"
    assert any("0.123 in shuffled folds" in m.value for m in at.markdown)


def test_six_tabs_and_a_saved_view(plain: str) -> None:
    keep_audit(plain)
    at = open_page("audit", **asked_of(plain))
    assert [tab.label for tab in at.tabs] == list(tabs.NAMES)
    for name in tabs.NAMES[1:]:
        at.session_state["tabs"] = name
        at.run()
        assert not at.exception and not at.error
        if name == "Table":
            tables = [frame.value for frame in at.dataframe]
            assert [len(table) for table in tables] == [20, 5, 2, 8, 2, 2]
            assert "signal \N{MINUS SIGN} other" in set(tables[0]["score"]) and "R² alone, shuffled folds" in tables[4]
        if name == "Method":
            assert any("Kriegeskorte et al. 2009" in m.value for m in at.markdown)
        if name == "Code":
            shell = next(code.value for code in at.code if code.value.startswith("python -m brivl audit"))
            assert shell.endswith("--subject A --models signal,other --layer 2")
    (link,) = [code.value for code in at.code if "result=" in code.value]
    assert "a=signal" in link and "layer=2" in link
    made = {**link_fields(AuditRequest(plain, "A", ("signal", "other"), 2)), **asked_of(plain)}
    assert all(f"{name}={value}" in link for name, value in made.items() if value and name != "data")
    button(at, "Save this view").click().run()
    (view,) = saved_views(cache_dir())
    assert view.page == "audit" and view.headline.startswith("As published") and view.simulated


def test_run_progress_cancel(plain: str) -> None:
    at = open_page("audit", **asked_of(plain))
    assert not at.exception
    assert "How much do known protocol issues change the result? (layer 2, A)" in headline(at)
    assert any("Sentences assigned to folds at random" in m.value for m in at.markdown) and not charts(at)
    assert "how much R² needs no semantic content" in html(at)
    button(at, "Run the audit").click().run()
    assert not at.exception
    (status,) = cached.model_queue().active()
    ((request, _),) = cached.model_queue().jobs()
    assert request["task"] == "audit" and request["request"]["layer"] == 2
    button(at, "Cancel").click().run()
    assert cached.model_queue().status(status.job_id).state == "cancelled"
    assert any("Cancelled" in info.value for info in at.info) and button(at, "Run the audit")
    cached.model_queue()._command = (sys.executable, "-c", "raise SystemExit(3)")
    button(at, "Run the audit").click().run()
    cached.model_queue().wait(status.job_id, PATIENCE)
    at.run()
    assert not at.exception and "stopped with code 3" in at.error[0].value


def test_the_guard_warns_before_a_fit_and_the_fit_may_go_on() -> None:
    at = open_page("layers", data=SENTENCES, preset="paper")
    assert not at.exception and "93 of 96 passages appear in both the training and the test set of a fold" in html(at)
    assert button(at, "Run layer")
    assert "passages appear in both" not in html(open_page("layers", data=SENTENCES))
    assert "4 of 12 runs" in html(open_page("layers", data=MOVIE, preset="paper"))


def test_pairs_are_drawn_as_they_are() -> None:
    import pandas as pd

    table = pd.DataFrame(
        {
            "row": ["one", "two"],
            "joint_off": [0.3, 0.2],
            "joint_on": [0.4, 0.1],
            "a_off": [0.1, 0.1],
            "a_on": [0.2, 0.0],
            "b_off": [0.2, 0.1],
            "b_on": [0.2, 0.1],
        }
    )
    scores = PairScores(table, ("m", "u"), ("without", "with"))
    figure = pair_figure(scores, FigureLabel("h", "c", False, "d"))
    traces = {trace.name: trace for trace in figure.data if trace.name != "links"}
    assert set(traces) == {f"{name}, {state}" for name in ("joint", "m", "u") for state in scores.states}
    np.testing.assert_array_equal(traces["m, with"].x, [0.2, 0])
    assert traces["m, without"].marker.symbol == "circle-open" and figure.layout.height == scores.height
    link = next(trace for trace in figure.data if trace.name == "links")
    np.testing.assert_array_equal(link.x, [0.3, 0.4, np.nan, 0.2, 0.1, np.nan])
    with pytest.raises(Exception, match="without \\['b_on'\\]"):
        PairScores(table.drop(columns="b_on"), ("m", "u"))
