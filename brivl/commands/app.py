"""The verb `app`: the explorer in the browser."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from brivl.config import APP_FILES, APP_SETTINGS

PORT = 8501


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `app` to the command line.

    Parameters
    ----------
    verbs : argparse subparsers
        Where verbs are added.
    """
    p = verbs.add_parser("app", help="open the explorer in the browser")
    p.add_argument("--port", type=int, default=PORT, help="port on 127.0.0.1 (default: %(default)s)")
    p.add_argument("--headless", action="store_true", help="start the server without opening a browser")
    p.set_defaults(run=run_app)


def run_app(args: argparse.Namespace) -> int:
    """Start the server and wait until it ends.

    Parameters
    ----------
    args : Namespace
        Arguments of the verb.

    Returns
    -------
    int
        Exit code of the server.
    """
    settings = tomllib.loads(APP_SETTINGS.read_text(encoding="utf-8"))
    flags = [f"--{name}={value}" for name, value in flat(settings)]
    flags += [f"--server.port={args.port}", f"--server.headless={str(args.headless).lower()}"]
    command = [sys.executable, "-m", "brivl.app.server", "run", str(APP_FILES / "app.py"), *flags]
    address = settings["browser"]["serverAddress"]
    print(f"BriVL explorer: http://{address}:{args.port} (Ctrl-C ends it)", flush=True)
    server = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())  # who ends this process means the server
    try:
        return server.wait()
    except KeyboardInterrupt:  # Ctrl-C reaches the server too
        return 0


def flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Flatten settings into options of Streamlit's command line.

    Parameters
    ----------
    settings : mapping
        Values by name, nested by section.
    before : str
        Names of the sections around, with dots.

    Yields
    ------
    tuple of str
        "server.address" and its value.
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value).lower() if isinstance(value, bool) else str(value)
