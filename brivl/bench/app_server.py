"""An explorer of its own in a process of its own, for benches and tests: started, waited for, ended."""

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

PATIENCE = 180  # s for the server to start
WORKER = "brivl.tasks.worker"
GRACE = 20  # s for it to end


@dataclass(frozen=True)
class RunningApp:
    """Address, process number and log file of a running explorer."""

    address: str
    pid: int
    log: Path

    def look(self) -> tuple[float, set[int]]:
        """Memory of the server's own process that lies in RAM, in MiB, and the numbers of its worker processes."""
        said = subprocess.run(["ps", "-axo", "pid=,ppid=,rss=,args="], capture_output=True, text=True, check=False)
        memory, workers = 0.0, set()
        for line in said.stdout.splitlines():
            pid, parent, kib, words = line.split(None, 3)
            if int(pid) == self.pid:
                memory = int(kib) / 1024
            elif int(parent) == self.pid and WORKER in words:
                workers.add(int(pid))
        return memory, workers


@contextmanager
def running_app(cache: Path, settings: Mapping[str, str] | None = None) -> Iterator[RunningApp]:
    """An explorer on a free port of this machine. `settings`: more of the environment. RequestError if it fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        sys.executable,
        "-m",
        "streamlit",
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
            process = subprocess.Popen(words, cwd=PROJECT, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            _wait_until_up(f"http://127.0.0.1:{port}", process)
            yield RunningApp(f"http://127.0.0.1:{port}", process.pid, log)
        finally:
            _end(process)


def _wait_until_up(address: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise RequestError(f"The explorer did not start within {PATIENCE} s; try `make app` by hand.")


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:  # on a starved machine
        process.kill()
        process.wait()
