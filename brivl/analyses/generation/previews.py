"""Pictures of what a worker is making, for the page that watches; never an answer, so they lie outside the store."""

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
N_KEPT = 20


def write_preview(store: Store, request: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Show these arrays to whoever watches the request. A full disk costs the preview, not the computation."""
    path = _path(store, request)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as tmp_path, open(tmp_path, "wb") as file:
            np.savez(file, **arrays)
        for old in sorted(path.parent.glob("preview-*.npz"), key=lambda p: p.stat().st_mtime)[:-N_KEPT]:
            old.unlink()


def read_preview(store: Store, request: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """The last preview of a request, None before the first."""
    try:
        with np.load(_path(store, request), allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


def _path(store: Store, request: Mapping[str, Any]) -> Path:
    return Path(store.root) / FOLDER / f"preview-{json_digest(dict(request), 'request')[:32]}.npz"
