"""The page Data: each dataset with its facts, files, licence and citation, and a download where one is possible."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from brivl.config import data_dirs
from brivl.data.download import download_request
from brivl.data.status import DataReport, folder_checks
from brivl.errors import BrivlError
from brivl.store.sizes import format_size
from brivl.ui import cached, style
from brivl.ui.jobs import Queue, watch_queue
from brivl.ui.result_or_run import demo_page
from brivl.ui.style import Chip

KINDS = {"published": "published", "own": "your own", "simulated": "simulated"}
DOWNLOADS = Queue(lambda: cached.download_queue(), "files", "What has arrived is kept.")
NO_AFFINE = (
    "The files have no affine: voxels are drawn as slices of their own grid and on no surface, hemispheres are "
    "unlabelled, and regions are those that the files name."
)


def data_page() -> None:
    """Draw the page; every error ends as a sentence."""
    with demo_page():
        reports = cached.reports()
        n_installed = sum(bool(r.files) and not r.to_fetch for r in reports)
        n_own = sum(r.kind == "own" for r in reports)
        n_published = sum(r.kind == "published" for r in reports)
        style.headline(f"Published datasets: {n_installed} of {n_published} installed · Your datasets: {n_own}")
        style.caption(_where())
        for report in sorted(reports, key=_rank):
            _dataset(report)


def _where() -> str:
    folders = [str(folder) for folder in data_dirs()]
    if not folders:
        return "Start the app with BRIVL_DATA=/path/to/folder to list your own datasets; simulated data are built in."
    return f"Searched: {', '.join(folders)} (BRIVL_DATA). Only names, sizes and headers of files were read."


def _rank(report: DataReport) -> int:
    """The visitor's own data first, published datasets of which no file is on this machine last."""
    if report.kind == "published":
        return 1 if len(report.to_fetch) < len(report.files) else 3
    return 0 if report.kind == "own" else 2


def _dataset(report: DataReport) -> None:
    with st.container(border=True):
        st.subheader(report.title, anchor=False)
        simulated = report.kind == "simulated"
        chips = [Chip("SIMULATED", "simulated") if simulated else Chip(KINDS[report.kind])]
        chips += [Chip(f"{n} {state}") for state, n in report.counts.items()]
        chips += [Chip(report.fetched)] if report.fetched else []
        chips += [Chip(format_size(report.size))] if report.size else []
        style.chips(chips)
        if report.problem:
            st.error(report.problem)
        if report.folder:
            style.small(report.folder)
        if report.name == "pereira2018":
            style.small(NO_AFFINE)
        if simulated:
            style.small(_simulated_facts(report.name))
            style.small("Licence: BSD-3-Clause")
        else:
            licence = report.licence.replace("to which access is asked for", "access on request")
            style.small(f"Licence: {licence or 'not stated'}")
            style.small(f"Cite: {report.citation or 'not stated'}")
        if report.files:
            _files(report)
        if report.commands:
            _get(report)
        if report.kind == "own" and report.folder:
            _check(report)


def _simulated_facts(name: str) -> str:
    """Subjects, and volumes, TR, voxels and space of the first one that a fit has simulated."""
    summary = cached.dataset_summary(name)
    n = len(summary.subjects)
    facts = next((f for subject in summary.subjects if (f := cached.facts(name, subject)) is not None), None)
    parts = [f"{n} subject{'s' if n > 1 else ''}", f"{summary.stimulus_kind} stimuli"]
    if facts is None:
        return f"{', '.join(parts)}. Simulated with the first fit, which takes a minute or two."
    timing = facts.timing
    unit = "samples" if timing.tr is None else "volumes"
    parts.append(f"{timing.n_train + timing.n_test:,} {unit}")
    parts += [] if timing.tr is None else [f"TR {timing.tr:g} s"]
    return f"{', '.join(parts)}, {facts.voxels.n_voxels:,} voxels, {facts.voxels.space}."


def _files(report: DataReport) -> None:
    rows = [
        (
            f.name,
            f.state,
            format_size(f.size),
            "" if f.published is None else format_size(f.published),
            f.checksum,
            f.note,
        )
        for f in report.files
    ]
    with st.expander(f"{len(rows)} files"):
        columns = ["file", "state", "here", "published size", "published checksum", "note"]
        st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True)


def _check(report: DataReport) -> None:
    """What of the files is here and what to fetch next, looked at on request since it reads events."""
    if not st.toggle("Check files", key=f"check {report.name}", help="Events, stimuli and responses, in this order."):
        return
    try:
        checks = folder_checks(report.name)
    except BrivlError as error:
        st.error(str(error))
        return
    for check in checks:
        for line in check.facts:
            style.small(line)
        for line in check.warnings:
            st.warning(line)
        st.markdown(f"**Next:** {style.escape_markdown(check.next_step)}")
        if check.command:
            st.code(check.command, language="bash")


def _get(report: DataReport) -> None:
    """Download with progress where datalad is installed, else what to type."""
    if not report.downloadable:
        with st.expander(f"How to get the other {len(report.to_fetch)} files"):
            st.code("\n".join(report.commands), language="bash")
        return
    # All files, so that the request stays the same while they arrive; those that are here are left alone.
    request = download_request(report.name, Path(report.folder), [file.name for file in report.files])
    status = cached.download_queue().find(request)
    if status is not None and status.active:
        watch_queue(DOWNLOADS, status.job_id)
        return
    DOWNLOADS.show_refusal()
    if status is not None and status.state == "failed":
        st.error(status.error or "The download ended early. Start it again; what is here is kept.")
    st.button(
        f"Download {len(report.to_fetch)} files with datalad",
        key=f"download {report.name}",
        on_click=DOWNLOADS.submit,
        args=(request,),
    )
