"""Verifying the cache: damage that this process has not seen yet, what killed writers left, what is being written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from brivl.errors import StoreError
from brivl.store import locks, manifests
from brivl.store.artifacts import Store
from brivl.store.digests import json_digest
from brivl.store.eviction import prune
from brivl.store.inventory import scan_cache
from brivl.store.keys import artifact_path
from brivl.store.verification import verify
from tests.support.cache_samples import HOUR, fill, key


@pytest.fixture
def store(own_cache: Path) -> Store:
    """An empty cache."""
    return Store(own_cache)


def test_verify_finds_what_this_process_believes(store: Store) -> None:
    fill(store, [HOUR] * 5)
    assert all(store.get(key(n)) is not None for n in range(5)), "their bytes are hashed, and taken for right"
    flipped, cut, other = (artifact_path(store.root, key(n)) for n in range(3))
    status = flipped.data.stat()
    with open(flipped.data, "r+b") as file:  # as a failing disk does it: size and time stay
        file.seek(4000)
        file.write(b"?")
    os.utime(flipped.data, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.truncate(cut.data, 100)
    other.manifest.write_bytes(artifact_path(store.root, key(3)).manifest.read_bytes())
    result = verify(store.root)
    assert result.n_whole == 2 and result.n_busy == result.n_abandoned == 0
    reasons = {line.split("/")[1][:32]: line for line in result.damaged}
    assert "sha256 differs" in reasons[flipped.digest] and "100 bytes" in reasons[cut.digest]
    assert "another result" in reasons[other.digest] and len(list((store.root / "quarantine").iterdir())) == 6
    again = store.get_or_compute(key(0), lambda: ({"x": np.zeros(1000)}, {}))
    assert again.arrays["x"].size == 1000 and verify(store.root).damaged == ()


def test_verify_leaves_what_is_being_written(store: Store) -> None:
    fill(store, [HOUR, HOUR])
    path = artifact_path(store.root, key(0))
    os.truncate(path.data, 100)
    with locks.exclusive(path.lock):
        result = verify(store.root)
        assert (result.n_whole, result.n_busy, result.damaged, result.n_held_locks) == (1, 1, (), 1)
    assert len(verify(store.root).damaged) == 1


def test_verify_counts_what_killed_writers_left_and_prune_removes_it(store: Store) -> None:
    fill(store, [HOUR] * 3)
    folder, digest = store.root / "fits", "0123456789abcdef" * 2
    (folder / f"{digest}.77-88.npz.tmp").write_bytes(b"half")
    (folder / f"{digest}.npz").write_bytes(b"renamed, but without a manifest")
    with locks.exclusive(store.root / "locks" / f"fits-{digest}.lock"):
        assert verify(store.root).n_abandoned == 0, "a writer is at it"
        prune(store.root, 10**9)
    assert len(scan_cache(store.root).incomplete) == 2
    result = verify(store.root)
    assert (result.n_whole, result.n_abandoned, result.n_held_locks) == (3, 2, 0)
    done = prune(store.root, 10**9)
    assert done.n_orphaned == 2 and done.freed == 35 and not done.removed
    assert not scan_cache(store.root).incomplete and not list((store.root / "locks").iterdir())
    assert all(store.get(key(n)) is not None for n in range(3))


def test_results_of_another_version_are_counted_not_damaged(store: Store) -> None:
    fill(store, [HOUR])
    path = artifact_path(store.root, key(0)).manifest
    body = {k: v for k, v in manifests.load(path).items() if k != "self_sha256"} | {"format": 99}
    path.write_text(json.dumps(body | {"self_sha256": json_digest(body)}))
    result = verify(store.root)
    assert (result.n_other_version, result.n_whole, result.damaged) == (1, 0, ())


def test_nothing_there_is_nothing_to_do(tmp_path: Path) -> None:
    result = verify(tmp_path / "none")
    assert result.n_whole == 0 and prune(tmp_path / "none", 0).left == 0 and not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("")
    assert prune(tmp_path / "file", 0).left == 0
    locked = tmp_path / "cache"
    fill(Store(locked), [HOUR])
    (locked / "locks").rename(locked / "away")
    (locked / "locks").write_text("no folder")
    with pytest.raises(StoreError, match="Could not prune"):
        prune(locked, 0)
