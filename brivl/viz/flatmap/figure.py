"""Flatmap for the page: curvature, coloured voxels, ROI outlines and names, L and R, hover, scale. Plotly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from brivl.core.flatmap.geometry import LabelPosition, label_positions, voxel_centres
from brivl.core.records import FlatmapGeometry
from brivl.viz.flatmap.painting import (
    MapScores,
    Painting,
    labels_that_fit,
    outline_path,
    overlay_on_curvature,
    paint_value,
    roi_names,
)
from brivl.viz.flatmap.scale import MAP_DOMAIN, add_scale, marker_ring, png_uri
from brivl.viz.style import PLOT_CONFIG, R2, FigureLabel, ThemeName, apply_style, escape_html, theme_of


@dataclass(frozen=True)
class Quantity:
    """What is painted. step: the upper limit is a multiple of it, at least one; digits: of the read-out."""

    title: str
    step: float = 0.1
    digits: int = 3
    unit: str = ""


def voxel_map(
    geometry: FlatmapGeometry,
    values: np.ndarray,
    rois: Mapping[str, np.ndarray],
    quantity: Quantity,
    label: FigureLabel,
    theme: ThemeName = "light",
) -> go.Figure:
    """Flatmap of values (n_voxels,), NaN where there is none; below zero grey, as everywhere."""
    scores = MapScores(values, values, values, ("", ""), rois)
    finite = values[np.isfinite(values)]
    steps = np.ceil(np.quantile(finite, 0.99) / quantity.step) if finite.size else 1
    limit = quantity.step * max(1.0, float(steps))
    painting = paint_value(geometry, scores, values, ((0.0, limit), quantity.title), theme)
    figure = flatmap_figure(geometry, painting, scores, label, MapView(theme, width=760, height=430))
    shown = f"%{{customdata[1]:.{quantity.digits}f}}{quantity.unit and ' ' + quantity.unit}"
    name = quantity.title.split(" (")[0]
    figure.update_traces(
        hovertemplate=f"<b>%{{text}}</b>, voxel %{{customdata[0]}}: {name} {shown}<extra></extra>",
        selector={"name": "voxels"},
    )
    return figure


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


@dataclass(frozen=True)
class FlatmapBase:
    """What does not change with layer or model; made once by `map_ground`, it makes later figures quick."""

    centres: np.ndarray  # (n_voxels, 2) pixels
    rois: np.ndarray  # (n_voxels,) names
    outline: np.ndarray  # (n, 2) pixels, NaN between polygons
    places: tuple[LabelPosition, ...]


def flatmap_base(geometry: FlatmapGeometry, rois: Mapping[str, np.ndarray]) -> FlatmapBase:
    """Voxel centres, ROI names by voxel, outlines and places of names."""
    polygons = [polygon for group in geometry.outlines.values() for polygon in group]
    centres = voxel_centres(geometry)
    return FlatmapBase(centres, roi_names(rois, len(centres)), outline_path(polygons), tuple(label_positions(geometry)))


def flatmap_figure(
    geometry: FlatmapGeometry,
    painting: Painting,
    scores: MapScores,
    label: FigureLabel,
    view: MapView | None = None,
    ground: FlatmapBase | None = None,
) -> go.Figure:
    """Plotly figure; hover shows voxel, ROIs and the three R²; customdata = (voxel, joint, A, B), text = ROIs.

    Pass a kept `ground` to spare its making. `picked_voxel` reads the voxel out of a selected point.
    """
    view, ground = view or MapView(), ground or flatmap_base(geometry, scores.rois)
    figure = go.Figure()
    figure.add_layout_image(_image(overlay_on_curvature(geometry, painting.rgba, view.theme), "data"))
    figure.add_traces(_outlines(geometry, ground, view))
    figure.add_trace(_hover(ground, scores))
    if view.names:
        figure.add_trace(_names(geometry, ground, view))
    _add_marks(figure, geometry, view)
    if view.picked is not None:
        figure.add_trace(marker_ring(*ground.centres[view.picked], 18))
    add_scale(figure, painting, theme_of(view.theme), view.picked)
    _frame(figure, geometry, view)
    return apply_style(figure, label, view.theme)


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


def _outlines(geometry: FlatmapGeometry, ground: FlatmapBase, view: MapView) -> list[go.Scatter]:
    """White lines over dark ones, so that they are seen on any colour."""
    traces = [
        _line(ground.outline, "rgba(0,0,0,0.65)", 3.2, "outline halo"),
        _line(ground.outline, "#FFFFFF", 1.3, "outlines"),
    ]
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


def _hover(ground: FlatmapBase, scores: MapScores) -> go.Scattergl:
    """Clear marks at the voxels' centres: they carry hover and click, the picture carries the colours."""
    shown = np.flatnonzero(np.isfinite(ground.centres).all(axis=1) & np.isfinite(scores.joint))
    a, b = scores.names
    return go.Scattergl(
        x=ground.centres[shown, 0].astype(np.float32),
        y=ground.centres[shown, 1].astype(np.float32),
        mode="markers",
        marker=dict(size=9, opacity=0),
        name="voxels",
        showlegend=False,
        text=[escape_html(names) for names in ground.rois[shown]],
        customdata=_numbers(shown, scores),
        hovertemplate=(
            f"<b>%{{text}}</b>, voxel %{{customdata[0]}}<br>joint {R2}: %{{customdata[1]:.3g}}<br>"
            f"{a}: %{{customdata[2]:.3g}}<br>{b}: %{{customdata[3]:.3g}}<extra></extra>"
        ),
    )


def _numbers(shown: np.ndarray, scores: MapScores) -> np.ndarray:
    """(n_shown, 4) of voxel, joint, A, B; as objects, since typed arrays come back from a click as {"0": ...}."""
    data = np.empty((len(shown), 4), object)
    data[:, 0] = shown
    data[:, 1:] = np.round(np.stack([scores.joint[shown], scores.a[shown], scores.b[shown]], axis=1).astype(float), 5)
    return data


def picked_voxel(point: Mapping) -> int | None:
    """Voxel of a point that st.plotly_chart reports as selected; None for points that are no voxel."""
    data = point.get("customdata")
    return int(data[0]) if data is not None and len(data) == 4 else None


def _names(geometry: FlatmapGeometry, ground: FlatmapBase, view: MapView) -> go.Scatter:
    height, width = geometry.mask.shape
    inner = (view.width - 30) * (MAP_DOMAIN[1] - MAP_DOMAIN[0])
    scale = max(width / inner, height / (view.height - 60))  # picture pixels per screen pixel
    places = labels_that_fit(ground.places, NAME_WIDTH * NAME_SIZE * scale)
    halo = ", ".join(["0 0 3px #000"] * 3)
    return go.Scatter(
        x=[place.x for place in places],
        y=[place.y for place in places],
        text=[escape_html(place.name) for place in places],
        mode="text",
        textfont=dict(color="#FFFFFF", size=NAME_SIZE, weight=600, shadow=halo),
        selected=dict(textfont=dict(color="#FFFFFF")),
        unselected=dict(textfont=dict(color="#FFFFFF")),
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
