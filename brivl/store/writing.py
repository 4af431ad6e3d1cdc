"""Writing a result so that it is there whole or not at all: aside, flushed to the disk, renamed; manifest last."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from brivl.store import manifests
from brivl.store.manifests import Manifest
from brivl.store.npz import write_npz
from brivl.store.places import ArtifactPath

BuildManifest = Callable[[int, str], Manifest]  # from bytes and sha256 of the data file


def write_artifact(place: ArtifactPath, arrays: Mapping[str, np.ndarray], make_manifest: BuildManifest) -> Manifest:
    """Write checked arrays and their manifest, replacing what was there. The place's lock is held. Raises OSError."""
    data, manifest_path = place.data, place.manifest
    data.parent.mkdir(parents=True, exist_ok=True)
    for leftover in data.parent.glob(f"{place.digest}.*.tmp"):  # of a writer that was killed: we hold its lock
        leftover.unlink(missing_ok=True)
    stem = f"{place.digest}.{os.getpid()}-{threading.get_ident()}"
    new_data, new_manifest = (data.with_name(f"{stem}.{ending}.tmp") for ending in ("npz", "json"))
    try:
        manifest = make_manifest(*_write_flushed(new_data, lambda file: write_npz(file, arrays)))
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
    return manifest


def _write_flushed(path: Path, write_into: Callable[[BinaryIO], object]) -> tuple[int, str]:
    """Write a new file to the disk itself; its size in bytes and sha256 as read back."""
    with open(path, "w+b") as file:
        write_into(file)
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
