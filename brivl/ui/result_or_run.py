"""The stored result of a page that asks a model, or its computation: progress, Cancel, errors as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import streamlit as st

from brivl.errors import BrivlError
from brivl.jobs.queue import JobStatus
from brivl.ui import cached, style
from brivl.ui.jobs import MODEL_QUERIES, progress_bar
from brivl.ui.menu import ensure_navigation

Result = TypeVar("Result")
SHORT_WAIT = 0.7  # s to wait for a result before progress is shown: most queries need less
REFRESH_SECONDS = 0.3  # between two looks at one that takes longer


@contextmanager
def demo_page() -> Iterator[None]:
    """Draw menu, style and the product's name; an error within ends as a sentence on the page.

    Yields
    ------
    None
        The page is drawn within.
    """
    ensure_navigation()
    style.put_style()
    with st.sidebar:
        style.title("BriVL explorer")
    try:
        yield
    except BrivlError as error:
        st.error(str(error))


def result_or_run(
    task: Mapping[str, Any],
    read: Callable[[], Result | None],
    *,
    button: str | None = None,
    primary: bool = True,
    preview: Callable[[], None] | None = None,
) -> Result | None:
    """Look a result up; where it is not stored, compute it and show progress meanwhile.

    Parameters
    ----------
    task : mapping
        Request of the worker, JSON values, the same whoever makes it.
    read : callable
        Looks the result up, quickly; None where it is not stored.
    button : str or None
        Label of the button that starts the computation; None starts it at once.
    primary : bool
        Whether this is the main button of the page.
    preview : callable or None
        Drawn below the progress, again and again.

    Returns
    -------
    Result or None
        None while there is no result.
    """
    stored = read()
    if stored is not None:
        return stored
    jobs = cached.model_queue()
    status = jobs.find(task)
    MODEL_QUERIES.show_refusal()
    if status is not None and status.state in ("failed", "cancelled"):
        _show_end(status)
        _start_button(task, button or "Try again")
        return None
    if status is None or not status.active:
        if button is not None:
            _start_button(task, button, primary)
            return None
        status = jobs.wait(jobs.submit(task), SHORT_WAIT)
        if status.state == "done":
            return read()
        if not status.active:
            st.rerun()
    watch(status.job_id, preview)
    return None


def _show_end(status: JobStatus) -> None:
    if status.state == "failed":
        st.error(status.error or "The computation ended without a result. Try again.")
    else:
        st.info("Cancelled.")


def _start_button(task: Mapping[str, Any], label: str, primary: bool = True) -> None:
    kind: Literal["primary", "secondary"] = "primary" if primary else "secondary"
    st.button(label, type=kind, on_click=MODEL_QUERIES.submit, args=(task,), key=f"start {label}")


@st.fragment(run_every=REFRESH_SECONDS)
def watch(job_id: str, preview: Callable[[], None] | None = None) -> None:
    """Show the progress of a query with Cancel; the page is drawn again when it has ended.

    Parameters
    ----------
    job_id : str
        The job.
    preview : callable or None
        Drawn below the progress.
    """
    try:
        status = cached.model_queue().status(job_id)
    except BrivlError:
        st.rerun()
        return
    if not status.active:
        st.rerun()
    # The first query of a server also loads the models.
    loading = status.state == "running" and not status.done and status.message in ("", "Starting")
    progress_bar(MODEL_QUERIES, status, "Loading the models (once for all queries)" if loading else "")
    if preview is not None:
        preview()
