"""Reading results: only bytes that agree with the manifest are returned; damaged files are moved to quarantine."""

from __future__ import annotations

import io
import logging
import os
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brivl.errors import StoreError
from brivl.store import locks, manifests
from brivl.store.digests import JSON, file_digest
from brivl.store.keys import ArtifactKey, ArtifactPath, artifact_path
from brivl.store.manifests import BadManifest, Manifest
from brivl.store.npz import read_npz

_log = logging.getLogger(__name__)
_verified: set[tuple[int | str, ...]] = set()  # file states whose bytes this process has already hashed
_verified_lock = threading.Lock()


class DamagedArtifact(Exception):
    """A result whose bytes are not those of its manifest."""


@dataclass(frozen=True)
class Artifact:
    """A stored result.

    Attributes
    ----------
    key : ArtifactKey
        Key of the result.
    arrays : Mapping[str, np.ndarray]
        Name -> read-only array; large ones are memory-mapped.
    manifest : Manifest
        How the result was made.
    """

    key: ArtifactKey
    arrays: Mapping[str, np.ndarray]
    manifest: Manifest

    @property
    def info(self) -> Mapping[str, JSON]:  # numpydoc ignore=RT01
        """Notes of the writer on the result, such as n_voxels."""
        return self.manifest["info"]


def read(path: ArtifactPath, rehash: bool = False) -> Artifact | None:
    """Read a result and check its bytes.

    Parameters
    ----------
    path : ArtifactPath
        Its files.
    rehash : bool
        Hash the bytes also where this process has done so before.

    Returns
    -------
    Artifact | None
        The result; None if it is absent or was written in another format.

    Raises
    ------
    DamagedArtifact
        Where files are malformed, missing or not those of the manifest.
    OSError
        Where they cannot be read.
    """
    try:
        manifest = manifests.load(path.manifest)
    except FileNotFoundError:
        return None
    except BadManifest as error:
        raise DamagedArtifact(str(error)) from error
    if manifest["format"] != manifests.FORMAT:
        return None  # written by another version of this program, not damaged: it is computed again
    key = _key_of(manifest)
    if artifact_path(path.root, key) != path:
        raise DamagedArtifact("its manifest belongs to another result")
    try:
        with open(path.data, "rb") as file:
            locks.mark_read(file)
            _check_bytes(file, manifest, rehash)
            return Artifact(key, read_npz(file), manifest)
    except FileNotFoundError as error:
        raise DamagedArtifact("its data file is missing") from error
    except (ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DamagedArtifact(f"its data file is malformed ({error})") from error


def open_written(path: ArtifactPath, key: ArtifactKey, manifest: Manifest) -> Artifact:
    """Open a result that the caller has just written and hashed, and whose lock it still holds.

    Parameters
    ----------
    path : ArtifactPath
        Its files.
    key : ArtifactKey
        Its key.
    manifest : Manifest
        Its manifest, as written.

    Returns
    -------
    Artifact
        The result, without another check.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    with open(path.data, "rb") as file:
        locks.mark_read(file)
        return Artifact(key, read_npz(file), manifest)


def read_or_quarantine(path: ArtifactPath) -> Artifact | None:
    """Read a result as `read` does, and move a damaged one to quarantine; the caller holds its lock.

    Parameters
    ----------
    path : ArtifactPath
        Its files.

    Returns
    -------
    Artifact | None
        The result; None if it is absent or was damaged.
    """
    try:
        return read(path)
    except DamagedArtifact as damage:
        quarantine(path, damage)
        return None


def _key_of(manifest: Manifest) -> ArtifactKey:
    try:
        return manifests.key_of(manifest)
    except (StoreError, TypeError, ValueError) as error:
        raise DamagedArtifact("its manifest names no result") from error


def quarantine(path: ArtifactPath, damage: DamagedArtifact) -> None:
    """Move a damaged result to root/quarantine, where nothing reads it; the caller holds its lock.

    Parameters
    ----------
    path : ArtifactPath
        Its files.
    damage : DamagedArtifact
        The reason, for the log.

    Raises
    ------
    OSError
        Where a file cannot be moved.
    """
    folder = path.root / "quarantine"
    folder.mkdir(exist_ok=True)
    stem = f"{path.kind}-{path.digest}-{time.time_ns()}"
    for file in (path.manifest, path.data):  # manifest first: without it the result is absent
        if file.exists():
            os.replace(file, folder / f"{stem}{file.suffix}")
    _log.warning(
        "The stored result %s/%s was moved to quarantine because %s; it will be computed again. Its files are "
        "quarantine/%s* in the cache.",
        path.kind,
        path.digest,
        damage,
        stem,
    )


def _check_bytes(file: io.BufferedReader, manifest: Manifest, rehash: bool) -> None:
    """Compare an open data file with its manifest, by its digest only where this file state is new."""
    state = _file_state(file) + (manifest["sha256"],)
    size = os.fstat(file.fileno()).st_size
    if size != manifest["bytes"]:
        raise DamagedArtifact(f"it has {size} bytes where {manifest['bytes']} were written")
    with _verified_lock:
        if state in _verified and not rehash:
            return
    if file_digest(file) != manifest["sha256"]:
        raise DamagedArtifact("its bytes are not those that were written (sha256 differs)")
    file.seek(0)
    with _verified_lock:
        _verified.add(state)


def _file_state(file: io.BufferedReader) -> tuple[int, ...]:
    """Numbers that change when a file is replaced or written to."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
