"""The frame of every page that shows fits: headline, chips, one figure, caption, six tabs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

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
from brivl.ui.sidebar import fit_controls, sidebar
from brivl.ui.style import Chip
from brivl.ui.url_state import Choices

PREPARES = "The scores are cached. A run prepares the surfaces that this page draws; nothing is fitted again."
LAST_SELECTION_KEY = "last shown"  # in the session: page -> choices whose fits were last on it


@dataclass(frozen=True)
class PageSpec:
    """How a page looks its fits up and shows them."""

    name: str
    look_up: Callable[[Choices, DatasetSummary], Shown]
    runs: Callable[[Shown], Sequence[Run]]  # what the page offers to compute, most useful first
    view: Callable[[Shown], tabs.View]
    ready: Callable[[Shown], bool] = lambda shown: bool(shown.answers)
    has_own_layer: Callable[[Choices, DatasetSummary], bool] = lambda choices, summary: False  # and the sidebar none


def explore(spec: PageSpec) -> None:
    """Draw a page; every error ends as a sentence.

    Parameters
    ----------
    spec : PageSpec
        The page.
    """
    ensure_navigation()
    style.put_style()
    chosen = sidebar(partial(fit_controls, has_own_layer=spec.has_own_layer))
    if chosen is None:
        return
    try:
        _explore(spec, *chosen)
    except BrivlError as error:
        st.error(str(error))


def _explore(spec: PageSpec, choices: Choices, summary: DatasetSummary) -> None:
    shown = spec.look_up(choices, summary)
    runs = spec.runs(shown)
    job = active_job(runs)
    if spec.ready(shown):
        st.session_state.setdefault(LAST_SELECTION_KEY, {})[spec.name] = choices
        _show(spec, shown)
        if job is not None:  # below the figure, where Run stood, so that nothing jumps
            watch(job.job_id)
        elif shown.missing:
            _offer_rest(shown, runs)
    elif job is not None:
        watch(job.job_id)
        _show_old(spec, summary)
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
    """List what the fits rest on.

    Parameters
    ----------
    shown : Shown
        The fits.

    Returns
    -------
    list of Chip
        Dataset, simulated or not, preset, voxels, subjects, region, models.
    """
    summary, choices = shown.summary, shown.choices
    low, high = shown.n_voxels()
    has_ev = next(iter(shown.answers.values())).result.explainable_variance is not None
    threshold = f", EV > {PRESETS[choices.preset].ev_threshold:g}" if has_ev else ""
    count = f"{low:,}" if low == high else f"{low:,}–{high:,}"
    chips = [Chip(summary.short_name)]
    chips += [Chip("SIMULATED", "simulated")] if summary.simulated else []
    chips += [Chip(text, help=style.READING_HELP) for text in summary.reading_chips(choices.subject)]
    chips += [Chip(f"{style.preset_title(choices.preset)} preset", help=style.PRESET_HELP)]
    chips += [Chip(f"{count} voxels{threshold}"), Chip(shown.who)]
    chips += [Chip(shown.coverage.fits)] if shown.missing else []
    on_off = [a.result.r2_nuisance for a in shown.answers.values() if a.result.r2_nuisance is not None]
    chips += [Chip(f"stimulus on/off regressed out, R² {np.nanmean(on_off):.3f}".replace("-", "−"))] if on_off else []
    chips += [Chip(choices.region)] if choices.region != "all" else []
    if any(summary.model_options[model].stand_in for model in choices.models):
        chips.append(Chip(style.DEMO_MODELS, help=style.DEMO_HELP))
    return chips


def _show_old(spec: PageSpec, summary: DatasetSummary) -> None:
    """While a first result is computed, the last one stays, dimmed and under its own name."""
    old = st.session_state.get(LAST_SELECTION_KEY, {}).get(spec.name)
    if old is None or old.data != summary.name:
        style.caption("The figure appears here as soon as the first fit is ready. You may leave this page or close it.")
        return
    shown = spec.look_up(old, summary)
    if spec.ready(shown):
        a, b = shown.names
        what = f"layer {old.layer}, {describe_subjects(old)}, {a} and {b}, {style.preset_title(old.preset)} preset"
        st.caption(f"Shown until the new result is ready: {what}")
        with st.container(key="stale"):
            _show(spec, shown)


def _empty(shown: Shown, runs: Sequence[Run]) -> None:
    choices = shown.choices
    what = f"layer {choices.layer}, {describe_subjects(choices)}"
    fitted = all(cached.stored_fit(request) is not None for request in runs[0].requests)  # as on the command line
    style.headline(f"Fitted, but not prepared for this page yet: {what}." if fitted else f"No result yet for {what}.")
    show_failures(runs)
    style.caption(PREPARES if fitted else _what_a_run_does(shown, runs))
    _warn_of_leaks(shown)
    run_buttons(runs)


def _what_a_run_does(shown: Shown, runs: Sequence[Run]) -> str:
    choices, (a, b) = shown.choices, shown.names
    return (
        f"Fits layer {choices.layer} of {a} and {b} jointly to each voxel of {shown.summary.short_name} and splits the "
        f"cross-validated R² between them. {cached.run_time(runs[0].requests)} Results are cached."
    )


def _warn_of_leaks(shown: Shown) -> None:
    """Warn of stimuli that training and test sets would share; the fit may go on."""
    choices = shown.choices
    warning = leakage_warning(shown.summary.dataset, choices.chosen_subjects[0], choices.preset)
    if warning:
        style.note(warning)


def _offer_rest(shown: Shown, runs: Sequence[Run]) -> None:
    show_failures(runs)
    n, n_ready = len(shown.missing), len(shown.answers)
    layers = sorted({layer for layer, _ in shown.answers})
    ready = f"layer {layers[0]}" if len(layers) == 1 else f"layers {', '.join(map(str, layers))}"
    time_left = cached.run_time(shown.missing).removeprefix("Takes ")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{n_ready} of {n + n_ready} fits done ({ready}). Remaining {n}: {time_left}")
        run_buttons(runs[-1:])
    _warn_of_leaks(shown)


def _sidebar_state(shown: Shown, job: JobStatus | None) -> None:
    """Tell how many fits are shown, and whether something else is being computed."""
    with st.sidebar:
        if shown.answers:
            seconds = sum(float(answer.info["seconds"]) for answer in shown.answers.values())
            n = len(shown.answers)
            style.small(f"{n} fit{'s' if n > 1 else ''} loaded (computing time {format_duration(seconds)})")
        others = [status for status in cached.job_queue().active() if job is None or status.job_id != job.job_id]
        if others:
            label = f"{len(others)} other job{'s' if len(others) > 1 else ''} running · view"
            st.page_link("pages/home.py", label=label, icon=":material/arrow_forward:")
