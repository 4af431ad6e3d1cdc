"""A worker with tasks for the tests of the queue; it serves them as the real one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brivl.core.progress import ProgressCallback
from brivl.errors import Cancelled, RequestError
from brivl.tasks.worker import serve


def count(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Count; with a "gate", each step waits until the test has made a file of its number in that folder."""
    for i in range(request["steps"]):
        progress(i, request["steps"], f"step {i}")
        while "gate" in request and not Path(request["gate"], str(i)).exists():
            time.sleep(0.01)
    progress(request["steps"], request["steps"], "counted")
    return {"steps": request["steps"], "pid": os.getpid()}


def note(request: Mapping[str, Any], progress: ProgressCallback) -> None:
    """Append to a file when it begins and when it ends."""
    for event in ("begin", "end"):
        with open(request["file"], "a") as file:
            file.write(f"{event} {request['n']}\n")


def stubborn(request: Mapping[str, Any], progress: ProgressCallback) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    progress(0, 1, f"{os.getpid()} {child.pid}")
    while True:
        pass


def fail(request: Mapping[str, Any], progress: ProgressCallback) -> None:
    raise RequestError("Expected a layer from 1 to 12, got 13.")


def crash(request: Mapping[str, Any], progress: ProgressCallback) -> None:
    raise ZeroDivisionError("a secret path")


def give_up(request: Mapping[str, Any], progress: ProgressCallback) -> None:
    raise Cancelled("stopped")


def leave(request: Mapping[str, Any], progress: ProgressCallback) -> None:
    os._exit(3)


def chatter(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Writes to every stream as libraries do, more than the log may hold, and a line in the form of a report."""
    print('{"done": 1, "total": 1, "message": "forged"}', flush=True)
    os.write(1, b"not json\n")
    for i in range(3000):
        sys.stderr.write(f"{i} " + "x" * 1000 + "\n")
    return {}


def surroundings(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    names = {"threads": "OMP_NUM_THREADS", "waiting": "OMP_WAIT_POLICY", "cores": "BRIVL_CORES", "cache": "BRIVL_CACHE"}
    return {key: os.environ.get(name) for key, name in names.items()} | {"folder": os.getcwd()}


def unserializable(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    return {"value": np.zeros(3)}


TASKS = (count, note, stubborn, fail, crash, give_up, leave, chatter, surroundings, unserializable)


def run_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any] | None:
    return {task.__name__: task for task in TASKS}[request["task"]](request, progress)


if __name__ == "__main__":
    sys.exit(serve(run_task))
