"""What the page Layers shows (paper Figs. 4b and 5a)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from brivl.app import look, state
from brivl.app.asking import Shown, look_up, mean_scores, said_subjects
from brivl.app.frame import PageSpec, View
from brivl.app.running import Run
from brivl.app.state import Choices
from brivl.backend.known import Known
from brivl.core.findings import layers_headline
from brivl.core.numbers import number
from brivl.core.regions.region_stats import compare
from brivl.errors import RequestError
from brivl.viz.layers import MIN_BOX, LayerScores, layer_figure
from brivl.viz.layers_page import layer_page
from brivl.viz.style import PLOT_CONFIG, R2, FigureLabel

CHART = "layers chart"
HINT = "Click a dot to choose its layer."


def _look_up(choices: Choices, known: Known) -> Shown:
    return look_up(choices, known, choices.layers)


def _runs(shown: Shown) -> Sequence[Run]:
    choices = shown.choices
    one = Run(f"Run layer {choices.layer}, {said_subjects(choices)}", choices.requests())
    every = Run(f"Run all layers, {said_subjects(choices)}", choices.requests(choices.layers))
    return [one, every] if choices.n_layers > 1 else [one]


def _view(shown: Shown) -> View:
    table = mean_scores(shown)
    if table.empty:
        raise RequestError(f"No voxel of {shown.choices.region!r} was fitted; choose another region, or all voxels.")
    scores = LayerScores(table, shown.names, selected=shown.choices.layer)
    label = FigureLabel(_headline(shown, table), _caption(shown, table), shown.known.simulated, _detail(shown))
    stem = f"layers_{shown.known.stimulus_kind}_{shown.choices.subject}"
    return View(
        label,
        shown,
        lambda: _draw(scores, label, shown.choices.n_layers),
        table,
        lambda page: layer_page(scores, label, page),
        stem,
        HINT,
    )


def _headline(shown: Shown, table: pd.DataFrame) -> str:
    layers = sorted(table["layer"].unique().tolist())
    a, b = (table.pivot(index="subject", columns="layer", values=c)[layers] for c in ("r2_split_a", "r2_split_b"))
    comparison = compare(a.to_numpy(), b.to_numpy(), [str(layer) for layer in layers])
    joint = table.groupby("layer")["r2_joint"].mean().reindex(layers).to_numpy()
    if len(layers) > 1:
        return layers_headline(layers, joint, shown.names, comparison, shown.who)
    difference = float(comparison.table["difference"].iloc[0])
    first = int(difference < 0)
    return (
        f"Layer {layers[0]}: {shown.names[first]} explains more than {shown.names[1 - first]}, by "
        f"{number(abs(difference), 2)} {R2} on average ({shown.who}); joint {R2} {number(joint[0], 2)}"
    )


def _caption(shown: Shown, table: pd.DataFrame) -> str:
    low, high = int(table["n_voxels"].min()), int(table["n_voxels"].max())
    count = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    where = "" if shown.choices.region == "all" else f" of {shown.choices.region}"
    n = table["subject"].nunique()
    boxes = "Boxes: median and quartiles over subjects, whiskers to 1.5 interquartile ranges. " if n >= MIN_BOX else ""
    dots = "Dots: subjects, a thin line joins the two models of each." if n > 1 else f"Dots: subject {shown.who}."
    return (
        f"Mean over {count} fitted voxels{where}, on held-out data. Line: joint {R2} of both models"
        f"{' (mean of subjects)' if n > 1 else ''}. {boxes}{dots}"
    )


def _detail(shown: Shown) -> str:
    return f"{shown.known.short_name}, {shown.who}, preset {shown.choices.preset}"


def _draw(scores: LayerScores, label: FigureLabel, n_layers: int) -> None:
    figure = layer_figure(scores, label, look.theme())
    # All layers from the start: the axis must not jump while they come in.
    figure.update_xaxes(range=(0.4, n_layers + 0.6), tickvals=list(range(1, n_layers + 1)))
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
        state.change(layer=int(np.rint(points[0]["x"])))


LAYERS = PageSpec("Layers", _look_up, _runs, _view)
