"""Predicted responses to images that were made: by region as bars, by voxel on the flatmap, in standard deviations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from brivl.core.records import FlatmapGeometry
from brivl.viz.flatmap import MapView, flatmap_figure
from brivl.viz.painting import MapScores, paint_value
from brivl.viz.style import FigureLabel, ThemeName, as_text, dress, theme_of

ROW = 24  # pixels per region
UNIT = "predicted response (SD)"


def region_bars(values: Mapping[str, float], chosen: str, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Bars from 0, largest on top; the region that was to be driven is filled, the others are lighter."""
    names = sorted(values, key=values.__getitem__)
    colours = theme_of(theme)
    figure = go.Figure(go.Bar(
        x=[values[name] for name in names], y=[as_text(name) for name in names], orientation="h", showlegend=False,
        marker={"color": colours.joint, "opacity": [1.0 if name == chosen else 0.4 for name in names]},
        hovertemplate="%{y}: %{x:.2f} SD<extra></extra>",
    ))  # fmt: skip
    figure.update_xaxes(title=UNIT, zeroline=True)
    figure.update_yaxes(ticks="", automargin=True)
    figure.update_layout(height=110 + ROW * len(names), margin={"t": 40, "b": 60}, bargap=0.35)
    return dress(figure, label, theme)


def response_map(
    geometry: FlatmapGeometry,
    values: np.ndarray,
    rois: Mapping[str, np.ndarray],
    label: FigureLabel,
    theme: ThemeName = "light",
) -> go.Figure:
    """Flatmap of values (n_voxels,), NaN where there is none; below zero grey, as everywhere."""
    scores = MapScores(values, values, values, ("", ""), rois)
    finite = np.abs(values[np.isfinite(values)])
    limit = max(0.5, float(np.ceil(2 * np.quantile(finite, 0.99)) / 2)) if finite.size else 1.0
    painting = paint_value(geometry, scores, values, ((0.0, limit), UNIT), theme)
    figure = flatmap_figure(geometry, painting, scores, label, MapView(theme, width=760, height=430))
    figure.update_traces(
        hovertemplate="<b>%{text}</b>, voxel %{customdata[0]}: %{customdata[1]:.2f} SD<extra></extra>",
        selector={"name": "voxels"},
    )
    return figure
