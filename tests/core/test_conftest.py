"""The guard against the network lets this machine through and stops everything else."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from brivl.config import cache_dir, data_dirs


def test_far_addresses_and_names_are_refused(no_network: list[str]) -> None:
    with socket.socket() as plug, pytest.raises(OSError, match="no network"):
        plug.connect(("192.0.2.1", 80))
    with socket.socket() as plug, pytest.raises(OSError, match="no network"):
        plug.connect_ex(("192.0.2.1", 80))
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("models.example.org", 443))
    assert no_network == ["'192.0.2.1'", "'192.0.2.1'", "'models.example.org'"]
    no_network.clear()  # they were meant


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(("localhost", server.getsockname()[1])) as plug:
            assert plug.getpeername()[0] == "127.0.0.1"


def test_each_test_has_its_own_cache(tmp_path: Path) -> None:
    assert cache_dir() == tmp_path / "cache" and not cache_dir().exists()
    assert data_dirs() == ()
