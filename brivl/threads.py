"""How many threads every process of this project computes with: the one place that decides it.

Libraries (OpenMP of torch, MKL, OpenBLAS) start one thread per core by default, and threads that have finished their
share of a product spin until the others have theirs. Beside other work a thread waits for a core while its companions
spin, so that a fit of 5 s took 64 s (docs/solver.md). Therefore each call of a library uses one thread, threads that
wait sleep, and cores are filled by independent parts of a computation instead (`brivl.core.parallel`) or by processes.
Where a measurement shows that threads within a call are faster, the computation says so (`torch_on_all_cores`).

A user's own OMP_NUM_THREADS (or MKL_NUM_THREADS, ...) is kept, in this process and in those that it starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from brivl.config import CORES_VARIABLE, n_cores

OPENMP = "OMP_NUM_THREADS"
VARIABLES = (OPENMP, "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
WAITING = "OMP_WAIT_POLICY"
# What this project has set of these, "NAME=VALUE NAME=VALUE"; all else is the user's. Child processes inherit it.
SET_HERE = "BRIVL_THREADS_SET"

_cores: ContextVar[int | None] = ContextVar("cores", default=None)


def thread_settings(environment: Mapping[str, str], n_processes: int = 1) -> dict[str, str]:
    """Return the variables to set for a process that starts with `environment`.

    Parameters
    ----------
    environment : Mapping[str, str]
        Environment of the parent process; what the user has set in it is kept.
    n_processes : int
        Processes that share the cores of this one.

    Returns
    -------
    dict[str, str]
        Variables to add to the environment.
    """
    own = _set_by_user(environment)
    default = own.get(OPENMP, "1").split(",")[0]
    settings = {name: own.get(name, default) for name in VARIABLES}
    settings[WAITING] = environment.get(WAITING) or "PASSIVE"
    settings[SET_HERE] = " ".join(f"{name}={settings[name]}" for name in VARIABLES if name not in own)
    if n_processes > 1:
        settings[CORES_VARIABLE] = str(max(1, n_cores() // n_processes))
    return settings


def library_defaults(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which libraries choose their threads themselves, but for what the user has set.

    Parameters
    ----------
    environment : Mapping[str, str]
        Environment of a process that this project has started.

    Returns
    -------
    dict[str, str]
        A copy without the project's settings of threads.
    """
    own = _set_by_user(environment)
    kept = {name: value for name, value in environment.items() if name not in (*VARIABLES, SET_HERE) or name in own}
    if SET_HERE in environment and kept.get(WAITING) == "PASSIVE":
        del kept[WAITING]
    return kept


def set_threads() -> None:
    """Apply the settings to this process; call it before numpy and torch are imported, which read them then.

    Libraries that are loaded already are limited to the same number of threads. Calling it again changes nothing.
    """
    settings = thread_settings(os.environ)
    if all(os.environ.get(name) == value for name, value in settings.items()):
        return
    os.environ.update(settings)
    n_threads = int(settings[OPENMP].split(",")[0])
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(n_threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n_threads)


def cores_to_use() -> int:
    """Return how many parts of one computation should run at a time.

    Returns
    -------
    int
        The cores of this process, or fewer where the user has set OMP_NUM_THREADS lower; what `use_cores` says
        within its block.
    """
    given = _cores.get()
    if given is not None:
        return given
    return min(n_cores(), threads_of_user() or n_cores())


def threads_of_user() -> int | None:
    """Return the number of threads that the user has set.

    Returns
    -------
    int or None
        OMP_NUM_THREADS, None where it is not set or set by this project.
    """
    own = _set_by_user(os.environ).get(OPENMP)
    return None if own is None else int(own.split(",")[0])


@contextmanager
def use_cores(n: int) -> Iterator[None]:
    """Let computations of this thread use n cores within the block.

    Parameters
    ----------
    n : int
        Cores, at least 1.
    """
    token = _cores.set(max(1, n))
    try:
        yield
    finally:
        _cores.reset(token)


@contextmanager
def torch_on_all_cores() -> Iterator[None]:
    """Let each operation of torch use all cores of this process within the block, or as many threads as the user set.

    For computations whose parts depend on each other and whose operations are large, which was measured to be faster.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads_of_user() or cores_to_use())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _set_by_user(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that hold a number of threads (OpenMP allows a list, one number a level) and are not set by us."""
    ours = environment.get(SET_HERE, "").split()
    values = {name: environment.get(name, "").strip() for name in VARIABLES}
    return {
        name: value
        for name, value in values.items()
        if _is_number(value.split(",")[0]) and f"{name}={value}" not in ours
    }


def _is_number(text: str) -> bool:
    return text.isdecimal() and int(text) > 0
