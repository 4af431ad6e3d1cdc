"""Fits of a sweep on the workers of a Dask scheduler: SSH hosts, SLURM, PBS, Kubernetes, or local processes.

Workers need the same checkout, the same folders under the same paths, and the cache folder, into which they write. A
probe file shows at the start, and before each fit, whether a worker sees that folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
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
OLD_SECONDS = 30 * 24 * 3600.0  # longer than any sweep: probe files of this age belong to processes that were killed
REPORT_EVERY = 0.5  # seconds between a worker's reports on one fit

_one_at_a_time = threading.Lock()  # of this process: two fits in threads of one worker would share its BLAS threads


class DaskWorkers:
    """Workers of a Dask scheduler, within `with`.

    Entering raises RequestError where no scheduler answers, or workers lack this program, and StoreError where they
    do not see the cache folder.

    Parameters
    ----------
    address : str
        Address of the scheduler, tcp://HOST:PORT.
    root : Path
        The cache folder.
    """

    def __init__(self, address: str, root: Path) -> None:
        self._address, self._root = address, root
        self._probe = root / "jobs" / f"probe-{_host()}-{os.getpid()}-{token_hex(4)}"
        self._topic = f"brivl-{self._probe.name}"
        self._connected: Client | None = None

    @property
    def title(self) -> str:  # numpydoc ignore=RT01
        """Where fits run, for messages."""
        return f"the workers of {self._address}"

    @property
    def _client(self) -> Client:
        assert self._connected is not None, "used outside of `with`"
        return self._connected

    def __enter__(self) -> Self:
        self._connected = _connect(self._address)
        try:
            self._check_folder()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # The scheduler drops fits that are waiting, and those that run end at their next report.
        self._probe.unlink(missing_ok=True)
        if self._connected is not None:
            self._connected.close()

    def run(self, root: Path, tasks: Sequence[Task], report: ReportFraction) -> Iterator[Outcome]:
        """Fit tasks and give their outcomes as they come.

        The scheduler moves a fit whose worker is lost to another worker.

        Parameters
        ----------
        root : Path
            The cache folder.
        tasks : Sequence[Task]
            Fits.
        report : ReportFraction
            Called with the progress of running fits.

        Yields
        ------
        Outcome
            One per task, in any order.
        """
        from distributed import as_completed

        by_index = {task.index: task for task in tasks}
        self._client.subscribe_topic(self._topic, partial(_forward_report, by_index, report))
        futures = {self._submit(root, task): task for task in tasks}
        for future in as_completed(futures, loop=self._client.loop):
            task = futures.pop(future)
            by_index.pop(task.index, None)
            yield self._outcome(future, task)

    def _submit(self, root: Path, task: Task) -> Future:
        # Workers have a working folder of their own, where relative paths would mean something else.
        absolute = replace(task, request=replace(task.request, dataset=absolute_name(task.request.dataset)))
        key = f"{self._topic}-{task.index}"
        return self._client.submit(
            _fit_on_worker, str(root), str(self._probe), absolute, self._topic, key=key, pure=False
        )

    def _outcome(self, future: Future, task: Task) -> Outcome:
        if future.status == "finished":
            return replace(future.result(), task=task)
        if future.status != "error":
            return Outcome(task, error=f"The scheduler at {self._address} has ended. Start it, and run again.")
        error = future.exception()
        if type(error).__name__ == "KilledWorker":
            return Outcome(
                task,
                error="Every worker that took this fit was lost, most likely because memory ran out. "
                "Give workers more memory.",
            )
        return Outcome(task, error=f"A worker could not compute this fit ({_first_line(error)}). See its log.")

    def _check_folder(self) -> None:
        """Raise an error where the present workers do not see this cache folder, or lack this program."""
        try:
            self._probe.parent.mkdir(parents=True, exist_ok=True)
            self._probe.write_text(self._probe.name)
            _delete_orphaned_probes(self._probe.parent)
        except OSError as error:
            raise StoreError(
                f"Could not write to the cache {str(self._root)!r} ({error.strerror}). Check its permissions."
            ) from error
        replies = self._client.run(_sees, str(self._probe), on_error="return")
        errors = [reply for reply in replies.values() if isinstance(reply, BaseException)]
        if errors:
            raise RequestError(
                f"{len(errors)} of {len(replies)} workers of {self._address} cannot run this program "
                f"({_first_line(errors[0])}). Start them with the same Python, in the same checkout."
            )
        n_blind = sum(not sees for sees in replies.values())
        if n_blind:
            raise StoreError(f"{n_blind} of {len(replies)} workers of {self._address}: {_unseen(self._probe)}")


def _connect(address: str) -> Client:
    if not ADDRESS.fullmatch(address):
        raise RequestError(
            f"Expected the address of a Dask scheduler, got {address!r}. Write it as tcp://10.0.0.1:8786."
        )
    from distributed import Client

    try:
        asyncio.run(asyncio.wait_for(_shake_hands(address), CONNECT_SECONDS))
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # Dask raises many types, depending on what answers at the address
        raise RequestError(
            f"Expected a Dask scheduler at {address!r}, got no answer within {CONNECT_SECONDS:g} s "
            f"({_first_line(error)}). Start it, or correct the address (--scheduler, BRIVL_SCHEDULER)."
        ) from error


async def _shake_hands(address: str) -> None:
    """Connect once; Dask's client would wait forever for the greeting of a server that is not a scheduler."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=CONNECT_SECONDS, **Security().get_connection_args("client"))
    await comm.close()


def _forward_report(tasks: dict[int, Task], report: ReportFraction, event: tuple[float, Any]) -> None:
    """Pass on the report of a worker, unless its fit has ended."""
    index, done, total, message = event[1]
    if (task := tasks.get(index)) is not None:
        report_fraction(report, task, done, total, message)


# The functions below run on workers.


def _fit_on_worker(root: str, probe: str, task: Task, topic: str) -> Outcome:
    if not _sees(probe):
        return Outcome(task, error=_unseen(Path(probe)))
    set_threads()
    try:
        with _one_at_a_time, use_cores(_n_threads()):
            return fit_task(Path(root), task, _reporter(topic, task.index))
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
        f"Expected the cache folder {str(probe.parents[1])!r} to be shared by all workers, but it is another folder "
        "there. Put it on a file system that all of them mount at this path, and name it by BRIVL_CACHE."
    )


def _reporter(topic: str, index: int) -> ProgressCallback:
    """Progress callback that reports to the client, and cancels the fit once no client waits for it."""
    from distributed import get_worker
    from distributed.worker import thread_state

    worker, key, last = get_worker(), thread_state.key, -REPORT_EVERY

    def report(done: float, total: float, message: str) -> None:
        nonlocal last
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise Cancelled("No client waits for this fit.")
        if (now := time.monotonic()) - last >= REPORT_EVERY:
            last = now
            worker.log_event(topic, [index, float(done), float(total), message])

    return report


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _host() -> str:
    """Eight hex digits for this machine; its name does not belong into a shared folder."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _delete_orphaned_probes(folder: Path) -> None:
    """Delete probe files of processes that were killed: on this machine by their number, of others by age."""
    for path in folder.glob("probe-*"):
        host, _, rest = path.name.removeprefix("probe-").partition("-")
        number = rest.partition("-")[0]
        of_this_host = host == _host() and number.isdecimal()
        with suppress(FileNotFoundError):  # deleted meanwhile
            old = path.stat().st_mtime < time.time() - OLD_SECONDS
            if (of_this_host and not _is_running(int(number))) or old:
                path.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True
