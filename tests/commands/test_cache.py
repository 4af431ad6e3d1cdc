"""The verb `cache`: listing, verifying and pruning."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from brivl.commands.main import main
from brivl.store.artifacts import Store
from brivl.store.keys import artifact_path
from tests.support.cache_samples import HOUR, fill, key, there


@pytest.fixture
def store(own_cache: Path) -> Store:
    """Three results, the second of them the oldest, and an upload."""
    store = Store(own_cache)
    fill(store, [HOUR, 3 * HOUR, 2 * HOUR])
    fill(store, [9 * HOUR], "upload")
    return store


def run_cache(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["cache", *words]) == code
    return capsys.readouterr().out


def test_ls(store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (store.root / "pycortex").mkdir()
    (store.root / "pycortex" / "options.cfg").write_bytes(b"12345")
    report = json.loads(run_cache(capsys, "ls", "--json"))
    kinds = {k["kind"]: k for k in report["kinds"]}
    assert (kinds["fits"]["n"], kinds["fits"]["evictable"], kinds["upload"]["evictable"]) == (3, True, False)
    assert report["size"] == store.size() and report["limit"] == 20 * 10**9 and report["n_unfinished"] == 0
    newest = artifact_path(store.root, key(0)).manifest.stat().st_mtime
    assert kinds["fits"]["last_use"] == newest
    assert {"pycortex", "locks"} == {f["name"] for f in report["folders"]}
    monkeypatch.setenv("BRIVL_CACHE_MAX", "none")
    text = run_cache(capsys, "ls")
    assert "4 results" in text and "no limit" in text and "never deleted" in text and "subject S1" in text


def test_verify_ends_with_code_2_where_something_was_damaged(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "4 results are intact" in run_cache(capsys, "verify")
    os.truncate(artifact_path(store.root, key(0)).data, 10)
    report = json.loads(run_cache(capsys, "verify", "--json", code=2))
    assert report["n_whole"] == 3 and len(report["damaged"]) == 1 and key(0).digest in report["damaged"][0]
    assert run_cache(capsys, "verify").startswith("3 results are intact")


def test_prune(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    most = str(store.size() - 1)
    planned = json.loads(run_cache(capsys, "prune", "--max-size", most, "--dry-run", "--json"))
    assert planned["by_kind"] == {"fits": 1} and there(store, 1)
    done = json.loads(run_cache(capsys, "prune", "--max-size", most, "--json"))
    assert done == planned | {"dry_run": False} and [there(store, n) for n in range(3)] == [True, False, True]
    text = run_cache(capsys, "prune", "--max-size", "0")
    assert "Deleted 2 results (2 fits)" in text and "uploads are never deleted" in text and there(store, 0, "upload")


@pytest.mark.parametrize(
    ("words", "limit", "sentence"),
    [
        (("prune", "--max-size", "big"), "20GB", "Expected a size such as 2GB, 500MB or none, got 'big'"),
        (("prune",), "none", "Expected a size to prune to"),
        (("ls",), "all of it", "BRIVL_CACHE_MAX: Expected a size such as 2GB"),
    ],
)
def test_what_is_no_size_ends_with_a_sentence(
    words: tuple[str, ...],
    limit: str,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BRIVL_CACHE_MAX", limit)
    assert main(["cache", *words]) == 2
    assert sentence in capsys.readouterr().err
