"""Dot pairs: R² off and on (or without and with) in one row each, for the joint model and for both models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.core.numbers import number
from brivl.errors import RequestError
from brivl.viz.style import R2, A, B, FigureLabel, ThemeName, apply_style, escape_html, theme_of

COLUMNS = ("row", "joint_off", "joint_on", "a_off", "a_on", "b_off", "b_on")
SLOT = 0.24  # rows between the pairs of one row
HEIGHT, TOP, BOTTOM = 62, 64, 60  # pixels of a row, above and below


@dataclass(frozen=True)
class PairScores:
    """What is compared: one row each, top first, R² in two states.

    table: `COLUMNS`; names of A and B; states: what the open and the filled dot mean.
    """

    table: pd.DataFrame
    names: tuple[str, str]
    states: tuple[str, str] = ("off", "on")

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table]
        if missing:
            raise RequestError(f"The figure needs the columns {COLUMNS!r}; missing: {missing!r}. Add them.")

    @property
    def height(self) -> int:
        """Pixels."""
        return HEIGHT * len(self.table) + TOP + BOTTOM


def pair_figure(scores: PairScores, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Plotly figure: open dot and filled dot of each score, joined by a line; its height grows with the rows."""
    figure = go.Figure()
    names = map(escape_html, scores.names)
    sides = (("joint", "joint", theme_of(theme).joint), *zip("ab", names, (A, B), strict=True))
    for i, (column, name, colour) in enumerate(sides):
        _add_pairs(figure, scores, (column, name, colour), (i - 1) * SLOT)
    rows, words = np.arange(len(scores.table)), [escape_html(row) for row in scores.table["row"]]
    figure.update_yaxes(
        tickvals=rows,
        ticktext=words,
        range=(len(rows) - 0.45, -0.55),
        ticks="",
        showline=False,
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(title=f"{R2} on held-out data, mean over voxels", tickformat="~g", zeroline=True)
    figure.update_layout(height=scores.height)
    apply_style(figure, label, theme)
    return figure.update_layout(margin=dict(l=20, r=30, t=TOP, b=BOTTOM))


def _add_pairs(figure: go.Figure, scores: PairScores, side: tuple[str, str, str], offset: float) -> None:
    column, name, colour = side
    off, on = (scores.table[f"{column}_{state}"].to_numpy(float) for state in ("off", "on"))
    y, gap = np.arange(len(off)) + offset, np.full(len(off), np.nan)
    figure.add_scatter(
        x=np.stack([off, on, gap], 1).ravel(),
        y=np.stack([y, y, gap], 1).ravel(),
        mode="lines",
        line=dict(color=colour, width=2),
        hoverinfo="skip",
        showlegend=False,
        name="links",
    )
    for values, state, marker in zip((off, on), scores.states, ("circle-open", "circle"), strict=True):
        rows = map(escape_html, scores.table["row"])
        words = [f"{row}<br>{name}, {state}: {number(v)}" for row, v in zip(rows, values, strict=True)]
        figure.add_scatter(
            x=values,
            y=y,
            mode="markers",
            name=f"{name}, {state}",
            legendgroup=column,
            hovertext=words,
            hoverinfo="text",
            marker=dict(symbol=marker, size=10, color=colour, line=dict(color=colour, width=2)),
        )
