"""Where things are; the only module that reads the environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
WEIGHTS = PROJECT / "brivl" / "weights"
CGROUP = Path("/sys/fs/cgroup")
CORES_VARIABLE = "BRIVL_CORES"  # the most cores that a process may use


def cache_dir() -> Path:
    """Folder of all derived files: BRIVL_CACHE, or cache/ in the project."""
    return Path(os.environ.get("BRIVL_CACHE") or PROJECT / "cache")


def cache_max() -> str:
    """How large the cache may grow, as written: BRIVL_CACHE_MAX, such as "500MB" or "none"; 20GB where it is not set.

    20 GB hold the features of some 70 models at every film of the shortclips data (12 layers, 3,870 samples, two
    poolings of 768: 285 MB) and a fit of every layer, and are less than what is usually free. Not without a limit,
    since nobody looks into this folder and all of it but uploads can be computed again.
    """
    return os.environ.get("BRIVL_CACHE_MAX") or "20GB"


def data_dirs() -> tuple[Path, ...]:
    """Folders with the user's own datasets: BRIVL_DATA, several separated by os.pathsep."""
    return tuple(Path(p) for p in os.environ.get("BRIVL_DATA", "").split(os.pathsep) if p)


def n_cores() -> int:
    """Return how many cores this process may use: its affinity, its container's quota and BRIVL_CORES, the lowest."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [available, _quota()]
    own = os.environ.get(CORES_VARIABLE, "").strip()
    if own.isdecimal():
        limits.append(int(own))
    return max(1, min(limits))


def _quota() -> int:
    """Cores that the container's share of processor time is worth, rounded up; very many where it has no limit."""
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no container, or "max"
        return sys.maxsize


def scheduler() -> str:
    """Address of the Dask scheduler that sweeps are sent to: BRIVL_SCHEDULER; "" for processes of this machine."""
    return os.environ.get("BRIVL_SCHEDULER", "").strip()


def available_memory() -> int:
    """Bytes of memory that this process and others may still take, the limit of a container counted."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, max(0, limit - used))
