"""A worker process that stays: it answers one request after the other and keeps its models loaded.

A fit takes minutes and gets a process of its own (brivl.jobs.processes). A query of a model takes less time than
importing torch, so the demo pages share one process that outlives its requests.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from brivl.config import PROJECT
from brivl.jobs.processes import Launch, environment, keep_log
from brivl.jobs.queue import JobQueue

COMMAND = (sys.executable, "-m", "brivl.tasks.worker", "--stay")
FINAL = ("result", "error", "cancelled")  # what the last line of an answer holds


class _Process:
    """The process and its pipes."""

    def __init__(self, launch: Launch) -> None:
        self.popen = subprocess.Popen(
            launch.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=PROJECT,
            env=environment(launch.n_workers),
            start_new_session=True,
        )
        log = launch.log_path.with_name("resident.log")
        threading.Thread(target=keep_log, args=(self.popen.stderr, log), daemon=True).start()

    def end(self) -> int:
        """Kill it with all that it started; its return code."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        for pipe in (self.popen.stdin, self.popen.stdout):
            with suppress(OSError):
                pipe.close()
        return self.popen.wait()


class ResidentSlot:
    """One request at the staying process; the same face as processes.Worker."""

    def __init__(self, pool: ResidentPool, process: _Process, launch: Launch) -> None:
        self._pool, self._process, self._launch = pool, process, launch
        self._lock = threading.Lock()
        self._over = False

    def run(self, on_line: Callable[[Mapping[str, Any]], None]) -> int:
        """Hand over the request and pass on each line up to the last; 0, or the code of a process that died."""
        popen = self._process.popen
        with suppress(BrokenPipeError):
            popen.stdin.write(json.dumps(self._launch.request).encode() + b"\n")
            popen.stdin.flush()
        for text in popen.stdout:
            with suppress(ValueError, KeyError, TypeError):
                line = json.loads(text)
                if isinstance(line, dict):
                    on_line(line)
                    if any(name in line for name in FINAL):
                        break
        else:
            code = popen.wait()  # before the group is swept, so that the code is its own
            self._process.end()
            return code
        with self._lock:
            self._over = True
        self._pool.take_back(self._process)
        return 0

    def stop(self, number: signal.Signals) -> None:
        """Signal the whole group; nothing happens once the request is answered."""
        with self._lock, suppress(ProcessLookupError, PermissionError):
            if not self._over:
                os.killpg(self._process.popen.pid, number)


class ResidentPool:
    """Lends the staying process to one request at a time; starts it when it is first needed, or has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: _Process | None = None
        self._closed = False
        atexit.register(self.close)

    def __call__(self, launch: Launch) -> ResidentSlot:
        """A turn at the process. Raises OSError where it cannot be started."""
        with self._lock:
            process, self._idle = self._idle, None
        if process is not None and process.popen.poll() is not None:
            process.end()
            process = None
        return ResidentSlot(self, process or _Process(launch), launch)

    def take_back(self, process: _Process) -> None:
        """Keep a process for the next request."""
        with self._lock:
            spare = process if self._closed or self._idle is not None else None
            if spare is None:
                self._idle = process
        if spare is not None:
            spare.end()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
            process, self._idle = self._idle, None
        if process is not None:
            process.end()
        atexit.unregister(self.close)


def open_model_queue(root: Path) -> JobQueue:
    """The queue of queries of models: one at a time, in the process that stays."""
    return JobQueue(root, command=COMMAND, start=ResidentPool())
