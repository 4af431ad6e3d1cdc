"""Run, watch and cancel computations, which happen in worker processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from brivl.config import scheduler
from brivl.core.numbers import format_duration
from brivl.encoding.fit import FitRequest
from brivl.errors import BrivlError
from brivl.jobs.queue import JobQueue, JobStatus
from brivl.jobs.sweep import sweep_job
from brivl.ui import cached

EVERY = 1.0  # s between looks at a job
REFUSED = "could not start"  # in the session: unit of a queue -> why it took no job
SEEN = "fits seen"  # in the session: job -> fits that were done when the page was last drawn


@dataclass(frozen=True)
class Queue:
    """Jobs of one kind: their board, what they count, what Cancel leaves, what to forget when one has ended."""

    board: Callable[[], JobQueue]
    unit: str
    after_cancel: str | None = None
    forget: Callable[[], None] = lambda: None

    def submit(self, request: Mapping[str, Any]) -> None:
        """Queue a job; a failure to do so is said on the page by `say_refusal`."""
        try:
            self.board().submit(request)
        except BrivlError as error:
            st.session_state[REFUSED] = {self.unit: str(error)}

    def say_refusal(self) -> None:
        """Why the last job was not taken, once."""
        refused = st.session_state.get(REFUSED, {}).pop(self.unit, None)
        if refused:
            st.error(refused)


FITS = Queue(lambda: cached.job_queue(), "fits")


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
    def job(self) -> dict:
        """The same request in every session, so that all of them meet in one job."""
        job = sweep_job(cached.store(), list(self.requests), scheduler())
        return job | ({"tests": [dict(one) for one in self.tests]} if self.tests else {})


def active_job(runs: Sequence[Run]) -> JobStatus | None:
    """The computation of one of these that waits or runs, whoever started it."""
    for run in runs:
        status = cached.job_queue().find(run.job)
        if status is not None and status.active:
            return status
    return None


def last_failure(runs: Sequence[Run]) -> JobStatus | None:
    """The end of the last try of these, if it was a failure or a cancellation."""
    ends = [cached.job_queue().find(run.job) for run in runs]
    bad = [status for status in ends if status is not None and status.state in ("failed", "cancelled")]
    return max(bad, key=lambda status: status.started or 0.0, default=None)


def run_buttons(runs: Sequence[Run]) -> None:
    """One button for each, the first one prominent."""
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
    """Queue a computation; a failure to do so is said on the page."""
    FITS.submit(run.job)


def say_failures(runs: Sequence[Run]) -> None:
    """What went wrong, in one sentence; Run stands below."""
    FITS.say_refusal()
    failure = last_failure(runs)
    if failure is not None and failure.state == "failed":
        st.error(failure.error or "The computation ended without an answer. Run it again.")
    elif failure is not None:
        st.info("The computation was cancelled. Answers that were ready are kept.")


@st.fragment(run_every=EVERY)
def watch(job_id: str) -> None:
    """Progress of a job with its Cancel; redraws the page whenever another fit is there, and when it has ended."""
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
    _bar(FITS, status)


@st.fragment(run_every=EVERY)
def watch_queue(queue: Queue, job_id: str) -> None:
    """Progress of a job with its Cancel; redraws the page when it has ended."""
    try:
        status = queue.board().status(job_id)
    except BrivlError:
        st.rerun()
        return
    if not status.active:
        queue.forget()
        st.rerun()
    _bar(queue, status)


def _bar(queue: Queue, status: JobStatus) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(_share(status), text=in_progress(status, queue.unit))
        if st.button("Cancel", key=f"cancel {status.job_id}", help=queue.after_cancel):
            queue.board().cancel(status.job_id)
            st.rerun()


def _share(status: JobStatus) -> float:
    return min(1.0, max(0.0, status.done / status.total)) if status.total else 0.0


def in_progress(status: JobStatus, unit: str = "fits") -> str:
    """ "Layer 8, S01: 3 of 12 fits, about 40 s left"."""
    parts = [status.message or "Starting"]
    if status.state == "running" and status.total > 1:
        parts.append(f"{int(status.done)} of {int(status.total)} {unit}")
    if status.seconds_left is not None:
        parts.append(f"about {format_duration(status.seconds_left)} left")
    elif status.state == "running" and status.started is not None:
        parts.append(f"{format_duration(max(1.0, time.time() - status.started))} so far")
    return ", ".join(parts)
