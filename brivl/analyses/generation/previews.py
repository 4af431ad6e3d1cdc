"""Previews of images that a worker is generating, for the page that watches; they are no results of the store."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from brivl.store.artifacts import Store
from brivl.store.digests import json_digest
from brivl.store.writing import atomic_path

FOLDER = "jobs"  # beside the logs, which no result shares
MAX_PREVIEWS = 20


def write_preview(store: Store, request: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write the preview of a request; a full disk costs the preview, not the computation.

    Parameters
    ----------
    store : Store
        In whose folder it is written.
    request : mapping
        Plain values that identify the preview.
    arrays : mapping
        Arrays by name.
    """
    path = _path(store, request)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as tmp_path, open(tmp_path, "wb") as file:
            named: dict[str, Any] = dict(arrays)  # Any: numpy's types take names for its options
            np.savez(file, **named)
        for old in sorted(path.parent.glob("preview-*.npz"), key=lambda p: p.stat().st_mtime)[:-MAX_PREVIEWS]:
            old.unlink()


def read_preview(store: Store, request: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Read the last preview of a request.

    Parameters
    ----------
    store : Store
        In whose folder it was written.
    request : mapping
        Plain values that identify the preview.

    Returns
    -------
    dict or None
        Arrays by name, None before the first preview.
    """
    try:
        with np.load(_path(store, request), allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


def _path(store: Store, request: Mapping[str, Any]) -> Path:
    return Path(store.root) / FOLDER / f"preview-{json_digest(dict(request), 'request')[:32]}.npz"
