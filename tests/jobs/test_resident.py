"""The worker process that stays."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brivl.jobs.queue import JobQueue
from brivl.jobs.resident import ResidentPool

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
def board(tmp_path: Path) -> Iterator[JobQueue]:
    made = board_of(tmp_path)
    yield made
    made.shutdown()


def board_of(root: Path, idle: float = 60) -> JobQueue:
    code = TASKS.replace("IDLE", str(idle))
    return JobQueue(root, command=(sys.executable, "-c", code), start=ResidentPool())


def answer(board: JobQueue, **request: object) -> dict:
    status = board.wait(board.submit(request), 60)
    assert status.state == "done", status
    return dict(status.result)


def test_one_process_answers_request_after_request(board: JobQueue) -> None:
    first, second = answer(board, n=1), answer(board, n=2)
    assert first["pid"] == second["pid"] and second["answered"] == 2


def test_a_failure_is_a_sentence_and_the_process_stays(board: JobQueue) -> None:
    first = answer(board, n=1)
    failed = board.wait(board.submit({"fail": 1}), 60)
    assert failed.state == "failed" and "ValueError" in failed.error
    assert answer(board, n=2)["pid"] == first["pid"]


def test_after_a_death_or_a_cancellation_another_process_answers(board: JobQueue) -> None:
    first = answer(board, n=1)
    dead = board.wait(board.submit({"die": 1}), 60)
    assert dead.state == "failed" and "code 3" in dead.error
    second = answer(board, n=2)
    assert second["pid"] != first["pid"]
    job = board.submit({"sleep": 60})
    while board.status(job).message != "thinking":
        time.sleep(0.02)
    started = time.monotonic()
    board.cancel(job)
    assert board.status(job).state == "cancelled" and time.monotonic() - started < 5
    assert answer(board, n=3)["pid"] != second["pid"]


def test_killed_while_idle(board: JobQueue) -> None:
    first = answer(board, n=1)
    os.kill(first["pid"], signal.SIGKILL)
    time.sleep(0.3)
    assert answer(board, n=2)["pid"] != first["pid"]


def test_it_leaves_when_nothing_is_asked(tmp_path: Path) -> None:
    board = board_of(tmp_path, idle=0.2)
    first = answer(board, n=1)
    time.sleep(1.0)
    assert answer(board, n=2)["pid"] != first["pid"]
    board.shutdown()
