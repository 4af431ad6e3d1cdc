"""What is in a file of gigabytes, said by a digest that is worked out once and kept beside the other results."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.data.annex import annex_key
from brivl.data.file_digest import digest_files
from brivl.errors import DataError
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

LARGE = 64 * 2**20  # bytes; smaller files are read again by each process


@dataclass(frozen=True)
class ContentDigest:
    """Digest of a file's content. Files that git-annex names by their digest are not read for it.

    With a store, digests of large files are kept there under the file's path, size, time of change and inode, so a
    folder of 100 GB is read once and not by every process.
    """

    store: Store | None = None

    def __call__(self, path: Path) -> str:
        """DataError where the file cannot be read."""
        key = annex_key(path)
        if key is not None:
            return f"annex {key}"
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(f"Wanted to read {str(path)!r}, but it cannot be read: {error.strerror}.") from error
        if self.store is None or stat.st_size < LARGE:
            return _hashed(path)
        name = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        kept = self.store.get_or_compute(
            ArtifactKey("file", {"path": name, "state": state}), lambda: ({"digest": np.array(_hashed(path))}, {})
        )
        return str(kept.arrays["digest"])


def _hashed(path: Path) -> str:
    return digest_files(path.parent, [path])
