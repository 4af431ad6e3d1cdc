"""Predicted responses of regions to generated images, in standard deviations."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from brivl.viz.style import FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 24  # pixels per region
UNIT = "predicted response (SD)"


def region_bars(values: Mapping[str, float], chosen: str, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw bars, largest on top; the requested region is filled, the others are lighter.

    Parameters
    ----------
    values : mapping
        Region -> mean predicted response in standard deviations.
    chosen : str
        The requested region.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure.
    """
    names = sorted(values, key=values.__getitem__)
    colours = theme_of(theme)
    figure = go.Figure(
        go.Bar(
            x=[values[name] for name in names],
            y=[escape_html(name) for name in names],
            orientation="h",
            showlegend=False,
            marker={"color": colours.joint, "opacity": [1.0 if name == chosen else 0.4 for name in names]},
            hovertemplate="%{y}: %{x:.2f} SD<extra></extra>",
        )
    )
    figure.update_xaxes(title=UNIT, zeroline=True)
    figure.update_yaxes(ticks="", automargin=True)
    figure.update_layout(height=110 + ROW * len(names), margin={"t": 40, "b": 60}, bargap=0.35)
    return apply_style(figure, label, theme)
