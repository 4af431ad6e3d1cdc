"""A resident worker process, which runs one request after another and keeps its models loaded.

A fit takes minutes and gets a process of its own (brivl.jobs.processes). A query of a model takes less time than
importing torch, so the pages of models share one process that outlives its requests.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from brivl.jobs.processes import Launch, OnLine, keep_log, parse_line, send_request, start_process
from brivl.jobs.queue import JobQueue

COMMAND = (sys.executable, "-m", "brivl.tasks.worker", "--stay")
FINAL = ("result", "error", "cancelled")  # fields of the last line of a request


class _Process:
    """The process and its pipes."""

    def __init__(self, launch: Launch) -> None:
        self.popen, self.stdin, self.stdout, stderr = start_process(launch)
        log = launch.log_path.with_name("resident.log")
        threading.Thread(target=keep_log, args=(stderr, log), daemon=True).start()

    def end(self) -> int:
        """Kill it with all processes that it started; its return code."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        for pipe in (self.stdin, self.stdout):
            with suppress(OSError):
                pipe.close()
        return self.popen.wait()


class ResidentSlot:
    """One request at the resident process.

    Parameters
    ----------
    pool : ResidentPool
        Owner of the process, to which it is returned after the request.
    process : _Process | None
        A process that has run requests before; None to start one.
    launch : Launch
        The request. OSError is raised where a process cannot be started.
    """

    def __init__(self, pool: ResidentPool, process: _Process | None, launch: Launch) -> None:
        self._pool, self._launch = pool, launch
        self._reused = process is not None
        self._process = process or _Process(launch)
        self._lock = threading.Lock()
        self._done = self._stopped = False

    def run(self, on_line: OnLine) -> int:
        """Send the request and pass on each line up to the last.

        Parameters
        ----------
        on_line : OnLine
            Called with each JSON line that the process writes.

        Returns
        -------
        int
            0, or the return code of a process that died.
        """
        code, n_lines = self._run_once(on_line)
        if code is not None and n_lines == 0 and self._reused and self._restart():
            code, _ = self._run_once(on_line)
        if code is not None:
            return code
        with self._lock:
            self._done = True
        self._pool.release(self._process)
        return 0

    def _run_once(self, on_line: OnLine) -> tuple[int | None, int]:
        """The return code of a process that died, else None; and the number of lines that it wrote."""
        n_lines = 0
        with suppress(BrokenPipeError):
            send_request(self._process.stdin, self._launch.request)
        for text in self._process.stdout:
            line = parse_line(text)
            if line is None:
                continue
            n_lines += 1
            with suppress(ValueError, KeyError, TypeError):  # a malformed line must not stop the reading
                on_line(line)
            if any(name in line for name in FINAL):
                return None, n_lines
        code = self._process.popen.wait()  # before the group is killed, so that the code is its own
        self._process.end()
        return code, n_lines

    def _restart(self) -> bool:
        """Start another process in place of one that ended, by idleness, just when it was sent the request."""
        with self._lock:
            if self._stopped:
                return False
            try:
                self._process = _Process(self._launch)
            except OSError:
                return False
            return True

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, unless the request has ended.

        Parameters
        ----------
        number : signal.Signals
            SIGTERM or SIGKILL.
        """
        with self._lock, suppress(ProcessLookupError, PermissionError):
            self._stopped = True
            if not self._done:
                os.killpg(self._process.popen.pid, number)


class ResidentPool:
    """Lends the resident process to one request at a time; starts it when it is first needed, and after it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: _Process | None = None
        self._closed = False
        atexit.register(self.close)

    def __call__(self, launch: Launch) -> ResidentSlot:
        with self._lock:
            process, self._idle = self._idle, None
        if process is not None and process.popen.poll() is not None:
            process.end()
            process = None
        return ResidentSlot(self, process, launch)

    def release(self, process: _Process) -> None:
        """Keep a process for the next request.

        Parameters
        ----------
        process : _Process
            A process without a request; it is ended where the pool is closed or has one already.
        """
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
    """Open the queue of model queries: one at a time, in the resident process.

    Parameters
    ----------
    root : Path
        The cache folder.

    Returns
    -------
    JobQueue
        The queue; its process starts with the first request.
    """
    return JobQueue(root, command=COMMAND, start=ResidentPool())
