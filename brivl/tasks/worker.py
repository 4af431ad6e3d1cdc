"""One computation in its own process: request on stdin, progress on stdout, both as JSON lines; log on stderr.

`brivl.jobs.queue` starts it as `python -m brivl.tasks.worker`. It ends with its parent, whose end closes stdin.
"""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TextIO

from brivl.core.progress import ProgressCallback
from brivl.errors import BrivlError, Cancelled
from brivl.store.digests import JSON
from brivl.threads import set_threads

IDLE_SECONDS = 1200.0  # without a request, after which the resident worker ends and frees the memory of its models
REPORT_EVERY = 0.1  # seconds between progress lines with the same message

RunTask = Callable[[Mapping[str, JSON], ProgressCallback], Mapping[str, JSON] | None]


class ProgressWriter:
    """A progress callback that writes JSON lines.

    Parameters
    ----------
    channel : TextIO
        Pipe to the parent. When the parent has closed it, this process ends.
    """

    def __init__(self, channel: TextIO) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._last_message: str | None = None
        self._last_time = -math.inf

    def __call__(self, done: float, total: float, message: str = "") -> None:
        now = time.monotonic()
        with self._lock:
            early = now - self._last_time < REPORT_EVERY and message == self._last_message and done < total
            if early or not (math.isfinite(done) and math.isfinite(total)):
                return
            self._last_message, self._last_time = message, now
            self._write({"done": float(done), "total": float(total), "message": message})

    def finish(self, line: Mapping[str, JSON]) -> None:
        """Write the last line of a request.

        Parameters
        ----------
        line : Mapping[str, JSON]
            With a field "result", "error" or "cancelled".
        """
        with self._lock:
            self._write(line)

    def _write(self, line: Mapping[str, JSON]) -> None:
        try:
            self._channel.write(json.dumps(line, allow_nan=False) + "\n")
            self._channel.flush()
        except BrokenPipeError:
            _end_group()  # the parent has closed the pipe


def serve(run_task: RunTask) -> int:
    """Run one request from stdin.

    Parameters
    ----------
    run_task : RunTask
        Computes the result of a request.

    Returns
    -------
    int
        The exit code: 0 with a result, else 1.
    """
    progress = ProgressWriter(_take_over_stdout())
    request = json.loads(_read_line())
    threading.Thread(target=_end_with_parent, daemon=True, name="end-with-parent").start()
    line = _last_line(run_task, request, progress)
    progress.finish(line)
    return 0 if "result" in line else 1


def serve_many(run_task: RunTask, idle_seconds: float = IDLE_SECONDS) -> int:
    """Run requests from lines of stdin, one after another; models stay loaded in between.

    Parameters
    ----------
    run_task : RunTask
        Computes the result of a request.
    idle_seconds : float
        Time without a request after which it returns.

    Returns
    -------
    int
        The exit code, 0.
    """
    channel = _take_over_stdout()
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read_lines, args=(requests,), daemon=True, name="requests").start()
    while True:
        try:
            request = json.loads(requests.get(timeout=idle_seconds))
        except queue.Empty:
            return 0
        progress = ProgressWriter(channel)
        progress.finish(_last_line(run_task, request, progress))


def _read_lines(requests: queue.Queue[bytes]) -> None:
    """Put lines of stdin into a queue; the end of stdin, which comes with the end of the parent, ends this process."""
    rest = b""
    while block := os.read(0, 65536):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            requests.put(line)
    _end_group()


def _last_line(run_task: RunTask, request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Run a request; the last line of its output."""
    try:
        result = dict(run_task(request, progress) or {})
        json.dumps(result, allow_nan=False)
        return {"result": result}
    except Cancelled as error:
        return {"cancelled": str(error)}
    except BrivlError as error:
        return {"error": str(error)}
    except MemoryError:
        traceback.print_exc()
        return {"error": "There was not enough memory. Close other programs, or choose fewer voxels, then run again."}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"Unexpected error in this computation ({type(error).__name__}); details are in the log."}


def _take_over_stdout() -> TextIO:
    """Take the pipe to the parent as a private file, so that what libraries print goes to the log."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)
    return channel


def _read_line() -> bytes:
    """Read the first line of stdin, without Python's buffer, whose lock the watching thread must not hold at exit."""
    line = bytearray()
    while not line.endswith(b"\n"):
        block = os.read(0, 65536)
        if not block:
            break
        line += block
    return bytes(line)


def _end_with_parent() -> None:
    """Wait for the end of stdin, which comes when the parent closes it or ends, then end at once."""
    while os.read(0, 65536):
        pass
    _end_group()


def _end_group() -> None:
    """Kill this process and the group of processes that it leads."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _run_task(request: Mapping[str, JSON], progress: ProgressCallback) -> Mapping[str, JSON] | None:
    from brivl.tasks.registry import run_task

    return run_task(request, progress)


def main() -> int:
    """Serve one request of the explorer, or with --stay one after another.

    Returns
    -------
    int
        The exit code.
    """
    set_threads()  # also where another program has started this process
    return serve_many(_run_task) if "--stay" in sys.argv[1:] else serve(_run_task)


if __name__ == "__main__":
    sys.exit(main())
