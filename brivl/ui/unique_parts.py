"""Unique and shared variance on pages: what lacks them, and the button that computes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from brivl.core.claims.split_and_unique import NOT_COMPUTED
from brivl.core.numbers import format_duration
from brivl.encoding.fit import FitRequest, FitResult
from brivl.encoding.single_model import variance_partition_job
from brivl.ui import cached, style
from brivl.ui.jobs import Run, active_job, show_failures, submit, watch

SHARE_OF_FIT = 0.45  # time of the fits of each model alone, as a share of the joint fit (`bench fit --parts`)
Answers = Mapping[tuple[int, str], FitResult]


@dataclass(frozen=True)
class PartsRun(Run):
    """Fits of each model alone, for joint fits that were stored without them."""

    @property
    def job(self) -> dict[str, Any]:  # numpydoc ignore=RT01
        """Request of the worker."""
        return variance_partition_job(cached.store(), list(self.requests))


def without_parts(answers: Answers) -> list[FitRequest]:
    """List the fits whose unique and shared variance is not stored.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit.

    Returns
    -------
    list of FitRequest
        Fits that an earlier version has stored, or whose parts were deleted.
    """
    return [answer.request for answer in answers.values() if cached.single_model_scores(answer.request) is None]


def offer_parts(answers: Answers) -> None:
    """Say that unique parts are not computed, with one button for all fits shown; nothing where they are.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit that the figure shows.
    """
    lacking = without_parts(answers)
    if not lacking:
        return
    run = PartsRun("Compute unique parts", lacking)
    job = active_job([run])
    if job is not None:
        watch(job.job_id)
        return
    show_failures([run])
    with st.container(horizontal=True, vertical_alignment="center", key="unique-parts"):
        style.small(f"{_what(len(lacking), len(answers))} ({_duration(answers, lacking)}).")
        st.button(run.label, on_click=submit, args=(run,), key="run unique parts")


def _what(n_lacking: int, n_answers: int) -> str:
    of = f" for {n_lacking} of {n_answers} fits" if n_answers > 1 else ""
    return f"{NOT_COMPUTED[0].upper()}{NOT_COMPUTED[1:]}{of}: they need a fit of each model alone"


def _duration(answers: Answers, lacking: list[FitRequest]) -> str:
    """Estimate from the time that the joint fits took."""
    infos = [answer.info for answer in answers.values() if answer.request in lacking]
    seconds = sum(float(info.get("fit_seconds", info["seconds"])) for info in infos)
    return f"about {format_duration(SHARE_OF_FIT * seconds)}"
