"""Paths and limits of this installation; with `brivl.threads` the only module that reads the environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
PROJECT = PACKAGE.parent  # of a checkout; the folder of all packages where this one is installed
IS_CHECKOUT = (PROJECT / "app.py").is_file() and (PROJECT / "pages").is_dir()
APP_FILES = PROJECT if IS_CHECKOUT else PACKAGE / "appfiles"  # app.py, pages/, docs/; see setup.py
APP_SETTINGS = APP_FILES / (".streamlit" if IS_CHECKOUT else "settings") / "config.toml"
WEIGHTS = PACKAGE / "weights"
CGROUP = Path("/sys/fs/cgroup")
CORES_VARIABLE = "BRIVL_CORES"  # the most cores that a process may use


def cache_dir() -> Path:
    """Return the folder of all derived files.

    Returns
    -------
    Path
        BRIVL_CACHE; else cache/ in a checkout, or the user's cache folder where the package is installed.
    """
    own = os.environ.get("BRIVL_CACHE")
    if own:
        return Path(own)
    if IS_CHECKOUT:
        return PROJECT / "cache"
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return Path(base) / "brivl" if base else Path.home() / ".cache" / "brivl"


def download_dir() -> Path:
    """Return the folder that published datasets are downloaded to where BRIVL_DATA names none.

    Returns
    -------
    Path
        data/ in a checkout, else brivl-data in the user's home.
    """
    return PROJECT / "data" if IS_CHECKOUT else Path.home() / "brivl-data"


def runs_dir() -> Path:
    """Return the folder of training logs.

    Returns
    -------
    Path
        runs/ in a checkout, else in the current folder.
    """
    return PROJECT / "runs" if IS_CHECKOUT else Path("runs")


def cache_max() -> str:
    """Return how large the cache may grow.

    Returns
    -------
    str
        BRIVL_CACHE_MAX as written, such as "500MB" or "none"; 20GB where it is not set.

    Notes
    -----
    20 GB hold the features of about 70 models for every movie of the shortclips data (12 layers, 3,870 samples, two
    poolings of 768: 285 MB each) and a fit of every layer, and are less than what is usually free. There is a limit by
    default because users seldom look into this folder, and because everything in it except uploads can be computed
    again.
    """
    return os.environ.get("BRIVL_CACHE_MAX") or "20GB"


def data_dirs() -> tuple[Path, ...]:
    """Return the folders with the user's own datasets.

    Returns
    -------
    tuple of Path
        The folders in BRIVL_DATA, which are separated by os.pathsep.
    """
    return tuple(Path(p) for p in os.environ.get("BRIVL_DATA", "").split(os.pathsep) if p)


def affinity_cores() -> int:
    """Return on how many cores the system lets this process run, as libraries count them.

    Returns
    -------
    int
        At least 1; neither a container's quota nor BRIVL_CORES changes it.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def n_cores() -> int:
    """Return how many cores this process may use.

    Returns
    -------
    int
        The lowest of the process's affinity, its container's quota and BRIVL_CORES, at least 1.
    """
    limits = [affinity_cores(), _quota()]
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
    """Return the address of the Dask scheduler that sweeps are sent to.

    Returns
    -------
    str
        BRIVL_SCHEDULER; "" where sweeps run in processes of this machine.
    """
    return os.environ.get("BRIVL_SCHEDULER", "").strip()


def available_memory() -> int:
    """Return how much memory is left for this process and others.

    Returns
    -------
    int
        Bytes; the limit of a container counts.
    """
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
