"""The job board: real worker processes, watched, ended, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brivl import threads
from brivl.config import PROJECT
from brivl.errors import RequestError, StoreError
from brivl.jobs import processes
from brivl.jobs.queue import COMMAND as COMMAND_OF_THE_APP
from brivl.jobs.queue import JobQueue, JobStatus, job_id_of
from brivl.jobs.rate import SMOOTHING_SECONDS, Rate
from brivl.tasks import worker
from brivl.threads import SET_HERE, VARIABLES

COMMAND = (sys.executable, "-m", "tests.jobs.fake_worker")
PATIENCE = 60.0


@pytest.fixture
def board(tmp_path: Path) -> Iterator[JobQueue]:
    board = JobQueue(tmp_path, command=COMMAND)
    yield board
    board.shutdown()


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
    """Seconds until the condition held; fails if it never does."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - start


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that nobody reaped counts)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return Path("/proc/self").exists()


def start_stubborn(board: JobQueue, **more: int) -> tuple[str, list[int]]:
    """A running job that ignores SIGTERM; its id and the numbers of its process and of the child it started."""
    job_id = board.submit({"task": "stubborn", **more})
    until(lambda: board.status(job_id).message[:1].isdecimal())
    return job_id, [int(pid) for pid in board.status(job_id).message.split()]


def test_progress_is_seen_and_the_result_arrives(board: JobQueue) -> None:
    job_id = board.submit({"task": "count", "steps": 15, "pause": 0.05})
    seen: list[JobStatus] = []
    while board.status(job_id).active:
        seen.append(board.status(job_id))
        time.sleep(0.01)
    running = [s for s in seen if s.total == 15]
    assert len({s.done for s in running}) > 3 and [s.done for s in running] == sorted(s.done for s in running)
    assert any(s.message == f"step {s.done:.0f}" and s.seconds_left is not None for s in running)
    assert all(s.seconds_left < 5 for s in running if s.seconds_left is not None)
    last = board.status(job_id)
    assert last.state == "done" and last.result is not None and last.result["steps"] == 15
    assert (last.done, last.total, last.seconds_left, last.error) == (15, 15, None, None)
    assert board.active() == [] and abs(time.time() - (last.started or 0)) < PATIENCE


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("fail", "A layer from 1 to 12 was wanted, but 13 came."),
        ("crash", "Unexpected error in this computation (ZeroDivisionError); details are in the log"),
        ("unserializable", "Unexpected error in this computation (TypeError)"),
        ("no such task", "Unexpected error in this computation (KeyError)"),
        ("leave", "stopped with code 3 without an answer"),
    ],
)
def test_failures_are_sentences(board: JobQueue, task: str, words: str) -> None:
    status = board.wait(board.submit({"task": task}), PATIENCE)
    assert status.state == "failed" and status.result is None
    assert words in (status.error or "")
    log = board.log_path(status.job_id)
    assert "secret" not in (status.error or "")
    assert task != "crash" or "ZeroDivisionError: a secret path" in log.read_text()


def test_a_task_that_stops_itself_is_cancelled_not_failed(board: JobQueue) -> None:
    assert board.wait(board.submit({"task": "give_up"}), PATIENCE).state == "cancelled"


def test_cancel_ends_a_busy_loop_that_ignores_sigterm_within_a_second(board: JobQueue) -> None:
    job_id, pids = start_stubborn(board)
    assert not any(gone(pid) for pid in pids)
    start = time.monotonic()
    board.cancel(job_id)
    assert time.monotonic() - start < 1.0
    assert board.status(job_id).state == "cancelled" and board.status(job_id).error is None
    until(lambda: all(gone(pid) for pid in pids), 1.0)
    board.cancel(job_id)  # again: nothing happens
    assert board.wait(board.submit({"task": "count", "steps": 1}), PATIENCE).state == "done"


def test_the_same_request_runs_once_however_many_ask(board: JobQueue) -> None:
    request = {"task": "count", "steps": 10, "pause": 0.05}
    ids: list[str] = []
    sessions = [
        threading.Thread(target=lambda: ids.append(board.submit(dict(reversed(request.items()))))) for _ in "abcdef"
    ]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert set(ids) == {job_id_of(request)} and len(ids) == 6
    assert len(board.active()) == 1
    found = board.find(request)
    assert found is not None and found.job_id == ids[0] and board.find({"task": "other"}) is None
    first = board.wait(ids[0], PATIENCE).result
    again = board.wait(board.submit(request), PATIENCE).result  # finished ones run again; the store answers then
    assert first is not None and again is not None and first["pid"] != again["pid"]


def test_queue_is_first_come_first_served_and_a_waiting_job_can_be_cancelled(board: JobQueue) -> None:
    ids = [board.submit({"task": "count", "steps": 2, "n": n}) for n in range(4)]
    assert [s.job_id for s in board.active()] == ids
    assert board.status(ids[3]).state == "queued" and board.status(ids[3]).message == "Waiting for 3 other computations"
    board.cancel(ids[2])
    assert board.status(ids[2]).state == "cancelled" and board.status(ids[3]).message.endswith("2 other computations")
    results = [board.wait(job_id, PATIENCE) for job_id in ids]
    assert [r.state for r in results] == ["done", "done", "cancelled", "done"]
    began = [r.started for r in results if r.started is not None]
    ended = [r.result["began"] for r in results if r.result is not None]
    assert began == sorted(began) and all(end <= begin for end, begin in zip(ended, began[1:], strict=False))


def test_two_workers_run_at_once_and_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "n_cores", lambda: 6)
    for name in (*VARIABLES, SET_HERE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRIVL_CACHE", "somewhere")
    board = JobQueue(tmp_path, n_workers=2, command=COMMAND)
    try:
        first, _ = start_stubborn(board)
        result = board.wait(board.submit({"task": "surroundings"}), PATIENCE).result
        expected = {"threads": "1", "waiting": "PASSIVE", "cores": "3"}
        assert result == expected | {"cache": str(Path("somewhere").absolute()), "folder": str(PROJECT)}
        assert board.status(first).state == "running"
    finally:
        board.shutdown()
    assert board.status(first).state == "cancelled"
    with pytest.raises(RequestError, match="shutting down"):
        board.submit({"task": "count", "steps": 1})


def test_a_users_number_of_threads_reaches_the_worker(board: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv(SET_HERE, raising=False)
    result = board.wait(board.submit({"task": "surroundings"}), PATIENCE).result
    assert result is not None and result["threads"] == "3"


def test_a_killed_worker_is_reported_and_its_children_ended(board: JobQueue) -> None:
    job_id, (worker, child) = start_stubborn(board)
    os.kill(worker, signal.SIGKILL)
    status = board.wait(job_id, PATIENCE)
    assert status.state == "failed" and "memory ran out" in (status.error or "")
    until(lambda: gone(child), 2.0)


def test_the_death_of_the_parent_ends_worker_and_children(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from brivl.jobs.queue import JobQueue\n"
        "board = JobQueue(Path(sys.argv[1]), command=[sys.executable, '-m', 'tests.jobs.fake_worker'])\n"
        "job = board.submit({'task': 'stubborn'})\n"
        "while not board.status(job).message[:1].isdecimal(): time.sleep(0.01)\n"
        "print(board.status(job).message, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=PROJECT) as server:
        assert server.stdout is not None
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert len(pids) == 2 and not any(gone(pid) for pid in pids)
        server.kill()
        until(lambda: all(gone(pid) for pid in pids), 3.0)


def test_foreign_output_goes_to_a_log_of_bounded_size(board: JobQueue) -> None:
    job_id = board.submit({"task": "chatter"})
    status = board.wait(job_id, PATIENCE)
    assert status.state == "done" and status.message == "Done" and status.total == 0
    log = board.log_path(job_id).read_text()
    assert len(log) <= processes.LOG_BYTES and log.endswith("x\n") and "\n2999 xxx" in log and "\n10 xxx" not in log


def test_what_cannot_be_started_or_asked_is_a_sentence(tmp_path: Path, board: JobQueue) -> None:
    broken = JobQueue(tmp_path, command=["/nonexistent/python"])
    status = broken.wait(broken.submit({"task": "count"}), PATIENCE)
    assert status.state == "failed" and "could not be started" in (status.error or "")
    broken.shutdown()
    with pytest.raises(RequestError, match="'unknown'"):
        board.status("unknown")
    with pytest.raises(StoreError, match="JSON value"):
        board.submit({"task": object()})


def test_the_real_worker_hands_the_request_to_the_tasks(tmp_path: Path) -> None:
    """The tasks themselves import torch and more, so a small module stands in for them here."""
    code = (
        "import sys, types; stand_in = types.ModuleType('brivl.tasks.registry'); from brivl.tasks import worker\n"
        "stand_in.run_task = lambda request, progress: progress(2, 4, 'half') or {'asked': dict(request)}\n"
        "sys.modules['brivl.tasks.registry'] = stand_in; sys.exit(worker.main())"
    )
    board = JobQueue(tmp_path, command=[sys.executable, "-c", code])
    status = board.wait(board.submit({"task": "sweep"}), PATIENCE)
    board.shutdown()
    assert (status.state, status.done, status.total) == ("done", 2, 4)
    assert status.result == {"asked": {"task": "sweep"}}
    assert COMMAND_OF_THE_APP[1:] == ("-m", worker.__name__) and callable(worker.main)


def test_rate_leaves_out_the_start_and_follows_a_change() -> None:
    rate = Rate()
    assert rate.seconds_left(10, 0.0) is None
    rate.update(4, 100.0)  # found done already: says nothing about speed
    assert rate.seconds_left(10, 101.0) is None
    rate.update(5, 102.0)
    assert rate.seconds_left(10, 102.0) == pytest.approx(10.0)
    assert rate.seconds_left(10, 104.0) == pytest.approx(8.0)
    for i in range(1, 1000):
        rate.update(5 + i, 102.0 + i * SMOOTHING_SECONDS)
    assert rate.seconds_left(1005, 102.0 + 999 * SMOOTHING_SECONDS) == pytest.approx(SMOOTHING_SECONDS, rel=1e-6)
    rate.update(0, 1e6)  # a new phase
    assert rate.seconds_left(10, 1e6) is None
