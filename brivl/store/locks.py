"""One writer per key across processes: an fcntl lock that the kernel drops when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from brivl.errors import StoreError

FOREVER = -1.0


@contextmanager
def exclusive(path: Path, timeout: float = FOREVER) -> Iterator[bool]:
    """Hold the lock file at `path`; gives False, without the lock, where another holds it for `timeout` seconds.

    Raises OSError where the lock file cannot be made, StoreError where this thread already holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # No soft fallback: a lock that is only a file outlives its holder.
    lock = filelock.FileLock(path, timeout=timeout, fallback_to_soft=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        yield False
        return
    except RuntimeError as error:
        raise StoreError(f"The computation of {path.stem} asks for its own result; it can never finish.") from error
    try:
        yield True
    finally:
        lock.release()


def discard(path: Path) -> None:
    """Remove the lock file; call it while holding the lock (waiters notice that the file is gone and start over)."""
    path.unlink(missing_ok=True)
