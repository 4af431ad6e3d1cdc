"""What killed writers leave behind: files that are not whole, and lock files that nobody holds. Neither does harm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from brivl.store import locks
from brivl.store.inventory import Inventory
from brivl.store.places import ArtifactPath


def orphaned_files(root: Path, inventory: Inventory, remove: bool = False) -> Sequence[Path]:
    """Files of results that are not whole and that nobody writes any more; with `remove` they are deleted.

    Raises OSError where a file or lock cannot be made or deleted.
    """
    found = []
    for path in inventory.unfinished:
        digest = path.name.split(".", 1)[0]
        place = ArtifactPath(Path(root), path.parent.name, digest)
        with locks.exclusive(place.lock, timeout=0.0) as free:
            if not free or not path.exists() or _is_whole(place, path):
                continue
            found.append(path)
            if remove:
                path.unlink()
            locks.discard(place.lock)
    return found


def _is_whole(place: ArtifactPath, path: Path) -> bool:
    """Whether a file found its partner since the folder was looked through."""
    return path in (place.data, place.manifest) and place.data.exists() and place.manifest.exists()


def count_locks(root: Path, remove: bool = False) -> tuple[int, int]:
    """How many lock files are held, and how many nobody holds; with `remove` the latter are deleted.

    Every computation leaves one. Whoever waits for a lock that is deleted starts over, so nobody is split.
    """
    n_held = n_idle = 0
    for path in sorted((root / "locks").glob("*.lock")):
        with suppress(FileNotFoundError):
            if locks.is_held(path):
                n_held += 1
                continue
            n_idle += 1
            if remove:
                with locks.exclusive(path, timeout=0.0) as free:
                    if free:
                        locks.discard(path)
    return n_held, n_idle
