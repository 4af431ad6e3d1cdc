"""The resident worker process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brivl.jobs.queue import JobQueue
from brivl.jobs.resident import ResidentPool
from tests.support.processes import PATIENCE, gone, until

# Answers each request with its own process number and how many it has answered; sleeps or dies on demand.
TASKS = """
import os, sys, time
sys.argv = [sys.argv[0]]
from brivl.tasks.worker import serve_many
answered = []
def run(request, progress):
    progress(0, 1, "thinking")
    if "sleep" in request:
        time.sleep(request["sleep"])
    if "die" in request:
        os._exit(3)
    if "fail" in request:
        raise ValueError("no")
    answered.append(1)
    return {"pid": os.getpid(), "answered": len(answered)}
sys.exit(serve_many(run, idle_seconds=IDLE))
"""


@pytest.fixture
def job_queue(tmp_path: Path) -> Iterator[JobQueue]:
    made = open_queue(tmp_path)
    yield made
    made.shutdown()


def open_queue(root: Path, idle: float = 3600) -> JobQueue:
    code = TASKS.replace("IDLE", str(idle))
    return JobQueue(root, command=(sys.executable, "-c", code), start=ResidentPool())


def answer(job_queue: JobQueue, **request: object) -> dict:
    status = job_queue.wait(job_queue.submit(request), PATIENCE)
    assert status.state == "done", status
    return dict(status.result)


def test_one_process_answers_request_after_request(job_queue: JobQueue) -> None:
    first, second = answer(job_queue, n=1), answer(job_queue, n=2)
    assert first["pid"] == second["pid"] and second["answered"] == 2


def test_an_error_is_a_sentence_and_the_process_stays(job_queue: JobQueue) -> None:
    first = answer(job_queue, n=1)
    failed = job_queue.wait(job_queue.submit({"fail": 1}), PATIENCE)
    assert failed.state == "failed" and "ValueError" in failed.error
    assert answer(job_queue, n=2)["pid"] == first["pid"]


def test_after_a_death_or_a_cancellation_another_process_answers(job_queue: JobQueue) -> None:
    first = answer(job_queue, n=1)
    dead = job_queue.wait(job_queue.submit({"die": 1}), PATIENCE)
    assert dead.state == "failed" and "code 3" in dead.error
    second = answer(job_queue, n=2)
    assert second["pid"] != first["pid"]
    job = job_queue.submit({"sleep": 3600})
    until(lambda: job_queue.status(job).message == "thinking")
    job_queue.cancel(job)
    assert job_queue.status(job).state == "cancelled"
    assert answer(job_queue, n=3)["pid"] != second["pid"]


def test_killed_while_idle(job_queue: JobQueue) -> None:
    first = answer(job_queue, n=1)
    os.kill(first["pid"], signal.SIGKILL)
    until(lambda: gone(first["pid"]))
    assert answer(job_queue, n=2)["pid"] != first["pid"]


def test_it_ends_without_requests(tmp_path: Path) -> None:
    job_queue = open_queue(tmp_path, idle=2)
    first = answer(job_queue, n=1)
    until(lambda: gone(first["pid"]))
    assert answer(job_queue, n=2)["pid"] != first["pid"]
    job_queue.shutdown()


def test_a_process_that_ends_just_when_it_is_asked_is_replaced(
    job_queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end by idleness is seen only when the request has been sent."""
    first = answer(job_queue, n=1)
    os.kill(first["pid"], signal.SIGKILL)
    until(lambda: gone(first["pid"]))
    monkeypatch.setattr(subprocess.Popen, "poll", lambda _process: None)
    assert answer(job_queue, n=2)["pid"] != first["pid"]
