"""Verification of the cache: every result is read from the disk, hashed, and compared with its manifest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brivl.core.progress import ProgressCallback, no_progress
from brivl.errors import StoreError
from brivl.store import locks
from brivl.store.inventory import Entry, scan_cache
from brivl.store.keys import ArtifactPath
from brivl.store.orphans import count_locks, orphaned_files
from brivl.store.reading import DamagedArtifact, quarantine, read

State = Literal["intact", "busy", "other version", "gone", "damaged"]


@dataclass(frozen=True)
class VerificationResult:
    """Outcome of a verification. The field names are those of the JSON output.

    Attributes
    ----------
    n_whole : int
        Intact results.
    n_bytes : int
        Their bytes.
    damaged : tuple[str, ...]
        "fit/0123...: reason" of each result that was moved to quarantine.
    n_busy : int
        Results that looked damaged while a process was writing them; verify them again later.
    n_other_version : int
        Results that were written by another version of this program, and are never read by this one.
    n_abandoned : int
        Incomplete files of killed writers; `cache prune` deletes them.
    n_held_locks : int
        Lock files that a process holds.
    n_idle_locks : int
        Lock files that no process holds, one for each computation; `cache prune` deletes them.
    """

    n_whole: int
    n_bytes: int
    damaged: tuple[str, ...]
    n_busy: int
    n_other_version: int
    n_abandoned: int
    n_held_locks: int
    n_idle_locks: int


def verify(root: Path, progress: ProgressCallback = no_progress) -> VerificationResult:
    """Read and hash every result, and move damaged ones to quarantine.

    Parameters
    ----------
    root : Path
        The cache folder.
    progress : ProgressCallback
        Called with bytes done, bytes in all, and a message.

    Returns
    -------
    VerificationResult
        Numbers of results by state.

    Raises
    ------
    StoreError
        Where the folder cannot be read.
    """
    try:
        return _verify(Path(root), progress)
    except OSError as error:
        raise StoreError(
            f"Could not verify the cache {str(root)!r} ({error.strerror}). Check the disk and the permissions."
        ) from error


def _verify(root: Path, progress: ProgressCallback) -> VerificationResult:
    inventory = scan_cache(root)
    total, done, n_bytes = sum(entry.size for entry in inventory.entries), 0, 0
    counts: Counter[State] = Counter()
    damaged: list[str] = []
    for entry in inventory.entries:
        state, reason = _check(entry)
        counts[state] += 1
        if state == "damaged":
            damaged.append(f"{entry.path.kind}/{entry.path.digest}: {reason}")
        n_bytes += entry.size if state == "intact" else 0
        done += entry.size
        progress(done, max(total, 1), f"Verifying {entry.path.kind}")
    n_orphans = len(orphaned_files(root, inventory))
    n_held, n_idle = count_locks(root)
    return VerificationResult(
        counts["intact"],
        n_bytes,
        tuple(damaged),
        counts["busy"],
        counts["other version"],
        n_orphans,
        n_held,
        n_idle,
    )


def _check(entry: Entry) -> tuple[State, str]:
    """State of a result, and the reason where it is damaged; then it is moved to quarantine."""
    path = entry.path
    try:
        return _state(path), ""
    except DamagedArtifact:
        pass
    # A writer may have been replacing it: only what is damaged under the lock is damaged.
    with locks.exclusive(path.lock, timeout=0.0) as held:
        if not held:
            return "busy", ""
        try:
            return _state(path), ""
        except DamagedArtifact as damage:
            quarantine(path, damage)
            return "damaged", str(damage)


def _state(path: ArtifactPath) -> State:
    if read(path, rehash=True) is not None:
        return "intact"
    return "other version" if path.manifest.exists() else "gone"
