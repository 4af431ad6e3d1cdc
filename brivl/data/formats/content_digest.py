"""Digests of data files by content, without reading again what is known already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.data.formats.annex import annex_key
from brivl.errors import DataError
from brivl.store.artifacts import Store
from brivl.store.digests import cached_file_digest
from brivl.store.keys import ArtifactKey


def digest_files(root: Path, paths: Iterable[Path], extra: str = "") -> str:
    """Digest the names and contents of files.

    Parameters
    ----------
    root : Path
        Folder to which names are relative.
    paths : iterable of Path
        The files, in any order; one named twice counts once.
    extra : str
        Text that goes into the digest too, such as a version.

    Returns
    -------
    str
        SHA-256 as hexadecimal digits.

    Raises
    ------
    DataError
        A file cannot be read.
    """
    total = hashlib.sha256(extra.encode())
    for path in sorted(set(paths)):
        try:
            content = cached_file_digest(path)
        except OSError as error:
            raise DataError(_unreadable(path, error)) from error
        total.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


LARGE_BYTES = 64 * 2**20  # bytes; smaller files are read again by each process


@dataclass(frozen=True)
class ContentDigest:
    """Digest of a file's content. Files that git-annex names by their digest are not read for it.

    With a store, digests of large files are kept there under the file's path, size, time of change and inode, so a
    folder of 100 GB is read once and not by every process.

    Attributes
    ----------
    store : Store or None
        Where digests are kept.
    """

    store: Store | None = None

    def __call__(self, path: Path) -> str:
        """Digest one file.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        str
            Annex key, or SHA-256 of name and content.

        Raises
        ------
        DataError
            The file cannot be read.
        """
        key = annex_key(path)
        if key is not None:
            return f"annex {key}"
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(_unreadable(path, error)) from error
        if self.store is None or stat.st_size < LARGE_BYTES:
            return _hashed(path)
        name = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        kept = self.store.get_or_compute(
            ArtifactKey("file", {"path": name, "state": state}), lambda: ({"digest": np.array(_hashed(path))}, {})
        )
        return str(kept.arrays["digest"])


def _unreadable(path: Path, error: OSError) -> str:
    return f"Expected a file that can be read, got {str(path)!r} ({error.strerror}). Check its path and rights."


def _hashed(path: Path) -> str:
    return digest_files(path.parent, [path])
