"""Predicted responses of regions to images that were made, in standard deviations."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from brivl.viz.style import FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 24  # pixels per region
UNIT = "predicted response (SD)"


def region_bars(values: Mapping[str, float], chosen: str, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Bars from 0, largest on top; the region that was to be driven is filled, the others are lighter."""
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
