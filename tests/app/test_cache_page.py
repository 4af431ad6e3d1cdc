"""The page of the cache, where a worker verifies and prunes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from brivl.jobs.queue import COMMAND, JobQueue
from brivl.store.artifacts import Store
from brivl.store.keys import artifact_path
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
    assert "least recently used results are deleted first" in html(at)
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
    assert "3 results are intact" in html(at) and "1 damaged and quarantined" in html(at) and "quarantined" in html(at)
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
