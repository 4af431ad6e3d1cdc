"""Many processes, one store: each result computed once, and a killed writer leaves neither damage nor a lock."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import numpy as np
import pytest

from brivl.store import locks
from brivl.store.artifacts import Store
from brivl.store.digests import array_digest
from brivl.store.eviction import prune
from brivl.store.keys import ArtifactKey
from brivl.store.verification import verify
from tests.support.processes import PATIENCE

# Python 3.12 warns of forking beside threads; the children here only touch files.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

KILLED = ArtifactKey("killed", {})

Forked = tuple[int, int]  # process number, read end of a pipe on which the child says one line


def fork(body: Callable[[int], None]) -> Forked:
    """Run body(write end of a pipe) in a forked process: cheaper to start than a new interpreter."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body(writing)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    return pid, reading


N_PROCESSES, N_RESULTS, N_KILLS = 8, 20, 50


def request_all(root: Path, writing: int) -> None:
    """Request all results in random order; write the digests of their bytes."""

    def compute(n: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        with open(root / "computed", "a") as file:
            file.write(f"{n}\n")
        time.sleep(0.02)
        return {"x": np.random.default_rng().normal(size=1000)}, {}

    store, artifacts = Store(root / "cache"), {}
    for n in random.Random(os.getpid()).sample(range(N_RESULTS), N_RESULTS):
        artifacts[n] = store.get_or_compute(ArtifactKey("fits", {"n": n}), lambda n=n: compute(n))
    os.write(writing, " ".join(array_digest(artifacts[n].arrays["x"]) for n in range(N_RESULTS)).encode())


def test_many_processes_compute_each_result_once_and_get_the_same_bytes(tmp_path: Path) -> None:
    children = [fork(lambda writing: request_all(tmp_path, writing)) for _ in range(N_PROCESSES)]
    codes = [os.waitpid(pid, 0)[1] for pid, _ in children]
    answers = [os.read(reading, 10_000) for _, reading in children]
    for _, reading in children:
        os.close(reading)
    assert codes == [0] * N_PROCESSES
    assert sorted(map(int, (tmp_path / "computed").read_text().split())) == list(range(N_RESULTS))
    assert len(set(answers)) == 1 and len(set(answers[0].split())) == N_RESULTS
    report = verify(tmp_path / "cache")
    assert (report.n_whole, report.damaged, report.n_abandoned, report.n_held_locks) == (N_RESULTS, (), 0, 0)


def test_threads_of_one_process_compute_once_too(tmp_path: Path) -> None:
    store, key, calls, sums = Store(tmp_path), ArtifactKey("fits", {}), [], []

    def compute() -> tuple[dict[str, np.ndarray], dict[str, int]]:
        calls.append(1)
        return {"x": np.ones(5)}, {}

    together = threading.Barrier(6)

    def get() -> None:
        together.wait()
        sums.append(store.get_or_compute(key, compute).arrays["x"].sum())

    threads = [threading.Thread(target=get) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and sums == [5.0] * 6


def replace_forever(root: Path, writing: int) -> None:
    """Replace one result again and again: something to be killed in the middle of."""
    for i in range(10**9):
        Store(root).put(KILLED, {"x": np.full(30_000, float(i))}, {"i": i})
        if i == 0:
            os.write(writing, b"writing")


@contextmanager
def writer(root: Path) -> Iterator[None]:
    """A process that has begun to replace a result; it is killed in the end."""
    pid, reading = fork(lambda writing: replace_forever(root, writing))
    try:
        assert os.read(reading, 100) == b"writing"
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)


def test_killed_writers_leave_no_damage_and_no_lock(tmp_path: Path) -> None:
    rng, store, n_read = random.Random(0), Store(tmp_path), 0
    for _ in range(N_KILLS):
        with writer(tmp_path):
            time.sleep(rng.uniform(0.0, 0.03))
        report = verify(tmp_path)
        assert (report.damaged, report.n_busy, report.n_held_locks) == ((), 0, 0)
        artifact = store.get(KILLED)
        if artifact is not None:
            n_read += 1
            assert np.all(artifact.arrays["x"] == artifact.info["i"])
        assert not (tmp_path / "quarantine").exists()
        with locks.exclusive(tmp_path / "locks" / f"killed-{KILLED.digest}.lock", timeout=0.0) as free:
            assert free
    assert store.get_or_compute(KILLED, lambda: ({"x": np.zeros(3)}, {"i": 0})).arrays["x"].size in (3, 30_000)
    store.put(KILLED, {"x": np.zeros(3)}, {"i": 0})
    assert sorted(path.suffix for path in (tmp_path / "killed").iterdir()) == [".json", ".npz"]  # no leftovers
    assert n_read > 0


@pytest.mark.parametrize("step", range(7))
def test_a_crash_before_any_step_of_a_write_leaves_all_or_nothing(tmp_path: Path, step: int) -> None:
    store = Store(tmp_path)
    store.put(KILLED, {"x": np.zeros(9)}, {"i": 0})

    def crash_at_step(writing: int) -> None:
        n_steps = iter(range(100))

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            return lambda *given, **named: os._exit(9) if next(n_steps) == step else real(*given, **named)

        os.fsync, os.replace, Path.unlink = counted(os.fsync), counted(os.replace), counted(Path.unlink)
        Store(tmp_path).put(KILLED, {"x": np.ones(9)}, {"i": 1})

    pid, reading = fork(crash_at_step)
    os.close(reading)
    crashed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    artifact = store.get(KILLED)
    # data fsync, manifest fsync, old manifest gone, data renamed, manifest renamed, folder fsync
    expected = {0: 0, 1: 0, 2: 0, 3: None, 4: None}.get(step, 1)
    assert crashed == (step < 6)
    assert (None if artifact is None else artifact.info["i"]) == expected
    assert artifact is None or np.all(artifact.arrays["x"] == expected)
    assert not (tmp_path / "quarantine").exists()
    assert store.get_or_compute(KILLED, lambda: ({}, {"i": 2})).info["i"] == (2 if expected is None else expected)


def test_a_reader_never_sees_a_mixture_while_a_writer_replaces(tmp_path: Path) -> None:
    store, seen = Store(tmp_path), set()
    with writer(tmp_path):
        while len(seen) < 10:  # until the time limit of the test
            artifact = store.get(KILLED)
            if artifact is not None:
                seen.add(artifact.info["i"])
                assert np.all(artifact.arrays["x"] == artifact.info["i"])
    assert not (tmp_path / "quarantine").exists()


def prune_forever(root: Path, writing: int) -> None:
    """Evict everything that is not in use, again and again."""
    os.write(writing, b"pruning")
    while True:
        prune(root, 0)


def test_answers_stay_right_while_another_process_evicts_all_the_time(tmp_path: Path) -> None:
    store, rng, computed = Store(tmp_path), random.Random(1), 0

    def compute(n: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        nonlocal computed
        computed += 1
        return {"x": np.full(500, n)}, {"n": n}

    pid, reading = fork(lambda writing: prune_forever(tmp_path, writing))
    try:
        assert os.read(reading, 100) == b"pruning"
        for _ in range(150):
            n = rng.randrange(4)
            key = ArtifactKey("fits", {"n": n})
            store.has(key)
            artifact = store.get(key)
            assert artifact is None or (artifact.info["n"] == n and (artifact.arrays["x"] == n).all())
            assert (store.get_or_compute(key, lambda n=n: compute(n)).arrays["x"] == n).all()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)
    report = verify(tmp_path)
    assert 4 < computed and (report.damaged, report.n_busy) == ((), 0) and not (tmp_path / "quarantine").exists()


def test_a_forked_child_does_not_keep_the_lock_of_a_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"

    def hold(writing: int) -> None:
        with locks.exclusive(path):
            child, _ = fork(lambda _: time.sleep(3600))
            os.write(writing, str(child).encode())
            time.sleep(3600)

    pid, reading = fork(hold)
    child = int(os.read(reading, 100))
    os.close(reading)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with locks.exclusive(path, timeout=PATIENCE) as free:
        os.kill(child, signal.SIGKILL)
        assert free


def test_a_lock_waits_for_its_holder_and_its_removal_splits_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, has_tried, acquire = tmp_path / "locks" / "a.lock", threading.Event(), filelock.FileLock._acquire

    def attempt(lock: filelock.FileLock) -> None:
        acquire(lock)
        has_tried.set()

    with locks.exclusive(path) as held:
        assert held
        other: list[bool] = []

        def ask(timeout: float) -> None:
            with locks.exclusive(path, timeout) as got:
                other.append(got)

        thread = threading.Thread(target=ask, args=(0.05,))
        thread.start()
        thread.join()
        assert other == [False]
        waiting = threading.Thread(target=ask, args=(PATIENCE,))
        monkeypatch.setattr(filelock.FileLock, "_acquire", attempt)
        waiting.start()
        assert has_tried.wait(PATIENCE)
        locks.discard(path)
    waiting.join()
    assert other == [False, True]
