"""Every result of the cache held to its manifest: read from the disk anew, hashed, and set aside where it differs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brivl.core.progress import ProgressCallback
from brivl.errors import StoreError
from brivl.store import locks
from brivl.store.inventory import Entry, scan_cache
from brivl.store.places import ArtifactPath
from brivl.store.reading import DamagedArtifact, quarantine, read
from brivl.store.tidying import count_locks, orphaned_files


@dataclass(frozen=True)
class VerificationResult:
    """What a look at every byte found."""

    n_whole: int
    n_bytes: int  # of whole results
    damaged: tuple[str, ...]  # "fit/0123...: why", set aside in quarantine
    n_busy: int  # results that looked damaged while a process was writing them; look again later
    n_other_version: int  # written by another version of this program, never read by this one
    n_abandoned: int  # files that a killed writer left; `cache prune` deletes them
    n_held_locks: int
    n_idle_locks: int  # lock files that nobody holds, one for each computation; `cache prune` deletes them


def verify(root: Path, progress: ProgressCallback = lambda *_: None) -> VerificationResult:
    """Read and hash every result; progress counts bytes. Raises StoreError where the folder cannot be read."""
    try:
        return _verify(Path(root), progress)
    except OSError as error:
        raise StoreError(
            f"Could not verify the cache {str(root)!r} ({error.strerror}). Check its disk and rights."
        ) from error


def _verify(root: Path, progress: ProgressCallback) -> VerificationResult:
    found = scan_cache(root)
    total, done = sum(entry.size for entry in found.entries), 0
    ends: dict[str, list[str]] = {"whole": [], "busy": [], "other": [], "gone": [], "damaged": []}
    n_bytes = 0
    for entry in found.entries:
        end, why = _end_of(entry)
        ends[end].append(f"{entry.place.kind}/{entry.place.digest}: {why}")
        n_bytes += entry.size if end == "whole" else 0
        done += entry.size
        progress(done, max(total, 1), f"Verifying {entry.place.kind}")
    left_over = orphaned_files(root, found)
    n_held, n_idle = count_locks(root)
    return VerificationResult(
        len(ends["whole"]),
        n_bytes,
        tuple(ends["damaged"]),
        len(ends["busy"]),
        len(ends["other"]),
        len(left_over),
        n_held,
        n_idle,
    )


def _end_of(entry: Entry) -> tuple[str, str]:
    """Whether a result is whole, damaged (then it is set aside), busy, gone or of another version; and why."""
    place = entry.place
    try:
        return _state(place), ""
    except DamagedArtifact:
        pass
    # A writer may have been replacing it: only what is damaged under the lock is damaged.
    with locks.exclusive(place.lock, timeout=0.0) as free:
        if not free:
            return "busy", ""
        try:
            return _state(place), ""
        except DamagedArtifact as damage:
            quarantine(place, damage)
            return "damaged", str(damage)


def _state(place: ArtifactPath) -> str:
    if read(place, anew=True) is not None:
        return "whole"
    return "other" if place.manifest.exists() else "gone"
