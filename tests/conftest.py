"""What every test may rely on: no network, a cache folder of its own, no window, seeded numbers."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest

from brivl.config import CORES_VARIABLE, PROJECT
from brivl.threads import set_threads

# Read when the libraries are imported, so before any test; worker processes inherit them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["MPLBACKEND"] = "Agg"
if "PYTEST_XDIST_WORKER" in os.environ:  # processes side by side leave no cores for threads
    os.environ.setdefault(CORES_VARIABLE, "1")
set_threads()


class NetworkUsed(OSError):
    """A test reached for a machine other than this one. An OSError, so that libraries take it for a missing network."""


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="session")
def clean_root() -> Iterator[None]:
    """Tests write into folders of their own: no file is new beside README.md when they end."""
    before = set(PROJECT.iterdir())
    yield
    left = sorted(path.name for path in set(PROJECT.iterdir()) - before if path.is_file())
    assert not left, f"tests left {left} in {PROJECT}"


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers in each test, whichever ran before it."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """AppTest makes app.py the main module, which processes that are spawned later in this one would run again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for each test, and no datasets of whoever runs it."""
    monkeypatch.setenv("BRIVL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BRIVL_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Connections and name look-ups beyond this machine fail, and fail the test even where a library swallows that."""
    tried: list[str] = []

    def refuse_far(host: object) -> None:
        if not is_near(host):
            tried.append(repr(host))
            raise NetworkUsed(f"Tests use no network, but this one reached for {host!r}.")

    def watched(connect):
        def connect_near(self: socket.socket, address):
            if self.family in (socket.AF_INET, socket.AF_INET6):
                refuse_far(address[0])
            return connect(self, address)

        return connect_near

    look_up = socket.getaddrinfo

    def look_up_near(host, *args, **kwargs):
        refuse_far(host)
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", watched(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", watched(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", look_up_near)
    yield tried
    assert not tried, f"the test reached for {tried}"


def is_near(host: object) -> bool:
    """Whether a host is this machine."""
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        return ip_address(str(host)).is_loopback or str(host) in ("0.0.0.0", "::")
    except ValueError:
        return False
