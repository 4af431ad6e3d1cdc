"""Sweeps on a Dask cluster: the bytes of this machine, also when a worker is killed; sentences where there is none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster
from threadpoolctl import threadpool_limits

from brivl.commands.main import main
from brivl.encoding.fit import FitRequest, stored_fit
from brivl.errors import Cancelled, RequestError, StoreError
from brivl.jobs import dask_workers
from brivl.jobs.dask_workers import DaskWorkers, _reporter
from brivl.jobs.local_workers import LocalWorkers
from brivl.jobs.sweep import SweepGrid, fit_requests, run_sweep, sweep_job, workers_for
from brivl.store.artifacts import Store
from brivl.tasks.registry import run_task
from tests.support.plain_sample import make_plain

SUBJECTS = ("A", "B")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects of other noise each, and Z, of whom every voxel is missing."""
    folder = make_plain(tmp_path_factory.mktemp("data") / "plain")
    Y = np.load(folder / "responses" / "A.npy")
    for i, subject in enumerate(SUBJECTS[1:]):
        noise = np.random.default_rng(i).standard_normal(Y.shape)
        np.save(folder / "responses" / f"{subject}.npy", Y + noise)
    np.save(folder / "responses" / "Z.npy", np.full_like(Y, np.nan))
    return folder


def requests_of(
    folder: Path, store: Store, subjects: tuple[str, ...] = SUBJECTS, layers: tuple = (1, 2)
) -> list[FitRequest]:
    return fit_requests(store, SweepGrid(str(folder), (("signal", "other"),), layers, subjects))


@pytest.fixture(scope="module")
def reference(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """All answers as this process gives them, with one thread as workers have."""
    store = Store(tmp_path_factory.mktemp("reference"))
    with threadpool_limits(1):
        assert run_sweep(store, requests_of(folder, store), LocalWorkers(1)).computed == 4
    return store


def contents(store: Store, folder: Path) -> dict[tuple[str, int], list[bytes]]:
    results = {(r.subject, r.layer): stored_fit(store, r).result for r in requests_of(folder, store)}
    return {k: [r.r2_joint.tobytes(), r.r2_split.tobytes(), r.band_weights.tobytes()] for k, r in results.items()}


def test_a_worker_killed_in_mid_sweep_loses_nothing(
    cluster: LocalCluster, folder: Path, reference: Store, tmp_path: Path
) -> None:
    store, before = Store(tmp_path / "store"), {}
    with Client(cluster, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())

    def kill_once(done: float, _total: float, _message: str) -> None:
        if done > 1 and not before:  # others are running
            before.update({path: path.read_bytes() for path in (store.root / "fit").glob("*.json")})
            os.kill(pids[0], signal.SIGKILL)

    with DaskWorkers(cluster.scheduler_address, store.root) as workers:
        end = run_sweep(store, requests_of(folder, store), workers, kill_once)
    manifests = {path: path.read_bytes() for path in (store.root / "fit").glob("*.json")}
    assert (end.n_tasks, end.hits + end.computed, len(end.failed)) == (4, 4, 0)
    assert len(manifests) == 4 and before and before.items() <= manifests.items()  # none was written twice
    assert contents(store, folder) == contents(reference, folder)
    assert not list(store.root.glob("jobs/probe*"))


def test_probe_files_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    host = dask_workers._host()
    dead, alive, elsewhere, old = (
        tmp_path / f"probe-{name}"
        for name in (
            f"{host}-{ended.pid}-aa",
            f"{host}-{os.getpid()}-bb",
            f"00000000-{ended.pid}-cc",
            "0123456789abcdef",
        )
    )
    for path in (dead, alive, elsewhere, old):
        path.write_text("")
    os.utime(old, (0, 0))
    dask_workers._delete_orphaned_probes(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted((alive, elsewhere))


def test_a_failing_fit_does_not_lose_the_others(cluster: LocalCluster, folder: Path, tmp_path: Path) -> None:
    store, seen = Store(tmp_path / "store"), []
    request = sweep_job(store, requests_of(folder, store, ("Z", "A"), (1,)), cluster.scheduler_address)
    with pytest.raises(RequestError, match="1 of 2 fits failed: .*voxel"):
        run_task(request, lambda done, total, _: seen.append((done, total)))
    assert stored_fit(store, requests_of(folder, store)[0]) is not None
    assert seen[-1] == (2, 2) and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_who_stops_waiting_leaves_nothing_behind(cluster: LocalCluster, folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")

    def stop(done: float, _total: float, _message: str) -> None:
        if done >= 1:
            raise Cancelled("enough")

    with pytest.raises(Cancelled), DaskWorkers(cluster.scheduler_address, store.root) as workers:
        run_sweep(store, requests_of(folder, store), workers, stop)
    while cluster.scheduler.tasks:  # until the time limit of the test
        time.sleep(0.05)


def until_unwanted(folder: str) -> None:
    """Stands for a fit that would never end."""
    report = _reporter("no topic", 0)
    (Path(folder) / "began").touch()
    try:
        while True:
            report(0, 1, "Layer 1")
            time.sleep(0.01)
    except Cancelled:
        (Path(folder) / "stopped").touch()


def test_a_running_fit_stops_when_nobody_waits(cluster: LocalCluster, tmp_path: Path) -> None:
    with Client(cluster, set_as_default=False) as client:
        future = client.submit(until_unwanted, str(tmp_path), pure=False)
        while not (tmp_path / "began").exists():
            time.sleep(0.05)
        assert future.status == "pending"
    while not (tmp_path / "stopped").exists():  # until the time limit of the test
        time.sleep(0.05)


def test_a_worker_without_the_cache_folder_is_a_sentence(
    cluster: LocalCluster, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    with DaskWorkers(cluster.scheduler_address, store.root) as workers:
        workers._probe.unlink()  # what a worker that comes later sees
        end = run_sweep(store, requests_of(folder, store, ("A",)), workers)
    assert len(end.failed) == 2 and all("shared by all workers" in sentence for sentence in end.failed.values())
    monkeypatch.setattr(dask_workers, "_sees", lambda probe: False)
    # Every worker that is there: one that another test has killed may not have been started again.
    with pytest.raises(StoreError, match=r"(\d) of \1 workers .* shared by all workers"):
        DaskWorkers(cluster.scheduler_address, store.root).__enter__()


def test_other_data_on_a_worker_are_a_sentence(cluster: LocalCluster, folder: Path, tmp_path: Path) -> None:
    """The file changes between the plan and the fit: the answer would go under another key."""
    store, own = Store(tmp_path / "store"), make_plain(tmp_path / "own")
    with DaskWorkers(cluster.scheduler_address, store.root) as workers:

        def change(done: float, total: float, _message: str) -> None:
            if not done:
                np.save(own / "responses" / "A.npy", np.random.default_rng(9).standard_normal((120, 12)))

        end = run_sweep(store, requests_of(own, store, ("A",)), workers, change)
    assert len(end.failed) == 2 and "has other files" in next(iter(end.failed.values()))
    assert not store.list("fit")


@pytest.fixture
def mute() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("tcp://127.0.0.1:1", "got no answer within"),
        ("mute", "got no answer within"),
        ("here", "Write it as tcp://10.0.0.1:8786"),
        ("foo://127.0.0.1:1", "Start it, or correct the address"),
    ],
)
def test_no_scheduler_is_a_sentence(
    address: str,
    sentence: str,
    mute: str,
    tmp_path: Path,
    folder: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = mute if address == "mute" else address
    monkeypatch.setattr(dask_workers, "CONNECT_SECONDS", 0.5)
    words = ["--cache", str(tmp_path / "store"), "sweep", "--dataset", str(folder), "--models", "signal,other"]
    assert main([*words, "--scheduler", address]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and address in err and not out
    with pytest.raises(RequestError), workers_for(1, address, None, Store(tmp_path)):
        pass
