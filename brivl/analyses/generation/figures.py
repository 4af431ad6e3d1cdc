"""The similarity of images and prompts over optimisation steps: one line for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from brivl.viz.style import FigureLabel, ThemeName, apply_style, theme_of

DASHES = ("solid", "dash", "dot", "dashdot")  # all lines mean the same, so they share a colour
AXIS_X, AXIS_Y = "optimisation step", "cosine of image and prompt"


@dataclass(frozen=True)
class Curve:
    """A prompt and the cosine that its image reached: steps and similarities (n_previews,)."""

    name: str
    steps: np.ndarray
    similarities: np.ndarray


def similarity_figure(curves: Sequence[Curve], label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw one line for each image.

    Parameters
    ----------
    curves : sequence of Curve
        The lines; cosines lie between -1 and 1.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure.
    """
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
