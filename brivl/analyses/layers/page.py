"""What the page Layers shows (paper Figs. 4b and 5a)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st

from brivl.analyses.figure_methods import layers_methods
from brivl.analyses.layers.figures import LayerScores, layer_figure
from brivl.analyses.layers.heat_map.page import heat_view
from brivl.analyses.layers.print_figure import layer_page
from brivl.analyses.layers.tables import layers_caption, layers_finding, scores_by_layer, with_parts
from brivl.data.regions import BRAIN
from brivl.data.summary import DatasetSummary
from brivl.errors import RequestError
from brivl.ui import style, url_state
from brivl.ui.frame import PageSpec
from brivl.ui.jobs import Run
from brivl.ui.results import Shown, describe_subjects, fit_view, look_up, mean_parts, mean_scores
from brivl.ui.sidebar import bound
from brivl.ui.tabs import View
from brivl.ui.unique_parts import offer_parts
from brivl.ui.url_state import HEAT, Choices
from brivl.viz.style import PLOT_CONFIG, FigureLabel

CHART = "layers chart"
VIEWS = {"": "By layer", HEAT: "Layer × region"}
HINT = "Click a dot to select that layer."


def _look_up(choices: Choices, summary: DatasetSummary) -> Shown:
    # In layer x region the chosen region is a row and no filter.
    shown_choices = replace(choices, region=BRAIN) if choices.view == HEAT else choices
    return look_up(shown_choices, summary, choices.layers)


def _runs(shown: Shown) -> Sequence[Run]:
    choices = shown.choices
    one = Run(f"Run layer {choices.layer}, {describe_subjects(choices)}", choices.requests())
    every = Run(f"Run all layers, {describe_subjects(choices)}", choices.requests(choices.layers))
    return [one, every] if choices.n_layers > 1 else [one]


def _view(shown: Shown) -> View:
    choose = partial(_choose_view, shown.choices.view)
    if shown.choices.view == HEAT:
        return heat_view(shown, choose)
    view = _by_layer(shown)
    return replace(view, draw=partial(_draw_both, choose, view.draw))


def _choose_view(chosen: str) -> None:
    """The choice between the two figures of this page."""
    st.segmented_control("View", list(VIEWS), format_func=VIEWS.__getitem__, **bound("view", chosen))


def _draw_both(choose: Callable[[], None], draw: Callable[[], None]) -> None:
    choose()
    draw()


def _by_layer(shown: Shown) -> View:
    means_only, parts = mean_scores(shown), mean_parts(shown)
    if means_only.empty:
        raise RequestError(f"No voxel of {shown.choices.region!r} was fitted; choose another region, or all voxels.")
    table = with_parts(means_only, parts)
    scores = LayerScores(table, shown.names, shown.choices.layer, shown.coverage)
    means = scores_by_layer(means_only, parts, shown.coverage)
    headline = layers_finding(table, shown.names, shown.coverage, means)
    caption = layers_caption(table, shown.coverage, _where(shown))
    label = FigureLabel(headline, caption, shown.summary.simulated, _detail(shown))
    stem = f"layers_{shown.summary.stimulus_kind}_{shown.choices.subject}"
    return fit_view(
        shown,
        "layers",
        stem,
        label,
        table=lambda: table,
        print_figure=lambda page: layer_page(scores, label, page),
        draw=lambda: _draw(scores, label),
        hint=HINT,
        below=lambda: offer_parts(shown.answers),
        methods=layers_methods(shown.coverage, shown.choices.region, any(one.has_parts for one in means.values())),
    )


def _where(shown: Shown) -> str:
    return "" if shown.choices.region == "all" else f" of {shown.choices.region}"


def _detail(shown: Shown) -> str:
    return f"{shown.summary.short_name}, {shown.who}, preset {shown.choices.preset}"


def _draw(scores: LayerScores, label: FigureLabel) -> None:
    figure = layer_figure(scores, label, style.theme())
    with st.container(key="figure-tall"):
        st.plotly_chart(
            figure,
            theme=None,
            key=CHART,
            on_select=_choose_layer,
            selection_mode="points",
            config=PLOT_CONFIG,
            height="stretch",
        )


def _choose_layer() -> None:
    points = st.session_state[CHART].selection.points
    if points:
        url_state.change(layer=int(np.rint(points[0]["x"])))


LAYERS = PageSpec("Layers", _look_up, _runs, _view)
