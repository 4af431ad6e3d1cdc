"""What the page Home shows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from brivl.data.summary import DatasetSummary
from brivl.errors import BrivlError
from brivl.jobs.queue import JobStatus
from brivl.models.registry import SHIPPED
from brivl.store.sizes import format_size
from brivl.ui import cached, style
from brivl.ui.jobs import Run, active_job, run_buttons, show_failures, watch
from brivl.ui.menu import ensure_navigation
from brivl.ui.results import describe_subjects, look_up
from brivl.ui.sidebar import sidebar
from brivl.ui.style import Chip
from brivl.ui.url_state import Choices

WHAT = (
    "The BriVL explorer predicts fMRI responses from the layers of a multimodal model and of a unimodal one, both at "
    "once, and says how much of the prediction is owed to each. Choose data, two models, a layer and a subject at the "
    "left, and see the answer by layer, on the cortex and by region."
)
DEMOS = {"retrieval": "Retrieve", "attention": "Attend", "captioning": "Caption", "generation": "Imagine"}
N_RECENT = 6
GO = ":material/arrow_forward:"


def home() -> None:
    """Draw the page. Everything that a user can cause ends as a sentence."""
    ensure_navigation()
    style.put_style()
    asked = sidebar()
    style.headline("Which model, which layer, which region?")
    style.caption(WHAT)
    if asked is not None:
        try:
            _loaded(*asked)
        except BrivlError as error:
            st.error(str(error))
    left, right = st.columns([5, 4], gap="large")
    with left:
        job = None if asked is None else _tour(*asked)
        _demos()
        _models()
    with right:
        _jobs(job)
        _cache()


def _loaded(choices: Choices, known: DatasetSummary) -> None:
    simulated = [Chip("SIMULATED", "simulated")] if known.simulated else []
    chips = [
        Chip(known.title),
        *simulated,
        Chip(f"{len(known.subjects)} subjects"),
        Chip(f"{known.stimulus_kind} stimuli"),
    ]
    style.chips([*chips, Chip(known.licence)] if known.licence else chips)
    if known.name.startswith("phantom-"):
        style.small(
            "Simulated: responses and noise are made by this program from planted layers and models, so the truth is "
            "known. They say nothing about any brain."
        )
    elif known.citation:
        style.small(known.citation)


def _tour(choices: Choices, known: DatasetSummary) -> JobStatus | None:
    """Three steps from nothing to an answer; the job of the first one, if it runs."""
    st.subheader("In three steps", anchor=False)
    run = Run(f"Run layer {choices.layer}, {describe_subjects(choices)}", choices.requests())
    shown = look_up(choices, known)
    job = active_job([run])
    a, b = shown.names
    st.markdown(
        f"**1. Fit** layer {choices.layer} of {a} and {b} to {describe_subjects(choices)} of {known.short_name}."
    )
    if job is not None:
        watch(job.job_id)
    elif shown.missing:
        show_failures([run])
        style.small(cached.run_time(run.requests))
        run_buttons([run])
    else:
        style.small("Done: the answer is in the cache.")
    st.markdown("**2. Look** where in the brain the two models predict, and which of them predicts more.")
    st.page_link("pages/flatmap.py", label="Open the flatmap", icon=GO)
    st.markdown("**3. Compare** layers and regions, and take figure, numbers and methods text with you (tab Export).")
    with st.container(horizontal=True):
        st.page_link("pages/layers.py", label="Open the layers", icon=GO)
        st.page_link("pages/regions.py", label="Open the regions", icon=GO)
        st.page_link("pages/help.py", label="Tour of five minutes", icon=":material/help:")
    return job


def _demos() -> None:
    st.markdown("**And the models themselves**: what they find, look at, say and imagine.")
    with st.container(horizontal=True):
        for name, label in DEMOS.items():
            st.page_link(f"pages/{name}.py", label=label, icon=GO)


def _models() -> None:
    st.subheader("Models", anchor=False)
    for card in SHIPPED.values():
        kind = "stand-in" if card.is_proxy else "as published"
        st.markdown(f"**{card.title}** ({kind}, {' and '.join(card.kinds)}). {card.note}")


def _cache() -> None:
    st.subheader("Cache", anchor=False)
    size, fits = cached.cache_state()
    one, two = st.columns(2)
    one.metric("Answers", f"{len(fits):,}")
    two.metric("Size", format_size(size))
    if fits:
        recent = fits[: -N_RECENT - 1 : -1]
        asked = [manifest["info"]["request"] for manifest in recent]
        rows = [(f"{r['dataset']}, {r['subject']}, layer {r['layer']}", " + ".join(r["models"])) for r in asked]
        st.dataframe(pd.DataFrame(rows, columns=["latest answers", "models"]), hide_index=True)
    else:
        style.small("No answer yet. Answers are kept and found again, in this session or another.")
    st.page_link("pages/cache.py", label="Open the cache", icon=GO)


def _jobs(tour: JobStatus | None) -> None:
    st.subheader("Recent jobs", anchor=False)
    running = [status for status in cached.job_queue().active() if tour is None or status.job_id != tour.job_id]
    if running:
        watch(running[0].job_id)
    jobs = cached.job_queue().jobs()[:N_RECENT]
    if not jobs:
        style.small("None since the server was started.")
        return
    rows = [(f"{_when(status)} {_asked(request)}", _outcome(status)) for request, status in jobs]
    st.dataframe(pd.DataFrame(rows, columns=["job", "state"]), hide_index=True)


def _when(status: JobStatus) -> str:
    return time.strftime("%H:%M", time.localtime(status.started)) if status.started else ""


def _asked(request: Mapping[str, Any]) -> str:
    fits = request.get("fits", [])
    if not fits:
        return str(request.get("task", ""))
    what = f"{fits[0]['dataset']}, {fits[0]['subject']}, layer {fits[0]['layer']}"
    return what if len(fits) == 1 else f"{what}, {len(fits) - 1} more"


def _outcome(status: JobStatus) -> str:
    return status.error or status.state
