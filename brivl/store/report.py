"""What the cache holds, by kind, and the requests that verify and prune it in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brivl.core.progress import ProgressCallback
from brivl.errors import StoreError
from brivl.store.artifacts import Store
from brivl.store.eviction import PruneResult, prune
from brivl.store.inventory import Entry, Inventory, scan_cache
from brivl.store.keys import USER_UPLOADED_KINDS
from brivl.store.sizes import size_limit
from brivl.store.verification import verify

FOLDERS = {
    "jobs": "logs and previews of computations",
    "locks": "lock files of computations",
    "views": "views that were saved with their notes",
    "quarantine": "damaged results that were set aside; pruning deletes them first",
    "pycortex": "pycortex's own copy of subject S1; made again where it is missing",
}
FOREIGN = "not of the store; left alone"


@dataclass(frozen=True)
class KindReport:
    """All results of one kind: how many, bytes, the last use (s since the epoch), and whether they may be evicted."""

    kind: str
    n: int
    size: int
    last_use: float
    evictable: bool


@dataclass(frozen=True)
class FolderReport:
    """A folder beside the results, which pruning leaves alone, quarantine and idle locks apart."""

    name: str
    n_files: int
    size: int
    note: str


@dataclass(frozen=True)
class CacheReport:
    """The cache as it lies on the disk. Sizes in bytes; `limit` is None where it may grow as it likes."""

    folder: str
    kinds: tuple[KindReport, ...]
    n_unfinished: int  # files being written, or left by a writer that was killed
    folders: tuple[FolderReport, ...]
    size: int  # of results
    limit: int | None

    @property
    def n_results(self) -> int:
        return sum(kind.n for kind in self.kinds)

    @property
    def size_aside(self) -> int:
        """Bytes of what is set aside, which counts towards the limit too."""
        return sum(folder.size for folder in self.folders if folder.name == "quarantine")


def cache_report(store: Store) -> CacheReport:
    """Look the cache through: names, sizes and times only, no file is opened.

    Raises StoreError where it cannot be read, RequestError where BRIVL_CACHE_MAX is no size.
    """
    found = _look(store.root)
    of_kind: dict[str, list[Entry]] = {}
    for entry in found.entries:
        of_kind.setdefault(entry.place.kind, []).append(entry)
    kinds = [_kind(kind, entries) for kind, entries in of_kind.items()]
    folders = [FolderReport(f.name, f.n_files, f.size, FOLDERS.get(f.name, FOREIGN)) for f in found.folders]
    return CacheReport(
        str(store.root),
        tuple(sorted(kinds, key=lambda k: -k.size)),
        len(found.unfinished),
        tuple(folders),
        found.size,
        size_limit(),
    )


def verify_job(store: Store) -> dict[str, Any]:
    """The JSON request of a worker that verifies every result."""
    return {"task": "cache-verify", "store": str(store.root)}


def prune_job(store: Store, max_bytes: int) -> dict[str, Any]:
    """The JSON request of a worker that prunes the cache to max_bytes."""
    return {"task": "cache-prune", "store": str(store.root), "max_bytes": max_bytes}


def verify_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Verify in the worker; progress counts MB. The fields of brivl.store.verification.Verified."""
    return asdict(verify(Path(request["store"]), lambda done, of, said: progress(done / 1e6, of / 1e6, said)))


def prune_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Prune in the worker; what `prune_summary` says."""
    progress(0, 1, "Pruning the cache")
    return prune_summary(prune(Path(request["store"]), int(request["max_bytes"])))


def prune_summary(pruned: PruneResult) -> dict[str, Any]:
    """What was removed, as JSON: results by kind, numbers of other files, bytes."""
    numbers = {name: value for name, value in vars(pruned).items() if name != "removed"}
    by_kind: dict[str, int] = {}
    for entry in pruned.removed:
        by_kind[entry.place.kind] = by_kind.get(entry.place.kind, 0) + 1
    return {"removed": len(pruned.removed), "by_kind": by_kind, **numbers}


def _kind(kind: str, entries: list[Entry]) -> KindReport:
    size, last_use = sum(e.size for e in entries), max(e.last_use for e in entries)
    return KindReport(kind, len(entries), size, last_use, kind not in USER_UPLOADED_KINDS)


def _look(root: Path) -> Inventory:
    try:
        return scan_cache(root)
    except OSError as error:
        raise StoreError(
            f"Could not look through the cache {str(root)!r} ({error.strerror}). Check its rights, or set BRIVL_CACHE."
        ) from error
