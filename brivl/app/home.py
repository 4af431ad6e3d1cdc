"""The page Home: what the explorer does, three steps to a first result, jobs and the cache."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from brivl.analysis import short_name
from brivl.data.summary import DatasetSummary
from brivl.errors import BrivlError
from brivl.jobs.queue import JobStatus
from brivl.models.registry import SHIPPED
from brivl.store.sizes import format_size
from brivl.ui import cached, style
from brivl.ui.jobs import active_job, run_buttons, run_with_tests, show_failures, watch
from brivl.ui.menu import ensure_navigation
from brivl.ui.results import describe_subjects, look_up
from brivl.ui.sidebar import sidebar
from brivl.ui.style import Chip
from brivl.ui.url_state import Choices

WHAT = (
    "Fits voxelwise encoding models on two networks jointly (banded ridge) and splits the cross-validated R² between "
    "them. Choose a dataset, two models, a layer and a subject in the sidebar; view results by layer, on the cortical "
    "surface, or by ROI."
)
SIMULATED = (
    "Simulated data: responses were generated from known model layers plus noise (ground truth available). Not "
    "measurements of any brain."
)
DEMOS = {"retrieval": "Retrieval", "attention": "Attention", "captioning": "Captioning", "generation": "Generation"}
N_RECENT = 6
GO = ":material/arrow_forward:"


def home() -> None:
    """Draw the page; every error ends as a sentence."""
    ensure_navigation()
    style.put_style()
    chosen = sidebar()
    style.headline("Compare two models of the brain: by layer, voxel and region")
    style.caption(WHAT)
    if chosen is not None:
        try:
            _dataset(*chosen)
        except BrivlError as error:
            st.error(str(error))
    left, right = st.columns([5, 4], gap="large")
    with left:
        job = None if chosen is None else _tour(*chosen)
        _demos()
        _models()
    with right:
        _jobs(job)
        _cache()


def _dataset(choices: Choices, summary: DatasetSummary) -> None:
    simulated = [Chip("SIMULATED", "simulated")] if summary.simulated else []
    chips = [
        Chip(summary.title),
        *simulated,
        Chip(f"{len(summary.subjects)} subjects"),
        Chip(f"{summary.stimulus_kind} stimuli"),
    ]
    style.chips(chips)
    if summary.simulated:
        style.small(SIMULATED)
    elif summary.citation:
        style.small(summary.citation)


def _tour(choices: Choices, summary: DatasetSummary) -> JobStatus | None:
    """Draw three steps to a first result; the job of the first one, if it runs."""
    st.subheader("In three steps", anchor=False)
    # The p values of Regions are part of the first result.
    run = run_with_tests(f"Run layer {choices.layer}, {describe_subjects(choices)}", choices.requests())
    shown = look_up(choices, summary)
    job = active_job([run])
    a, b = shown.names
    st.markdown(
        f"**1. Fit** layer {choices.layer} of {a} and {b} to {describe_subjects(choices)} of {summary.short_name}."
    )
    if job is not None:
        watch(job.job_id)
    elif shown.missing:
        show_failures([run])
        style.small(cached.run_time(run.requests))
        run_buttons([run])
    else:
        style.small("Result ready (cached).")
    st.markdown("**2. Look** where in the brain the two models predict, and which of them predicts more.")
    st.page_link("pages/flatmap.py", label="Open the flatmap", icon=GO)
    st.markdown("**3. Compare** layers and regions, and take figure, numbers and methods text with you (tab Export).")
    with st.container(horizontal=True):
        st.page_link("pages/layers.py", label="Open the layers", icon=GO)
        st.page_link("pages/regions.py", label="Open the regions", icon=GO)
        st.page_link("pages/help.py", label="5-minute tour", icon=":material/help:")
    return job


def _demos() -> None:
    st.markdown("**Explore the models**: retrieval, attention, captioning, image generation")
    with st.container(horizontal=True):
        for name, label in DEMOS.items():
            st.page_link(f"pages/{name}.py", label=label, icon=GO)


def _models() -> None:
    st.subheader("Models", anchor=False)
    for card in SHIPPED.values():
        kind = "demo model, trained on cartoons" if card.is_proxy else "as published"
        st.markdown(f"**{card.title}** ({kind}, {' and '.join(card.kinds)}). {card.note}")


def _cache() -> None:
    st.subheader("Cache", anchor=False)
    size, fits = cached.cache_state()
    one, two = st.columns(2)
    one.metric("Results", f"{len(fits):,}")
    two.metric("Size", format_size(size))
    if fits:
        recent = fits[: -N_RECENT - 1 : -1]
        requests = [manifest["info"]["request"] for manifest in recent]
        names = [f"{short_name(r['dataset'])} · {r['subject']} · layer {r['layer']}" for r in requests]
        models = [" + ".join(map(short_name, r["models"])) for r in requests]
        rows = list(zip(names, models, strict=True))
        st.dataframe(pd.DataFrame(rows, columns=["latest results", "models"]), hide_index=True)
    else:
        style.small("No result yet. Results are cached and found again, in this session or another.")
    st.page_link("pages/cache.py", label="Open the cache", icon=GO)


def _jobs(tour: JobStatus | None) -> None:
    st.subheader("Recent jobs", anchor=False)
    running = [status for status in cached.job_queue().active() if tour is None or status.job_id != tour.job_id]
    if running:
        watch(running[0].job_id, waits=False)
    jobs = cached.job_queue().jobs()[:N_RECENT]
    if not jobs:
        style.small("None since the server was started.")
        return
    rows = [(f"{status.title}{_start_time(status)}", status.error or status.state) for _, status in jobs]
    st.dataframe(pd.DataFrame(rows, columns=["job", "state"]), hide_index=True)


def _start_time(status: JobStatus) -> str:
    return f" · started {time.strftime('%H:%M', time.localtime(status.started))}" if status.started else ""
