"""Identification accuracy as figures: by region, and with regions added one after the other."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from brivl.analyses.decoding.compute import DecodingResult
from brivl.analyses.decoding.tables import accuracy_table, space_of
from brivl.analysis import Options
from brivl.core.numbers import probability
from brivl.viz.style import FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 26  # pixels per region
AXIS = "pairwise identification accuracy"
RANGE = (0.4, 1.02)
REGIONS, CUMULATIVE = "Single regions", "Cumulative regions"


def figures(
    result: DecodingResult, label: FigureLabel, theme: ThemeName = "light", options: Options | None = None
) -> dict[str, go.Figure]:
    """Draw accuracy by region and as regions are added.

    Parameters
    ----------
    result : DecodingResult
        The result.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".
    options : mapping or None
        What the page chose; "space" is used.

    Returns
    -------
    dict
        Figures by title; none where there are no regions.
    """
    table = accuracy_table(result, space_of(result, options or {}))
    regions, steps = (table[table["kind"] == kind] for kind in ("region", "cumulative"))
    if not len(regions):
        return {}
    return {REGIONS: regions_figure(regions, label, theme), CUMULATIVE: cumulative_figure(steps, label, theme)}


def regions_figure(table: pd.DataFrame, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw pairwise accuracy of each region, best at the top; filled where q < .05.

    Parameters
    ----------
    table : DataFrame
        Rows of `accuracy_table` of single regions.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure.
    """
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
            hovertemplate="%{y}: pairwise %{x:.2f}, top-1 %{customdata[0]:.0%}, q %{customdata[2]}, "
            "%{customdata[1]:,} voxels<extra></extra>",
        )
    )
    figure.add_vline(float(table["pairwise_chance"].mean()), line={"color": colours.muted, "dash": "dot", "width": 1})
    figure.update_xaxes(title=AXIS, tickformat=".1f", range=_range(rows))
    figure.update_yaxes(showgrid=True, ticks="", automargin=True)
    figure.update_layout(height=110 + ROW * len(rows), margin={"t": 40, "b": 60})
    return apply_style(figure, label, theme)


def cumulative_figure(table: pd.DataFrame, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw accuracy as regions are added.

    Parameters
    ----------
    table : DataFrame
        Rows of `accuracy_table` of cumulative sets, in the order in which regions are added.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure.
    """
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
    figure.add_hline(float(table["pairwise_chance"].mean()), line={"color": colours.muted, "dash": "dot", "width": 1})
    names = ["by fold" if " or " in name else escape_html(name.removeprefix("+ ")) for name in table["voxels"]]
    figure.update_xaxes(tickvals=steps, ticktext=names, tickangle=-45, showgrid=False, title="region added")
    figure.update_yaxes(title=AXIS, tickformat=".1f", range=_range(table))
    figure.update_layout(height=340, margin={"t": 40, "b": 90})
    return apply_style(figure, label, theme)


def _range(table: pd.DataFrame) -> list[float]:
    """From below chance, or below the lowest value, to a little over all."""
    return [min(RANGE[0], float(table["pairwise"].min()) - 0.03), RANGE[1]]
