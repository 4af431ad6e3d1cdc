"""Report of what the cache holds, by kind, and the worker tasks that verify and prune it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from brivl.core.progress import ProgressCallback
from brivl.errors import StoreError
from brivl.store.artifacts import Store
from brivl.store.digests import JSON
from brivl.store.eviction import PruneResult, prune
from brivl.store.inventory import Entry, Inventory, scan_cache
from brivl.store.keys import USER_UPLOADED_KINDS
from brivl.store.sizes import size_limit
from brivl.store.verification import verify

FOLDER_NOTES = {
    "jobs": "logs and previews of computations",
    "locks": "lock files of computations",
    "views": "saved views with their notes",
    "quarantine": "damaged results; pruning deletes them first",
    "pycortex": "pycortex's own copy of subject S1; created again where it is missing",
}
FOREIGN_NOTE = "not part of the cache; never changed"


@dataclass(frozen=True)
class KindReport:
    """All results of one kind.

    Attributes
    ----------
    kind : str
        Name of the kind.
    n : int
        Number of results.
    size : int
        Bytes.
    last_use : float
        Seconds since the epoch.
    evictable : bool
        False for uploads of users.
    """

    kind: str
    n: int
    size: int
    last_use: float
    evictable: bool


@dataclass(frozen=True)
class FolderReport:
    """A folder beside the results, which pruning does not change, apart from quarantine and idle locks.

    Attributes
    ----------
    name : str
        Name in the cache folder.
    n_files : int
        Number of files at any depth.
    size : int
        Bytes.
    note : str
        What the folder is for.
    """

    name: str
    n_files: int
    size: int
    note: str


@dataclass(frozen=True)
class CacheReport:
    """The cache as it is on the disk. The field names are those of the JSON output.

    Attributes
    ----------
    folder : str
        The cache folder.
    kinds : tuple[KindReport, ...]
        Largest first.
    n_unfinished : int
        Files that are being written, or were left by a killed writer.
    folders : tuple[FolderReport, ...]
        Folders without results.
    size : int
        Bytes of results.
    limit : int | None
        Bytes that the cache may hold, None for no limit.
    """

    folder: str
    kinds: tuple[KindReport, ...]
    n_unfinished: int
    folders: tuple[FolderReport, ...]
    size: int
    limit: int | None

    @property
    def n_results(self) -> int:  # numpydoc ignore=RT01
        """Number of results of all kinds."""
        return sum(kind.n for kind in self.kinds)

    @property
    def quarantine_size(self) -> int:  # numpydoc ignore=RT01
        """Bytes in quarantine, which count towards the limit."""
        return sum(folder.size for folder in self.folders if folder.name == "quarantine")


def cache_report(store: Store) -> CacheReport:
    """Summarise the cache by names, sizes and times; no file is opened.

    Parameters
    ----------
    store : Store
        The cache.

    Returns
    -------
    CacheReport
        Kinds of results and other folders.

    Raises
    ------
    StoreError
        Where the folder cannot be read.
    RequestError
        Where BRIVL_CACHE_MAX is not a size.
    """
    inventory = _scan(store.root)
    by_kind: dict[str, list[Entry]] = {}
    for entry in inventory.entries:
        by_kind.setdefault(entry.path.kind, []).append(entry)
    kinds = [_kind_report(kind, entries) for kind, entries in by_kind.items()]
    folders = [
        FolderReport(f.name, f.n_files, f.size, FOLDER_NOTES.get(f.name, FOREIGN_NOTE)) for f in inventory.folders
    ]
    return CacheReport(
        str(store.root),
        tuple(sorted(kinds, key=lambda k: -k.size)),
        len(inventory.incomplete),
        tuple(folders),
        inventory.size,
        size_limit(),
    )


def verify_job(store: Store) -> dict[str, JSON]:
    """Build the request of a worker that verifies every result.

    Parameters
    ----------
    store : Store
        The cache.

    Returns
    -------
    dict[str, JSON]
        For `brivl.jobs.queue.JobQueue.submit`.
    """
    return {"task": "cache-verify", "store": str(store.root)}


def prune_job(store: Store, max_bytes: int) -> dict[str, JSON]:
    """Build the request of a worker that prunes the cache.

    Parameters
    ----------
    store : Store
        The cache.
    max_bytes : int
        Bytes that may stay.

    Returns
    -------
    dict[str, JSON]
        For `brivl.jobs.queue.JobQueue.submit`.
    """
    return {"task": "cache-prune", "store": str(store.root), "max_bytes": max_bytes}


def verify_task(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Verify the cache in a worker.

    Parameters
    ----------
    request : Mapping[str, JSON]
        From `verify_job`.
    progress : ProgressCallback
        Called with MB.

    Returns
    -------
    dict[str, JSON]
        The fields of `brivl.store.verification.VerificationResult`.
    """
    return asdict(verify(Path(request["store"]), lambda done, total, what: progress(done / 1e6, total / 1e6, what)))


def prune_task(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Prune the cache in a worker.

    Parameters
    ----------
    request : Mapping[str, JSON]
        From `prune_job`.
    progress : ProgressCallback
        Called once, at the start.

    Returns
    -------
    dict[str, JSON]
        From `prune_summary`.
    """
    progress(0, 1, "Pruning the cache")
    return prune_summary(prune(Path(request["store"]), int(request["max_bytes"])))


def prune_summary(result: PruneResult) -> dict[str, JSON]:
    """Summarise what was deleted as JSON.

    Parameters
    ----------
    result : PruneResult
        From `brivl.store.eviction.prune`.

    Returns
    -------
    dict[str, JSON]
        Numbers of results (in all and by kind) and of other files, and bytes.
    """
    return {
        "removed": len(result.removed),
        "by_kind": dict(Counter(entry.path.kind for entry in result.removed)),
        "n_set_aside": result.n_quarantined,
        "n_abandoned": result.n_orphaned,
        "n_locks": result.n_locks,
        "freed": result.freed,
        "left": result.left,
        "n_in_use": result.n_in_use,
    }


def _kind_report(kind: str, entries: list[Entry]) -> KindReport:
    size, last_use = sum(e.size for e in entries), max(e.last_use for e in entries)
    return KindReport(kind, len(entries), size, last_use, kind not in USER_UPLOADED_KINDS)


def _scan(root: Path) -> Inventory:
    try:
        return scan_cache(root)
    except OSError as error:
        raise StoreError(
            f"Could not list the cache {str(root)!r} ({error.strerror}). Check its permissions, or set BRIVL_CACHE "
            "to another folder."
        ) from error
