"""The frame of every page that shows answers: headline, chips, one figure, caption, six tabs, self-check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from brivl.core.encoding.presets import PRESETS
from brivl.core.numbers import format_duration
from brivl.data.summary import DatasetSummary
from brivl.encoding.fit import leakage_warning
from brivl.errors import BrivlError
from brivl.jobs.queue import JobStatus
from brivl.ui import cached, share_tab, style, tabs
from brivl.ui.jobs import Run, active_job, run_buttons, show_failures, watch
from brivl.ui.menu import ensure_navigation
from brivl.ui.results import Shown, describe_subjects
from brivl.ui.sidebar import sidebar
from brivl.ui.style import Chip
from brivl.ui.url_state import Choices

PREPARES = "Its scores are in the cache. A run prepares what this page draws them on; nothing is fitted again."
LAST = "last shown"  # in the session: page -> question whose answer was last on it


@dataclass(frozen=True)
class PageSpec:
    """How a page looks its answers up and shows them."""

    name: str
    look_up: Callable[[Choices, DatasetSummary], Shown]
    runs: Callable[[Shown], Sequence[Run]]  # what the page offers to compute, most useful first
    view: Callable[[Shown], tabs.View]
    ready: Callable[[Shown], bool] = lambda shown: bool(shown.answers)


def explore(spec: PageSpec) -> None:
    """Draw a page. Everything that a user can cause ends as a sentence."""
    ensure_navigation()
    style.put_style()
    asked = sidebar()
    if asked is None:
        return
    try:
        _explore(spec, *asked)
    except BrivlError as error:
        st.error(str(error))


def _explore(spec: PageSpec, choices: Choices, known: DatasetSummary) -> None:
    shown = spec.look_up(choices, known)
    runs = spec.runs(shown)
    job = active_job(runs)
    if spec.ready(shown):
        st.session_state.setdefault(LAST, {})[spec.name] = choices
        _show(spec, shown)
        if job is not None:  # below the figure, where Run stood, so that nothing jumps
            watch(job.job_id)
        elif shown.missing:
            _offer_rest(shown, runs)
    elif job is not None:
        watch(job.job_id)
        _show_old(spec, known)
    else:
        _empty(shown, runs)
    _sidebar_state(shown, job)


def _show(spec: PageSpec, shown: Shown) -> None:
    view = spec.view(shown)
    style.headline(view.record.label.headline)
    style.chips(chips_of(shown))
    share_tab.warn_if_changed(view.record)
    tabs.draw(view)


def chips_of(shown: Shown) -> list[Chip]:
    """What the answers rest on."""
    known, choices = shown.known, shown.choices
    low, high = shown.n_voxels()
    has_ev = next(iter(shown.answers.values())).result.explainable_variance is not None
    threshold = f", EV > {PRESETS[choices.preset].ev_threshold:g}" if has_ev else ""
    count = f"{low:,}" if low == high else f"{low:,}–{high:,}"
    found = [Chip(known.short_name)]
    found += [Chip("SIMULATED", "simulated")] if known.simulated else []
    found += [Chip(f"preset {choices.preset}"), Chip(f"{count} voxels{threshold}"), Chip(shown.who)]
    found += [Chip(shown.coverage.fits)] if shown.missing else []
    on_off = [a.result.r2_nuisance for a in shown.answers.values() if a.result.r2_nuisance is not None]
    found += [Chip(f"stimulus on/off regressed out, R² {np.nanmean(on_off):.3f}")] if on_off else []
    found += [Chip(choices.region)] if choices.region != "all" else []
    if any(known.model_options[model].stand_in for model in choices.models):
        found.append(Chip("stand-in models"))
    return found


def _show_old(spec: PageSpec, known: DatasetSummary) -> None:
    """While a first answer is computed, the last one stays, dimmed and under its own name."""
    old = st.session_state.get(LAST, {}).get(spec.name)
    if old is None or old.data != known.name:
        style.caption(
            "The figure appears here as soon as the first answer is ready. You may leave this page or close it."
        )
        return
    shown = spec.look_up(old, known)
    if spec.ready(shown):
        a, b = shown.names
        what = f"layer {old.layer}, {describe_subjects(old)}, {a} and {b}, preset {old.preset}"
        st.caption(f"Still shown until the new answer is ready: {what}")
        with st.container(key="stale"):
            _show(spec, shown)


def _empty(shown: Shown, runs: Sequence[Run]) -> None:
    choices = shown.choices
    what = f"layer {choices.layer}, {describe_subjects(choices)}"
    fitted = all(cached.stored_fit(request) is not None for request in runs[0].requests)  # on the command line, say
    style.headline(f"Computed and not prepared for this page yet: {what}." if fitted else f"No result yet for {what}.")
    show_failures(runs)
    style.caption(PREPARES if fitted else _what_a_run_does(shown, runs))
    _warn_of_leaks(shown)
    run_buttons(runs)


def _what_a_run_does(shown: Shown, runs: Sequence[Run]) -> str:
    choices, (a, b) = shown.choices, shown.names
    return (
        f"A run predicts each voxel of {shown.known.short_name} from layer {choices.layer} of {a} and of {b} together, "
        f"and says which of the two explains how much. {cached.run_time(runs[0].requests)} The answer is kept."
    )


def _warn_of_leaks(shown: Shown) -> None:
    """What folds would share, before a fit; it may go on."""
    choices = shown.choices
    warning = leakage_warning(shown.known.dataset, choices.chosen_subjects[0], choices.preset)
    if warning:
        style.note(warning)


def _offer_rest(shown: Shown, runs: Sequence[Run]) -> None:
    show_failures(runs)
    n = len(shown.missing)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{n} of {n + len(shown.answers)} fits of this page are not there yet. {cached.run_time(shown.missing)}"
        )
        run_buttons(runs[-1:])
    _warn_of_leaks(shown)


def _sidebar_state(shown: Shown, job: JobStatus | None) -> None:
    """Where the answer came from, and whether something else is being computed."""
    with st.sidebar:
        if shown.answers:
            seconds = sum(float(answer.info["seconds"]) for answer in shown.answers.values())
            n = len(shown.answers)
            style.small(f"{n} fit{'s' if n > 1 else ''}: cached (computed in {format_duration(seconds)})")
        others = [status for status in cached.job_queue().active() if job is None or status.job_id != job.job_id]
        if others:
            style.small(f"{len(others)} other computation{'s' if len(others) > 1 else ''} running or waiting, see Home")
