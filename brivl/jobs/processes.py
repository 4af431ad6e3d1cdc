"""Worker processes: started in a group of their own, watched, ended with everything that they started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from brivl.config import PROJECT, cache_dir, data_dirs
from brivl.threads import thread_settings

JSON = Any
LOG_BYTES = 2**20
DRAIN_SECONDS = 2.0  # a process that left the group may still hold the log's pipe; do not wait for it longer


@dataclass(frozen=True)
class Launch:
    """How a worker is started: its command line, what it is asked, its log and its share of the cores."""

    command: Sequence[str]
    request: Mapping[str, JSON]
    log_path: Path
    n_workers: int


class Worker:
    """One running worker process. Raises OSError where it cannot be started."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._reaping = threading.Lock()
        self._exited = False
        self._process = subprocess.Popen(
            launch.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=PROJECT,
            env=environment(launch.n_workers),
            start_new_session=True,
        )

    def run(self, on_line: Callable[[Mapping[str, JSON]], None]) -> int:
        """Hand over the request, pass on each line that comes back, and wait for the end; the return code."""
        assert self._process.stdin and self._process.stdout and self._process.stderr
        readers = [
            threading.Thread(target=_read_lines, args=(self._process.stdout, on_line), daemon=True),
            threading.Thread(target=keep_log, args=(self._process.stderr, self.launch.log_path), daemon=True),
        ]
        for reader in readers:
            reader.start()
        with suppress(BrokenPipeError):  # it died at once: its return code will say so
            self._process.stdin.write(json.dumps(self.launch.request).encode() + b"\n")
            self._process.stdin.flush()
        _wait_unreaped(self._process)
        with self._reaping:
            self._signal(signal.SIGKILL)  # what it started; until it is reaped, nobody else can have its group number
            self._exited = True
        for reader in readers:
            reader.join(DRAIN_SECONDS)
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        return self._process.wait()

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; nothing happens if it has ended."""
        with self._reaping:
            if not self._exited:
                self._signal(number)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            os.killpg(self._process.pid, number)


def environment(n_workers: int) -> dict[str, str]:
    """The environment of a worker: same folders, and cores shared between the workers that may run together."""
    # A worker runs in the project's folder: relative paths would mean something else there.
    folders = {"BRIVL_CACHE": str(cache_dir().absolute())}
    if data_dirs():
        folders["BRIVL_DATA"] = os.pathsep.join(str(path.absolute()) for path in data_dirs())
    return {**os.environ, **thread_settings(os.environ, n_workers), **folders}


def _wait_unreaped(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has ended, leaving it a zombie where the system can, so that its number stays taken."""
    if hasattr(os, "waitid"):
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            return
    process.wait()


def _read_lines(stream: IO[bytes], on_line: Callable[[Mapping[str, JSON]], None]) -> None:
    """Pass on each JSON object that stands on a line of its own."""
    with stream:
        for text in stream:
            with suppress(ValueError, KeyError, TypeError):  # not ours: a broken line must not stop the reading
                line = json.loads(text)
                if isinstance(line, dict):
                    on_line(line)


def keep_log(stream: IO[bytes], path: Path) -> None:
    """Copy a stream to a file of at most LOG_BYTES, of which the end counts; a full disk must not stop the worker."""
    kept = b""
    with stream:
        while block := os.read(stream.fileno(), 65536):
            overflow = len(kept) + len(block) > LOG_BYTES
            kept = (kept[-LOG_BYTES // 2 :] if overflow else kept) + block
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "wb" if overflow or len(kept) == len(block) else "ab") as file:
                    file.write(kept if overflow else block)
