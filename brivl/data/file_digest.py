"""One digest over the content of many files, read again only when a file's size or time changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from brivl.errors import DataError


@lru_cache(maxsize=65536)
def _sha256(path: str, size: int, mtime_ns: int) -> str:
    """Digest of one file; size and time are arguments so that a changed file misses the memo."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(root: Path, paths: Iterable[Path], extra: str = "") -> str:
    """SHA-256 over names (relative to root) and contents of files, in sorted order, and over `extra`.

    DataError where a file cannot be read.
    """
    total = hashlib.sha256(extra.encode())
    for path in sorted(set(paths)):
        try:
            stat = path.stat()
            content = _sha256(str(path), stat.st_size, stat.st_mtime_ns)
        except OSError as error:
            raise DataError(f"Wanted to read {str(path)!r}, but it cannot be read: {error.strerror}.") from error
        total.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return total.hexdigest()
