"""Reading a result: nothing is returned whose bytes are not those of its manifest; what is damaged is set aside."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from brivl.errors import StoreError
from brivl.store import locks, manifests
from brivl.store.digests import JSON
from brivl.store.keys import ArtifactKey
from brivl.store.manifests import BadManifest, Manifest
from brivl.store.npz import read_npz
from brivl.store.places import ArtifactPath, artifact_path

_log = logging.getLogger(__name__)
_verified: set[tuple[int | str, ...]] = set()  # file states whose bytes this process has already hashed
_verified_lock = threading.Lock()


class DamagedArtifact(Exception):
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


def read(place: ArtifactPath, anew: bool = False) -> Artifact | None:
    """The checked result, None if absent. `anew` hashes also what this process has hashed before.

    Raises Damaged, OSError.
    """
    try:
        manifest = manifests.load(place.manifest)
    except FileNotFoundError:
        return None
    except BadManifest as error:
        raise DamagedArtifact(str(error)) from error
    if manifest["format"] != manifests.FORMAT:
        return None  # written by another version of this program: computed anew, not an accident
    key = _key_of(manifest)
    if artifact_path(place.root, key) != place:
        raise DamagedArtifact("its manifest belongs to another result")
    try:
        with open(place.data, "rb") as file:
            locks.mark_read(file)
            _check_bytes(file, manifest, anew)
            return Artifact(key, read_npz(file), manifest)
    except FileNotFoundError as error:
        raise DamagedArtifact("its data file is missing") from error
    except (ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DamagedArtifact(f"its data file is malformed ({error})") from error


def open_written(place: ArtifactPath, key: ArtifactKey, manifest: Manifest) -> Artifact:
    """A result that was written and hashed a moment ago, with the place's lock held ever since. Raises OSError."""
    with open(place.data, "rb") as file:
        locks.mark_read(file)
        return Artifact(key, read_npz(file), manifest)


def read_or_quarantine(place: ArtifactPath) -> Artifact | None:
    """As read, with the place's lock held: what is damaged now is moved to root/quarantine and counts as absent."""
    try:
        return read(place)
    except DamagedArtifact as damage:
        quarantine(place, damage)
        return None


def _key_of(manifest: Manifest) -> ArtifactKey:
    try:
        return manifests.key_of(manifest)
    except (StoreError, TypeError, ValueError) as error:
        raise DamagedArtifact("its manifest names no result") from error


def quarantine(place: ArtifactPath, damage: DamagedArtifact) -> None:
    """Move a damaged result to root/quarantine, where nothing reads it; the place's lock is held. Raises OSError."""
    quarantine = place.root / "quarantine"
    quarantine.mkdir(exist_ok=True)
    stem = f"{place.kind}-{place.digest}-{time.time_ns()}"
    for path in (place.manifest, place.data):  # manifest first: without it the result is absent
        if path.exists():
            os.replace(path, quarantine / f"{stem}{path.suffix}")
    _log.warning(
        "The stored result %s/%s was set aside because %s; it will be computed again. It lies in "
        "quarantine/%s* of the cache.",
        place.kind,
        place.digest,
        damage,
        stem,
    )


def _check_bytes(file: BinaryIO, manifest: Manifest, anew: bool) -> None:
    """Compare an open data file with its manifest; hashed only if this file state is new. Raises Damaged."""
    state = _file_state(file) + (manifest["sha256"],)
    if os.fstat(file.fileno()).st_size != manifest["bytes"]:
        raise DamagedArtifact(f"it has {os.fstat(file.fileno()).st_size} bytes where {manifest['bytes']} were written")
    with _verified_lock:
        if state in _verified and not anew:
            return
    if hashlib.file_digest(file, "sha256").hexdigest() != manifest["sha256"]:
        raise DamagedArtifact("its bytes are not those that were written (sha256 differs)")
    file.seek(0)
    with _verified_lock:
        _verified.add(state)


def _file_state(file: BinaryIO) -> tuple[int, ...]:
    """Numbers that change when a file is replaced or written to."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
