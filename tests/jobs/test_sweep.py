"""Sweeps on this machine: every fit once, stored fits are used, a fit or a process that fails loses no other."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from brivl.commands.main import main
from brivl.core.progress import ProgressCallback
from brivl.data.registry import absolute_name
from brivl.encoding.fit import FitRequest
from brivl.errors import RequestError
from brivl.jobs import local_workers
from brivl.jobs.local_workers import KILLED, MEMORY_PER_FIT, LocalWorkers, n_local_workers
from brivl.jobs.sweep import SweepGrid, fit_requests, run_sweep
from brivl.jobs.sweep_task import Outcome, Task
from brivl.store.artifacts import Store
from brivl.ui import cached as app_cached
from tests.support.app_driver import button, fresh_server, html, open_page  # noqa: F401 (a fixture)
from tests.support.cache_samples import is_stored
from tests.support.plain_sample import make_plain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Subject A, and Z, of whom every voxel is missing."""
    folder = make_plain(tmp_path / "plain")
    np.save(folder / "responses" / "Z.npy", np.full((120, 12), np.nan))
    return folder


def sweep(folder: Path, store: Path, *words: str) -> int:
    return main(["--cache", str(store), "sweep", "--dataset", str(folder), *words])


def test_a_pair_and_its_reverse_are_one(folder: Path, tmp_path: Path) -> None:
    grid = SweepGrid(str(folder), (("signal", "other"), ("other", "signal"), ("other", "other")), (2, 1))
    requests = fit_requests(Store(tmp_path), grid)
    assert [(r.models, r.layer, r.subject) for r in requests] == [
        (models, layer, subject)
        for models in (("other", "signal"), ("other", "other"))
        for layer in (2, 1)
        for subject in ("A", "Z")
    ]
    assert {r.layer for r in fit_requests(Store(tmp_path), SweepGrid(str(folder), (("other", "signal"),)))} == {1, 2}


def test_the_summary_counts_and_nothing_is_computed_twice(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    store = tmp_path / "store"
    assert sweep(folder, store, "--models", "signal,other", "--layers", "2", "--subjects", "A", "--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["tasks"], first["hits"], first["computed"], first["failed"]) == (1, 0, 1, [])
    (made,) = (store / "fit").glob("*.json")
    written = made.stat().st_mtime_ns, made.stat().st_ino  # not its atime, which reading changes
    assert sweep(folder, store, "--models", "other,signal", "--layers", "1-2", "--json") == 2
    out, err = capsys.readouterr()
    second = json.loads(out)
    assert (second["tasks"], second["hits"], second["computed"]) == (4, 1, 1)
    assert [(f["subject"], f["layer"]) for f in second["failed"]] == [("Z", 1), ("Z", 2)]
    assert "voxel" in second["failed"][0]["error"] and "2 of 4 fits failed" in err
    assert (made.stat().st_mtime_ns, made.stat().st_ino) == written and len(list((store / "fit").glob("*.json"))) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--models", "signal"],
        ["--models", "signal,none"],
        ["--models", "signal,other", "--layers", "3-2"],
        ["--models", "signal,other", "--layers", "x"],
        ["--models", "signal,other", "--subjects", "B"],
        ["--models", "signal,other", "--subjects", "A,"],
        ["--models", "signal,other", "--preset", "loose"],
        ["--models", "signal,other", "--workers", "0"],
    ],
    ids=lambda words: " ".join(words[1:]),
)
def test_a_wrong_choice_is_a_sentence_before_anything_is_computed(
    words: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert sweep(folder, tmp_path / "store", *words) == 2
    out, err = capsys.readouterr()
    assert err.startswith("brivl: ") and not out and not (tmp_path / "store" / "fit").exists()


def dies(folder: Path, always: bool, root: Path, task: Task, progress: ProgressCallback) -> Outcome:
    """Stands for a fit; that of number 1 is killed, once or always."""
    with open(folder / "ran", "a") as file:
        file.write(f"{task.index}\n")
    if task.index == 1 and (always or not (folder / "died").exists()):
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(task, "miss")


@pytest.mark.parametrize("always", [False, True])
def test_a_process_that_dies_loses_no_other_fit(always: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_workers, "fit_task", partial(dies, tmp_path, always))
    tasks = [Task(i, FitRequest("d", ("a", "b"), 1, f"S{i}"), "") for i in range(3)]
    with LocalWorkers(2) as workers:
        ends = {outcome.task.index: outcome for outcome in workers.run(tmp_path, tasks, lambda *_: None)}
    assert sorted(ends) == [0, 1, 2]
    assert [end.error for _, end in sorted(ends.items())] == ["", KILLED if always else "", ""]
    assert (tmp_path / "ran").read_text().split().count("1") == 2


def reports(folder: Path, root: Path, task: Task, progress: ProgressCallback) -> Outcome:
    """Stands for a fit; reports and goes on once the report has arrived."""
    progress(3, 4, f"Fitting layer 1, S{task.index}")
    while not (folder / f"heard-{task.index}").exists():
        time.sleep(0.01)
    return Outcome(task, "miss")


def test_fits_in_other_processes_report_how_far_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_workers, "fit_task", partial(reports, tmp_path))
    tasks = [Task(i, FitRequest("d", ("a", "b"), 1, f"S{i}"), "") for i in range(3)]
    heard = []

    def hear(task: Task, fraction: float, message: str) -> None:
        heard.append((task.index, fraction, message))
        (tmp_path / f"heard-{task.index}").touch()

    with LocalWorkers(2) as workers:
        assert len(list(workers.run(tmp_path, tasks, hear))) == 3
    assert sorted(heard) == [(i, 0.75, f"Fitting layer 1, S{i}") for i in range(3)]


def test_workers_are_as_many_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_workers, "n_cores", lambda: 16)
    monkeypatch.setattr(local_workers, "threads_of_user", lambda: None)
    monkeypatch.setattr(local_workers, "available_memory", lambda: 5 * MEMORY_PER_FIT + 1)
    assert [n_local_workers(n) for n in (1, 4, 100)] == [1, 4, 5]
    monkeypatch.setattr(local_workers, "available_memory", lambda: 10**6)
    assert n_local_workers(100) == 1
    monkeypatch.setattr(local_workers, "available_memory", lambda: 10**15)
    assert n_local_workers(100) == 16
    monkeypatch.setattr(local_workers, "threads_of_user", lambda: 4)
    assert n_local_workers(100) == 4


def test_unreadable_data_fail_their_own_fits(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    requests = fit_requests(store, SweepGrid(str(folder), (("signal", "other"),), (1,)))
    (folder / "responses" / "Z.npy").write_bytes(b"no array")
    end = run_sweep(store, requests, LocalWorkers(1))
    assert end.computed == 1 and list(end.failed) == [requests[1]] and is_stored(store, requests[0])
    with pytest.raises(RequestError, match="Expected a subject of the dataset"):
        run_sweep(store, [FitRequest(str(folder), ("signal", "other"), 1, "B")], LocalWorkers(1))


def test_names_are_made_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert absolute_name("plain") == str(folder) and absolute_name("plain@shuffled") == f"{folder}@shuffled"
    assert absolute_name("phantom-movie:120/20") == "phantom-movie:120/20"


def test_runs_of_the_app_go_to_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIVL_SCHEDULER", "tcp://10.0.0.1:8786")
    at = open_page("layers")
    assert "Runs go to the Dask scheduler tcp://10.0.0.1:8786" in html(at)
    button(at, "Run layer 8, S01").click().run()
    ((request, _),) = app_cached.job_queue().jobs()
    assert request["scheduler"] == "tcp://10.0.0.1:8786" and not at.exception
