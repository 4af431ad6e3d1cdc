"""The page of an analysis, made from its record: sidebar, checks, computation, headline, chips, six tabs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from brivl.analysis import Analysis, Options, task_of
from brivl.data.summary import DatasetSummary
from brivl.errors import BrivlError
from brivl.sharing.analysis_evidence import AnalysisEvidence, figure_record
from brivl.ui import cached, share_tab, style, tabs, url_state
from brivl.ui.menu import ensure_navigation
from brivl.ui.page_inputs import Inputs
from brivl.ui.published_method import published_method
from brivl.ui.result_or_run import result_or_run
from brivl.ui.sidebar import sidebar, subject_controls
from brivl.ui.style import Chip
from brivl.ui.url_state import ALL, Choices
from brivl.viz.style import PLOT_CONFIG, FigureLabel


@dataclass(frozen=True)
class Unsuitable:
    """Why a dataset does not suit an analysis, and a simulated dataset that does ("" for none)."""

    headline: str
    advice: str
    suitable: str = ""


@dataclass(frozen=True)
class Shown:
    """A result as `AnalysisPage.draw` is given it."""

    result: Any
    label: FigureLabel
    options: Options
    inputs: Inputs
    summary: DatasetSummary | None  # the dataset, None for demonstrations of the model


@dataclass(frozen=True)
class AnalysisPage:
    """What the page of an analysis adds to its record.

    Attributes
    ----------
    analysis : Analysis
        The record.
    button : str
        Label of the button that starts the computation; "" starts it at once.
    question : callable
        (request) -> headline before there is a result.
    about : str
        What a computation does, shown before there is a result and below it.
    differs : str
        How this differs from the published method; "" for nothing.
    published : tuple of str
        Keys of `citations.BIB` of the published methods.
    controls : callable
        (choices or None, dataset summary or None, inputs) -> request, None where one cannot be made yet. Draws the
        controls of the sidebar; called within it.
    defaults : mapping
        Query parameters of the page with their defaults.
    whole_question : bool
        Whether the sidebar asks for models and layer, as on the pages of fits; else for subject and preset alone.
    suits : callable
        (choices, dataset summary) -> Unsuitable, or None where the dataset suits.
    chips : callable
        (request) -> further facts beside the headline.
    draw : callable or None
        Draws the result; None draws the figures of the record below each other.
    below : callable or None
        Draws what stands under the caption.
    options : callable
        (inputs, result) -> what the page chose in showing the result. May draw controls above the figure.
    preview : callable or None
        (task, request) -> None; drawn below the progress while a result is computed.
    intro : callable or None
        (request) -> None; drawn while there is no result, such as the image that a question is about.
    waits : str
        A sentence on how long a computation takes; "" for none.
    """

    analysis: Analysis[Any, Any]
    button: str
    question: Callable[[Any], str]
    about: str
    controls: Callable[[Choices | None, DatasetSummary | None, Inputs], Any]
    defaults: Mapping[str, str]
    differs: str = ""
    published: tuple[str, ...] = ()
    whole_question: bool = False
    suits: Callable[[Choices, DatasetSummary], Unsuitable | None] = lambda choices, summary: needs_stimuli(summary)
    chips: Callable[[Any], Sequence[str]] = lambda request: ()
    draw: Callable[[Shown], None] | None = None
    below: Callable[[Shown], None] | None = None
    options: Callable[[Inputs, Any], Options] = lambda inputs, result: {}
    preview: Callable[[Mapping[str, Any], Any], None] | None = None
    intro: Callable[[Any], None] | None = None
    waits: str = ""


def needs_stimuli(summary: DatasetSummary) -> Unsuitable | None:
    """Tell whether a dataset lacks stimuli.

    Parameters
    ----------
    summary : DatasetSummary
        The dataset.

    Returns
    -------
    Unsuitable or None
        Why it does not suit, None where it does.
    """
    if summary.stimulus_kind != "features":
        return None
    return Unsuitable(
        "This analysis needs stimuli",
        f"{summary.short_name} contains features of the stimuli, not the images or sentences themselves.",
    )


def show(page: AnalysisPage) -> None:
    """Draw the page of an analysis of one subject; every error ends as a sentence.

    Parameters
    ----------
    page : AnalysisPage
        The page.
    """
    ensure_navigation()
    style.put_style()
    chosen = sidebar(None if page.whole_question else subject_controls)
    if chosen is None:
        return
    try:
        _page_of_subject(page, *chosen)
    except BrivlError as error:
        st.error(str(error))


def show_demo(page: AnalysisPage) -> None:
    """Draw the page of a demonstration of the model; every error ends as a sentence.

    Parameters
    ----------
    page : AnalysisPage
        The page.
    """
    ensure_navigation()
    style.put_style()
    with st.sidebar:
        style.title("BriVL explorer")
    try:
        inputs = Inputs(page.analysis.name, page.defaults)
        with st.sidebar:
            request = page.controls(None, None, inputs)
        if request is not None:
            _result(page, request, inputs, None)
    except BrivlError as error:
        st.error(str(error))


def _page_of_subject(page: AnalysisPage, choices: Choices, summary: DatasetSummary) -> None:
    inputs = Inputs(page.analysis.name, page.defaults)
    unsuitable = page.suits(choices, summary)
    if unsuitable is None and choices.subject == ALL and len(choices.subjects) > 1:
        unsuitable = Unsuitable("Choose one subject", "This analysis is of one subject at a time.")
    with st.sidebar:
        request = page.controls(choices, summary, inputs)
    if unsuitable is not None:
        style.headline(unsuitable.headline)
        st.info(unsuitable.advice)
        if unsuitable.suitable and request is not None:
            switch_dataset_button(page, unsuitable.suitable, request)
    elif request is not None:
        _result(page, request, inputs, summary)


def switch_dataset_button(page: AnalysisPage, dataset: str, request: Any) -> None:
    """Offer to switch to a dataset that suits, and to start the same request for its first subject there.

    Parameters
    ----------
    page : AnalysisPage
        The page.
    dataset : str
        Name of the dataset.
    request : Request
        The request, of which dataset and subject are replaced.
    """

    def change() -> None:
        url_state.change(data=dataset)
        other = replace(request, dataset=dataset, subject=cached.dataset_summary(dataset).subjects[0])
        cached.model_queue().submit(task_of(page.analysis, cached.store(), other))

    st.button(f"{page.button} with {dataset} (simulated)", type="primary", on_click=change)


def _result(page: AnalysisPage, request: Any, inputs: Inputs, summary: DatasetSummary | None) -> None:
    """Show the stored result; offer to compute it where there is none."""
    evidence = cached.evidence(page.analysis, request)
    if evidence is None:
        style.headline(page.question(request))
        style.chips(_chips(page, request, summary, summary is not None and summary.simulated))
        style.caption(" ".join(part for part in (page.about, page.waits) if part))
        if page.intro is not None:
            page.intro(request)
        task = task_of(page.analysis, cached.store(), request)
        preview = None if page.preview is None else lambda: page.preview(task, request)  # type: ignore[misc]
        evidence = result_or_run(
            task, lambda: cached.evidence(page.analysis, request), button=page.button or None, preview=preview
        )
        if evidence is None:
            return
        st.rerun()
    _show(page, evidence, inputs, summary)


def _show(page: AnalysisPage, evidence: AnalysisEvidence, inputs: Inputs, summary: DatasetSummary | None) -> None:
    head = st.container()
    options = page.options(inputs, evidence.result)
    record = figure_record(evidence, options, share_tab.link_fields())
    with head:
        style.warnings(page.analysis.warnings(evidence.result))
        style.headline(record.label.headline)
        style.chips(_chips(page, evidence.request, summary, evidence.simulated))
        share_tab.warn_if_changed(record)
    shown = Shown(evidence.result, record.label, options, inputs, summary)
    below = None if page.below is None else lambda: page.below(shown)  # type: ignore[misc]
    tabs.draw(tabs.View(record, lambda: _draw(page, shown), below=below))
    with st.expander("About this analysis"):
        style.caption(page.about)
    published_method(page.differs, page.published, page.analysis.name)


def _draw(page: AnalysisPage, shown: Shown) -> None:
    if page.draw is not None:
        page.draw(shown)
        return
    make = page.analysis.figures
    for title, figure in (make(shown.result, shown.label, style.theme(), shown.options) if make else {}).items():
        plot(figure, f"{page.analysis.name} {title}")


def plot(figure: go.Figure, key: str) -> None:
    """Draw a Plotly figure on the page.

    Parameters
    ----------
    figure : Figure
        The figure.
    key : str
        Its name in the session.
    """
    st.plotly_chart(figure, theme=None, config=PLOT_CONFIG, key=key)


def _chips(page: AnalysisPage, request: Any, summary: DatasetSummary | None, simulated: bool) -> list[Chip]:
    """What a result rests on; simulated data are always labelled."""
    chips = [] if summary is None else [Chip(summary.short_name)]
    chips += [Chip("SIMULATED", "simulated")] if simulated else []
    if summary is not None:
        of = summary.reading_chips(getattr(request, "subject", ""))
        chips += [Chip(text, help=style.READING_HELP) for text in of]
    chips += [Chip(request.subject)] if hasattr(request, "subject") else []
    if hasattr(request, "preset"):
        chips.append(Chip(f"{style.preset_title(request.preset)} preset", help=style.PRESET_HELP))
    helps = {text: style.DEMO_HELP if "demo model" in text else "" for text in page.chips(request)}
    return [*chips, *(Chip(text, help=about) for text, about in helps.items())]
