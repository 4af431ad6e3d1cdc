"""Several visitors at once, without a browser: one new request is computed once, and none sees an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brivl.bench.app_server import running_app
from brivl.bench.session_client import BrowserSession
from brivl.bench.sessions import SessionLoad, bench_sessions
from brivl.commands.main import main
from brivl.errors import RequestError
from tests.support.plain_sample import make_plain

pytestmark = pytest.mark.timeout(600)
N = 4


def question(folder: Path) -> dict[str, str]:
    """Small arrays of a folder, so that the fit takes a moment and no model is loaded."""
    return {"data": str(folder), "a": "signal", "b": "other", "layer": "2", "subject": "A"}


def test_one_request_of_several_visitors_is_computed_once(tmp_path: Path) -> None:
    folder = make_plain(tmp_path / "plain")
    load = SessionLoad(N, 2, question(folder), ("home", "layers"), settings={"BRIVL_DATA": str(folder)}, calm=0.0)
    measured = bench_sessions(load)
    assert measured["faults"] == [] and measured["n_faults"] == measured["n_tracebacks"] == 0, measured
    assert (measured["n_workers_started"], measured["n_fits"]) == (1, 1)
    assert measured["n_pages_seen"] == 2 * N * 3, "everybody saw the first page and the other two, in both rounds"
    assert len(measured["resident_mib_after"]) == 2 and min(measured["resident_mib_during"]) > 50
    json.dumps(measured)


def test_an_impossible_request_counts_as_an_error(tmp_path: Path) -> None:
    with running_app(tmp_path / "cache") as app, BrowserSession(app.address) as session:
        session.open("layers", {"data": "/no/such/folder"})  # the frame's headline is missing: a sentence stands there
        assert any("/no/such/folder" in error for error in session.errors)
        with pytest.raises(RequestError, match="Expected a button 'Run layer', got"):
            session.press("Run layer")


@pytest.mark.parametrize("words", [["--n", "0"], ["--n", "101"], ["--rounds", "0"]])
def test_impossible_numbers_of_sessions(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "sessions", *words]) == 2
    assert "Expected 1 to 100 sessions" in capsys.readouterr().err
