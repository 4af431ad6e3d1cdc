"""Flatmap for the page: curvature, coloured voxels, ROI outlines and names, L and R, hover, scale. Plotly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from brivl.core.flatmap import voxel_centres
from brivl.core.records import FlatmapGeometry
from brivl.viz.flatmap_scale import MAP_DOMAIN, add_scale, png_uri, ring
from brivl.viz.painting import MapScores, Painting, fitting_names, outline_path, over_curvature, roi_names
from brivl.viz.style import PLOT_CONFIG, R2, FigureLabel, ThemeName, dress, theme_of

NAME_SIZE = 13  # px
NAME_WIDTH = 0.6  # width of a character, in type sizes
CONFIG = dict(PLOT_CONFIG, scrollZoom=True)


@dataclass(frozen=True)
class MapView:
    """How the flatmap is shown."""

    theme: ThemeName = "light"
    names: bool = True
    highlight: str | None = None  # ROI drawn with a heavy outline
    picked: int | None = None  # voxel marked on the map and in the scale
    width: int = 1000  # px of the figure on the page; decides which names fit
    height: int = 600


def flatmap_figure(
    geometry: FlatmapGeometry, painting: Painting, scores: MapScores, label: FigureLabel, view: MapView | None = None
) -> go.Figure:
    """Plotly figure; hover shows voxel, ROIs and the three R², customdata = (voxel, ROIs, joint, A, B)."""
    view = view or MapView()
    figure = go.Figure()
    figure.add_layout_image(_image(over_curvature(geometry, painting.rgba, view.theme), "data"))
    figure.add_traces(_outlines(geometry, view))
    figure.add_trace(_hover(geometry, scores))
    if view.names:
        figure.add_trace(_names(geometry, view))
    _add_marks(figure, geometry, view)
    if view.picked is not None:
        figure.add_trace(_picked(geometry, view.picked))
    add_scale(figure, painting, theme_of(view.theme), view.picked)
    _frame(figure, geometry, view)
    return dress(figure, label, view.theme)


def _image(rgba: np.ndarray, name: str) -> dict:
    height, width = rgba.shape[:2]
    return dict(
        source=png_uri(rgba),
        name=name,
        xref="x",
        yref="y",
        x=-0.5,
        y=-0.5,
        sizex=width,
        sizey=height,
        xanchor="left",
        yanchor="top",
        sizing="stretch",
        layer="below",
    )


def _outlines(geometry: FlatmapGeometry, view: MapView) -> list[go.Scatter]:
    """White lines over dark ones, so that they are seen on any colour."""
    path = outline_path([polygon for polygons in geometry.outlines.values() for polygon in polygons])
    traces = [_line(path, "rgba(0,0,0,0.65)", 3.2, "outline halo"), _line(path, "#FFFFFF", 1.3, "outlines")]
    if view.highlight in geometry.outlines:
        chosen = outline_path(geometry.outlines[view.highlight])
        traces += [_line(chosen, "rgba(0,0,0,0.9)", 7, "highlight halo"), _line(chosen, "#FFFFFF", 3.6, view.highlight)]
    return traces


def _line(path: np.ndarray, colour: str, width: float, name: str) -> go.Scatter:
    return go.Scatter(
        x=path[:, 0],
        y=path[:, 1],
        mode="lines",
        line=dict(color=colour, width=width),
        hoverinfo="skip",
        showlegend=False,
        name=name,
    )


def _hover(geometry: FlatmapGeometry, scores: MapScores) -> go.Scattergl:
    """Clear marks at the voxels' centres: they carry hover and click, the picture carries the colours."""
    centres = voxel_centres(geometry)
    shown = np.flatnonzero(np.isfinite(centres).all(axis=1) & np.isfinite(scores.joint))
    data = np.empty((len(shown), 5), object)
    for column, values in enumerate(
        (np.arange(len(centres)), roi_names(scores, len(centres)), scores.joint, scores.a, scores.b)
    ):
        data[:, column] = np.asarray(values)[shown] if column < 2 else np.round(np.asarray(values, float)[shown], 5)
    a, b = scores.names
    return go.Scattergl(
        x=centres[shown, 0],
        y=centres[shown, 1],
        mode="markers",
        marker=dict(size=9, opacity=0),
        name="voxels",
        showlegend=False,
        customdata=data,
        hovertemplate=(
            f"<b>%{{customdata[1]}}</b>, voxel %{{customdata[0]}}<br>joint {R2}: %{{customdata[2]:.3g}}<br>"
            f"{a}: %{{customdata[3]:.3g}}<br>{b}: %{{customdata[4]:.3g}}<extra></extra>"
        ),
    )


def _names(geometry: FlatmapGeometry, view: MapView) -> go.Scatter:
    height, width = geometry.mask.shape
    inner = (view.width - 30) * (MAP_DOMAIN[1] - MAP_DOMAIN[0])
    scale = max(width / inner, height / (view.height - 60))  # picture pixels per screen pixel
    places = fitting_names(geometry, NAME_WIDTH * NAME_SIZE * scale)
    halo = ", ".join(["0 0 3px #000"] * 3)
    return go.Scatter(
        x=[place.x for place in places],
        y=[place.y for place in places],
        text=[place.name for place in places],
        mode="text",
        textfont=dict(color="#FFFFFF", size=NAME_SIZE, weight=600, shadow=halo),
        hoverinfo="skip",
        showlegend=False,
        name="names",
    )


def _add_marks(figure: go.Figure, geometry: FlatmapGeometry, view: MapView) -> None:
    for text, (x, y) in geometry.marks.items():
        figure.add_annotation(
            text=f"<b>{text}</b>",
            name=text,
            x=x,
            y=y,
            xref="x",
            yref="y",
            showarrow=False,
            font=dict(size=22, color=theme_of(view.theme).text),
        )


def _picked(geometry: FlatmapGeometry, voxel: int) -> go.Scatter:
    x, y = voxel_centres(geometry)[voxel]
    return ring(x, y, 18)


def _frame(figure: go.Figure, geometry: FlatmapGeometry, view: MapView) -> None:
    """Equal aspect, row 0 on top, no axes; drag moves, wheel zooms (scrollZoom is set by the page)."""
    height, width = geometry.mask.shape
    hidden = dict(visible=False, showgrid=False, zeroline=False)
    figure.update_layout(
        xaxis=hidden | dict(range=[-0.5, width - 0.5], domain=MAP_DOMAIN, constrain="domain"),
        yaxis=hidden | dict(range=[height - 0.5, -0.5], scaleanchor="x", constrain="domain"),
        dragmode="pan",
        height=view.height,
        margin=dict(l=10, r=48, t=40, b=30),
        clickmode="event+select",
        annotations=[*figure.layout.annotations, _space(geometry, view)],
    )


def _space(geometry: FlatmapGeometry, view: MapView) -> dict:
    return dict(
        text=geometry.space,
        name="space",
        xref="paper",
        yref="paper",
        x=0,
        y=0,
        xanchor="left",
        yanchor="top",
        showarrow=False,
        font=dict(size=13, color=theme_of(view.theme).muted),
    )
