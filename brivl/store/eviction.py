"""Eviction: the results that were used least recently are deleted, never one that a process reads or writes.

Uploads of users (`keys.USER_UPLOADED_KINDS`) and folders beside the results stay. Files in quarantine are deleted
before any result.
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
from brivl.store.orphans import count_locks, orphaned_files
from brivl.store.sizes import size_limit

MIN_AGE_S = 600.0  # results used in the last ten minutes belong to a page or a sweep that is still running
CHECK_EVERY_FRACTION = 0.01  # of the limit: bytes that a process writes between two scans of the cache
TARGET_FRACTION = 0.9  # of the limit: size after an eviction, so that not every write evicts
EVICTION_LOCK = "eviction.lock"

_log = logging.getLogger(__name__)
_unscanned: dict[Path, float] = {}  # cache folder -> bytes that this process has written since its last scan
_unscanned_lock = threading.Lock()


@dataclass(frozen=True)
class PruneResult:
    """What was deleted, or would be.

    Attributes
    ----------
    removed : tuple[Entry, ...]
        Results.
    n_quarantined : int
        Files of quarantine.
    n_orphaned : int
        Incomplete files of killed writers.
    n_locks : int
        Lock files that no process held.
    freed, left : int
        Bytes of results and quarantine that were deleted, and that stay.
    n_in_use : int
        Results that were due, but are read or written by a process.
    """

    removed: tuple[Entry, ...] = ()
    n_quarantined: int = 0
    n_orphaned: int = 0
    n_locks: int = 0
    freed: int = 0
    left: int = 0
    n_in_use: int = 0


def prune(root: Path, max_bytes: int, dry_run: bool = False) -> PruneResult:
    """Delete results until at most max_bytes are left, and what killed writers left behind.

    Parameters
    ----------
    root : Path
        The cache folder.
    max_bytes : int
        Bytes of results and quarantine that may stay.
    dry_run : bool
        Delete nothing, and report what would be deleted.

    Returns
    -------
    PruneResult
        What was deleted.

    Raises
    ------
    StoreError
        Where the folder cannot be read or changed.
    """
    if not root.is_dir():
        return PruneResult()
    try:
        with locks.exclusive(root / "locks" / EVICTION_LOCK):
            inventory = scan_cache(root)
            orphans = orphaned_files(root, inventory, remove=not dry_run)
            evicted = _evict(root, inventory.without(orphans), max_bytes, inf, dry_run)
        n_locks = count_locks(root, remove=not dry_run)[1]
    except OSError as error:
        raise StoreError(
            f"Could not prune the cache {str(root)!r} ({error.strerror}). Check the disk and the permissions."
        ) from error
    freed = _size(root, inventory) - evicted.left
    return PruneResult(
        evicted.removed, evicted.n_quarantined, len(orphans), n_locks, freed, evicted.left, evicted.n_in_use
    )


def keep_within_limit(root: Path, n_bytes: int) -> None:
    """Evict results if the cache has outgrown BRIVL_CACHE_MAX. Failures are only logged.

    A scan of all files takes up to a second in a large cache, so a process scans after its first write and then each
    time it has written CHECK_EVERY_FRACTION of the limit.

    Parameters
    ----------
    root : Path
        The cache folder.
    n_bytes : int
        Bytes that the caller has just written.
    """
    try:
        limit = size_limit()
        if limit is None or not _is_scan_due(root, n_bytes, limit):
            return
        with locks.exclusive(root / "locks" / EVICTION_LOCK, timeout=0.0) as held:
            inventory = scan_cache(root) if held else None
            if inventory is not None and _size(root, inventory) > limit:
                evicted = _evict(root, inventory, int(TARGET_FRACTION * limit), time.time() - MIN_AGE_S, dry_run=False)
                _log.info("The cache had outgrown %d bytes: %d results were deleted.", limit, len(evicted.removed))
    except (OSError, BrivlError) as error:
        _log.warning("The cache could not be kept within its limit: %s", error)


def _is_scan_due(root: Path, n_bytes: int, limit: int) -> bool:
    with _unscanned_lock:
        unscanned = _unscanned.get(root, inf) + n_bytes
        due = unscanned >= CHECK_EVERY_FRACTION * limit
        _unscanned[root] = 0.0 if due else unscanned
        return due


def _evict(root: Path, inventory: Inventory, max_bytes: int, used_before: float, dry_run: bool) -> PruneResult:
    """Delete quarantine, then results by last use, until max_bytes are left."""
    left, n_quarantined, n_in_use = _size(root, inventory), 0, 0
    removed: list[Entry] = []
    for file, size in _quarantined(root) if left > max_bytes else ():
        if not dry_run:
            file.unlink(missing_ok=True)
        n_quarantined, left = n_quarantined + 1, left - size
    for entry in _evictable(inventory, used_before):
        if left <= max_bytes:
            break
        if _remove(entry, dry_run):
            removed.append(entry)
            left -= entry.size
        else:
            n_in_use += 1
    return PruneResult(tuple(removed), n_quarantined, left=left, n_in_use=n_in_use)


def _evictable(inventory: Inventory, used_before: float) -> Iterable[Entry]:
    old = (e for e in inventory.entries if e.path.kind not in USER_UPLOADED_KINDS and e.last_use < used_before)
    return sorted(old, key=lambda entry: entry.last_use)


def _remove(entry: Entry, dry_run: bool) -> bool:
    """Delete a result unless a process writes, reads or has just used it; whether it was deleted, or would be."""
    with suppress(FileNotFoundError, StoreError), locks.exclusive(entry.path.lock, timeout=0.0) as held:
        if held:
            removed = _unlink(entry, dry_run)
            locks.discard(entry.path.lock)  # last: the holder of a new lock file may write at once
            return removed
    return False  # a process writes it, it was deleted meanwhile, or this thread is computing it


def _unlink(entry: Entry, dry_run: bool) -> bool:
    path = entry.path
    with locks.is_unread(path.data) as unread:
        if not unread or path.manifest.stat().st_mtime != entry.last_use:
            return False
        if not dry_run:
            path.manifest.unlink()  # first: without it the result is absent
            path.data.unlink()
        return True


def _quarantined(root: Path) -> Iterator[tuple[Path, int]]:
    for file in sorted((root / "quarantine").glob("*")):
        with suppress(FileNotFoundError):
            yield file, file.stat().st_size


def _size(root: Path, inventory: Inventory) -> int:
    return inventory.size + sum(folder.size for folder in inventory.folders if folder.name == "quarantine")
