"""The queue of computations: each runs in a worker process, and equal requests run once.

A server holds one JobQueue. Sessions submit, observe and cancel jobs, and may come and go. Short jobs go before long
ones, and one of them may run beside a long one.
"""

from __future__ import annotations

import atexit
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from brivl.errors import RequestError
from brivl.jobs.processes import Launch, RunsRequest, Worker
from brivl.jobs.rate import Rate
from brivl.jobs.task_kinds import SHORT_SECONDS, describe_request, kind_of, n_units, stage_of
from brivl.store.digests import JSON, json_digest, plain_json

State = Literal["queued", "running", "done", "failed", "cancelled"]

Start = Callable[[Launch], RunsRequest]

COMMAND = (sys.executable, "-m", "brivl.tasks.worker")
TERMINATE_SECONDS = 0.3  # between asking a worker to end and killing it
KILL_SECONDS = 0.4  # until a killed worker's job counts as cancelled though the system has not ended the process yet
SHUTDOWN_SECONDS = 5.0
MOST_OVERTAKEN = 5  # shorter jobs that go before a queued one
N_KEPT_FINISHED = 200
N_KEPT_LOGS = 50


@dataclass(frozen=True)
class JobStatus:
    """The state of a job.

    Attributes
    ----------
    job_id : str
        32 hex digits.
    state : State
        "queued", "running", "done", "failed" or "cancelled".
    message : str
        What it is doing.
    done, total : float
        Work done and work in all, in a unit of the task.
    seconds_left : tuple[float, float] | None
        Least and most time until the stage has ended, None until its rate was measured.
    started : float | None
        Seconds since the epoch.
    error : str | None
        A sentence, where it failed.
    result : Mapping[str, JSON] | None
        What the task returned, where it is done.
    title : str
        What it computes, in a line.
    stage, n_stages : int
        Stage that it has reached, counted from 1, and stages in all; 0 where they are not known.
    waits_for : str
        Task of the job before it, where it is queued.
    """

    job_id: str
    state: State
    message: str = ""
    done: float = 0.0
    total: float = 0.0
    seconds_left: tuple[float, float] | None = None
    started: float | None = None
    error: str | None = None
    result: Mapping[str, JSON] | None = None
    title: str = ""
    stage: int = 0
    n_stages: int = 0
    waits_for: str = ""

    @property
    def active(self) -> bool:  # numpydoc ignore=RT01
        """Whether the job is queued or running."""
        return self.state in ("queued", "running")


@dataclass(eq=False)
class _Job:
    """A job in the queue; every field is read and written under the lock of the queue."""

    job_id: str
    request: Mapping[str, JSON]
    state: State = "queued"
    message: str = ""
    done: float = 0.0
    total: float = 0.0
    started: float | None = None
    error: str | None = None
    result: Mapping[str, JSON] | None = None
    rate: Rate = field(default_factory=Rate)
    worker: RunsRequest | None = None
    cancelled: bool = False
    stage: int = 0
    expected: float = 0.0  # seconds
    overtaken: int = 0  # shorter jobs that went before it
    is_extra: bool = False  # a short job that runs beside those that take all workers
    finished: threading.Event = field(default_factory=threading.Event)

    def update(self, line: Mapping[str, JSON]) -> None:
        """Note what a line of the worker contains."""
        if "done" in line:
            self.done, self.total = float(line["done"]), float(line["total"])
            self.message = str(line["message"])
            stage = stage_of(kind_of(self.request), self.message, self.stage)
            if stage != self.stage:  # its steps take another time
                self.stage, self.rate = stage, Rate()
            self.rate.update(self.done, time.monotonic())
        self.result = line.get("result", self.result)
        self.error = line.get("error", self.error)
        self.cancelled = self.cancelled or "cancelled" in line


class JobQueue:
    """A queue of jobs, each in a worker process. Thread-safe.

    Jobs that are expected to be shorter go first, others in the order of submission. A short one (SHORT_SECONDS) may
    also run beside those that take all workers.

    Parameters
    ----------
    store_root : Path
        The cache folder, where logs are written.
    n_workers : int
        Jobs that run at a time.
    command : Sequence[str]
        Command line of a worker.
    start : Start
        Starts a worker, or lends one.
    """

    def __init__(
        self, store_root: Path, n_workers: int = 1, command: Sequence[str] = COMMAND, start: Start = Worker
    ) -> None:
        self._logs = Path(store_root) / "jobs"
        self._n_workers = max(1, n_workers)
        self._command = tuple(command)
        self._start = start
        self._lock = threading.RLock()
        self._jobs: dict[str, _Job] = {}  # in the order of submission
        self._queue: deque[_Job] = deque()
        self._running: set[_Job] = set()
        self._seconds: dict[str, float] = {}  # task -> seconds of its last run here, by fit
        self._closed = False
        atexit.register(self.shutdown)

    def submit(self, request: Mapping[str, JSON]) -> str:
        """Queue a request. One that is queued or running already is not started again.

        Parameters
        ----------
        request : Mapping[str, JSON]
            For `brivl.tasks.registry.run_task`.

        Returns
        -------
        str
            Id of the job.

        Raises
        ------
        StoreError
            Where the request is not JSON.
        RequestError
            After shutdown.
        """
        request = plain_json(dict(request), "request")
        job_id = job_id_of(request)
        with self._lock:
            if self._closed:
                raise RequestError("Expected a running server, but it is shutting down. Start it again.")
            earlier = self._jobs.get(job_id)
            if earlier is None or earlier.finished.is_set() or earlier.cancelled:
                self._jobs.pop(job_id, None)
                self._jobs[job_id] = job = _Job(job_id, request, expected=self._expected(request))
                self._enqueue(job)
                self._start_next()
                self._discard_old()
        return job_id

    def find(self, request: Mapping[str, JSON]) -> JobStatus | None:
        """Look up a request without submitting it.

        Parameters
        ----------
        request : Mapping[str, JSON]
            As for `submit`.

        Returns
        -------
        JobStatus | None
            None where it was not submitted.
        """
        job_id = job_id_of(request)
        with self._lock:
            return self._status(self._jobs[job_id]) if job_id in self._jobs else None

    def status(self, job_id: str) -> JobStatus:
        """Look up a job.

        Parameters
        ----------
        job_id : str
            From `submit`.

        Returns
        -------
        JobStatus
            Its state.

        Raises
        ------
        RequestError
            For an id that this server does not know.
        """
        with self._lock:
            return self._status(self._job(job_id))

    def wait(self, job_id: str, timeout: float | None = None) -> JobStatus:
        """Wait until a job has ended.

        Parameters
        ----------
        job_id : str
            From `submit`; RequestError is raised as `status` does.
        timeout : float | None
            Seconds after which the wait ends, None for no limit.

        Returns
        -------
        JobStatus
            Its state then.
        """
        with self._lock:
            job = self._job(job_id)
        job.finished.wait(timeout)
        with self._lock:
            return self._status(job)

    def active(self) -> list[JobStatus]:
        """List the jobs that are running or queued.

        Returns
        -------
        list[JobStatus]
            In the order of submission.
        """
        with self._lock:
            return [self._status(job) for job in self._jobs.values() if not job.finished.is_set()]

    def jobs(self) -> list[tuple[Mapping[str, JSON], JobStatus]]:
        """List the jobs that this server remembers.

        Returns
        -------
        list[tuple[Mapping[str, JSON], JobStatus]]
            Requests and their states, newest first.
        """
        with self._lock:
            return [(job.request, self._status(job)) for job in reversed(self._jobs.values())]

    def cancel(self, job_id: str) -> None:
        """End a job, within a second.

        Its process is killed where it does not end by itself. Where the system needs longer for that, as when it is
        writing to a slow disk, the job counts as cancelled meanwhile and the next one starts.

        Parameters
        ----------
        job_id : str
            From `submit`; RequestError is raised as `status` does. A job that has ended stays as it is.
        """
        with self._lock:
            job = self._job(job_id)
        self._cancel([job], KILL_SECONDS)
        with self._lock:
            if not job.finished.is_set():
                self._finish(job, 0)
                if not self._closed:
                    self._start_next()

    def shutdown(self) -> None:
        """End all jobs, and accept no others."""
        with self._lock:
            self._closed = True
            jobs = [job for job in self._jobs.values() if not job.finished.is_set()]
        self._cancel(jobs, SHUTDOWN_SECONDS)
        atexit.unregister(self.shutdown)

    def log_path(self, job_id: str) -> Path:
        """Name the log file of a job.

        Parameters
        ----------
        job_id : str
            From `submit`.

        Returns
        -------
        Path
            The file, which exists if the worker has written to its error stream.
        """
        return self._logs / f"{job_id}.log"

    def _job(self, job_id: str) -> _Job:
        if job_id not in self._jobs:
            raise RequestError(f"Expected the id of a job of this server, got {job_id!r}. Run the computation again.")
        return self._jobs[job_id]

    def _status(self, job: _Job) -> JobStatus:
        message, left = job.message, None
        if job.state == "queued":
            message = self._queued_message(job)
        if job.state == "running":
            left = job.rate.range_left(job.total, time.monotonic())
        return JobStatus(
            job.job_id,
            job.state,
            message,
            job.done,
            job.total,
            left,
            job.started,
            job.error,
            job.result,
            describe_request(job.request),
            job.stage,
            len(kind_of(job.request).stages),
            str(self._before(job)[0].request.get("task", "")) if job.state == "queued" and self._before(job) else "",
        )

    def _before(self, job: _Job) -> list[_Job]:
        """The jobs that a queued one waits for: those that run, then those before it in the queue."""
        all_jobs = [*(other for other in self._jobs.values() if other in self._running), *self._queue]
        return all_jobs[: all_jobs.index(job)]

    def _queued_message(self, job: _Job) -> str:
        """ "Queued behind: Decoding · phantom-movie · S01 (stage 2 of 4), and 1 more"."""
        before = self._before(job)
        if not before:
            return "Queued"
        first, n_stages = before[0], len(kind_of(before[0].request).stages)
        stage = f" (stage {first.stage} of {n_stages})" if first.stage and n_stages else ""
        more = f", and {len(before) - 1} more" if len(before) > 1 else ""
        return f"Queued behind: {describe_request(first.request)}{stage}{more}"

    def _expected(self, request: Mapping[str, JSON]) -> float:
        """Seconds that a request is expected to take: as its task took here before, else as it usually does."""
        return self._seconds.get(str(request.get("task")), kind_of(request).seconds) * n_units(request)

    def _enqueue(self, job: _Job) -> None:
        """Insert a job before longer ones, except those that have waited for several others already."""
        position = len(self._queue)
        while position and self._queue[position - 1].expected > job.expected:
            if self._queue[position - 1].overtaken >= MOST_OVERTAKEN:
                break
            position -= 1
        for longer in list(self._queue)[position:]:
            longer.overtaken += 1
        self._queue.insert(position, job)

    def _next(self) -> _Job | None:
        """Take the job that may start now, None where all workers are busy."""
        extra = [job for job in self._running if job.is_extra]
        if self._queue and len(self._running) - len(extra) < self._n_workers:
            return self._queue.popleft()
        short = next((job for job in self._queue if job.expected <= SHORT_SECONDS), None)
        if short is None or extra:
            return None
        self._queue.remove(short)
        short.is_extra = True
        return short

    def _start_next(self) -> None:
        while (job := self._next()) is not None:
            self._running.add(job)
            job.state, job.started, job.message = "running", time.time(), "Starting"
            try:
                job.worker = self._start(Launch(self._command, job.request, self.log_path(job.job_id), self._n_workers))
            except OSError as error:
                job.error = (
                    f"The worker process could not be started ({error.strerror}). Close other programs and run again."
                )
                self._finish(job, 1)
                continue
            threading.Thread(target=self._follow, args=(job, job.worker), daemon=True, name="brivl-job").start()

    def _follow(self, job: _Job, worker: RunsRequest) -> None:
        """Follow a worker to its end, in a thread per running job."""

        def update(line: Mapping[str, JSON]) -> None:
            with self._lock:
                job.update(line)

        return_code = 1
        try:
            return_code = worker.run(update)
        finally:
            with self._lock:
                if not job.finished.is_set():  # else it was cancelled, and its process needed longer to end
                    self._finish(job, return_code)
                if not self._closed:
                    self._start_next()

    def _finish(self, job: _Job, return_code: int) -> None:
        if job.result is not None:
            job.state, job.message = "done", "Done"
            if job.started is not None:
                self._seconds[str(job.request.get("task"))] = (time.time() - job.started) / n_units(job.request)
        elif job.cancelled:
            job.state, job.message, job.error = "cancelled", "Cancelled", None
        else:
            job.state, job.message = "failed", "Failed"
            job.error = job.error or _death_error(return_code, self.log_path(job.job_id).name)
        self._running.discard(job)
        job.worker = None
        job.finished.set()

    def _cancel(self, jobs: Sequence[_Job], kill_seconds: float) -> None:
        with self._lock:
            workers = []
            for job in jobs:
                job.cancelled = True
                if job in self._queue:
                    self._queue.remove(job)
                    self._finish(job, 0)
                elif job.worker is not None:
                    workers.append(job.worker)
        _stop_all(workers, signal.SIGTERM, jobs, TERMINATE_SECONDS)
        _stop_all(workers, signal.SIGKILL, jobs, kill_seconds)

    def _discard_old(self) -> None:
        """Limit the finished jobs in memory and the logs on disk."""
        finished = [job_id for job_id, job in self._jobs.items() if job.finished.is_set()]
        for job_id in finished[:-N_KEPT_FINISHED]:
            del self._jobs[job_id]
        busy = {self.log_path(job_id) for job_id, job in self._jobs.items() if not job.finished.is_set()}
        _delete_oldest((path for path in self._logs.glob("*.log") if path not in busy), N_KEPT_LOGS)


def job_id_of(request: Mapping[str, JSON]) -> str:
    """Compute the id of a request, which is the same in every session.

    Parameters
    ----------
    request : Mapping[str, JSON]
        As for `JobQueue.submit`; StoreError is raised where it is not JSON.

    Returns
    -------
    str
        32 hex digits.
    """
    return json_digest(dict(request), "request")[:32]


def _stop_all(workers: Iterable[RunsRequest], number: signal.Signals, jobs: Iterable[_Job], seconds: float) -> None:
    """Signal workers and wait until their jobs have finished, `seconds` in all."""
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.stop(number)
    for job in jobs:
        job.finished.wait(max(0.0, deadline - time.monotonic()))


def _death_error(return_code: int, log_name: str) -> str:
    """The error of a worker that ended without a result."""
    if return_code == -signal.SIGKILL:
        return (
            "The worker process was killed from outside, most likely because memory ran out. Close other programs, "
            "or choose fewer voxels or a smaller model, then run it again."
        )
    end = f"was ended by signal {-return_code}" if return_code < 0 else f"stopped with code {return_code}"
    return f"The worker process {end} without a result. Run it again; details are in jobs/{log_name} of the cache."


def _delete_oldest(paths: Iterable[Path], n_kept: int) -> None:
    """Delete all but the newest files; those that cannot be deleted stay."""
    dated: list[tuple[float, Path]] = []
    _quietly(lambda: dated.extend((path.stat().st_mtime, path) for path in paths))
    for _, path in sorted(dated)[:-n_kept]:
        _quietly(path.unlink)


def _quietly(action: Callable[[], object]) -> None:
    try:
        action()
    except OSError:
        pass
