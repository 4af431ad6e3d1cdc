"""Looking after the cache on the command line, and on its page, where a worker does it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from brivl.commands.main import main
from brivl.jobs.queue import COMMAND, JobQueue
from brivl.store.artifacts import Store
from brivl.store.places import artifact_path
from brivl.ui import cached
from tests.support.app_driver import PATIENCE, button, fresh_server, headline, html, open_page  # noqa: F401 (a fixture)
from tests.support.cache_samples import HOUR, fill, key, there


@pytest.fixture
def store(own_cache: Path) -> Store:
    """Three results, the second of them the oldest, and an upload."""
    store = Store(own_cache)
    fill(store, [HOUR, 3 * HOUR, 2 * HOUR])
    fill(store, [9 * HOUR], "upload")
    return store


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["cache", *words]) == code
    return capsys.readouterr().out


def test_ls(store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (store.root / "pycortex").mkdir()
    (store.root / "pycortex" / "options.cfg").write_bytes(b"12345")
    report = json.loads(said(capsys, "ls", "--json"))
    kinds = {k["kind"]: k for k in report["kinds"]}
    assert (kinds["fits"]["n"], kinds["fits"]["evictable"], kinds["upload"]["evictable"]) == (3, True, False)
    assert report["size"] == store.size() and report["limit"] == 20 * 10**9 and report["n_unfinished"] == 0
    assert abs(time.time() - HOUR - kinds["fits"]["last_use"]) < 60
    assert {"pycortex", "locks"} == {f["name"] for f in report["folders"]}
    monkeypatch.setenv("BRIVL_CACHE_MAX", "none")
    text = said(capsys, "ls")
    assert "4 results" in text and "no limit" in text and "never deleted" in text and "subject S1" in text


def test_verify_ends_with_code_2_where_something_was_damaged(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "4 results are whole" in said(capsys, "verify")
    os.truncate(artifact_path(store.root, key(0)).data, 10)
    found = json.loads(said(capsys, "verify", "--json", code=2))
    assert found["n_whole"] == 3 and len(found["damaged"]) == 1 and key(0).digest in found["damaged"][0]
    assert said(capsys, "verify").startswith("3 results are whole")


def test_prune(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    most = str(store.size() - 1)
    planned = json.loads(said(capsys, "prune", "--max-size", most, "--dry-run", "--json"))
    assert planned["by_kind"] == {"fits": 1} and there(store, 1)
    done = json.loads(said(capsys, "prune", "--max-size", most, "--json"))
    assert done == planned | {"dry_run": False} and [there(store, n) for n in range(3)] == [True, False, True]
    text = said(capsys, "prune", "--max-size", "0")
    assert "Deleted 2 results (2 fits)" in text and "uploads are never deleted" in text and there(store, 0, "upload")


@pytest.mark.parametrize(
    ("words", "limit", "wanted"),
    [
        (("prune", "--max-size", "big"), "20GB", "A size such as 2GB, 500MB or none was wanted, but 'big' came"),
        (("prune",), "none", "A size to prune to was wanted"),
        (("ls",), "all of it", "BRIVL_CACHE_MAX: A size such as 2GB"),
    ],
)
def test_what_is_no_size_ends_with_a_sentence(
    words: tuple[str, ...], limit: str, wanted: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIVL_CACHE_MAX", limit)
    assert main(["cache", *words]) == 2
    assert wanted in capsys.readouterr().err


# The page


@pytest.fixture
def real_workers(fresh_server: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(cached, "JobQueue", lambda root: JobQueue(root, command=COMMAND))


def test_page_lists_kinds(store: Store) -> None:
    at = open_page("cache")
    assert not at.exception and not at.error
    assert "The cache holds 4 results" in headline(at) and "limit 20 GB" in html(at)
    table = at.dataframe[0].value
    assert sorted(table["kind"]) == ["fits", "upload"] and table.set_index("kind")["results"]["fits"] == 3
    assert set(table["note"]) == {"", "uploads are never deleted"}


def test_an_empty_cache_and_a_limit_that_is_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_page("cache")
    assert not at.exception and "0 results" in headline(at) and "Nothing is stored yet" in html(at)
    monkeypatch.setenv("BRIVL_CACHE_MAX", "plenty")
    at = open_page("cache")
    assert not at.exception and "BRIVL_CACHE_MAX" in at.error[0].value


def test_page_verifies_and_prunes_in_a_worker(store: Store, real_workers: None) -> None:
    os.truncate(artifact_path(store.root, key(0)).data, 10)
    at = open_page("cache")
    button(at, "Verify all").click().run()
    assert not at.exception
    ((request, status),) = cached.maintenance_queue().jobs()
    assert (
        request["task"] == "cache-verify"
        and cached.maintenance_queue().wait(status.job_id, 4 * PATIENCE).state == "done"
    )
    cached.forget_cache_report()
    at.run()
    assert (
        "3 results are whole" in html(at)
        and "1 damaged and set aside" in html(at)
        and "set aside as damaged" in html(at)
    )
    at.selectbox[0].select(0).run()
    button(at, "Prune").click().run()
    request, status = cached.maintenance_queue().jobs()[0]
    assert cached.maintenance_queue().wait(status.job_id, 4 * PATIENCE).result["by_kind"] == {"fits": 2}
    cached.forget_cache_report()
    at.run()
    assert not at.exception and "2 results deleted (2 fits)" in html(at) and "holds 1 results" in headline(at)
    assert there(store, 0, "upload") and not cached.job_queue().jobs()


def test_page_shows_progress_and_cancels(store: Store) -> None:
    at = open_page("cache")
    button(at, "Verify all").click().run()
    assert not at.exception and button(at, "Cancel") and not any(b.label == "Prune" for b in at.button)
    button(at, "Cancel").click().run()
    assert not at.exception and any("Cancelled" in info.value for info in at.info) and button(at, "Prune")


def test_an_answer_that_is_evicted_under_a_page_is_not_forgotten_for_good(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look whether it is there and the reading it goes; then it is computed again."""
    calls: list[np.ndarray | None] = [None, np.ones(1)]
    looked = []

    def look_up(*args: str) -> np.ndarray | None:
        looked.append(args)
        return calls[len(looked) - 1]

    import streamlit as st

    kept = st.cache_resource(look_up, show_spinner=False)
    assert cached._unless_gone(kept, "a") is None
    assert cached._unless_gone(kept, "a") is not None and cached._unless_gone(kept, "a") is not None
    assert len(looked) == 2
