"""Run, watch and cancel computations, which happen in worker processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from brivl.config import scheduler
from brivl.core.numbers import format_duration
from brivl.encoding.fit import FitRequest
from brivl.encoding.within_subject import WithinSubjectRequest
from brivl.errors import BrivlError
from brivl.jobs.queue import JobQueue, JobStatus, job_id_of
from brivl.jobs.sweep import sweep_job
from brivl.ui import cached
from brivl.ui.menu import page_file

REFRESH_SECONDS = 1.0  # between two looks at a job
REFUSED = "could not start"  # in the session: unit of a queue -> why it took no job
SEEN = "fits seen"  # in the session: job -> fits that were done when the page was last drawn
CONFIRM = "cancel for all"  # in the session: the job that another session waits for, while the visitor is asked
CANCELLED = "Cancelled. Finished fits were kept."


@dataclass(frozen=True)
class Queue:
    """Jobs of one kind.

    Attributes
    ----------
    jobs : callable
        Gives their queue.
    unit : str
        What their progress counts; "" for nothing that people would count.
    after_cancel : str or None
        What is kept when one is cancelled.
    forget : callable
        Called when one has ended, to forget what was known before.
    """

    jobs: Callable[[], JobQueue]
    unit: str
    after_cancel: str | None = None
    forget: Callable[[], None] = lambda: None

    def submit(self, request: Mapping[str, Any]) -> None:
        """Queue a job; the reason for a failure is shown by `show_refusal`.

        Parameters
        ----------
        request : mapping
            As for `JobQueue.submit`.
        """
        try:
            self.jobs().submit(request)
        except BrivlError as error:
            st.session_state[REFUSED] = {self.unit: str(error)}

    def show_refusal(self) -> None:
        """Show why the last job could not be queued, once."""
        refused = st.session_state.get(REFUSED, {}).pop(self.unit, None)
        if refused:
            st.error(refused)


FITS = Queue(lambda: cached.job_queue(), "fits")
MODEL_QUERIES = Queue(lambda: cached.model_queue(), "")


class Waiting:
    """Which sessions of this server wait for which job. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, set[str]] = {}  # job -> sessions that have watched it

    def note(self, job_id: str, session: str) -> None:
        """Note that a session watches a job.

        Parameters
        ----------
        job_id : str
            The job.
        session : str
            Id of the session.
        """
        with self._lock:
            self._sessions.setdefault(job_id, set()).add(session)

    def others(self, job_id: str, session: str, connected: Callable[[str], bool]) -> int:
        """Count the other sessions that have watched a job and are still connected.

        Parameters
        ----------
        job_id : str
            The job.
        session : str
            Id of the session that asks.
        connected : callable
            Tells whether a session still has a browser tab.

        Returns
        -------
        int
            Number of sessions.
        """
        with self._lock:
            sessions = self._sessions.get(job_id, set()) - {session}
        return sum(connected(other) for other in sessions)

    def forget(self, job_id: str) -> None:
        """Forget a job that has ended.

        Parameters
        ----------
        job_id : str
            The job.
        """
        with self._lock:
            self._sessions.pop(job_id, None)


@st.cache_resource(show_spinner=False)
def waiting() -> Waiting:
    """Give the one record of this server.

    Returns
    -------
    Waiting
        Which sessions wait for which job.
    """
    return Waiting()


def session_id() -> str:
    """Give the id of this session.

    Returns
    -------
    str
        Of Streamlit's; "" outside of a page.
    """
    context = get_script_run_ctx()
    return "" if context is None else context.session_id


def is_connected(session: str) -> bool:
    """Tell whether a session still has a browser tab.

    Parameters
    ----------
    session : str
        Id of the session.

    Returns
    -------
    bool
        False for a tab that was closed.
    """
    return Runtime.exists() and Runtime.instance().is_active_session(session)


@dataclass(frozen=True)
class Run:
    """A button and what it computes.

    Attributes
    ----------
    label : str
        Text of the button.
    requests : Sequence[FitRequest]
        Fits.
    tests : Sequence[Mapping[str, Any]]
        Tests within subjects that are computed after the fits, as JSON.
    """

    label: str
    requests: Sequence[FitRequest]
    tests: Sequence[Mapping[str, Any]] = field(default=(), kw_only=True)

    @property
    def job(self) -> dict[str, Any]:
        """The same request in every session, so that all of them meet in one job."""
        job = sweep_job(cached.store(), list(self.requests), scheduler())
        return job | ({"tests": [dict(one) for one in self.tests]} if self.tests else {})


def run_with_tests(label: str, requests: Sequence[FitRequest]) -> Run:
    """Make a button that computes fits and, of one subject, the tests within the subject that its p values rest on.

    Parameters
    ----------
    label : str
        Text of the button.
    requests : Sequence[FitRequest]
        Fits.

    Returns
    -------
    Run
        Tests over all voxels with blocks of the default length; none where there are several fits.
    """
    tests = [asdict(WithinSubjectRequest(fit)) for fit in requests] if len(requests) == 1 else []
    return Run(label, requests, tests=tests)


def active_job(runs: Sequence[Run]) -> JobStatus | None:
    """Find a computation that is queued or running, whoever started it.

    Parameters
    ----------
    runs : sequence of Run
        What may have been started.

    Returns
    -------
    JobStatus or None
        The first that is active. One with the same fits counts whether or not tests follow them: another page may have
        requested the tests too.
    """
    requested = {_job_of_fits(run.job) for run in runs}
    jobs = cached.job_queue().jobs()
    return next((status for request, status in jobs if status.active and _job_of_fits(request) in requested), None)


def _job_of_fits(request: Mapping[str, Any]) -> str:
    return job_id_of({name: value for name, value in request.items() if name != "tests"})


def last_failure(runs: Sequence[Run]) -> JobStatus | None:
    """Find the last try that failed or was cancelled.

    Parameters
    ----------
    runs : sequence of Run
        What may have been started.

    Returns
    -------
    JobStatus or None
        How it ended, None where none has.
    """
    ends = [cached.job_queue().find(run.job) for run in runs]
    bad = [status for status in ends if status is not None and status.state in ("failed", "cancelled")]
    return max(bad, key=lambda status: status.started or 0.0, default=None)


def run_buttons(runs: Sequence[Run]) -> None:
    """Draw a button for each computation, the first one prominent.

    Parameters
    ----------
    runs : sequence of Run
        The computations.
    """
    with st.container(horizontal=True, key="run-buttons"):
        for i, run in enumerate(runs):
            st.button(
                run.label,
                type="secondary" if i else "primary",
                on_click=submit,
                args=(run,),
                key=f"run {i} {run.label}",
            )


def submit(run: Run) -> None:
    """Queue a computation; a failure to do so is shown on the page.

    Parameters
    ----------
    run : Run
        The computation.
    """
    FITS.submit(run.job)


def show_failures(runs: Sequence[Run]) -> None:
    """Show in one sentence what went wrong the last time.

    Parameters
    ----------
    runs : sequence of Run
        What may have been started.
    """
    FITS.show_refusal()
    failure = last_failure(runs)
    if failure is not None and failure.state == "failed":
        st.error(failure.error or "The computation ended without a result. Run it again.")
    elif failure is not None:
        st.info(CANCELLED)


@st.fragment(run_every=REFRESH_SECONDS)
def watch(job_id: str, waits: bool = True) -> None:
    """Show the progress of fits with Cancel; the page is drawn again when another fit is ready and when all are.

    Parameters
    ----------
    job_id : str
        The job.
    waits : bool
        Whether the visitor waits for its result, so that others are asked before they cancel it.
    """
    try:
        status = cached.job_queue().status(job_id)
    except BrivlError:
        st.rerun()
        return
    seen = st.session_state.setdefault(SEEN, {})
    if not status.active or int(status.done) != seen.get(job_id, int(status.done)):
        seen.pop(job_id, None)
        st.rerun()
    seen[job_id] = int(status.done)
    progress_bar(FITS, status, waits=waits)


@st.fragment(run_every=REFRESH_SECONDS)
def watch_queue(queue: Queue, job_id: str) -> None:
    """Show the progress of a job with Cancel; the page is drawn again when it has ended.

    Parameters
    ----------
    queue : Queue
        Its queue.
    job_id : str
        The job.
    """
    try:
        status = queue.jobs().status(job_id)
    except BrivlError:
        st.rerun()
        return
    if not status.active:
        queue.forget()
        st.rerun()
    progress_bar(queue, status)


def progress_bar(queue: Queue, status: JobStatus, text: str = "", waits: bool = True) -> None:
    """Draw the progress of a job, and Cancel, which asks first where another session waits for the same job.

    Parameters
    ----------
    queue : Queue
        Its queue.
    status : JobStatus
        Its state.
    text : str
        What to say; "" for what `in_progress` says.
    waits : bool
        Whether the visitor waits for its result, so that others are asked before they cancel it.
    """
    if waits:
        waiting().note(status.job_id, session_id())
    with st.container(key=f"progress-{status.job_id[:8]}", horizontal=True, vertical_alignment="center"):
        st.progress(_fraction(status), text=text or in_progress(status, queue.unit))
        st.button(
            "Cancel",
            key=f"cancel {status.job_id}",
            help=queue.after_cancel,
            on_click=_cancel_or_ask,
            args=(queue, status.job_id),
        )
        path = page_file(status.waits_for) if status.waits_for else None
        if path is not None:
            st.page_link(path, label="Open the job before it", icon=":material/arrow_forward:")
    if st.session_state.get(CONFIRM) == status.job_id:
        _ask(queue, status.job_id)


def _cancel_or_ask(queue: Queue, job_id: str) -> None:
    if waiting().others(job_id, session_id(), is_connected):
        st.session_state[CONFIRM] = job_id
    else:
        _cancel(queue, job_id)


def _ask(queue: Queue, job_id: str) -> None:
    """Ask before a job is cancelled that others wait for."""
    n = waiting().others(job_id, session_id(), is_connected)
    if not n:  # they have left meanwhile
        _cancel(queue, job_id)
        st.rerun()
    who = "Another visitor or tab is" if n == 1 else f"{n} other visitors or tabs are"
    with st.container(horizontal=True, vertical_alignment="center", key="confirm-cancel"):
        st.warning(f"{who} waiting for this result. Cancel it for all?")
        st.button("Cancel for all", key=f"cancel for all {job_id}", on_click=_cancel, args=(queue, job_id))
        st.button("Let it run", key=f"let run {job_id}", on_click=st.session_state.pop, args=(CONFIRM, None))


def _cancel(queue: Queue, job_id: str) -> None:
    st.session_state.pop(CONFIRM, None)
    waiting().forget(job_id)
    try:
        queue.jobs().cancel(job_id)
    except BrivlError as error:
        st.session_state[REFUSED] = {queue.unit: str(error)}


def _fraction(status: JobStatus) -> float:
    return min(1.0, max(0.0, status.done / status.total)) if status.total else 0.0


def in_progress(status: JobStatus, unit: str = "fits") -> str:
    """Describe where a job is.

    Parameters
    ----------
    status : JobStatus
        Its state.
    unit : str
        What its progress counts; "" for nothing that people would count.

    Returns
    -------
    str
        "Stage 3 of 4: fitting layer 8, S01 · 3 of 12 fits · 25 s elapsed · 20–40 s left". The time left is that of the
        stage, a range between the slowest and the fastest rate so far, and there only once a rate was measured.
    """
    if status.state != "running":
        return status.message or "Queued"
    message = status.message or "Starting"
    if status.n_stages > 1 and status.stage:
        message = f"Stage {status.stage} of {status.n_stages}: {_decapitalised(message)}"
    parts = [message]
    if unit and status.total > 1:
        parts.append(f"{int(status.done)} of {int(status.total)} {unit}")
    if status.started is not None:
        parts.append(f"{format_duration(max(1.0, time.time() - status.started))} elapsed")
    if status.seconds_left is not None:
        in_stage = " in this stage" if status.stage and status.stage < status.n_stages else ""
        parts.append(f"{_range(*status.seconds_left)} left{in_stage}")
    return " · ".join(parts)


def _decapitalised(text: str) -> str:
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def _range(least: float, most: float) -> str:
    """ "20–40 s", "about 40 s" where both ends read the same."""
    low, high = format_duration(least), format_duration(most)
    if low == high:
        return f"about {high}"
    (low_value, _, low_unit), (high_value, _, high_unit) = low.partition(" "), high.partition(" ")
    return f"{low_value}–{high_value} {high_unit}" if low_unit == high_unit else f"{low} to {high}"
