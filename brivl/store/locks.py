"""One writer per key across processes, and marks on what is read: locks that the kernel drops with their holder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

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


def is_held(path: Path) -> bool:
    """Whether some process, or another thread of this one, holds the lock file. Raises FileNotFoundError."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def discard(path: Path) -> None:
    """Remove the lock file; call it while holding the lock (waiters notice that the file is gone and start over)."""
    path.unlink(missing_ok=True)


def mark_read(file: BinaryIO) -> None:
    """Say that an open file is in use, until it and the last memory map of it, in whichever process, are closed.

    A map keeps a duplicate of the file's descriptor, and a shared flock lasts as long as one of them.
    """
    with suppress(OSError):  # of a file system without such locks: then `is_unread` says False
        fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)


@contextmanager
def is_unread(path: Path) -> Iterator[bool]:
    """Whether no process reads or maps the file; while the body runs none can mark it. Raises OSError if absent."""
    with open(path, "r+b") as file:  # for writing, which an exclusive lock asks for on network file systems
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
