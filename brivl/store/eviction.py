"""Room in the cache: results go that were not used for longest, never one that is read or written by any process.

What users brought (`keys.BROUGHT`) stays, and so do folders beside the results. What was set aside as damaged goes
first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

from brivl.errors import BrivlError, StoreError
from brivl.store import locks
from brivl.store.inventory import Entry, Inventory, scan_cache
from brivl.store.keys import USER_UPLOADED_KINDS
from brivl.store.sizes import size_limit
from brivl.store.tidying import count_locks, orphaned_files

MIN_AGE_S = 600.0  # s: what was used in the last ten minutes belongs to a page or a sweep that is going on
CHECK_EVERY_FRACTION = 0.01  # share of the limit that a process writes until it looks again how large the cache is
TARGET_FRACTION = 0.9  # of the limit that is left, so that not every write evicts
EVICTION_LOCK = "eviction.lock"

_log = logging.getLogger(__name__)
_unseen: dict[Path, float] = {}  # bytes that this process has written since it last looked, by cache
_unseen_lock = threading.Lock()


@dataclass(frozen=True)
class PruneResult:
    """What was removed, or would be; `freed` and `left` in bytes of results and of what is set aside."""

    removed: tuple[Entry, ...] = ()
    n_set_aside: int = 0  # files of quarantine
    n_abandoned: int = 0  # files that no writer finished
    n_locks: int = 0  # lock files that nobody held
    freed: int = 0
    left: int = 0
    n_in_use: int = 0  # results that would have gone, but are read or written


def prune(root: Path, max_bytes: int, dry_run: bool = False) -> PruneResult:
    """Bring results down to max_bytes, and clear away what killed writers left; with dry_run only say what would go.

    Raises StoreError where the folder cannot be read or changed.
    """
    if not root.is_dir():
        return PruneResult()
    try:
        with locks.exclusive(root / "locks" / EVICTION_LOCK):
            found = scan_cache(root)
            left_over = orphaned_files(root, found, remove=not dry_run)
            evicted = _evict(root, found.without(left_over), max_bytes, inf, dry_run)
        n_locks = count_locks(root, remove=not dry_run)[1]
    except OSError as error:
        raise StoreError(
            f"Could not prune the cache {str(root)!r} ({error.strerror}). Check its disk and rights."
        ) from error
    freed = _size(root, found) - evicted.left
    return PruneResult(
        evicted.removed, evicted.n_set_aside, len(left_over), n_locks, freed, evicted.left, evicted.n_in_use
    )


def keep_within_limit(root: Path, n_bytes: int) -> None:
    """After n_bytes were written: evict if the cache has outgrown BRIVL_CACHE_MAX. What fails here is only logged.

    Looking at all files takes up to a second where there are many, so a process does it when it first writes and then
    after each hundredth of the limit.
    """
    try:
        limit = size_limit()
        if limit is None or not _is_time_to_look(root, n_bytes, limit):
            return
        with locks.exclusive(root / "locks" / EVICTION_LOCK, timeout=0.0) as alone:
            found = scan_cache(root) if alone else None
            if found is not None and _size(root, found) > limit:
                evicted = _evict(root, found, int(TARGET_FRACTION * limit), time.time() - MIN_AGE_S, dry_run=False)
                _log.info("The cache had outgrown %d bytes: %d results went.", limit, len(evicted.removed))
    except (OSError, BrivlError) as error:
        _log.warning("The cache could not be kept within its limit: %s", error)


def _is_time_to_look(root: Path, n_bytes: int, limit: int) -> bool:
    with _unseen_lock:
        unseen = _unseen.get(root, inf) + n_bytes
        look = unseen >= CHECK_EVERY_FRACTION * limit
        _unseen[root] = 0.0 if look else unseen
        return look


def _evict(root: Path, found: Inventory, max_bytes: int, used_before: float, dry_run: bool) -> PruneResult:
    """Remove what is set aside, then results by last use, until max_bytes are left."""
    left, n_set_aside, removed, n_in_use = _size(root, found), 0, [], 0
    for path, size in _set_aside(root) if left > max_bytes else ():
        if not dry_run:
            path.unlink(missing_ok=True)
        n_set_aside, left = n_set_aside + 1, left - size
    for entry in _evictable(found, used_before):
        if left <= max_bytes:
            break
        if _is_gone(entry, dry_run):
            removed.append(entry)
            left -= entry.size
        else:
            n_in_use += 1
    return PruneResult(tuple(removed), n_set_aside, left=left, n_in_use=n_in_use)


def _evictable(found: Inventory, used_before: float) -> Iterable[Entry]:
    old = (e for e in found.entries if e.place.kind not in USER_UPLOADED_KINDS and e.last_use < used_before)
    return sorted(old, key=lambda entry: entry.last_use)


def _is_gone(entry: Entry, dry_run: bool) -> bool:
    """Remove a result unless a process writes, reads or has just used it; whether it went (or would)."""
    with suppress(FileNotFoundError, StoreError), locks.exclusive(entry.place.lock, timeout=0.0) as free:
        if free:
            gone = _unlinked(entry, dry_run)
            locks.discard(entry.place.lock)  # last: whoever takes the next lock file may write at once
            return gone
    return False  # a process writes it, it went by itself, or this thread is computing it


def _unlinked(entry: Entry, dry_run: bool) -> bool:
    place = entry.place
    with locks.is_unread(place.data) as unread:
        if not unread or place.manifest.stat().st_mtime != entry.last_use:
            return False
        if not dry_run:
            place.manifest.unlink()  # first: without it the result is absent
            place.data.unlink()
        return True


def _set_aside(root: Path) -> Iterator[tuple[Path, int]]:
    for path in sorted((root / "quarantine").glob("*")):
        with suppress(FileNotFoundError):
            yield path, path.stat().st_size


def _size(root: Path, found: Inventory) -> int:
    return found.size + sum(folder.size for folder in found.folders if folder.name == "quarantine")
