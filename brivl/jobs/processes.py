"""Worker processes: started in their own process group, watched, and ended with all processes that they started."""

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
from typing import IO, Protocol

from brivl.config import PROJECT, cache_dir, data_dirs
from brivl.store.digests import JSON
from brivl.threads import thread_settings

LOG_BYTES = 2**20
DRAIN_SECONDS = 2.0  # wait for the log's pipe, which a process that left the group may still hold

OnLine = Callable[[Mapping[str, JSON]], None]


@dataclass(frozen=True)
class Launch:
    """How a worker is started.

    Attributes
    ----------
    command : Sequence[str]
        Command line.
    request : Mapping[str, JSON]
        What it computes.
    log_path : Path
        File for its error stream.
    n_workers : int
        Workers that share the cores.
    """

    command: Sequence[str]
    request: Mapping[str, JSON]
    log_path: Path
    n_workers: int


class RunsRequest(Protocol):
    """A process that runs one request."""

    def run(self, on_line: OnLine) -> int:
        """Run the request to its end.

        Parameters
        ----------
        on_line : OnLine
            Called with each JSON line that the process writes.

        Returns
        -------
        int
            The return code.
        """

    def stop(self, number: signal.Signals) -> None:
        """Send a signal, unless the request has ended.

        Parameters
        ----------
        number : signal.Signals
            SIGTERM or SIGKILL.
        """


class Worker:
    """A worker process that runs one request.

    Raises OSError where it cannot be started.

    Parameters
    ----------
    launch : Launch
        How it is started.
    """

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._reaping = threading.Lock()
        self._exited = False
        self._process, self._stdin, self._stdout, self._stderr = start_process(launch)

    def run(self, on_line: OnLine) -> int:
        """Send the request, pass on each line that comes back, and wait for the end.

        Parameters
        ----------
        on_line : OnLine
            Called with each JSON line that the process writes.

        Returns
        -------
        int
            The return code.
        """
        readers = [
            threading.Thread(target=_read_lines, args=(self._stdout, on_line), daemon=True),
            threading.Thread(target=keep_log, args=(self._stderr, self.launch.log_path), daemon=True),
        ]
        for reader in readers:
            reader.start()
        with suppress(BrokenPipeError):  # the process died at once, which its return code will tell
            send_request(self._stdin, self.launch.request)
        _wait_unreaped(self._process)
        with self._reaping:
            # All that it started. Until it is reaped, no other process can have its group number.
            self._signal(signal.SIGKILL)
            self._exited = True
        for reader in readers:
            reader.join(DRAIN_SECONDS)
        with suppress(BrokenPipeError):
            self._stdin.close()
        return self._process.wait()

    def stop(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, unless it has ended.

        Parameters
        ----------
        number : signal.Signals
            SIGTERM or SIGKILL.
        """
        with self._reaping:
            if not self._exited:
                self._signal(number)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS gives EPERM for a group of zombies
            os.killpg(self._process.pid, number)


def start_process(launch: Launch) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes], IO[bytes]]:
    """Start a process in its own group, with pipes.

    Parameters
    ----------
    launch : Launch
        How it is started; OSError is raised where that is not possible.

    Returns
    -------
    process : subprocess.Popen[bytes]
        The process.
    stdin, stdout, stderr : IO[bytes]
        Its pipes.
    """
    process = subprocess.Popen(
        launch.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PROJECT,
        env=environment(launch.n_workers),
        start_new_session=True,
    )
    assert process.stdin and process.stdout and process.stderr
    return process, process.stdin, process.stdout, process.stderr


def send_request(stdin: IO[bytes], request: Mapping[str, JSON]) -> None:
    """Write a request as one JSON line.

    Parameters
    ----------
    stdin : IO[bytes]
        Pipe to a worker; BrokenPipeError is raised where it has ended.
    request : Mapping[str, JSON]
        The request.
    """
    stdin.write(json.dumps(request).encode() + b"\n")
    stdin.flush()


def environment(n_workers: int) -> dict[str, str]:
    """Build the environment of a worker: the folders of this process, and a share of the cores.

    Parameters
    ----------
    n_workers : int
        Workers that may run together.

    Returns
    -------
    dict[str, str]
        All variables.
    """
    # A worker runs in the project's folder, where relative paths would mean something else.
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


def parse_line(text: bytes) -> Mapping[str, JSON] | None:
    """Parse a line of a worker.

    Parameters
    ----------
    text : bytes
        The line.

    Returns
    -------
    Mapping[str, JSON] | None
        A JSON object; None for anything else, such as output of a library.
    """
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _read_lines(stream: IO[bytes], on_line: OnLine) -> None:
    with stream:
        for text in stream:
            if (line := parse_line(text)) is not None:
                with suppress(ValueError, KeyError, TypeError):  # a malformed line must not stop the reading
                    on_line(line)


def keep_log(stream: IO[bytes], path: Path) -> None:
    """Copy a stream to a file whose end is kept when it grows; a full disk does not stop the worker.

    Parameters
    ----------
    stream : IO[bytes]
        Error stream of a worker, which is closed at its end.
    path : Path
        The file, of at most LOG_BYTES.
    """
    kept = b""
    with stream:
        while block := os.read(stream.fileno(), 65536):
            overflow = len(kept) + len(block) > LOG_BYTES
            kept = (kept[-LOG_BYTES // 2 :] if overflow else kept) + block
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "wb" if overflow or len(kept) == len(block) else "ab") as file:
                    file.write(kept if overflow else block)
