"""What the page Data shows: each dataset with its files, licence and citation, and a download where one is possible."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from brivl.config import data_dirs
from brivl.data.download import download_request
from brivl.data.status import DataReport
from brivl.store.sizes import format_size
from brivl.ui import cached, style
from brivl.ui.jobs import Queue, watch_queue
from brivl.ui.result_or_run import demo_page
from brivl.ui.style import Chip

KINDS = {"published": "published", "own": "your own", "simulated": "simulated"}
DOWNLOADS = Queue(lambda: cached.download_queue(), "files", "What has arrived is kept.")
NO_AFFINE = (
    "The files carry no affine, so its voxels are drawn as slices of their own grid and on no surface, and no side is "
    "marked left or right; regions are those that the files name."
)


def data_page() -> None:
    """Draw the page. Everything that a user can cause ends as a sentence."""
    with demo_page():
        reports = cached.reports()
        n_whole = sum(bool(r.files) and not r.to_fetch for r in reports)
        n_own = sum(r.kind == "own" for r in reports)
        n_published = sum(r.kind == "published" for r in reports)
        style.headline(f"{n_whole} of {n_published} published datasets whole on this machine, {n_own} of your own")
        style.caption(_where())
        for report in reports:
            _dataset(report)


def _where() -> str:
    folders = [str(folder) for folder in data_dirs()]
    if not folders:
        return "Set BRIVL_DATA to a folder, and datasets in it are found; until then only simulated data are here."
    return f"Looked for in {', '.join(folders)} (BRIVL_DATA), names, sizes and headers only."


def _dataset(report: DataReport) -> None:
    with st.container(border=True):
        st.subheader(report.title, anchor=False)
        simulated = report.kind == "simulated"
        chips = [Chip("SIMULATED", "simulated") if simulated else Chip(KINDS[report.kind])]
        chips += [Chip(f"{n} {state}") for state, n in report.counts.items()]
        chips += [Chip(format_size(report.size))] if report.size else []
        style.chips(chips)
        if report.problem:
            st.error(report.problem)
        if report.folder:
            style.small(report.folder)
        if report.name == "pereira2018":
            style.small(NO_AFFINE)
        style.small(f"Licence: {report.licence or 'not stated'}")
        style.small(f"Cite: {report.citation or 'not stated'}")
        if report.files:
            _files(report)
        if report.commands:
            _get(report)


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
