"""Making room in the cache: last use, eviction that touches nothing in use, the limit of its size."""

from __future__ import annotations

import gc
import logging
import os
import time
from pathlib import Path

import numpy as np
import pytest

from brivl.errors import RequestError
from brivl.store import eviction, locks, manifests, npz
from brivl.store.artifacts import Store
from brivl.store.eviction import prune
from brivl.store.inventory import scan_cache
from brivl.store.keys import artifact_path
from brivl.store.sizes import parse_size, size_limit
from brivl.store.verification import verify
from tests.support.cache_samples import HOUR, fill, key, there

# Python 3.12 warns of forking beside threads; the child here only reads a file.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def store(own_cache: Path) -> Store:
    """An empty cache."""
    return Store(own_cache)


# Last use


@pytest.mark.parametrize("use", [Store.get, Store.has, lambda s, k: s.get_or_compute(k, lambda: pytest.fail("again"))])
@pytest.mark.parametrize(("age", "renewed"), [(HOUR, True), (-HOUR, True), (20.0, False)])
def test_use_is_noted_at_most_once_a_minute(
    store: Store, monkeypatch: pytest.MonkeyPatch, use, age: float, renewed: bool
) -> None:
    now = 1.7e9
    monkeypatch.setattr(time, "time", lambda: now)  # the clock stands still, however slow the machine
    fill(store, [age])
    manifest = artifact_path(store.root, key(0)).manifest
    assert use(store, key(0))
    assert manifest.stat().st_mtime == (now if renewed else now - age)
    assert use(store, key(0)) and manifest.stat().st_mtime == (now if renewed else now - age)


def test_listing_and_verifying_are_no_use(store: Store) -> None:
    fill(store, [HOUR])
    before = scan_cache(store.root)
    store.list()
    verify(store.root)
    assert scan_cache(store.root).entries == before.entries


def test_a_cache_that_cannot_be_written_is_still_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, [HOUR])

    def refuse(*_: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(os, "utime", refuse)
    artifact = store.get(key(0))
    assert artifact is not None and artifact.arrays["x"].sum() == 0 and store.has(key(0))


# Pruning


def test_what_was_not_used_for_longest_goes_first(store: Store) -> None:
    sizes = fill(store, [2 * HOUR, 5 * HOUR, HOUR, 4 * HOUR, 3 * HOUR])
    planned = prune(store.root, sizes[0] + sizes[2], dry_run=True)
    assert all(there(store, n) for n in range(5))
    done = prune(store.root, sizes[0] + sizes[2])
    assert [there(store, n) for n in range(5)] == [True, False, True, False, False]
    assert done.removed == planned.removed and [e.path.digest for e in done.removed] == [
        key(n).digest for n in (1, 3, 4)
    ]
    assert done.left == planned.left == sizes[0] + sizes[2] == store.size() and done.freed == sum(sizes) - done.left
    assert store.get_or_compute(key(1), lambda: ({"x": np.ones(2)}, {})).arrays["x"].sum() == 2


def test_uploads_and_what_is_not_of_the_store_stay(store: Store) -> None:
    fill(store, [HOUR, HOUR], "upload")
    fill(store, [HOUR])
    (store.root / "pycortex" / "db").mkdir(parents=True)
    (store.root / "pycortex" / "db" / "S1.gii").write_bytes(b"x" * 10_000)
    (store.root / "fits" / "notes.txt").write_text("mine")
    done = prune(store.root, 0)
    assert [there(store, n, "upload") for n in range(2)] == [True, True] and not there(store, 0)
    assert (store.root / "pycortex" / "db" / "S1.gii").exists() and (store.root / "fits" / "notes.txt").exists()
    assert done.left == store.size() > 0 and {f.name for f in scan_cache(store.root).folders} >= {"pycortex"}


def test_what_is_set_aside_goes_before_any_result(store: Store) -> None:
    sizes = fill(store, [HOUR, 2 * HOUR])
    artifact_path(store.root, key(1)).data.write_bytes(b"damaged")
    assert store.get(key(1)) is None
    n_bytes = sum(path.stat().st_size for path in (store.root / "quarantine").iterdir())
    done = prune(store.root, sizes[0])
    assert done.n_quarantined == 2 and not done.removed and there(store, 0) and done.freed == n_bytes
    assert not list((store.root / "quarantine").iterdir())


def test_no_result_that_is_mapped_goes_and_its_values_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "MAPPED_FROM", 0)
    fill(store, [3 * HOUR, 2 * HOUR])
    held = store.get(key(0))
    os.utime(artifact_path(store.root, key(0)).manifest, (0, 0))  # the oldest by far, but in use
    done = prune(store.root, 0)
    assert done.n_in_use == 1 and there(store, 0) and not there(store, 1)
    assert held is not None and (held.arrays["x"] == 0).all()
    del held
    gc.collect()
    assert len(prune(store.root, 0).removed) == 1 and not there(store, 0)


def test_no_result_goes_that_another_process_maps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, [HOUR])
    (from_child, to_parent), (wait, go) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        npz.MAPPED_FROM = 0
        kept = store.get(key(0))
        os.write(to_parent, b"mapped")
        os.read(wait, 1)
        os._exit(0 if kept is not None and (kept.arrays["x"] == 0).all() else 1)
    assert os.read(from_child, 10) == b"mapped"
    os.utime(artifact_path(store.root, key(0)).manifest, (0, 0))
    assert prune(store.root, 0).n_in_use == 1 and there(store, 0)
    os.write(go, b".")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(prune(store.root, 0).removed) == 1
    for end in (from_child, to_parent, wait, go):
        os.close(end)


def test_no_result_goes_that_is_being_written_or_was_just_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, [HOUR, HOUR])
    inventory = scan_cache(store.root)
    with locks.exclusive(artifact_path(store.root, key(0)).lock):
        assert prune(store.root, 0).n_in_use == 1
    assert there(store, 0) and not there(store, 1)
    store.get(key(0))
    monkeypatch.setattr(eviction, "scan_cache", lambda _: inventory)  # as it was before the use
    assert prune(store.root, 0).n_in_use >= 1 and there(store, 0)


def test_the_lock_file_goes_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes the next one may write at once, beside an evictor that has not finished."""
    fill(store, [HOUR])
    path, seen, discard = artifact_path(store.root, key(0)), [], locks.discard

    def record(lock: Path) -> None:
        if lock == path.lock:
            seen.append((path.manifest.exists(), path.data.exists()))
        discard(lock)

    monkeypatch.setattr(locks, "discard", record)
    assert len(prune(store.root, 0).removed) == 1 and seen == [(False, False)] and not path.lock.exists()


def test_between_has_and_get_is_a_miss(store: Store) -> None:
    fill(store, [HOUR])
    assert store.has(key(0))
    prune(store.root, 0)
    assert store.get(key(0)) is None and not (store.root / "quarantine").exists()


def test_evicted_between_manifest_and_data_is_a_miss(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, [HOUR])
    real = manifests.load

    def evict_after(path: Path):
        manifest = real(path)
        monkeypatch.setattr(manifests, "load", real)
        assert len(prune(store.root, 0).removed) == 1
        return manifest

    monkeypatch.setattr(manifests, "load", evict_after)
    assert store.get(key(0)) is None and not (store.root / "quarantine").exists()


# The limit


def test_a_cache_that_outgrows_its_limit_evicts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = fill(store, [3 * HOUR, 2 * HOUR, HOUR, 60.0])
    monkeypatch.setenv("BRIVL_CACHE_MAX", str(sum(sizes)))
    monkeypatch.setattr(eviction, "_unscanned", {})
    store.put(key(4), {"x": np.ones(1000)}, {})
    assert [there(store, n) for n in range(5)] == [False, False, True, True, True], "to nine tenths of the limit"
    monkeypatch.setenv("BRIVL_CACHE_MAX", "1kB")
    store.put(key(5), {"x": np.ones(1000)}, {})
    assert [there(store, n) for n in range(6)] == [False] * 3 + [True] * 3, "the last ten minutes are spared"
    monkeypatch.setenv("BRIVL_CACHE_MAX", "none")
    fill(store, [HOUR] * 4)
    assert all(there(store, n) for n in range(6))


def test_a_process_looks_again_after_a_hundredth_of_the_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    real = eviction.scan_cache
    monkeypatch.setattr(eviction, "scan_cache", lambda root: looks.append(root) or real(root))
    monkeypatch.setattr(eviction, "_unscanned", {})
    monkeypatch.setenv("BRIVL_CACHE_MAX", "2.4MB")  # a hundredth is less than three results
    fill(store, [0.0] * 10)
    assert len(looks) == 4, "after results 1, 4, 7 and 10"


def test_a_limit_that_is_no_size_is_reported_and_costs_no_result(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BRIVL_CACHE_MAX", "plenty")
    with pytest.raises(RequestError, match="BRIVL_CACHE_MAX: Expected a size such as 2GB.*'plenty'"):
        size_limit()
    with caplog.at_level(logging.WARNING):
        assert store.put(key(0), {"x": np.ones(3)}, {}).arrays["x"].sum() == 3
    assert "could not be kept within its limit" in caplog.text


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("2GB", 2 * 10**9), (" 1.5 kib", 1536), ("0", 0), ("7", 7), ("300 b", 300), ("none", None)]
)
def test_sizes(text: str, n_bytes: int | None) -> None:
    assert parse_size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e9", "2 XB", "1..5GB", "nan", "inf", "٣GB", "9" * 400])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(RequestError, match="Expected a size such as 2GB"):
        parse_size(text)
