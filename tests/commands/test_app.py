"""The verb `app`: who ends it ends the server that it started."""

from __future__ import annotations

import socket
import subprocess
import sys
from urllib.request import urlopen

from brivl.config import PROJECT
from tests.support.processes import until


def test_the_server_ends_with_the_command() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def answers() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=60):
                return True
        except OSError:
            return False

    words = [sys.executable, "-m", "brivl", "app", "--headless", "--port", str(port)]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
        until(answers)
        command.terminate()
    assert not answers(), "wait() of the command ends after that of its server"
