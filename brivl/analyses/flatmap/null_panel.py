"""Null control for measured data: the same fit with events of other runs, or shifted in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from brivl.encoding.fit import FitRequest, FitResult
from brivl.errors import BrivlError
from brivl.ui import cached
from brivl.ui.jobs import Run, active_job, show_failures, submit, watch
from brivl.ui.results import Shown
from brivl.viz.style import R2

NULLS = {
    "shuffled": "events shuffled between runs (when something was shown stays right)",
    "shifted": "events shifted in time within runs (nothing stays right)",
}
BARS = (0.05, 0.1)


def draw(shown: Shown) -> None:
    """Draw the panel for the layer and the first subject shown; nothing for simulated data and the nulls.

    Parameters
    ----------
    shown : Shown
        Fits at the layer shown.
    """
    summary, choices = shown.summary, shown.choices
    subject = shown.subjects[0]
    true = shown.answers.get((choices.layer, subject))
    if summary.simulated or summary.stimulus_kind == "features" or "@" in summary.name or true is None:
        return
    with st.expander(f"Null control: shuffled or shifted events ({subject}, layer {choices.layer})"):
        try:
            _panel(true)
        except BrivlError as error:
            st.caption(str(error))


def null_requests(request: FitRequest) -> dict[str, FitRequest]:
    """Make the same fit with wrong events.

    Parameters
    ----------
    request : FitRequest
        Fit with the events as recorded.

    Returns
    -------
    dict of str to FitRequest
        Kind of NULLS -> fit.
    """
    return {kind: replace(request, dataset=f"{request.dataset}@{kind}") for kind in NULLS}


def null_table(answers: dict[str, FitResult]) -> pd.DataFrame:
    """Summarise joint R² with right and wrong events.

    Parameters
    ----------
    answers : dict of str to FitResult
        What the events are -> fit.

    Returns
    -------
    DataFrame
        One row for each fit: number of voxels above each of BARS, mean and largest joint R² over fitted voxels.
    """
    rows = []
    for sentence, answer in answers.items():
        r2 = answer.result.r2_joint[np.isfinite(answer.result.r2_joint)].astype(float)
        rows.append([sentence, *(int((r2 > bar).sum()) for bar in BARS), round(r2.mean(), 4), round(r2.max(), 3)])
    return pd.DataFrame(
        rows, columns=["events", *(f"voxels > {bar:g}" for bar in BARS), f"mean joint {R2}", f"largest {R2}"]
    )


def _panel(true: FitResult) -> None:
    requests = null_requests(true.request)
    fits = {kind: cached.stored_fit(request) for kind, request in requests.items()}
    curves = {"as recorded": true} | {NULLS[kind]: answer for kind, answer in fits.items() if answer is not None}
    st.dataframe(null_table(curves), hide_index=True)
    missing = [requests[kind] for kind, answer in fits.items() if answer is None]
    if not missing:
        return
    run = Run("Run the nulls", missing)
    job = active_job([run])
    if job is not None:
        watch(job.job_id)
        return
    show_failures([run])
    st.caption(
        "The same fit with wrong events shows how much of the prediction is chance or mere timing. "
        f"{cached.run_time(missing)}"
    )
    if not cached.job_queue().active():
        st.button(run.label, on_click=submit, args=(run,), key="run nulls")
