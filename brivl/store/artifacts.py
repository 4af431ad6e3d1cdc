"""Results on disk: root/<kind>/<digest>.npz with its manifest <digest>.json, which is written last.

A result exists when its manifest does. Whatever is damaged is moved to root/quarantine and counts as absent.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from brivl.errors import StoreError
from brivl.store import locks, manifests
from brivl.store.digests import JSON
from brivl.store.eviction import keep_within_limit
from brivl.store.inventory import scan_cache
from brivl.store.keys import RESERVED_FOLDERS, ArtifactKey
from brivl.store.last_use import mark_used
from brivl.store.manifests import BadManifest, Manifest, ManifestInfo
from brivl.store.npz import check_arrays
from brivl.store.places import ArtifactPath, artifact_path
from brivl.store.reading import Artifact, DamagedArtifact, open_written, read, read_or_quarantine
from brivl.store.writing import write_artifact

REPAIR_WAIT = 2.0  # seconds to wait for a writer before a damaged-looking result counts as absent

Compute = Callable[[], tuple[Mapping[str, np.ndarray], Mapping[str, JSON]]]


class Store:
    """Results under one folder, which is created by the first write. Safe across threads and processes.

    Where it grows beyond BRIVL_CACHE_MAX, results that were not used for longest go (`brivl.store.eviction`).
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def get(self, key: ArtifactKey) -> Artifact | None:
        """The result, or None where it is absent or damaged (then it is quarantined and a line logged).

        Size and sha256 are checked once per process and file state. Raises StoreError where it cannot be read.
        """
        place = self._place(key)
        with self._sentences(f"read a result of kind {key.kind!r}"):
            try:
                found = read(place)
            except DamagedArtifact:
                # A writer may have been replacing it: only what looks damaged under the lock is damaged.
                with locks.exclusive(place.lock, REPAIR_WAIT) as held:
                    found = read_or_quarantine(place) if held else None
        if found is not None:
            mark_used(place.manifest)
        return found

    def put(self, key: ArtifactKey, arrays: Mapping[str, np.ndarray], info: Mapping[str, JSON]) -> Artifact:
        """Store arrays by name, of any shape, with a JSON note; replaces what was there.

        Raises StoreError for object arrays, a full disk or a missing permission; nothing half-written stays.
        """
        checked = check_arrays(arrays)
        with self._sentences(f"write a result of kind {key.kind!r}"), locks.exclusive(self._place(key).lock):
            artifact = self._write(checked, ManifestInfo(key, info))
        keep_within_limit(self.root, artifact.manifest["bytes"])
        return artifact

    def get_or_compute(self, key: ArtifactKey, compute: Compute) -> Artifact:
        """The result, computed by at most one caller at a time however many threads and processes ask.

        Raises StoreError as get and put do, and whatever `compute` raises.
        """
        found = self.get(key)
        if found is not None:
            return found
        with self._held(key):
            with self._sentences(f"read a result of kind {key.kind!r}"):
                found = read_or_quarantine(self._place(key))
            if found is not None:
                return found
            started = time.monotonic()
            arrays, info = compute()
            making, checked = ManifestInfo(key, info, time.monotonic() - started), check_arrays(arrays)
            with self._sentences(f"write a result of kind {key.kind!r}"):
                artifact = self._write(checked, making)
        keep_within_limit(self.root, artifact.manifest["bytes"])
        return artifact

    def has(self, key: ArtifactKey) -> bool:
        """Whether manifest and data are there with the right size; the bytes are not read. To ask for it is to use it.

        It may have gone by the time that `get` is called, which then gives None.
        """
        place = self._place(key)
        try:
            manifest = manifests.load(place.manifest)
            whole = manifest["format"] == manifests.FORMAT and place.data.stat().st_size == manifest["bytes"]
        except (OSError, BadManifest):
            return False
        if whole:
            mark_used(place.manifest)
        return whole

    def list(self, kind: str | None = None) -> Sequence[Manifest]:
        """Manifests of all results, or of one kind, oldest first; unreadable ones are left out."""
        found = []
        for folder in self._folders():
            for path in sorted(folder.glob("*.json")) if kind in (None, folder.name) else ():
                try:
                    found.append(manifests.load(path))
                except (OSError, BadManifest):
                    continue
        return sorted(found, key=lambda manifest: manifest["created"])

    def size(self) -> int:
        """Bytes of all results on disk, manifests and leftovers included, quarantine not. Raises StoreError."""
        with self._sentences("look through the results"):
            return scan_cache(self.root).size

    def remove(self, key: ArtifactKey) -> bool:
        """Delete a result; False where there was none. Open arrays of it stay valid. Raises StoreError."""
        place = self._place(key)
        if not place.data.exists() and not place.manifest.exists():
            return False
        with self._sentences(f"delete a result of kind {key.kind!r}"), locks.exclusive(place.lock):
            place.manifest.unlink(missing_ok=True)
            place.data.unlink(missing_ok=True)
            locks.discard(place.lock)
        return True

    def _place(self, key: ArtifactKey) -> ArtifactPath:
        return artifact_path(self.root, key)

    def _folders(self) -> Sequence[Path]:
        if not self.root.is_dir():
            return ()
        return sorted(path for path in self.root.iterdir() if path.is_dir() and path.name not in RESERVED_FOLDERS)

    @contextmanager
    def _held(self, key: ArtifactKey) -> Iterator[None]:
        """The key's lock. Only making the lock is translated to StoreError, not what the body raises."""
        with ExitStack() as stack:
            with self._sentences("lock the cache"):
                stack.enter_context(locks.exclusive(self._place(key).lock))
            yield

    @contextmanager
    def _sentences(self, action: str) -> Iterator[None]:
        """Turn an OSError into a StoreError whose text says what to do."""
        try:
            yield
        except OSError as error:
            raise StoreError(f"Could not {action} in {str(self.root)!r}: {_reason(error)}") from error

    def _write(self, arrays: Mapping[str, np.ndarray], making: ManifestInfo) -> Artifact:
        """Write checked arrays; the key's lock is held, so that what is opened again is what was written."""
        place = self._place(making.key)
        return open_written(place, making.key, write_artifact(place, arrays, partial(manifests.build_manifest, making)))


def _reason(error: OSError) -> str:
    """Why the disk refused, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full. Free some space, or set BRIVL_CACHE to a folder on a larger disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "there is no permission. Change the rights of this folder, or set BRIVL_CACHE to a folder of yours."
    return f"{error.strerror or error!r}. Check the disk, or set BRIVL_CACHE to another folder."
