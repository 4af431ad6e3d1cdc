"""Fits of a sweep in processes of this machine, as many as cores and memory allow."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
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
REPORT_EVERY = 0.5  # seconds between reports of a fit in another process
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
            Called in this process as fits go on.

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
            lost = yield from self._run_side_by_side(root, now, report)
            if lost and self._n == 1:
                yield Outcome(lost.pop(), error=KILLED)
            elif lost:
                self._n //= 2
            left = lost + left

    def _run_side_by_side(
        self, root: Path, tasks: Sequence[Task], report: ReportFraction
    ) -> Generator[Outcome, None, list[Task]]:
        """Outcomes of the tasks; returns those that were lost because a process died."""
        lost, pool = [], self._start()
        with tempfile.TemporaryDirectory(prefix="brivl-sweep-") as folder:
            reports = {task: _ProgressFile(str(Path(folder) / str(task.index))) for task in tasks}
            running = {pool.submit(fit_task, root, task, reports[task]): task for task in tasks}
            while running:
                for future in wait(running, REPORT_EVERY, FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        lost.append(task)
                for task in running.values():
                    if line := reports[task].read_new():
                        report_fraction(report, task, *line)
        if lost:
            pool.shutdown(wait=True, kill_workers=True)
            self._pool = None
        return sorted(lost, key=lambda task: task.index)

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._n, env=thread_settings(os.environ, self._n))
        return self._pool


class _ProgressFile:
    """Progress of a fit in another process, as the last line that it wrote; no lock that a killed process could hold.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: str) -> None:
        self._path, self._last_time, self._last_line = path, -math.inf, ""

    def __call__(self, done: float, total: float, message: str) -> None:
        if (now := time.monotonic()) - self._last_time >= REPORT_EVERY:
            self._last_time = now
            with suppress(OSError):  # nobody waits any more, or the disk is full: progress must not end the fit
                Path(self._path + "~").write_text(json.dumps([float(done), float(total), message]))
                os.replace(self._path + "~", self._path)

    def read_new(self) -> tuple[float, float, str] | None:
        """What was written since the last call, None if nothing."""
        try:
            line = Path(self._path).read_text()
        except OSError:
            return None
        if line == self._last_line:
            return None
        self._last_line = line
        done, total, message = json.loads(line)
        return done, total, message


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
