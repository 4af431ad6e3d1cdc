"""The page Cache: kinds of results, how many, how large, when last used; verify and prune, in a worker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from brivl.jobs.queue import JobStatus
from brivl.store.report import CacheReport, prune_job, verify_job
from brivl.store.sizes import format_size
from brivl.ui import cached, style
from brivl.ui.jobs import Queue, watch_queue
from brivl.ui.result_or_run import demo_page
from brivl.ui.style import Chip

MAINTENANCE = Queue(
    lambda: cached.maintenance_queue(),
    "MB",
    "What was done is kept.",
    lambda: cached.forget_cache_report(),
)
SIZES = tuple(int(n) for n in (100e9, 50e9, 20e9, 10e9, 5e9, 2e9, 1e9, 500e6, 200e6, 100e6, 0))  # that may stay
WHAT = (
    "Results are cached here for all pages and the command line. Where the cache exceeds its limit (BRIVL_CACHE_MAX), "
    "least recently used results are deleted first; they are computed again when they are needed. Uploads, and files "
    "that are being read or written, are kept."
)


def cache_page() -> None:
    """Draw the page; every error ends as a sentence."""
    with demo_page():
        report = cached.cache_report_now()
        style.headline(f"The cache holds {report.n_results:,} results, {format_size(report.size)}")
        style.chips(_chips(report))
        style.caption(WHAT)
        with st.container(key="actions"):
            _actions(report)
        _kinds(report)
        _folders(report)


def _chips(report: CacheReport) -> list[Chip]:
    chips = [Chip("no limit" if report.limit is None else f"limit {format_size(report.limit)}")]
    chips += [Chip(f"{format_size(report.quarantine_size)} quarantined")] if report.quarantine_size else []
    chips += (
        [Chip(f"{report.n_unfinished} unfinished file{'s' if report.n_unfinished > 1 else ''}")]
        if report.n_unfinished
        else []
    )
    return chips


def _actions(report: CacheReport) -> None:
    """Draw Verify and Prune, or the progress of the one that is running; and how the last of them ended."""
    jobs = cached.maintenance_queue()
    running = jobs.active()
    if running:
        watch_queue(MAINTENANCE, running[0].job_id)
        return
    MAINTENANCE.show_refusal()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Verify all",
            on_click=MAINTENANCE.submit,
            args=(verify_job(cached.store()),),
            help="Reads and hashes every result. Damaged ones are quarantined and computed again.",
        )
        most = st.selectbox("Keep at most", _sizes(report), format_func=_in_words, width=220)
        st.button(
            "Prune",
            on_click=MAINTENANCE.submit,
            args=(prune_job(cached.store(), most),),
            help="Deletes the least recently used results, and what killed computations left behind.",
        )
    for request, status in jobs.jobs()[:1]:
        _show_end(request, status)


def _sizes(report: CacheReport) -> list[int]:
    """Sizes to prune to, from the first that would delete no result on."""
    here = report.size + report.quarantine_size
    return [n for n in SIZES if n >= here][-1:] + [n for n in SIZES if n < here]


def _in_words(most: int) -> str:
    return format_size(most) if most else "uploads only"


def _show_end(request: Mapping[str, Any], status: JobStatus) -> None:
    if status.state == "failed":
        st.error(status.error or "It ended early. Start it again.")
    elif status.state == "cancelled":
        st.info("Cancelled. What was done is kept.")
    elif status.result is not None:
        describe = _verified if request["task"] == "cache-verify" else _pruned
        style.note(f"{time.strftime('%H:%M', time.localtime(status.started))}: {describe(status.result)}")


def _verified(end: Mapping[str, Any]) -> str:
    damaged = f"{len(end['damaged'])} damaged and quarantined" if end["damaged"] else "none damaged"
    return (
        f"{end['n_whole']:,} results are intact, {format_size(end['n_bytes'])} read and hashed; {damaged}. Files left "
        f"by killed computations: {end['n_abandoned']}. Computations now: {end['n_held_locks']}."
    )


def _pruned(end: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"{n} {kind}" for kind, n in end["by_kind"].items())
    return (
        f"{end['removed']:,} results deleted{f' ({kinds})' if kinds else ''}, {format_size(end['freed'])} freed, "
        f"{format_size(end['left'])} left; {end['n_in_use']} were in use and stay."
    )


def _kinds(report: CacheReport) -> None:
    if not report.kinds:
        style.small("Nothing is stored yet.")
        return
    rows = [
        (
            k.kind,
            k.n,
            format_size(k.size),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(k.last_use)),
            "" if k.evictable else "uploads are never deleted",
        )
        for k in report.kinds
    ]
    st.dataframe(pd.DataFrame(rows, columns=["kind", "results", "size", "last used", "note"]), hide_index=True)


def _folders(report: CacheReport) -> None:
    if not report.folders:
        return
    with st.expander("Other files"):
        rows = [(f.name, f.n_files, format_size(f.size), f.note) for f in report.folders]
        st.dataframe(pd.DataFrame(rows, columns=["folder", "files", "size", "what it is"]), hide_index=True)
