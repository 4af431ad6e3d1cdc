"""bench fit: which processes run with which settings, busy loops that end, and what is reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brivl.bench import solver
from brivl.bench.load import busy_loops, share_left
from brivl.bench.simulated_fit import Size
from brivl.bench.solver import Protocol, Run, bench_fit
from brivl.commands.main import main
from brivl.config import PROJECT
from brivl.errors import RequestError
from brivl.threads import OPENMP, VARIABLES, WAITING
from tests.support.processes import PATIENCE, gone, until

SMALL = Size("sentences", 60, 30, 2, draws=2, himalaya_subjects=1)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
def test_busy_loops_end_with_their_block_however_it_ends() -> None:
    with busy_loops(2) as pids:
        assert len(set(pids)) == 2 and not any(map(gone, pids))
    assert all(map(gone, pids))
    with pytest.raises(ZeroDivisionError), busy_loops(1) as pids:
        raise ZeroDivisionError
    assert all(map(gone, pids))


@needs_proc
def test_busy_loops_end_with_a_benchmark_that_is_killed() -> None:
    code = (
        "from brivl.bench.load import busy_loops\n"
        "with busy_loops(2) as pids:\n"
        "    print(*pids, flush=True)\n"
        "    import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, timeout=PATIENCE)
    pids = [int(pid) for pid in ran.stdout.split()]
    assert len(pids) == 2
    until(lambda: all(map(gone, pids)))


def test_the_share_that_is_left_is_a_share() -> None:
    assert 0 < share_left(0.05) <= 1.1  # clocks of processor and wall tick apart


def test_every_fit_runs_with_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, WAITING):
        monkeypatch.delenv(name, raising=False)
    ran: list[tuple[str, Mapping[str, str]]] = []

    def run(folder: Path, name: str, environment: Mapping[str, str]) -> Run:
        ran.append((name, environment))
        seconds = {"solver": [[2.0, 3.0]], "himalaya": [[40.0, 60.0]]}[name]
        np.save(folder / f"{name}.npy", np.full(SMALL.voxels, {"solver": 0.5, "himalaya": 0.25}[name]))
        return Run(np.array(seconds), 1.0, 0.8)

    monkeypatch.setattr(solver, "_run", run)
    measured = bench_fit(replace(SMALL, draws=20), Protocol(busy=1))
    assert [name for name, _ in ran] == ["solver", "himalaya", "solver", "himalaya", "solver", "solver"]
    assert all(environment[OPENMP] == "1" and environment[WAITING] == "PASSIVE" for _, environment in (ran[0], ran[3]))
    assert OPENMP not in ran[1][1] and WAITING not in ran[1][1]
    assert measured["himalaya_wall_s"] == 80 == measured["himalaya_one_thread_wall_s"]  # one of two subjects ran
    assert (measured["ratio_wall"], measured["ratio_cpu_one_thread"], measured["r2_difference"]) == (40, 40, 0.25)
    assert measured["himalaya_is"].startswith("EXTRAPOLATED: ran 20 of 20 draws for 1 of 2 subjects")
    assert (measured["busy_wall_by_share"], measured["busy_within_bar"]) == (1, True)


@pytest.mark.parametrize(("wall", "left", "within"), [(7.9, 0.4, True), (8.1, 0.4, False), (3.9, 0.8, True)])
def test_the_bar_grows_as_the_share_falls(wall: float, left: float, within: bool) -> None:
    idle, busy = Run(np.array([[2.0, 3.0]]), 1.0, 0.8), Run(np.array([[wall, 3.0]]), 1.0, left)
    assert solver._busy([idle], [busy])["busy_within_bar"] is within


@pytest.mark.parametrize(
    ("size", "protocol"),
    [
        (replace(SMALL, kind="opera"), Protocol()),
        (replace(SMALL, voxels=0), Protocol()),
        (SMALL, Protocol(repeats=0)),
        (SMALL, Protocol(busy=0)),
    ],
)
def test_sizes_that_make_no_sense(size: Size, protocol: Protocol) -> None:
    with pytest.raises(RequestError, match="Expected"):
        bench_fit(size, protocol)


def test_the_command_line_prints_what_real_processes_measured(capsys: pytest.CaptureFixture) -> None:
    words = ["--kind", "sentences", "--n", "60", "--voxels", "30", "--subjects", "2", "--draws", "2"]
    assert main(["bench", "fit", *words, "--himalaya-subjects", "1", "--busy", "1", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert len(measured["solver_walls_s"]) == 3 and len(measured["busy_walls_s"]) == 1
    times = [measured[name] for name in ("himalaya_wall_s", "himalaya_one_thread_wall_s", "busy_wall_s")]
    assert all(isinstance(value, float) and value >= 0 for value in times)  # rounded: 0 on a fast machine
    assert 0 <= measured["busy_share_left"] <= 1.1 and measured["cores"] >= 1
    assert "EXTRAPOLATED" in measured["himalaya_is"] and "OMP_NUM_THREADS" in os.environ


def test_parts_are_timed_in_turns_in_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "fit", "--parts", "--kind", "sentences", "--n", "60", "--voxels", "30", "--subjects", "1"]
    assert main([*words, "--repeats", "2", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["bench"] == "parts" and measured["simulated"] and measured["bar"] == solver.PARTS_BAR == 1.4
    assert measured["joint_is_the_same"] and measured["largest_difference"] < 1e-6, "few voxels: nothing is mapped"
    assert measured["ratio_wall"] > 0 and measured["within_bar"] == (measured["ratio_wall"] < 1.4)


def test_the_ratio_of_parts_is_that_of_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other work on the machine slows both fits of a turn, so that turns are compared, not medians."""
    turns = {"joint": [[1.0, 1.0], [10.0, 1.0]], "with_parts": [[1.2, 1.3], [15.0, 1.3]], "separate": [[1, 1], [1, 1]]}
    monkeypatch.setattr(solver, "_process", lambda *_: {"seconds": turns, "joint_is_the_same": True})
    measured = solver.bench_parts(SMALL, 2)
    assert measured["ratio_wall"] == pytest.approx(1.35) and measured["ratio_cpu"] == pytest.approx(1.3)
    assert measured["within_bar"] is True and measured["ratio_wall_separate_fits"] == pytest.approx(1.55)
