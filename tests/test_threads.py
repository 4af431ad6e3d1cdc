"""The thread policy: what processes are started with, what a user's own setting changes, and what is left alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from brivl import config, threads
from brivl.threads import (
    OPENMP,
    SET_HERE,
    VARIABLES,
    WAITING,
    cores_to_use,
    library_defaults,
    thread_settings,
    use_cores,
)

ROOT = Path(__file__).parents[1]
REPORT = """
import json, sys
from brivl.threads import cores_to_use, set_threads
if "late" in sys.argv: import numpy, torch
set_threads()
import numpy, scipy.linalg, torch
from threadpoolctl import threadpool_info
blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
print(json.dumps({"torch": torch.get_num_threads(), "blas": blas, "cores": cores_to_use()}))
"""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the shell of a user who has set nothing."""
    for name in (*VARIABLES, WAITING, SET_HERE, config.CORES_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def started(*words: str, **variables: str) -> dict:
    """What a fresh process that follows the policy reports of itself."""
    command = [sys.executable, "-c", REPORT, *words]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_process_computes_with_one_thread_per_call_and_waits_asleep() -> None:
    settings = thread_settings({})
    assert all(settings[name] == "1" for name in VARIABLES) and settings[WAITING] == "PASSIVE"
    assert config.CORES_VARIABLE not in settings


@pytest.mark.parametrize("words", [(), ("late",)], ids=["before the libraries", "after the libraries"])
def test_the_libraries_follow(words: tuple[str, ...]) -> None:
    report = started(*words)
    assert report["torch"] == 1 and report["blas"] and set(report["blas"]) == {1}


def test_a_users_number_wins_in_every_library() -> None:
    report = started(OMP_NUM_THREADS="2")
    # OpenBLAS starts no more threads than there are cores, whatever a container's quota says.
    here = min(2, config.affinity_cores())
    assert report["torch"] == 2 and set(report["blas"]) == {here} and report["cores"] == min(2, config.n_cores())
    settings = thread_settings({OPENMP: "4", "OPENBLAS_NUM_THREADS": "3", WAITING: "ACTIVE"})
    assert (settings[OPENMP], settings["MKL_NUM_THREADS"], settings["OPENBLAS_NUM_THREADS"]) == ("4", "4", "3")
    assert settings[WAITING] == "ACTIVE"


@pytest.mark.parametrize("value", ["many", "0", "", "-1"])
def test_a_number_that_means_nothing_is_replaced(value: str) -> None:
    assert thread_settings({OPENMP: value})[OPENMP] == "1"


def test_a_list_of_numbers_one_a_level_is_kept_and_its_first_holds_elsewhere() -> None:
    settings = thread_settings({OPENMP: "4,2"})
    assert (settings[OPENMP], settings["MKL_NUM_THREADS"]) == ("4,2", "4")


def test_what_the_parent_set_is_not_taken_for_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "n_cores", lambda: 8)
    inherited = thread_settings({})
    assert thread_settings(inherited) == inherited
    monkeypatch.setattr(os, "environ", inherited)
    assert cores_to_use() == 8
    monkeypatch.setattr(os, "environ", inherited | {OPENMP: "3"})  # set since then
    assert cores_to_use() == 3 and thread_settings(os.environ)[OPENMP] == "3"


def test_a_rival_can_run_with_the_defaults_of_its_libraries() -> None:
    shell = {"HOME": "/", "OPENBLAS_NUM_THREADS": "3"}
    assert library_defaults(shell | thread_settings(shell)) == shell == library_defaults(shell)
    shell = {OPENMP: "2", WAITING: "ACTIVE"}
    assert library_defaults(shell | thread_settings(shell)) == shell


def test_processes_side_by_side_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "n_cores", lambda: 6)
    assert [thread_settings({}, n)[config.CORES_VARIABLE] for n in (2, 4, 9)] == ["3", "1", "1"]


def test_cores_are_no_more_than_a_user_allows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert config.n_cores() == 8
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert config.n_cores() == 8
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert config.n_cores() == 3
    monkeypatch.setenv(config.CORES_VARIABLE, "2")
    assert config.n_cores() == 2 == cores_to_use()
    monkeypatch.setenv(OPENMP, "1")
    assert cores_to_use() == 1
    with use_cores(5):
        assert cores_to_use() == 5
    assert cores_to_use() == 1


def test_torch_takes_all_cores_where_it_is_told_to_and_gives_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    before = torch.get_num_threads()
    with use_cores(before + 1):
        with threads.torch_on_all_cores():
            assert torch.get_num_threads() == before + 1
        monkeypatch.setenv(OPENMP, str(before + 2))
        with threads.torch_on_all_cores():
            assert torch.get_num_threads() == before + 2
    assert torch.get_num_threads() == before


def test_processes_are_started_in_known_places() -> None:
    """Whoever starts processes elsewhere gives them the settings of `brivl.threads`, then adds the module here."""
    inherit_settings = {
        "brivl/analyses/transfer/features.py",  # joblib, as all others that draw pictures
        "brivl/bench/app_server.py",
        "brivl/bench/memory.py",
        "brivl/commands/app.py",
        "brivl/data/phantoms/categories.py",
        "brivl/data/phantoms/movie_stimulus.py",
        "brivl/train/scene_pairs.py",
    }
    receive_settings = {"brivl/bench/solver.py", "brivl/jobs/local_workers.py", "brivl/jobs/processes.py"}
    compute_nothing = {"brivl/bench/load.py", "brivl/data/download.py"}  # busy loops, git
    start = re.compile(r"\b(subprocess\.(run|call|Popen|check_output)|ProcessPoolExecutor|joblib\.Parallel)\(")
    modules = [path for path in (ROOT / "brivl").rglob("*.py") if start.search(path.read_text(encoding="utf-8"))]
    found = {path.relative_to(ROOT).as_posix() for path in modules}
    assert found == inherit_settings | receive_settings | compute_nothing
