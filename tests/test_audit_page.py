"""The page Audit: before, while and after an audit is computed; and the guard on the pages that fit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from brivl.app import cached
from brivl.backend.audit import AuditRequest, audit
from brivl.backend.fit import FitRequest
from brivl.config import cache_dir
from brivl.store.artifacts import Store
from brivl.viz.audit import PairScores, pair_figure
from brivl.viz.style import FigureLabel
from tests.app_driver import PATIENCE, button, charts, fresh_server, headline, html, open_page  # noqa: F401 (a fixture)
from tests.app_samples import MOVIE, SENTENCES
from tests.plain_sample import N_VOXELS, make_plain


@pytest.fixture
def plain(tmp_path: Path) -> str:
    return str(make_plain(tmp_path / "data" / "plain", {"simulated": True}))


def asked_of(folder: str) -> dict[str, str]:
    return {"data": folder, "a": "signal", "b": "other", "layer": "2", "subject": "A"}


def test_every_fault_is_explained_and_shown_with_its_effect(plain: str) -> None:
    found = audit(Store(cache_dir()), AuditRequest(FitRequest(plain, ("signal", "other"), 2, "A")))
    at = open_page("audit", **asked_of(plain))
    assert not at.exception and not at.error
    together = next(row for row in found.faults if row["fault"] == "together")
    assert headline(at).count("All of these at once: joint R²") == 1 and f"{together['joint_on']:.3g}" in headline(at)
    text = html(at)
    for words in ("SIMULATED", f"{N_VOXELS} voxels", "KFold(5, shuffle=True", "RandomResizedCrop", "Fig. 6c",
                  "not applicable, because padding belongs to texts", "8 of 8 passages lie on both sides",
                  "Preset strict: no passage or run"):  # fmt: skip
        assert words in text, words
    faults, baselines = charts(at)
    assert [len(figure["data"]) for figure in (faults, baselines)] == [9, 9]
    shown = next(trace for trace in faults["data"] if trace["name"] == "joint, on")
    wanted = [row["joint_on"] for row in found.faults if row["joint_on"] is not None]
    assert len(wanted) == 4 and list(shown["hovertext"])[0].endswith(f"{wanted[0]:.3g}")
    first, second = (frame.value for frame in at.dataframe)
    assert len(first) == 7 and "signal less other" in first and len(second) == 2 and "alone, shuffled folds" in second
    assert any(note["text"] == "simulated" for note in faults["layout"]["annotations"])


def test_run_progress_cancel(plain: str) -> None:
    at = open_page("audit", **asked_of(plain))
    assert not at.exception and "What do known faults do to layer 2, A?" in headline(at)
    assert "Sentences dealt to folds at random" in html(at) and not charts(at)
    button(at, "Audit layer 2, A").click().run()
    assert not at.exception
    (status,) = cached.board().active()
    ((request, _),) = cached.board().jobs()
    assert request["task"] == "audit" and request["asked"]["fit"]["preset"] == "strict"
    button(at, "Cancel").click().run()
    assert cached.board().status(status.job_id).state == "cancelled"
    assert any("cancelled" in info.value for info in at.info) and button(at, "Audit layer 2, A")
    cached.board()._command = (sys.executable, "-c", "raise SystemExit(3)")
    button(at, "Audit layer 2, A").click().run()
    cached.board().wait(status.job_id, PATIENCE)
    at.run()
    assert not at.exception and "stopped with code 3" in at.error[0].value


def test_the_guard_warns_before_a_fit_and_the_fit_may_go_on() -> None:
    at = open_page("layers", data=SENTENCES, preset="paper")
    assert not at.exception and "93 of 96 passages lie on both sides of a fold" in html(at)
    assert button(at, "Run layer")
    assert "passages lie on both sides" not in html(open_page("layers", data=SENTENCES))
    assert "4 of 12 runs" in html(open_page("flatmap", data=MOVIE, preset="paper"))


def test_pairs_are_drawn_as_they_are() -> None:
    import pandas as pd

    table = pd.DataFrame({"row": ["one", "two"], "joint_off": [0.3, 0.2], "joint_on": [0.4, 0.1], "a_off": [0.1, 0.1],
                          "a_on": [0.2, 0.0], "b_off": [0.2, 0.1], "b_on": [0.2, 0.1]})  # fmt: skip
    scores = PairScores(table, ("m", "u"), ("without", "with"))
    figure = pair_figure(scores, FigureLabel("h", "c", False, "d"))
    traces = {trace.name: trace for trace in figure.data if trace.name != "links"}
    assert set(traces) == {f"{name}, {state}" for name in ("joint", "m", "u") for state in scores.states}
    np.testing.assert_array_equal(traces["m, with"].x, [0.2, 0])
    assert traces["m, without"].marker.symbol == "circle-open" and figure.layout.height == scores.height
    link = next(trace for trace in figure.data if trace.name == "links")
    np.testing.assert_array_equal(link.x, [0.3, 0.4, np.nan, 0.2, 0.1, np.nan])
    with pytest.raises(Exception, match="missing: \\['b_on'\\]"):
        PairScores(table.drop(columns="b_on"), ("m", "u"))
