"""How well stimuli are told apart from responses: by region, and with one region after the other added."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from brivl.core.numbers import probability
from brivl.viz.style import FigureLabel, ThemeName, apply_style, escape_html, theme_of

CHANCE = 0.5
ROW = 26  # pixels per region
AXIS = "share of pairs won (chance 0.5)"
RANGE = (0.4, 1.02)


def regions_figure(table: pd.DataFrame, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Pairwise accuracy of each region, best at the top; filled where q < .05. table: voxels, pairwise, q, top1."""
    rows = table.sort_values("pairwise", kind="stable")
    colours = theme_of(theme)
    sure = (rows["q"] < 0.05).to_numpy()
    figure = go.Figure(
        go.Scatter(
            x=rows["pairwise"],
            y=rows["voxels"].map(escape_html),
            mode="markers",
            showlegend=False,
            marker={
                "size": 10,
                "color": [colours.joint if s else colours.background for s in sure],
                "line": {"color": colours.joint, "width": 2},
            },
            customdata=rows[["top1", "n_voxels"]].assign(q=[probability(q) for q in rows["q"]]),
            hovertemplate="%{y}: %{x:.2f} of pairs, first in %{customdata[0]:.0%}, q %{customdata[2]}, "
            "%{customdata[1]:,} voxels<extra></extra>",
        )
    )
    figure.add_vline(CHANCE, line={"color": colours.muted, "dash": "dot", "width": 1})
    figure.update_xaxes(title=AXIS, tickformat=".1f", range=_range(rows))
    figure.update_yaxes(showgrid=True, ticks="", automargin=True)
    figure.update_layout(height=110 + ROW * len(rows), margin={"t": 40, "b": 60})
    return apply_style(figure, label, theme)


def cumulative_figure(table: pd.DataFrame, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Accuracy as regions are added, in the order of the rows."""
    colours = theme_of(theme)
    steps = list(range(1, len(table) + 1))
    figure = go.Figure(
        go.Scatter(
            x=steps,
            y=table["pairwise"],
            mode="lines+markers",
            showlegend=False,
            text=table["voxels"].map(escape_html),
            line={"color": colours.joint, "width": 2},
            marker={"size": 7},
            hovertemplate="%{text}: %{y:.2f}<extra></extra>",
        )
    )
    figure.add_hline(CHANCE, line={"color": colours.muted, "dash": "dot", "width": 1})
    names = [escape_html(name.removeprefix("+ ").split(" / ")[0]) for name in table["voxels"]]
    figure.update_xaxes(tickvals=steps, ticktext=names, tickangle=-45, showgrid=False, title="region added")
    figure.update_yaxes(title="pairs won", tickformat=".1f", range=_range(table))
    figure.update_layout(height=340, margin={"t": 40, "b": 90})
    return apply_style(figure, label, theme)


def _range(table: pd.DataFrame) -> list[float]:
    """From below chance, or below the lowest value, to a little over all."""
    return [min(RANGE[0], float(table["pairwise"].min()) - 0.03), RANGE[1]]
