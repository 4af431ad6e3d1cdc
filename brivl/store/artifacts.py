"""Results on disk: root/<kind>/<digest>.npz with its manifest <digest>.json, which is written last.

A result exists when its manifest does. Whatever is damaged is moved to root/quarantine and counts as absent.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from brivl.errors import StoreError
from brivl.store import locks, manifests
from brivl.store.digests import JSON
from brivl.store.keys import RESERVED, ArtifactKey
from brivl.store.manifests import BadManifest, Manifest
from brivl.store.npz import check_arrays, read_npz, write_npz

REPAIR_WAIT = 2.0  # seconds to wait for a writer before a damaged-looking result counts as absent

Compute = Callable[[], tuple[Mapping[str, np.ndarray], Mapping[str, JSON]]]

_log = logging.getLogger(__name__)
_verified: set[tuple[int | str, ...]] = set()  # file states whose bytes this process has already hashed
_verified_lock = threading.Lock()


class _Damaged(Exception):
    """A result whose bytes are not those of its manifest."""


@dataclass(frozen=True)
class Artifact:
    """A stored result: its key, read-only arrays (large ones memory-mapped) and its manifest."""

    key: ArtifactKey
    arrays: Mapping[str, np.ndarray]
    manifest: Manifest

    @property
    def info(self) -> Mapping[str, JSON]:
        """What the writer said about the result, such as seconds or n_voxels."""
        return self.manifest["info"]


class Store:
    """Results under one folder, which is created by the first write. Safe across threads and processes."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def get(self, key: ArtifactKey) -> Artifact | None:
        """The result, or None where it is absent or damaged (then it is quarantined and a line logged).

        Size and sha256 are checked once per process and file state. Raises StoreError where it cannot be read.
        """
        with self._sentences(f"read a result of kind {key.kind!r}"):
            try:
                return self._read(key)
            except _Damaged:
                pass
            # A writer may have been replacing it: only what looks damaged under the lock is damaged.
            with locks.exclusive(self._lock_path(key), REPAIR_WAIT) as held:
                return self._read_or_quarantine(key) if held else None

    def put(self, key: ArtifactKey, arrays: Mapping[str, np.ndarray], info: Mapping[str, JSON]) -> Artifact:
        """Store arrays by name, of any shape, with a JSON note; replaces what was there.

        Raises StoreError for object arrays, a full disk or a missing permission; nothing half-written stays.
        """
        checked = check_arrays(arrays)
        with self._sentences(f"write a result of kind {key.kind!r}"), locks.exclusive(self._lock_path(key)):
            return self._write(key, checked, info)

    def get_or_compute(self, key: ArtifactKey, compute: Compute) -> Artifact:
        """The result, computed by at most one caller at a time however many threads and processes ask.

        Raises StoreError as get and put do, and whatever `compute` raises.
        """
        found = self.get(key)
        if found is not None:
            return found
        with self._held(key):
            with self._sentences(f"read a result of kind {key.kind!r}"):
                found = self._read_or_quarantine(key)
            if found is not None:
                return found
            arrays, info = compute()
            checked = check_arrays(arrays)
            with self._sentences(f"write a result of kind {key.kind!r}"):
                return self._write(key, checked, info)

    def has(self, key: ArtifactKey) -> bool:
        """Whether manifest and data are there with the right size; the bytes are not read."""
        data, manifest_path = self._paths(key)
        try:
            manifest = manifests.load(manifest_path)
            return manifest["format"] == manifests.FORMAT and data.stat().st_size == manifest["bytes"]
        except (OSError, BadManifest):
            return False

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
        """Bytes of all results on disk, manifests and leftovers included, quarantine not."""
        return sum(_file_size(path) for folder in self._folders() for path in folder.iterdir())

    def remove(self, key: ArtifactKey) -> bool:
        """Delete a result; False where there was none. Open arrays of it stay valid. Raises StoreError."""
        data, manifest_path = self._paths(key)
        if not data.exists() and not manifest_path.exists():
            return False
        with self._sentences(f"delete a result of kind {key.kind!r}"), locks.exclusive(self._lock_path(key)):
            manifest_path.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
            locks.discard(self._lock_path(key))
        return True

    def _paths(self, key: ArtifactKey) -> tuple[Path, Path]:
        folder = self.root / key.kind
        return folder / f"{key.digest}.npz", folder / f"{key.digest}.json"

    def _lock_path(self, key: ArtifactKey) -> Path:
        return self.root / "locks" / f"{key.kind}-{key.digest}.lock"

    def _folders(self) -> Sequence[Path]:
        if not self.root.is_dir():
            return ()
        return sorted(path for path in self.root.iterdir() if path.is_dir() and path.name not in RESERVED)

    @contextmanager
    def _held(self, key: ArtifactKey) -> Iterator[None]:
        """The key's lock. Only making the lock is translated to StoreError, not what the body raises."""
        with ExitStack() as stack:
            with self._sentences("lock the cache"):
                stack.enter_context(locks.exclusive(self._lock_path(key)))
            yield

    @contextmanager
    def _sentences(self, action: str) -> Iterator[None]:
        """Turn an OSError into a StoreError whose text says what to do."""
        try:
            yield
        except OSError as error:
            raise StoreError(f"Could not {action} in {str(self.root)!r}: {_reason(error)}") from error

    def _read(self, key: ArtifactKey) -> Artifact | None:
        """The checked result, None if absent. Raises _Damaged, OSError."""
        data, manifest_path = self._paths(key)
        try:
            manifest = manifests.load(manifest_path)
        except FileNotFoundError:
            return None
        except BadManifest as error:
            raise _Damaged(str(error)) from error
        if manifest["format"] != manifests.FORMAT:
            return None  # written by another version of this program: computed anew, not an accident
        if manifests.key_of(manifest) != key:
            raise _Damaged("its manifest belongs to another result")
        try:
            with open(data, "rb") as file:
                _check_bytes(file, manifest)
                return Artifact(key, read_npz(file), manifest)
        except FileNotFoundError as error:
            raise _Damaged("its data file is missing") from error
        except (ValueError, TypeError, zipfile.BadZipFile) as error:
            raise _Damaged(f"its data file is malformed ({error})") from error

    def _read_or_quarantine(self, key: ArtifactKey) -> Artifact | None:
        """As _read, with the key's lock held: what is damaged now is moved away."""
        try:
            return self._read(key)
        except _Damaged as damage:
            quarantine = self.root / "quarantine"
            quarantine.mkdir(exist_ok=True)
            stem = f"{key.kind}-{key.digest}-{time.time_ns()}"
            for path in reversed(self._paths(key)):  # manifest first: without it the result is absent
                if path.exists():
                    os.replace(path, quarantine / f"{stem}{path.suffix}")
            _log.warning("The stored result %s/%s was set aside because %s; it will be computed again. It lies in "
                         "quarantine/%s* of the cache.", key.kind, key.digest, damage, stem)  # fmt: skip
            return None

    def _write(self, key: ArtifactKey, arrays: Mapping[str, np.ndarray], info: Mapping[str, JSON]) -> Artifact:
        """Write aside, flush, rename; data first, manifest last. The key's lock is held."""
        data, manifest_path = self._paths(key)
        data.parent.mkdir(parents=True, exist_ok=True)
        for leftover in data.parent.glob(f"{key.digest}.*.tmp"):  # of a writer that was killed: we hold its lock
            leftover.unlink(missing_ok=True)
        stem = f"{key.digest}.{os.getpid()}-{threading.get_ident()}"
        new_data, new_manifest = (data.with_name(f"{stem}.{ending}.tmp") for ending in ("npz", "json"))
        try:
            n_bytes, sha256 = _write_flushed(new_data, lambda file: write_npz(file, arrays))
            manifest = manifests.make(key, info, n_bytes, sha256)
            _write_flushed(new_manifest, lambda file: file.write(manifests.dump(manifest)))
            manifest_path.unlink(missing_ok=True)  # an old manifest must never stand beside new data
            os.replace(new_data, data)
            os.replace(new_manifest, manifest_path)
            _flush_folder(data.parent)
        except BaseException:
            for path in (new_data, new_manifest):
                path.unlink(missing_ok=True)
            if not manifest_path.exists():
                data.unlink(missing_ok=True)
            raise
        with open(data, "rb") as file:
            return Artifact(key, read_npz(file), manifest)


def _write_flushed(path: Path, write: Callable[[BinaryIO], object]) -> tuple[int, str]:
    """Write a new file to the disk itself; its size in bytes and sha256 as read back."""
    with open(path, "w+b") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, sha256


def _flush_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_bytes(file: BinaryIO, manifest: Manifest) -> None:
    """Compare an open data file with its manifest; hashed only if this file state is new. Raises _Damaged."""
    state = _file_state(file) + (manifest["sha256"],)
    if os.fstat(file.fileno()).st_size != manifest["bytes"]:
        raise _Damaged(f"it has {os.fstat(file.fileno()).st_size} bytes where {manifest['bytes']} were written")
    with _verified_lock:
        if state in _verified:
            return
    if hashlib.file_digest(file, "sha256").hexdigest() != manifest["sha256"]:
        raise _Damaged("its bytes are not those that were written (sha256 differs)")
    file.seek(0)
    with _verified_lock:
        _verified.add(state)


def _file_state(file: BinaryIO) -> tuple[int, ...]:
    """Numbers that change when a file is replaced or written to."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _file_size(path: Path) -> int:
    """Bytes of a file, 0 if it has just gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _reason(error: OSError) -> str:
    """Why the disk refused, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full. Free some space, or set BRIVL_CACHE to a folder on a larger disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "there is no permission. Change the rights of this folder, or set BRIVL_CACHE to a folder of yours."
    return f"{error.strerror or error!r}. Check the disk, or set BRIVL_CACHE to another folder."
