"""A server of the explorer in its own process, for benchmarks and tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from brivl.config import PROJECT
from brivl.errors import RequestError

START_SECONDS = 180  # until the server must answer
WORKER = "brivl.tasks.worker"
END_SECONDS = 20  # until the server is killed


@dataclass(frozen=True)
class RunningApp:
    """A running explorer.

    Attributes
    ----------
    address : str
        http://HOST:PORT.
    pid : int
        Process number of the server.
    log : Path
        Its log file.
    """

    address: str
    pid: int
    log: Path

    def measure(self) -> tuple[float, set[int]]:
        """Measure the server from outside.

        Returns
        -------
        memory : float
            Resident memory of its own process in MiB.
        workers : set[int]
            Process numbers of its workers.
        """
        listing = subprocess.run(["ps", "-axo", "pid=,ppid=,rss=,args="], capture_output=True, text=True, check=False)
        memory, workers = 0.0, set()
        for line in listing.stdout.splitlines():
            pid, parent, kib, command = line.split(None, 3)
            if int(pid) == self.pid:
                memory = int(kib) / 1024
            elif int(parent) == self.pid and WORKER in command:
                workers.add(int(pid))
        return memory, workers


@contextmanager
def running_app(cache: Path, settings: Mapping[str, str] | None = None) -> Iterator[RunningApp]:
    """Run an explorer on a free port of this machine within the body.

    Parameters
    ----------
    cache : Path
        The cache folder.
    settings : Mapping[str, str] | None
        Further variables of its environment.

    Yields
    ------
    RunningApp
        The server, which answers.

    Raises
    ------
    RequestError
        Where it does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "brivl.app.server",
        "run",
        "app.py",
        "--server.headless",
        "true",
        "--server.address",
        "127.0.0.1",
        "--server.port",
        str(port),
        "--server.fileWatcherType",
        "none",
    ]
    environment = os.environ | {"BRIVL_CACHE": str(cache)} | dict(settings or {})
    with tempfile.TemporaryDirectory(prefix="brivl-app-") as folder:
        log = Path(folder) / "server.log"
        with open(log, "wb") as file:
            process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            _wait_until_up(f"http://127.0.0.1:{port}", process)
            yield RunningApp(f"http://127.0.0.1:{port}", process.pid, log)
        finally:
            _end(process)


def _wait_until_up(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise RequestError(f"The explorer did not start within {START_SECONDS} s. Try `make app` to see why.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:  # on a machine without spare cores
        process.kill()
        process.wait()
