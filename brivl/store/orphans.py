"""What killed writers leave in the cache: incomplete files, and lock files that no process holds. Both are harmless."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from brivl.store import locks
from brivl.store.inventory import Inventory
from brivl.store.keys import ArtifactPath


def orphaned_files(root: Path, inventory: Inventory, remove: bool = False) -> Sequence[Path]:
    """List the incomplete files that no process is writing.

    Parameters
    ----------
    root : Path
        The cache folder.
    inventory : Inventory
        Its listing.
    remove : bool
        Delete these files.

    Returns
    -------
    Sequence[Path]
        The files, deleted or not.

    Raises
    ------
    OSError
        Where a file or lock cannot be made or deleted.
    """
    orphans = []
    for file in inventory.incomplete:
        path = ArtifactPath(Path(root), file.parent.name, file.name.split(".", 1)[0])
        with locks.exclusive(path.lock, timeout=0.0) as held:
            if not held or not file.exists() or _is_complete(path, file):
                continue
            orphans.append(file)
            if remove:
                file.unlink()
            locks.discard(path.lock)
    return orphans


def _is_complete(path: ArtifactPath, file: Path) -> bool:
    """Whether the partner of a file was written since the folder was listed."""
    return file in (path.data, path.manifest) and path.data.exists() and path.manifest.exists()


def count_locks(root: Path, remove: bool = False) -> tuple[int, int]:
    """Count the lock files of the cache; every computation leaves one.

    Parameters
    ----------
    root : Path
        The cache folder.
    remove : bool
        Delete those that no process holds. A process that waits for a deleted lock starts over, so that never two
        processes hold the lock of one result.

    Returns
    -------
    tuple[int, int]
        How many are held, and how many are not.
    """
    n_held = n_idle = 0
    for path in sorted((root / "locks").glob("*.lock")):
        with suppress(FileNotFoundError):
            if locks.is_held(path):
                n_held += 1
                continue
            n_idle += 1
            if remove:
                with locks.exclusive(path, timeout=0.0) as held:
                    if held:
                        locks.discard(path)
    return n_held, n_idle
