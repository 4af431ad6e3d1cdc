"""Flatmap for the page with Plotly: curvature, coloured voxels, ROI outlines and names, hemispheres, hover, scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from brivl.core.flatmap.geometry import LabelPosition, label_positions, voxel_centres
from brivl.core.records import FlatmapGeometry, describe_space
from brivl.viz.flatmap.painting import (
    MapScores,
    Painting,
    labels_that_fit,
    outline_path,
    overlay_on_curvature,
    paint_value,
    roi_labels,
)
from brivl.viz.flatmap.scale import MAP_DOMAIN, add_scale, marker_ring, png_uri
from brivl.viz.style import PLOT_CONFIG, R2, FigureLabel, ThemeName, apply_style, escape_html, theme_of

NAME_SIZE = 13  # px
FULL_WIDTH = 1000  # px of a figure from which outlines are as wide as they get
HEIGHT_SHARE = 0.57  # height of the map of one quantity over its width
NAME_WIDTH = 0.6  # width of a character over the type size
CONFIG = dict(PLOT_CONFIG, scrollZoom=True)


@dataclass(frozen=True)
class Quantity:
    """A quantity that is shown on a flatmap."""

    title: str
    step: float = 0.1  # the upper limit of the colours is a multiple of this
    digits: int = 3  # of the value under the pointer
    unit: str = ""


@dataclass(frozen=True)
class MapView:
    """Options of a flatmap figure."""

    theme: ThemeName = "light"
    names: bool = True
    highlight: str | None = None  # ROI drawn with a heavy outline
    picked: int | None = None  # voxel marked on the map and in the scale
    width: int = 1000  # px of the figure on the page; decides which names fit
    height: int = 600
    scale: bool = True  # whether the scale stands beside the map


@dataclass(frozen=True)
class FlatmapBase:
    """Parts of a flatmap that do not depend on layer or model; built once by `flatmap_base`."""

    centres: np.ndarray  # (n_voxels, 2) pixels
    rois: np.ndarray  # (n_voxels,) names of the ROIs as text
    outline: np.ndarray  # (n, 2) pixels, NaN between polygons
    labels: tuple[LabelPosition, ...]


def voxel_map(
    geometry: FlatmapGeometry,
    values: np.ndarray,
    rois: Mapping[str, np.ndarray],
    quantity: Quantity,
    label: FigureLabel,
    theme: ThemeName = "light",
    width: int = 760,
) -> go.Figure:
    """Draw a flatmap of one quantity; negative values are grey.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    values : (n_voxels,) array
        Values; NaN where there is none.
    rois : mapping of str to (n_voxels,) bool array
        ROIs that are named under the pointer.
    quantity : Quantity
        What the values are.
    label : FigureLabel
        Headline and caption.
    theme : {"light", "dark"}
        Theme of the page.
    width : int
        Pixels that the page has for the figure, which decide its height, which names fit, and how fine lines are.

    Returns
    -------
    Figure
        Plotly figure.
    """
    scores = MapScores(values, values, values, ("", ""), rois)
    finite = values[np.isfinite(values)]
    steps = np.ceil(np.quantile(finite, 0.99) / quantity.step) if finite.size else 1
    limit = quantity.step * max(1.0, float(steps))
    painting = paint_value(geometry, scores, values, ((0.0, limit), quantity.title), theme)
    figure = flatmap_figure(
        geometry, painting, scores, label, MapView(theme, width=width, height=round(HEIGHT_SHARE * width))
    )
    shown = f"%{{customdata[1]:.{quantity.digits}f}}{quantity.unit and ' ' + quantity.unit}"
    name = quantity.title.split(" (")[0]
    figure.update_traces(
        hovertemplate=f"<b>%{{text}}</b>, voxel %{{customdata[0]}}: {name} {shown}<extra></extra>",
        selector={"name": "voxels"},
    )
    return figure


def flatmap_base(geometry: FlatmapGeometry, rois: Mapping[str, np.ndarray]) -> FlatmapBase:
    """Compute the parts of a flatmap that do not depend on layer or model.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    rois : mapping of str to (n_voxels,) bool array
        ROIs that are named under the pointer.

    Returns
    -------
    FlatmapBase
        Voxel centres, ROI names, outlines and positions of names.
    """
    polygons = [polygon for group in geometry.outlines.values() for polygon in group]
    centres = voxel_centres(geometry)
    labels = tuple(label_positions(geometry))
    return FlatmapBase(centres, roi_labels(rois, len(centres)), outline_path(polygons), labels)


def flatmap_figure(
    geometry: FlatmapGeometry,
    painting: Painting,
    scores: MapScores,
    label: FigureLabel,
    view: MapView | None = None,
    base: FlatmapBase | None = None,
) -> go.Figure:
    """Draw a coloured flatmap; the pointer shows voxel, ROIs and the three R².

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    painting : Painting
        Coloured flatmap with its scale.
    scores : MapScores
        Scores that the pointer shows.
    label : FigureLabel
        Headline and caption.
    view : MapView, optional
        Options of the figure.
    base : FlatmapBase, optional
        Result of `flatmap_base`, if it exists already.

    Returns
    -------
    Figure
        Plotly figure. Points of the trace "voxels" have customdata (voxel, joint, A, B), which `picked_voxel` reads.
    """
    view, base = view or MapView(), base or flatmap_base(geometry, scores.rois)
    figure = go.Figure()
    figure.add_layout_image(_image(overlay_on_curvature(geometry, painting.rgba, view.theme), "data"))
    figure.add_traces(_outlines(geometry, base, view))
    figure.add_trace(_hover(base, scores))
    if view.names:
        figure.add_trace(_names(geometry, base, view))
    _add_marks(figure, geometry, view)
    if view.picked is not None:
        x, y = base.centres[view.picked].tolist()
        figure.add_trace(marker_ring(x, y, 18))
    if view.scale:
        add_scale(figure, painting, theme_of(view.theme), view.picked)
    _frame(figure, geometry, view)
    return apply_style(figure, label, view.theme)


def _image(rgba: np.ndarray, name: str) -> dict[str, Any]:
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


def _outlines(geometry: FlatmapGeometry, base: FlatmapBase, view: MapView) -> list[go.Scatter]:
    """White lines over dark ones, visible on any colour; finer on small maps, whose colours they would hide."""
    fine = min(1.0, view.width / FULL_WIDTH)
    traces = [
        _line(base.outline, "rgba(0,0,0,0.65)", 3.2 * fine, "outline halo"),
        _line(base.outline, "#FFFFFF", 1.3 * fine, "outlines"),
    ]
    if view.highlight is not None and view.highlight in geometry.outlines:
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


def _hover(base: FlatmapBase, scores: MapScores) -> go.Scattergl:
    """Transparent markers at the centres of voxels for pointer and click; the colours are in the image below."""
    shown = np.flatnonzero(np.isfinite(base.centres).all(axis=1) & np.isfinite(scores.joint))
    a, b = scores.names
    return go.Scattergl(
        x=base.centres[shown, 0].astype(np.float32),
        y=base.centres[shown, 1].astype(np.float32),
        mode="markers",
        marker=dict(size=9, opacity=0),
        name="voxels",
        showlegend=False,
        text=[escape_html(names) for names in base.rois[shown]],
        customdata=_numbers(shown, scores),
        hovertemplate=(
            f"<b>%{{text}}</b>, voxel %{{customdata[0]}}<br>joint {R2}: %{{customdata[1]:.3g}}<br>"
            f"{a}: %{{customdata[2]:.3g}}<br>{b}: %{{customdata[3]:.3g}}<extra></extra>"
        ),
    )


def _numbers(shown: np.ndarray, scores: MapScores) -> np.ndarray:
    """(n_shown, 4) voxel, joint, A, B; as objects, because a click returns typed arrays as {"0": ...}."""
    data = np.empty((len(shown), 4), object)
    data[:, 0] = shown
    data[:, 1:] = np.round(np.stack([scores.joint[shown], scores.a[shown], scores.b[shown]], axis=1).astype(float), 5)
    return data


def picked_voxel(point: Mapping[str, Any]) -> int | None:
    """Read the voxel of a point that st.plotly_chart reports as selected.

    Parameters
    ----------
    point : mapping
        Point with customdata.

    Returns
    -------
    int or None
        Voxel; None for points of other traces.
    """
    data = point.get("customdata")
    return int(data[0]) if data is not None and len(data) == 4 else None


def _names(geometry: FlatmapGeometry, base: FlatmapBase, view: MapView) -> go.Scatter:
    height, width = geometry.mask.shape
    inner = (view.width - 30) * (MAP_DOMAIN[1] - MAP_DOMAIN[0])
    scale = max(width / inner, height / (view.height - 60))  # image pixels per screen pixel
    labels = labels_that_fit(base.labels, NAME_WIDTH * NAME_SIZE * scale)
    halo = ", ".join(["0 0 3px #000"] * 3)
    return go.Scatter(
        x=[label.x for label in labels],
        y=[label.y for label in labels],
        text=[escape_html(label.name) for label in labels],
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
    """Equal aspect, row 0 on top, no axes; dragging pans, the wheel zooms (the page sets scrollZoom)."""
    height, width = geometry.mask.shape
    hidden = dict(visible=False, showgrid=False, zeroline=False)
    figure.update_layout(
        xaxis=hidden
        | dict(range=[-0.5, width - 0.5], domain=MAP_DOMAIN if view.scale else (0.0, 1.0), constrain="domain"),
        yaxis=hidden | dict(range=[height - 0.5, -0.5], scaleanchor="x", constrain="domain"),
        dragmode="pan",
        height=view.height,
        margin=dict(l=10, r=48, t=40, b=30),
        clickmode="event+select",
        annotations=[*figure.layout.annotations, _space(geometry, view)],
    )


def _space(geometry: FlatmapGeometry, view: MapView) -> dict[str, Any]:
    return dict(
        text=describe_space(geometry.space),
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
