"""Atomic writes: a file appears under its name when it is complete, or not at all."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from brivl.store import manifests
from brivl.store.digests import file_digest
from brivl.store.keys import ArtifactPath
from brivl.store.manifests import Manifest
from brivl.store.npz import write_npz

BuildManifest = Callable[[int, str], Manifest]  # from size in bytes and SHA-256 of the data file


@contextmanager
def atomic_path(path: Path, flush: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to, which replaces `path` when the body ends without an error.

    Otherwise what was written is deleted, and `path` stays as it was. The temporary path lies in the same folder,
    hidden, under a name of this process and thread.

    Parameters
    ----------
    path : Path
        The file to write, or a folder that does not exist yet.
    flush : bool
        Flush to the disk itself, so that the result survives a power cut.

    Yields
    ------
    Path
        Where the body writes a file, or makes a folder.

    Raises
    ------
    OSError
        Where the disk refuses.
    """
    tmp_path = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    _delete(tmp_path)  # of a process of this number that was killed
    try:
        yield tmp_path
        if flush:
            _flush(tmp_path)
        os.replace(tmp_path, path)
        if flush:
            _flush_one(path.parent)
    finally:
        _delete(tmp_path)


def write_bytes(path: Path, content: bytes, flush: bool = False) -> None:
    """Write a file atomically.

    Parameters
    ----------
    path : Path
        The file, which is replaced if it exists.
    content : bytes
        All of it.
    flush : bool
        As for `atomic_path`.

    Raises
    ------
    OSError
        Where the disk refuses.
    """
    with atomic_path(path, flush) as tmp_path:
        tmp_path.write_bytes(content)


def write_artifact(path: ArtifactPath, arrays: Mapping[str, np.ndarray], build_manifest: BuildManifest) -> Manifest:
    """Write the files of a result, replacing what was there; the caller holds its lock.

    A result exists when its manifest does, so the manifest is written last and an old one is deleted first.

    Parameters
    ----------
    path : ArtifactPath
        The files.
    arrays : Mapping[str, np.ndarray]
        Arrays that `brivl.store.npz.check_arrays` has accepted.
    build_manifest : BuildManifest
        Makes the manifest from the size in bytes and the SHA-256 of the data file.

    Returns
    -------
    Manifest
        The manifest that was written.

    Raises
    ------
    OSError
        Where the disk refuses; then no file of the result is left.
    """
    data, manifest_path = path.data, path.manifest
    data.parent.mkdir(parents=True, exist_ok=True)
    for leftover in data.parent.glob(f"{path.digest}.*.tmp"):  # of a killed writer: this one holds the lock
        leftover.unlink(missing_ok=True)
    stem = f"{path.digest}.{os.getpid()}-{threading.get_ident()}"
    new_data, new_manifest = (data.with_name(f"{stem}.{suffix}.tmp") for suffix in ("npz", "json"))
    try:
        manifest = build_manifest(*_write_flushed(new_data, lambda file: write_npz(file, arrays)))
        _write_flushed(new_manifest, lambda file: file.write(manifests.dump(manifest)))
        manifest_path.unlink(missing_ok=True)  # an old manifest must never lie beside new data
        os.replace(new_data, data)
        os.replace(new_manifest, manifest_path)
        _flush_one(data.parent)
    except BaseException:
        for tmp_path in (new_data, new_manifest):
            tmp_path.unlink(missing_ok=True)
        if not manifest_path.exists():
            data.unlink(missing_ok=True)
        raise
    return manifest


def _write_flushed(path: Path, write: Callable[[BinaryIO], object]) -> tuple[int, str]:
    """Write a new file to the disk itself; its size in bytes, and its SHA-256 as it is read back."""
    with open(path, "w+b") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        sha256 = file_digest(file)
        return os.fstat(file.fileno()).st_size, sha256


def _flush(path: Path) -> None:
    """Flush a file, or all that lies in a folder and the folder itself."""
    for inner in sorted(path.rglob("*")) if path.is_dir() else ():
        _flush_one(inner)
    _flush_one(path)


def _flush_one(path: Path) -> None:
    """Flush one file; of a folder the names in it, so that renames survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
