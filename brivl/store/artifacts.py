"""Results on disk: root/<kind>/<digest>.npz with its manifest <digest>.json, which is written last.

A result exists when its manifest does. A damaged result is moved to root/quarantine and counts as absent.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np

from brivl.errors import StoreError
from brivl.store import locks, manifests
from brivl.store.digests import JSON
from brivl.store.eviction import keep_within_limit
from brivl.store.inventory import scan_cache
from brivl.store.keys import RESERVED_FOLDERS, ArtifactKey, ArtifactPath, artifact_path
from brivl.store.manifests import BadManifest, Manifest, ManifestInfo
from brivl.store.npz import check_arrays
from brivl.store.reading import Artifact, DamagedArtifact, open_written, read, read_or_quarantine
from brivl.store.writing import write_artifact

REPAIR_WAIT_S = 2.0  # wait for a writer before a result that looks damaged counts as absent
USE_RESOLUTION_S = 60.0  # a second use within a minute costs no write

Compute = Callable[[], tuple[Mapping[str, np.ndarray], Mapping[str, JSON]]]  # arrays by name, and notes on them


class Store:
    """Results under one folder. Safe across threads and processes.

    The first write creates the folder. When it outgrows BRIVL_CACHE_MAX, the results that were used least recently are
    deleted (`brivl.store.eviction`).

    Parameters
    ----------
    root : Path
        The cache folder, which need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def get(self, key: ArtifactKey) -> Artifact | None:
        """Read a result.

        Size and SHA-256 are checked once per process and file state.

        Parameters
        ----------
        key : ArtifactKey
            Its key.

        Returns
        -------
        Artifact | None
            None where it is absent, or damaged; then it is moved to quarantine and the reason is logged.

        Raises
        ------
        StoreError
            Where the disk cannot be read.
        """
        path = self._path(key)
        with self._translate_errors(f"read a result of kind {key.kind!r}"):
            try:
                artifact = read(path)
            except DamagedArtifact:
                # A writer may have been replacing it: only what looks damaged under the lock is damaged.
                with locks.exclusive(path.lock, REPAIR_WAIT_S) as held:
                    artifact = read_or_quarantine(path) if held else None
        if artifact is not None:
            _mark_used(path.manifest)
        return artifact

    def put(self, key: ArtifactKey, arrays: Mapping[str, np.ndarray], info: Mapping[str, JSON]) -> Artifact:
        """Store a result, replacing what was there.

        Parameters
        ----------
        key : ArtifactKey
            Its key.
        arrays : Mapping[str, np.ndarray]
            Name -> array of any shape.
        info : Mapping[str, JSON]
            Notes on the result.

        Returns
        -------
        Artifact
            The result as it was written.

        Raises
        ------
        StoreError
            For object arrays, a full disk or a missing permission; then nothing incomplete is left.
        """
        checked = check_arrays(arrays)
        with self._translate_errors(f"write a result of kind {key.kind!r}"), locks.exclusive(self._path(key).lock):
            artifact = self._write(checked, ManifestInfo(key, info))
        keep_within_limit(self.root, artifact.manifest["bytes"])
        return artifact

    def get_or_compute(self, key: ArtifactKey, compute: Compute) -> Artifact:
        """Read a result, or compute and store it.

        However many threads and processes request the same key, one of them computes at a time.

        Parameters
        ----------
        key : ArtifactKey
            Its key.
        compute : Compute
            Gives arrays and notes. Its errors are passed on.

        Returns
        -------
        Artifact
            The stored result.

        Raises
        ------
        StoreError
            As `get` and `put` do.
        """
        artifact = self.get(key)
        if artifact is not None:
            return artifact
        with self._lock(key):
            with self._translate_errors(f"read a result of kind {key.kind!r}"):
                artifact = read_or_quarantine(self._path(key))
            if artifact is not None:
                return artifact
            started = time.monotonic()
            arrays, info = compute()
            about, checked = ManifestInfo(key, info, time.monotonic() - started), check_arrays(arrays)
            with self._translate_errors(f"write a result of kind {key.kind!r}"):
                artifact = self._write(checked, about)
        keep_within_limit(self.root, artifact.manifest["bytes"])
        return artifact

    def has(self, key: ArtifactKey) -> bool:
        """Test whether a result is stored; this counts as a use of it.

        Another process may delete the result before `get` is called, which then gives None.

        Parameters
        ----------
        key : ArtifactKey
            Its key.

        Returns
        -------
        bool
            True if the manifest and a data file of the right size exist; the data are not read.
        """
        path = self._path(key)
        try:
            manifest = manifests.load(path.manifest)
            complete = manifest["format"] == manifests.FORMAT and path.data.stat().st_size == manifest["bytes"]
        except (OSError, BadManifest):
            return False
        if complete:
            _mark_used(path.manifest)
        return complete

    def list(self, kind: str | None = None) -> Sequence[Manifest]:
        """List the manifests of results.

        Parameters
        ----------
        kind : str | None
            One kind of results; None for all.

        Returns
        -------
        Sequence[Manifest]
            Oldest first. Unreadable ones are left out.
        """
        listed = []
        for folder in self._folders():
            for path in sorted(folder.glob("*.json")) if kind in (None, folder.name) else ():
                try:
                    listed.append(manifests.load(path))
                except (OSError, BadManifest):
                    continue
        return sorted(listed, key=lambda manifest: manifest["created"])

    def size(self) -> int:
        """Measure the results on disk.

        Returns
        -------
        int
            Bytes, with manifests and incomplete files, without quarantine.

        Raises
        ------
        StoreError
            Where the folder cannot be listed.
        """
        with self._translate_errors("list the results"):
            return scan_cache(self.root).size

    def remove(self, key: ArtifactKey) -> bool:
        """Delete a result. Arrays of it that are open stay valid.

        Parameters
        ----------
        key : ArtifactKey
            Its key.

        Returns
        -------
        bool
            False where there was none.

        Raises
        ------
        StoreError
            Where it cannot be deleted.
        """
        path = self._path(key)
        if not path.data.exists() and not path.manifest.exists():
            return False
        with self._translate_errors(f"delete a result of kind {key.kind!r}"), locks.exclusive(path.lock):
            path.manifest.unlink(missing_ok=True)
            path.data.unlink(missing_ok=True)
            locks.discard(path.lock)
        return True

    def _path(self, key: ArtifactKey) -> ArtifactPath:
        return artifact_path(self.root, key)

    def _folders(self) -> Sequence[Path]:
        if not self.root.is_dir():
            return ()
        return sorted(path for path in self.root.iterdir() if path.is_dir() and path.name not in RESERVED_FOLDERS)

    @contextmanager
    def _lock(self, key: ArtifactKey) -> Iterator[None]:
        """Hold the lock of a key. Only errors of the lock itself become StoreErrors, not those of the body."""
        with ExitStack() as stack:
            with self._translate_errors("lock the cache"):
                stack.enter_context(locks.exclusive(self._path(key).lock))
            yield

    @contextmanager
    def _translate_errors(self, action: str) -> Iterator[None]:
        """Turn an OSError into a StoreError whose text says what to do."""
        try:
            yield
        except OSError as error:
            raise StoreError(f"Could not {action} in {str(self.root)!r}: {_reason(error)}") from error

    def _write(self, arrays: Mapping[str, np.ndarray], about: ManifestInfo) -> Artifact:
        """Write checked arrays; the lock of the key is held, so that what is opened again is what was written."""
        path = self._path(about.key)
        return open_written(path, about.key, write_artifact(path, arrays, partial(manifests.build_manifest, about)))


def _mark_used(manifest: Path) -> None:
    """Note that a result is used now, as modification time of its manifest.

    Mounts without access times keep modification times. Nothing happens where the cache is read-only or the result was
    deleted.
    """
    now = time.time()
    with suppress(OSError):
        # The difference is absolute, since another clock may have written a time in the future.
        if abs(now - manifest.stat().st_mtime) > USE_RESOLUTION_S:
            os.utime(manifest, (now, now))


def _reason(error: OSError) -> str:
    """Why the disk refused, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full. Free some space, or set BRIVL_CACHE to a folder on a larger disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "there is no permission. Change the permissions of this folder, or set BRIVL_CACHE to your own folder."
    return f"{error.strerror or error!r}. Check the disk, or set BRIVL_CACHE to another folder."
