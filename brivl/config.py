"""Where things are; the only module that reads the environment."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
WEIGHTS = PROJECT / "brivl" / "weights"


def cache_dir() -> Path:
    """Folder of all derived files: BRIVL_CACHE, or cache/ in the project."""
    return Path(os.environ.get("BRIVL_CACHE") or PROJECT / "cache")


def data_dirs() -> tuple[Path, ...]:
    """Folders with the user's own datasets: BRIVL_DATA, several separated by os.pathsep."""
    return tuple(Path(p) for p in os.environ.get("BRIVL_DATA", "").split(os.pathsep) if p)


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
