"""`python -m tests.check_wheel`: a wheel in an empty environment fits, and serves the app from another folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

from tests.support.plain_sample import make_plain

ROOT = Path(__file__).parents[1]
LONGEST = 300  # s until the server must answer; only a server that never does waits so long


def call(*words: str | Path, cwd: Path, env: dict[str, str]) -> str:
    """Run a command; what it printed. A failure ends the check."""
    ran = subprocess.run([str(word) for word in words], cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout


def wait_for(address: str, server: subprocess.Popen) -> None:
    """Wait until the server answers; an error where it ends before that."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        assert server.poll() is None, f"the server ended with code {server.returncode}"
        try:
            with urllib.request.urlopen(address, timeout=10) as response:
                assert response.status == 200
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError("the server did not answer")


def main() -> None:
    """Build, install, ask."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "BRIVL_CACHE")}
        call(*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder, env=env)
        (wheel,) = folder.glob("brivl_explorer-*.whl")
        venv.create(folder / "env", with_pip=True)
        scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        install = [scripts / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        pins = ROOT / "requirements.txt"
        torch = next(line.split()[0] for line in pins.read_text().splitlines() if line.startswith("torch=="))
        call(*install, torch, cwd=folder, env=env)
        call(*install, "-c", pins, wheel, cwd=folder, env=env)

        work = folder / "elsewhere"
        work.mkdir()
        env |= {"BRIVL_CACHE": str(folder / "cache")}
        brivl = scripts / "brivl"
        version = call(brivl, "--version", cwd=work, env=env).strip()
        assert version in wheel.name, (version, wheel.name)
        make_plain(work / "plain")
        words = [
            "fit",
            "--dataset",
            work / "plain",
            "--models",
            "signal,other",
            "--layer",
            "1",
            "--subject",
            "A",
            "--json",
        ]
        fitted = json.loads(call(brivl, *words, cwd=work, env=env))
        again = json.loads(call(brivl, *words, cwd=work, env=env))
        assert (fitted["cache"], again["cache"]) == ("miss", "hit"), (fitted, again)
        assert "phantom-movie" in call(brivl, "datasets", cwd=work, env=env)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        server = subprocess.Popen([str(brivl), "app", "--port", port, "--headless"], cwd=work, env=env)
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
            wait_for(f"http://127.0.0.1:{port}/layers", server)
        finally:
            server.terminate()
            server.wait()
        print(f"wheel {wheel.name}: version {version}, a fit, its look-up and the app work from another folder")


if __name__ == "__main__":
    main()
