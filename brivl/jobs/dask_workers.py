"""The fits of a sweep on the workers of a Dask scheduler: SSH hosts, SLURM, PBS, Kubernetes, or processes here.

Workers need the same checkout, the same folders under the same paths, and the cache folder, into which they write. A
probe file says at the start, and to each fit, whether a worker sees that folder.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from brivl.core.progress import ProgressCallback
from brivl.data.registry import absolute_name
from brivl.errors import Cancelled, RequestError, StoreError
from brivl.jobs.local_workers import ReportFraction, report_fraction
from brivl.jobs.sweep_task import Outcome, Task, fit_task
from brivl.threads import set_threads, use_cores

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 4.0
ADDRESS = re.compile(r"[a-z]+://[^\s/]+:\d+/?")
OLD_SECONDS = 30 * 24 * 3600.0  # no sweep takes as long
REPORT_EVERY = 0.5  # seconds between a worker's reports on one fit

_one_at_a_time = threading.Lock()  # of this process: a worker with several threads would set BLAS against itself


class DaskWorkers:
    """Workers of the scheduler at an address; `root` is the store. Raises RequestError and StoreError on entering."""

    def __init__(self, address: str, root: Path) -> None:
        self._address, self._root = address, root
        self._probe = root / "jobs" / f"probe-{token_hex(8)}"
        self._topic = f"brivl-{self._probe.name}"
        self._client: Client | None = None

    @property
    def title(self) -> str:
        """Where fits run, in words."""
        return f"the workers of {self._address}"

    def __enter__(self) -> Self:
        self._client = _connected(self._address)
        try:
            self._check_folder()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Leave; fits that wait are forgotten by the scheduler, and those that run end at their next report."""
        self._probe.unlink(missing_ok=True)
        if self._client is not None:
            self._client.close()

    def run(self, root: Path, tasks: Sequence[Task], share: ReportFraction) -> Iterator[Outcome]:
        """Outcomes as they come. A fit whose worker is lost is given to another one by the scheduler."""
        from distributed import as_completed

        assert self._client is not None, "enter first"
        of_index = {task.index: task for task in tasks}
        self._client.subscribe_topic(self._topic, partial(_pass_on, of_index, share))
        futures = {self._submitted(root, task): task for task in tasks}
        for future in as_completed(futures, loop=self._client.loop):
            task = futures.pop(future)
            of_index.pop(task.index, None)
            yield self._outcome(future, task)

    def _submitted(self, root: Path, task: Task) -> Future:
        # Workers have a working folder of their own, where relative paths would mean something else.
        there = replace(task, request=replace(task.request, dataset=absolute_name(task.request.dataset)))
        key = f"{self._topic}-{task.index}"
        return self._client.submit(_fit_there, str(root), str(self._probe), there, self._topic, key=key, pure=False)

    def _outcome(self, future: Future, task: Task) -> Outcome:
        if future.status == "finished":
            return replace(future.result(), task=task)
        if future.status != "error":
            return Outcome(task, error=f"The scheduler at {self._address} went away. Start it, run again.")
        error = future.exception()
        if type(error).__name__ == "KilledWorker":
            return Outcome(
                task,
                error="Every worker that took this fit was lost, most likely because memory ran out; "
                "give workers more memory.",
            )
        return Outcome(task, error=f"A worker could not do this fit ({_said(error)}); see its log.")

    def _check_folder(self) -> None:
        """Raise where the workers that are there do not see this cache folder, or lack this program."""
        try:
            self._probe.parent.mkdir(parents=True, exist_ok=True)
            self._probe.write_text(self._probe.name)
            for old in self._probe.parent.glob("probe-*"):  # of processes that were killed
                if old.stat().st_mtime < time.time() - OLD_SECONDS:
                    old.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"Could not write to the cache {str(self._root)!r} ({error.strerror}).") from error
        answers = self._client.run(_sees, str(self._probe), on_error="return")
        errors = [answer for answer in answers.values() if isinstance(answer, BaseException)]
        if errors:
            raise RequestError(
                f"{len(errors)} of {len(answers)} workers of {self._address} cannot run this program "
                f"({_said(errors[0])}); start them with the same Python, in the same checkout."
            )
        blind = [worker for worker, sees in answers.items() if not sees]
        if blind:
            raise StoreError(f"{len(blind)} of {len(answers)} workers of {self._address}: {_unseen(self._probe)}")


def _connected(address: str) -> Client:
    if not ADDRESS.fullmatch(address):
        raise RequestError(f"Wanted the address of a Dask scheduler, as in tcp://10.0.0.1:8786, and got {address!r}.")
    from distributed import Client

    try:
        asyncio.run(asyncio.wait_for(_shake_hands(address), CONNECT_SECONDS))
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # whatever Dask makes of what answers there
        raise RequestError(
            f"Wanted a Dask scheduler at {address!r} and none answered within {CONNECT_SECONDS:g} s ({_said(error)}). "
            "Start it, or correct the address (--scheduler, BRIVL_SCHEDULER)."
        ) from error


async def _shake_hands(address: str) -> None:
    """Connect once; Dask's client would wait without end for the greeting of a server that is none of Dask's."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=CONNECT_SECONDS, **Security().get_connection_args("client"))
    await comm.close()


def _pass_on(tasks: dict[int, Task], share: ReportFraction, event: tuple[float, Any]) -> None:
    """A worker's report; one that comes after its fit has ended is dropped."""
    index, done, total, message = event[1]
    if (task := tasks.get(index)) is not None:
        report_fraction(share, task, done, total, message)


# What follows runs on workers.


def _fit_there(root: str, probe: str, task: Task, topic: str) -> Outcome:
    if not _sees(probe):
        return Outcome(task, error=_unseen(Path(probe)))
    set_threads()
    try:
        with _one_at_a_time, use_cores(_n_threads()):
            return fit_task(Path(root), task, _teller(topic, task.index))
    except Cancelled as error:
        return Outcome(task, error=str(error))


def _n_threads() -> int:
    """The threads that this worker was started with, all of which one fit may use."""
    from distributed import get_worker

    return get_worker().state.nthreads


def _sees(probe: str) -> bool:
    path = Path(probe)
    return path.is_file() and path.read_text() == path.name


def _unseen(probe: Path) -> str:
    return (
        f"The cache folder {str(probe.parents[1])!r} should be shared by all workers, but it is not the same folder "
        "there. Put it on a file system that all of them mount at this path, and name it by BRIVL_CACHE."
    )


def _teller(topic: str, index: int) -> ProgressCallback:
    """ProgressCallback of a fit to whoever asked for it; it stops the fit once nobody does."""
    from distributed import get_worker
    from distributed.worker import thread_state

    worker, key, last = get_worker(), thread_state.key, -REPORT_EVERY

    def tell(done: float, total: float, message: str) -> None:
        nonlocal last
        known = worker.state.tasks.get(key)
        if known is None or known.state == "cancelled":
            raise Cancelled("Nobody waits for this fit any more.")
        if (now := time.monotonic()) - last >= REPORT_EVERY:
            last = now
            worker.log_event(topic, [index, float(done), float(total), message])

    return tell


def _said(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
