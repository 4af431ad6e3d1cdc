"""Options and progress that several verbs share, and Ctrl-C in verbs that make many fits."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from brivl.cli.cancellation import STOPPED_MESSAGE
from brivl.cli.options import check_out, model_pair, parse_layers, parse_names, sweep_progress
from brivl.errors import RequestError
from tests.support.plain_sample import make_plain
from tests.support.processes import PATIENCE

ROOT = Path(__file__).parents[2]
# The sweep is an ordinary one, but its only fit handles no signal, as a large decomposition.
DEAF_SWEEP = """
import hashlib, signal, sys
from brivl.jobs import local_workers
from brivl.commands.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that started the tests with & has it ignored
def deaf(*_):
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2 * 10**9)
local_workers.fit_task = deaf
sys.exit(main(sys.argv[1:]))
"""


def test_two_models() -> None:
    assert model_pair(" a, b ") == ("a", "b")
    for wrong in ("a", "a,b,c", "a,", ""):
        with pytest.raises(RequestError, match="two model names as first,second, got"):
            model_pair(wrong, "first,second")


def test_layers_and_names() -> None:
    assert parse_layers("1-3,6, 2", "--layers") == (1, 2, 3, 6) and parse_names("b, a,b", "--subjects") == ("b", "a")
    for wrong in ("", "3-2", "0", "x", "1001", "1,,2", "-1"):
        with pytest.raises(RequestError, match="Expected layers after --layers, got"):
            parse_layers(wrong, "--layers")
    for wrong in ("", "a,", ",a"):
        with pytest.raises(RequestError, match="Expected comma-separated names after --subjects, got"):
            parse_names(wrong, "--subjects")


def test_out_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    check_out(None, ".csv")
    check_out(tmp_path / "a.CSV", ".csv", ".npz")
    (tmp_path / "folder.csv").mkdir()
    for wrong in ("a.png", "gone/a.csv", "folder.csv"):
        with pytest.raises(RequestError, match="Expected --out as a .csv or .npz file in an existing folder"):
            check_out(tmp_path / wrong, ".csv", ".npz")


def test_in_a_log_each_fit_has_a_line(capsys: pytest.CaptureFixture) -> None:
    report = sweep_progress(quiet=False)
    for done in (0, 0.3, 0.9, 1, 1.5, 2):
        report(done, 2, "Layer 1, S01" if done < 1 else "Layer 2, S01")
    for name in ("Fig. 4b", "Fig. 4b", "Fig. 4c"):
        report(0, 1, f"Drawing {name}")
    lines = [line.split(", about ")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "Layer 1, S01: 0 of 2 fits",
        "Layer 2, S01: 1 of 2 fits",
        "Layer 2, S01: 2 of 2 fits",
        "Drawing Fig. 4b",
        "Drawing Fig. 4c",
    ]
    sweep_progress(quiet=True)(1, 2, "Layer 1, S01")
    assert not capsys.readouterr().err


def test_on_a_terminal_one_line_changes_and_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = iter((0.0, 10.0, 20.0))
    monkeypatch.setattr("brivl.cli.options.time", argparse.Namespace(monotonic=lambda: next(clock)))
    report = sweep_progress(quiet=False)
    for done in (0, 1, 2):
        report(done, 20, "Layer 1, S01")
    # One fit takes ten seconds, two are done.
    assert capsys.readouterr().err == (
        "\rLayer 1, S01: 0 of 20 fits\033[K\rLayer 1, S01: 1 of 20 fits, about 3 min left\033[K"
        "\rLayer 1, S01: 2 of 20 fits, about 3 min left\033[K"
    )


def test_an_interrupt_ends_a_sweep_that_cannot_hear_it(tmp_path: Path) -> None:
    folder = make_plain(tmp_path / "plain")
    words = ["--cache", str(tmp_path / "store"), "sweep", "--dataset", str(folder), "--models", "signal,other"]
    command = [sys.executable, "-c", DEAF_SWEEP, *words, "--workers", "1", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and errors.strip() == STOPPED_MESSAGE
