"""The queue of jobs: real worker processes, watched, ended, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from brivl import threads
from brivl.config import PROJECT
from brivl.errors import RequestError, StoreError
from brivl.jobs import processes, queue
from brivl.jobs.processes import Launch, OnLine
from brivl.jobs.queue import COMMAND as COMMAND_OF_THE_APP
from brivl.jobs.queue import JobQueue, job_id_of
from brivl.jobs.rate import SMOOTHING_SECONDS, Rate
from brivl.tasks import worker
from brivl.threads import SET_HERE, VARIABLES
from tests.support.processes import PATIENCE, gone, until

COMMAND = (sys.executable, "-m", "tests.jobs.fake_worker")


@pytest.fixture
def job_queue(tmp_path: Path) -> Iterator[JobQueue]:
    job_queue = JobQueue(tmp_path, command=COMMAND)
    yield job_queue
    job_queue.shutdown()


def start_stubborn(job_queue: JobQueue, **more: int) -> tuple[str, list[int]]:
    """A running job that ignores SIGTERM; its id and the numbers of its process and of the child it started."""
    job_id = job_queue.submit({"task": "stubborn", **more})
    until(lambda: job_queue.status(job_id).message[:1].isdecimal())
    return job_id, [int(pid) for pid in job_queue.status(job_id).message.split()]


def test_progress_is_seen_and_the_result_arrives(job_queue: JobQueue, tmp_path: Path) -> None:
    job_id = job_queue.submit({"task": "count", "steps": 5, "gate": str(tmp_path)})
    for i in range(5):
        until(lambda i=i: job_queue.status(job_id).message == f"step {i}")
        status = job_queue.status(job_id)
        assert (status.state, status.done, status.total) == ("running", i, 5)
        assert status.seconds_left is None, "five quick steps are no measurement"
        (tmp_path / str(i)).touch()
    last = job_queue.wait(job_id, PATIENCE)
    assert last.state == "done" and last.result is not None and last.result["steps"] == 5
    assert (last.done, last.total, last.seconds_left, last.error) == (5, 5, None, None)
    assert job_queue.active() == [] and last.started is not None


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("fail", "Expected a layer from 1 to 12, got 13."),
        ("crash", "Unexpected error in this computation (ZeroDivisionError); details are in the log"),
        ("unserializable", "Unexpected error in this computation (TypeError)"),
        ("no such task", "Unexpected error in this computation (KeyError)"),
        ("leave", "stopped with code 3 without a result"),
    ],
)
def test_failures_are_sentences(job_queue: JobQueue, task: str, words: str) -> None:
    status = job_queue.wait(job_queue.submit({"task": task}), PATIENCE)
    assert status.state == "failed" and status.result is None
    assert words in (status.error or "")
    log = job_queue.log_path(status.job_id)
    assert "secret" not in (status.error or "")
    assert task != "crash" or "ZeroDivisionError: a secret path" in log.read_text()


def test_a_task_that_stops_itself_is_cancelled_not_failed(job_queue: JobQueue) -> None:
    assert job_queue.wait(job_queue.submit({"task": "give_up"}), PATIENCE).state == "cancelled"


def test_cancel_ends_a_busy_loop_that_ignores_sigterm(job_queue: JobQueue) -> None:
    job_id, pids = start_stubborn(job_queue)
    assert not any(gone(pid) for pid in pids)
    assert queue.TERMINATE_SECONDS < 0.5, "then it is killed, within a second of the click"
    job_queue.cancel(job_id)
    assert job_queue.status(job_id).state == "cancelled" and job_queue.status(job_id).error is None
    until(lambda: all(gone(pid) for pid in pids))
    job_queue.cancel(job_id)  # again: nothing happens
    assert job_queue.wait(job_queue.submit({"task": "count", "steps": 1}), PATIENCE).state == "done"


def test_the_same_request_runs_once_however_often_it_is_submitted(job_queue: JobQueue, tmp_path: Path) -> None:
    request = {"task": "count", "steps": 1, "gate": str(tmp_path)}
    ids: list[str] = []
    sessions = [
        threading.Thread(target=lambda: ids.append(job_queue.submit(dict(reversed(request.items()))))) for _ in "abcdef"
    ]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert set(ids) == {job_id_of(request)} and len(ids) == 6
    assert len(job_queue.active()) == 1
    status = job_queue.find(request)
    assert status is not None and status.job_id == ids[0] and job_queue.find({"task": "other"}) is None
    (tmp_path / "0").touch()
    first = job_queue.wait(ids[0], PATIENCE).result
    again = job_queue.wait(job_queue.submit(request), PATIENCE).result  # a finished one runs again; the cache answers
    assert first is not None and again is not None and first["pid"] != again["pid"]


def test_jobs_run_in_the_order_of_submission_and_a_queued_job_can_be_cancelled(
    job_queue: JobQueue, tmp_path: Path
) -> None:
    first = job_queue.submit({"task": "count", "steps": 1, "gate": str(tmp_path)})
    log = tmp_path / "log"
    ids = [first, *(job_queue.submit({"task": "note", "file": str(log), "n": n}) for n in range(3))]
    assert [s.job_id for s in job_queue.active()] == ids
    status = job_queue.status(ids[3])
    assert status.state == "queued" and status.message == "Queued behind: Count, and 2 more"
    job_queue.cancel(ids[2])
    assert job_queue.status(ids[2]).state == "cancelled"
    assert job_queue.status(ids[3]).message == "Queued behind: Count, and 1 more"
    (tmp_path / "0").touch()
    states = [job_queue.wait(job_id, PATIENCE).state for job_id in ids]
    assert states == ["done", "done", "cancelled", "done"]
    assert log.read_text().split("\n")[:-1] == ["begin 0", "end 0", "begin 2", "end 2"]


class Unkillable:
    """Stands for a worker that the system does not end, as when it waits for a disk, until the test lets go."""

    def __init__(self, launch: Launch) -> None:
        self.request, self.gone = launch.request, threading.Event()

    def run(self, on_line: OnLine) -> int:
        while not self.gone.wait(0.01):
            pass
        on_line({"done": 1, "total": 1, "message": "too late"})
        return -signal.SIGKILL

    def stop(self, number: signal.Signals) -> None:
        pass


def test_cancel_takes_effect_though_the_process_does_not_end(tmp_path: Path) -> None:
    workers: list[Unkillable] = []

    def start(launch: Launch) -> Unkillable:
        workers.append(Unkillable(launch))
        return workers[-1]

    job_queue = JobQueue(tmp_path, start=start)
    first, second = (job_queue.submit({"task": "count", "steps": n}) for n in (1, 2))
    job_queue.cancel(first)
    assert not workers[0].gone.is_set(), "the process still runs"
    assert job_queue.status(first).state == "cancelled" and job_queue.status(second).state == "running"
    again = job_queue.submit({"task": "count", "steps": 1})  # may be asked for again at once
    assert again == first and job_queue.status(first).state == "queued"
    workers[0].gone.set()  # the old process ends at last, which changes nothing
    until(lambda: not any(thread.name == "brivl-job" and not thread.is_alive() for thread in threading.enumerate()))
    assert job_queue.status(first).state == "queued" and job_queue.status(second).state == "running"
    job_queue.cancel(first)
    workers[1].gone.set()
    assert job_queue.wait(second, PATIENCE).state == "failed"
    job_queue.shutdown()


def test_short_jobs_go_before_long_ones_but_not_for_ever(tmp_path: Path) -> None:
    workers: dict[str, Unkillable] = {}

    def start(launch: Launch) -> Unkillable:
        return workers.setdefault(str(launch.request["n"]), Unkillable(launch))

    job_queue = JobQueue(tmp_path, start=start)
    job_queue.submit({"task": "decoding", "n": "running"})
    job_queue.submit({"task": "audit", "n": "long"})
    n = queue.MOST_OVERTAKEN
    for i in range(n + 2):
        job_queue.submit({"task": "generation", "n": str(i)})
    for name in ("caption", "another"):
        job_queue.submit({"task": "captioning", "n": name})
    assert list(workers) == ["running", "caption"], "a caption does not wait for a decoding, a second one for the first"
    expected = ["running", "caption", "another", *map(str, range(n)), "long", str(n), str(n + 1)]
    for ends, starts in zip(["caption", "running", *expected[3:]], expected[2:], strict=False):
        workers[ends].gone.set()
        until(lambda starts=starts: starts in workers)
    assert list(workers) == expected
    workers["another"].gone.set()
    workers[expected[-1]].gone.set()
    job_queue.shutdown()


def test_a_job_says_which_stage_it_has_reached(tmp_path: Path) -> None:
    """Fits of a sweep report in turn, so that a stage does not go back; its title names data, layer and subjects."""
    fits = [{"dataset": "/data/somewhere/movie", "layer": 8, "subject": f"S0{i}"} for i in (1, 2)]
    lines = ["Simulating S01", "Features of brivl-mini", "Fitting layer 8, S01", "Simulating S02", "Layer 8, S01 done"]
    stages, heard = [], threading.Semaphore(0)

    class Reporting(Unkillable):
        def run(self, on_line: OnLine) -> int:
            for line in lines:
                on_line({"done": 0, "total": 2, "message": line})
                stages.append(job_queue.status(job_id_of(self.request)).stage)
            heard.release()
            return super().run(on_line)

    workers: list[Reporting] = []

    def start(launch: Launch) -> Reporting:
        workers.append(Reporting(launch))
        return workers[-1]

    job_queue = JobQueue(tmp_path, start=start)
    job_id = job_queue.submit({"task": "sweep", "fits": fits})
    assert heard.acquire(timeout=PATIENCE) and stages == [1, 2, 3, 3, 3]
    status = job_queue.status(job_id)
    assert (status.stage, status.n_stages, status.title) == (3, 4, "movie · 2 subjects · layer 8")
    waits = job_queue.submit({"task": "audit", "asked": {"fit": fits[0], "faults": []}})
    assert job_queue.status(waits).message == "Queued behind: movie · 2 subjects · layer 8 (stage 3 of 4)"
    assert job_queue.status(waits).title == "Audit · movie · S01 · layer 8"
    assert job_queue.status(waits).waits_for == "sweep"
    workers[0].gone.set()
    job_queue.shutdown()


def test_two_workers_run_at_once_and_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "n_cores", lambda: 6)
    for name in (*VARIABLES, SET_HERE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRIVL_CACHE", "somewhere")
    job_queue = JobQueue(tmp_path, n_workers=2, command=COMMAND)
    try:
        first, _ = start_stubborn(job_queue)
        result = job_queue.wait(job_queue.submit({"task": "surroundings"}), PATIENCE).result
        expected = {"threads": "1", "waiting": "PASSIVE", "cores": "3"}
        assert result == expected | {"cache": str(Path("somewhere").absolute()), "folder": str(PROJECT)}
        assert job_queue.status(first).state == "running"
    finally:
        job_queue.shutdown()
    assert job_queue.status(first).state == "cancelled"
    with pytest.raises(RequestError, match="shutting down"):
        job_queue.submit({"task": "count", "steps": 1})


def test_a_users_number_of_threads_reaches_the_worker(job_queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv(SET_HERE, raising=False)
    result = job_queue.wait(job_queue.submit({"task": "surroundings"}), PATIENCE).result
    assert result is not None and result["threads"] == "3"


def test_a_killed_worker_is_reported_and_its_children_ended(job_queue: JobQueue) -> None:
    job_id, (worker, child) = start_stubborn(job_queue)
    os.kill(worker, signal.SIGKILL)
    status = job_queue.wait(job_id, PATIENCE)
    assert status.state == "failed" and "memory ran out" in (status.error or "")
    until(lambda: gone(child))


def test_the_death_of_the_parent_ends_worker_and_children(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from brivl.jobs.queue import JobQueue\n"
        "job_queue = JobQueue(Path(sys.argv[1]), command=[sys.executable, '-m', 'tests.jobs.fake_worker'])\n"
        "job = job_queue.submit({'task': 'stubborn'})\n"
        "while not job_queue.status(job).message[:1].isdecimal(): time.sleep(0.01)\n"
        "print(job_queue.status(job).message, flush=True); time.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=PROJECT) as server:
        assert server.stdout is not None
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert len(pids) == 2 and not any(gone(pid) for pid in pids)
        server.kill()
        until(lambda: all(gone(pid) for pid in pids))


def test_foreign_output_goes_to_a_log_of_bounded_size(job_queue: JobQueue) -> None:
    job_id = job_queue.submit({"task": "chatter"})
    status = job_queue.wait(job_id, PATIENCE)
    assert status.state == "done" and status.message == "Done" and status.total == 0
    log = job_queue.log_path(job_id).read_text()
    assert len(log) <= processes.LOG_BYTES and log.endswith("x\n") and "\n2999 xxx" in log and "\n10 xxx" not in log


def test_what_cannot_be_started_or_asked_is_a_sentence(tmp_path: Path, job_queue: JobQueue) -> None:
    broken = JobQueue(tmp_path, command=["/nonexistent/python"])
    status = broken.wait(broken.submit({"task": "count"}), PATIENCE)
    assert status.state == "failed" and "could not be started" in (status.error or "")
    broken.shutdown()
    with pytest.raises(RequestError, match="'unknown'"):
        job_queue.status("unknown")
    with pytest.raises(StoreError, match="JSON value"):
        job_queue.submit({"task": object()})


def test_the_real_worker_hands_the_request_to_the_tasks(tmp_path: Path) -> None:
    """The tasks themselves import torch and more, so a small module stands in for them here."""
    code = (
        "import sys, types; stand_in = types.ModuleType('brivl.tasks.registry'); from brivl.tasks import worker\n"
        "stand_in.run_task = lambda request, progress: progress(2, 4, 'half') or {'asked': dict(request)}\n"
        "sys.modules['brivl.tasks.registry'] = stand_in; sys.exit(worker.main())"
    )
    job_queue = JobQueue(tmp_path, command=[sys.executable, "-c", code])
    status = job_queue.wait(job_queue.submit({"task": "sweep"}), PATIENCE)
    job_queue.shutdown()
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
    assert rate.range_left(1005, 102.0 + 999 * SMOOTHING_SECONDS) is not None
    rate.update(0, 1e6)  # a new phase
    assert rate.range_left(10, 1e6) is None
    assert rate.seconds_left(10, 1e6) is None


def test_time_left_is_a_range_once_a_rate_was_measured() -> None:
    rate = Rate()
    rate.update(0, 0.0)
    for i, second in enumerate((1, 2, 3), 1):
        rate.update(i, second)
    assert rate.range_left(20, 3.0) is None, "three seconds are no measurement"
    for i, second in enumerate((4, 6, 8, 10, 12), 4):
        rate.update(i, second)  # from one step a second to one in two seconds
    least, most = rate.range_left(20, 12.0) or (0, 0)
    assert (least, most) == (pytest.approx(12.0), pytest.approx(24.0))
    least, most = rate.range_left(20, 20.0) or (0, 0)
    assert (least, most) == (pytest.approx(4.0), pytest.approx(16.0))
    assert rate.range_left(20, 40.0) is None, "no step for longer than the slowest rate explains: nothing is known"
