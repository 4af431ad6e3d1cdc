"""Locks of files, across processes. The kernel releases them when their holder ends, however it ends."""

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
    """Hold a lock file within the body.

    Parameters
    ----------
    path : Path
        The lock file, which is created.
    timeout : float
        Seconds to wait for another holder.

    Yields
    ------
    bool
        Whether the lock is held; False after `timeout` seconds.

    Raises
    ------
    OSError
        Where the lock file cannot be created.
    StoreError
        Where this thread already holds it.
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
        raise StoreError(
            f"The computation of {path.stem} requests its own result, so it can never finish. Report this as a bug."
        ) from error
    try:
        yield True
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Test whether another process, or another thread of this one, holds a lock file.

    Parameters
    ----------
    path : Path
        The lock file.

    Returns
    -------
    bool
        True if it is held.

    Raises
    ------
    FileNotFoundError
        Where it does not exist.
    """
    with open(path, "rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def discard(path: Path) -> None:
    """Delete a lock file that the caller holds. Processes that wait for it notice, and start over.

    Parameters
    ----------
    path : Path
        The lock file.
    """
    path.unlink(missing_ok=True)


def mark_read(file: BinaryIO) -> None:
    """Mark an open file as in use until it and all memory maps of it, in any process, are closed.

    A map keeps a duplicate of the file descriptor, and a shared flock lasts as long as one of them.

    Parameters
    ----------
    file : BinaryIO
        Open for reading.
    """
    with suppress(OSError):  # on a file system without such locks, where `is_unread` gives False
        fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)


@contextmanager
def is_unread(path: Path) -> Iterator[bool]:
    """Test whether no process reads or maps a file; none can begin to within the body.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    bool
        True if it is unread.

    Raises
    ------
    OSError
        Where the file does not exist.
    """
    with open(path, "r+b") as file:  # for writing, which an exclusive lock requires on network file systems
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
