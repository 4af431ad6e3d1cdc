"""Fits of a sweep in processes of this machine, as many as cores and memory allow."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from joblib.externals.loky.process_executor import ProcessPoolExecutor

from brivl.config import available_memory, n_cores
from brivl.encoding.fit import fraction_done
from brivl.jobs.sweep_task import Outcome, Task, fit_task
from brivl.threads import thread_settings, threads_of_user

MEMORY_PER_FIT = 4 * 2**30  # bytes: the peak of 80,000 voxels, 3,600 samples and two bands
KILLED = (
    "The process of this fit was ended from outside, most likely because memory ran out. Close other programs, or run "
    "it where there is more memory."
)

ReportFraction = Callable[[Task, float, str], None]  # a running fit, the fraction of it that is done, and a message


def n_local_workers(n_tasks: int) -> int:
    """Choose how many fits run side by side on this machine.

    One per core: fits lose nothing beside each other, whereas parts of one fit wait for each other now and then.

    Parameters
    ----------
    n_tasks : int
        Number of fits.

    Returns
    -------
    int
        At least 1.
    """
    n_at_once = n_cores() // (threads_of_user() or 1)
    return max(1, min(n_tasks, n_at_once, available_memory() // MEMORY_PER_FIT))


class LocalWorkers:
    """Processes that fit, each with its share of the cores, within `with`.

    Parameters
    ----------
    n : int
        Number of processes; with 1, fits run in this process.
    """

    def __init__(self, n: int) -> None:
        self._in_this_process, self._n = n == 1, n
        self._pool: ProcessPoolExecutor | None = None
        self._filters = warnings.catch_warnings()

    @property
    def title(self) -> str:  # numpydoc ignore=RT01
        """Where fits run, for messages."""
        return "this process" if self._in_this_process else f"{self._n} local processes"

    def __enter__(self) -> Self:
        self._filters.__enter__()
        # joblib replaces processes whose memory has grown, as it does by a fit's features, and warns each time.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._filters.__exit__(kind, error, traceback)
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)

    def run(self, root: Path, tasks: Sequence[Task], report: ReportFraction) -> Iterator[Outcome]:
        """Fit tasks and give their outcomes as they come.

        When a process dies, the other fits of its pool are lost with it; they run again, in half as many processes.

        Parameters
        ----------
        root : Path
            The cache folder.
        tasks : Sequence[Task]
            Fits.
        report : ReportFraction
            Called by fits that run in this process.

        Yields
        ------
        Outcome
            One per task, in any order.
        """
        if self._in_this_process:
            for task in tasks:
                yield fit_task(root, task, partial(report_fraction, report, task))
            return
        left = list(tasks)
        while left:
            n_now = len(left) if self._n > 1 else 1
            now, left = left[:n_now], left[n_now:]
            lost = yield from self._run_side_by_side(root, now)
            if lost and self._n == 1:
                yield Outcome(lost.pop(), error=KILLED)
            elif lost:
                self._n //= 2
            left = lost + left

    def _run_side_by_side(self, root: Path, tasks: Sequence[Task]) -> Generator[Outcome, None, list[Task]]:
        """Outcomes of the tasks; returns those that were lost because a process died."""
        lost, pool = [], self._start()
        futures = {pool.submit(fit_task, root, task): task for task in tasks}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                lost.append(futures[future])
        if lost:
            pool.shutdown(wait=True, kill_workers=True)
            self._pool = None
        return sorted(lost, key=lambda task: task.index)

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._n, env=thread_settings(os.environ, self._n))
        return self._pool


def report_fraction(report: ReportFraction, task: Task, done: float, total: float, message: str) -> None:
    """Convert a progress report of a fit to the fraction that is done.

    Parameters
    ----------
    report : ReportFraction
        Called with the fraction.
    task : Task
        The fit.
    done, total : float
        Work done, and work in all.
    message : str
        The message.
    """
    report(task, fraction_done(done, total, message), message)
