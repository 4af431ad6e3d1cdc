"""The frame of the demo pages: a sidebar of inputs, headline, chips, and an answer that the staying worker computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

from brivl.errors import BrivlError
from brivl.jobs.queue import JobStatus
from brivl.ui import cached, style
from brivl.ui.jobs import in_progress
from brivl.ui.menu import make_sure_of_menu

Answer = TypeVar("Answer")
AT_ONCE = 0.7  # s to wait for an answer before progress is shown: most queries need less
EVERY = 0.3  # s between looks at one that takes longer


@contextmanager
def demo_page() -> Iterator[None]:
    """Menu, style and the product's name; what goes wrong within ends as a sentence on the page."""
    make_sure_of_menu()
    style.put_style()
    with st.sidebar:
        style.title("BriVL explorer")
    try:
        yield
    except BrivlError as error:
        st.error(str(error))


def answer(
    task: Mapping[str, Any],
    read: Callable[[], Answer | None],
    *,
    button: str | None = None,
    preview: Callable[[], None] | None = None,
) -> Answer | None:
    """The stored answer; where there is none, compute it, show progress meanwhile, and give None for this run.

    task: the request of the worker, JSON, the same whoever asks. read: looks the answer up, light, None if it is not
    there. button: wait for a click on a button of this name instead of starting at once. preview: drawn below the
    progress, again and again.
    """
    found = read()
    if found is not None:
        return found
    board, status = cached.model_queue(), cached.model_queue().find(task)
    if status is not None and status.state in ("failed", "cancelled"):
        _say_end(status)
        _start_button(task, button or "Try again")
        return None
    if status is None or not status.active:
        if button is not None:
            _start_button(task, button)
            return None
        status = board.wait(board.submit(task), AT_ONCE)
        if status.state == "done":
            return read()
        if not status.active:
            st.rerun()
    watch(status.job_id, preview)
    return None


def _say_end(status: JobStatus) -> None:
    if status.state == "failed":
        st.error(status.error or "The computation ended without an answer. Try again.")
    else:
        st.info("The computation was cancelled.")


def _start_button(task: Mapping[str, Any], label: str) -> None:
    st.button(label, type="primary", on_click=cached.model_queue().submit, args=(task,), key=f"start {label}")


@st.fragment(run_every=EVERY)
def watch(job_id: str, preview: Callable[[], None] | None = None) -> None:
    """Progress of a query with its Cancel; redraws the page when it has ended."""
    try:
        status = cached.model_queue().status(job_id)
    except BrivlError:
        st.rerun()
        return
    if not status.active:
        st.rerun()
    with st.container(key="progress", horizontal=True, vertical_alignment="center"):
        st.progress(min(1.0, max(0.0, status.done / status.total)) if status.total else 0.0, text=_in_words(status))
        if st.button("Cancel", key=f"cancel {job_id}"):
            cached.model_queue().cancel(job_id)
            st.rerun()
    if preview is not None:
        preview()


def _in_words(status: JobStatus) -> str:
    """What happens now; the first query of a server also loads the models."""
    if status.state == "running" and not status.done and status.message in ("", "Starting"):
        return "Loading the models, once for all questions"
    return in_progress(status, unit="steps")
