"""How near pictures come to their texts while they are made: one line for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from brivl.viz.style import FigureLabel, ThemeName, apply_style, theme_of

DASHES = ("solid", "dash", "dot", "dashdot")  # all lines mean the same, so they share a colour
AXIS_X, AXIS_Y = "step", "cosine of picture and text"


@dataclass(frozen=True)
class Curve:
    """A text and the cosine that its picture reached after each step: steps and similarities (n_looks,)."""

    name: str
    steps: np.ndarray
    similarities: np.ndarray


def similarity_figure(curves: Sequence[Curve], label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Plotly figure; cosines lie in -1..1."""
    figure = go.Figure()
    for i, curve in enumerate(curves):
        figure.add_trace(
            go.Scatter(
                x=curve.steps,
                y=curve.similarities,
                name=curve.name,
                mode="lines+markers",
                showlegend=True,
                line={"color": theme_of(theme).joint, "dash": DASHES[i % len(DASHES)], "width": 2},
                marker={"size": 5},
                hovertemplate="step %{x}: %{y:.3f}",
            )
        )
    figure.update_xaxes(title=AXIS_X, showgrid=False, rangemode="tozero")
    figure.update_yaxes(title=AXIS_Y, tickformat="~g")
    figure.update_layout(height=300, margin={"t": 50, "b": 55})
    return apply_style(figure, label, theme)
