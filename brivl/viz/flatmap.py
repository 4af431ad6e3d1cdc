"""Flatmap for the page: curvature, coloured voxels, ROI outlines and names, L and R, hover, scale. Plotly."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from matplotlib.image import imsave

from brivl.core.flatmap import voxel_centres
from brivl.core.records import FlatmapGeometry
from brivl.viz.colormaps import plotly_scale, square
from brivl.viz.painting import Bar, MapScores, Painting, Square, curvature, names_that_fit, outline_path, roi_names
from brivl.viz.style import R2, TRUTH, FigureLabel, ThemeName, dress, number, theme_of

MAP_DOMAIN = (0.0, 0.86)
SQUARE_X, SQUARE_Y = (0.895, 0.995), (0.62, 0.86)
NAME_SIZE = 13  # px
NAME_WIDTH = 0.6  # width of a character, in type sizes
PICKED = "picked voxel"


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
    for name, rgba in (("curvature", curvature(geometry, view.theme)), ("data", painting.rgba)):
        if rgba is not None:
            figure.add_layout_image(_image(rgba, name))
    figure.add_traces(_outlines(geometry, view))
    figure.add_trace(_hover(geometry, scores))
    if view.names:
        figure.add_trace(_names(geometry, view))
    _add_marks(figure, geometry, view)
    if view.picked is not None:
        figure.add_trace(_picked(geometry, view.picked))
    _add_scale(figure, painting, view)
    _frame(figure, geometry, view)
    return dress(figure, label, view.theme)


def png_uri(rgba: np.ndarray) -> str:
    """PNG of an RGBA picture (height, width, 4) in 0..1 as a data URI."""
    buffer = io.BytesIO()
    imsave(buffer, np.rint(np.clip(rgba, 0, 1) * 255).astype(np.uint8), format="png", metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _image(rgba: np.ndarray, name: str) -> dict:
    height, width = rgba.shape[:2]
    return dict(
        source=png_uri(rgba), name=name, xref="x", yref="y", x=-0.5, y=-0.5, sizex=width, sizey=height,
        xanchor="left", yanchor="top", sizing="stretch", layer="below",
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
        x=path[:, 0], y=path[:, 1], mode="lines", line=dict(color=colour, width=width), hoverinfo="skip", showlegend=False,
        name=name,
    )


def _hover(geometry: FlatmapGeometry, scores: MapScores) -> go.Scattergl:
    """Clear marks at the voxels' centres: they carry hover and click, the picture carries the colours."""
    centres = voxel_centres(geometry)
    shown = np.flatnonzero(np.isfinite(centres).all(axis=1) & np.isfinite(scores.joint))
    data = np.empty((len(shown), 5), object)
    for column, values in enumerate((np.arange(len(centres)), roi_names(scores, len(centres)), scores.joint, scores.a, scores.b)):
        data[:, column] = np.asarray(values)[shown] if column < 2 else np.round(np.asarray(values, float)[shown], 5)
    a, b = scores.names
    return go.Scattergl(
        x=centres[shown, 0], y=centres[shown, 1], mode="markers", marker=dict(size=9, opacity=0), name="voxels",
        showlegend=False, customdata=data, hovertemplate=(
            f"<b>%{{customdata[1]}}</b>, voxel %{{customdata[0]}}<br>joint {R2}: %{{customdata[2]:.3g}}<br>"
            f"{a}: %{{customdata[3]:.3g}}<br>{b}: %{{customdata[4]:.3g}}<extra></extra>"
        ),
    )


def _names(geometry: FlatmapGeometry, view: MapView) -> go.Scatter:
    height, width = geometry.mask.shape
    inner = (view.width - 30) * (MAP_DOMAIN[1] - MAP_DOMAIN[0])
    scale = max(width / inner, height / (view.height - 60))  # picture pixels per screen pixel
    places = names_that_fit(geometry, NAME_WIDTH * NAME_SIZE * scale)
    halo = ", ".join(["0 0 3px #000"] * 3)
    return go.Scatter(
        x=[x for x, _ in places.values()], y=[y for _, y in places.values()], text=list(places), mode="text",
        textfont=dict(color="#FFFFFF", size=NAME_SIZE, weight=600, shadow=halo), hoverinfo="skip", showlegend=False,
        name="names",
    )


def _add_marks(figure: go.Figure, geometry: FlatmapGeometry, view: MapView) -> None:
    for text, (x, y) in geometry.marks.items():
        figure.add_annotation(
            text=f"<b>{text}</b>", name=text, x=x, y=y, xref="x", yref="y", showarrow=False,
            font=dict(size=22, color=theme_of(view.theme).text),
        )


def _picked(geometry: FlatmapGeometry, voxel: int) -> go.Scatter:
    x, y = voxel_centres(geometry)[voxel]
    return go.Scatter(
        x=[x], y=[y], mode="markers", name=PICKED, showlegend=False, hoverinfo="skip",
        marker=dict(symbol="circle-open", size=16, line=dict(color="#FFFFFF", width=3)),
    )


def _add_scale(figure: go.Figure, painting: Painting, view: MapView) -> None:
    if isinstance(painting.scale, Square):
        _add_square(figure, painting, view)
    else:
        _add_bar(figure, painting.scale)


def _add_bar(figure: go.Figure, bar: Bar) -> None:
    low, high = bar.limits
    if bar.levels:
        steps = np.repeat(plotly_scale(bar.colours), 2, axis=0).tolist()
        edges = np.repeat(np.linspace(0, 1, len(bar.colours) + 1), 2)[1:-1]
        scale = [[float(edge), colour] for edge, (_, colour) in zip(edges, steps, strict=True)]
        ticks, texts = np.arange(1, len(bar.levels) + 1), list(bar.levels)
    else:
        scale, ticks = plotly_scale(bar.colours), np.linspace(low, high, 5)
        texts = [number(tick) for tick in ticks]
        texts[0] += f" {bar.ends[0]}" if bar.ends[0] else ""
        texts[-1] += f" {bar.ends[1]}" if bar.ends[1] else ""
    figure.add_trace(
        go.Scatter(
            x=[None], y=[None], mode="markers", showlegend=False, hoverinfo="skip", name="scale",
            marker=dict(color=[low], coloraxis="coloraxis"),
        )
    )
    figure.update_layout(coloraxis=dict(
        cmin=low, cmax=high, colorscale=scale,
        colorbar=dict(title=dict(text=bar.title, side="right"), thickness=16, len=0.8, x=MAP_DOMAIN[1] + 0.02, xanchor="left",
                      tickvals=ticks, ticktext=texts, outlinewidth=0),
    ))


def _add_square(figure: go.Figure, painting: Painting, view: MapView) -> None:
    """Legend of the pair, both axes named; row 0 of the colour square is low B, so it is drawn upside down."""
    scale, theme = painting.scale, theme_of(view.theme)
    low, high = scale.limits
    rgba = np.concatenate([square()[::-1], np.ones((*square().shape[:2], 1))], axis=-1)
    figure.add_layout_image(
        source=png_uri(rgba), name="scale", xref="x2", yref="y2", x=low, y=high, sizex=high - low, sizey=high - low,
        xanchor="left", yanchor="top", sizing="stretch", layer="below",
    )
    axis = dict(range=[low, high], tickvals=[low, high], ticktext=[number(low), number(high)], fixedrange=True, showgrid=False,
                zeroline=False, title=dict(standoff=2, font=dict(size=13)))
    a, b = scale.names
    figure.update_layout(
        xaxis2=axis | dict(domain=SQUARE_X, anchor="y2", title=dict(text=f"split {R2}<br>{a}", font=dict(color=theme.a_text, size=13))),
        yaxis2=axis | dict(domain=SQUARE_Y, anchor="x2", scaleanchor="x2", title=dict(
            text=f"split {R2}<br>{b}", font=dict(color=theme.b_text, size=13))),
    )
    at = painting.values[:, view.picked] if view.picked is not None else np.full(2, np.nan)
    x, y = np.clip(at, low, high)
    figure.add_trace(go.Scatter(
        x=[x], y=[y], xaxis="x2", yaxis="y2", mode="markers", name=PICKED, showlegend=False, hoverinfo="skip",
        marker=dict(symbol="circle-open", size=11, color="#FFFFFF", line=dict(width=2.5, color="#FFFFFF")),
    ))


def _frame(figure: go.Figure, geometry: FlatmapGeometry, view: MapView) -> None:
    """Equal aspect, row 0 on top, no axes; drag moves, wheel zooms (scrollZoom is set by the page)."""
    height, width = geometry.mask.shape
    hidden = dict(visible=False, showgrid=False, zeroline=False)
    figure.update_xaxes(range=[-0.5, width - 0.5], domain=MAP_DOMAIN, constrain="domain", selector=dict(anchor=None), **hidden)
    figure.update_layout(
        yaxis=hidden | dict(range=[height - 0.5, -0.5], scaleanchor="x", constrain="domain"), dragmode="pan",
        height=view.height, margin=dict(l=10, r=20, t=40, b=20), clickmode="event+select",
        annotations=[*figure.layout.annotations, _space(geometry, view)],
    )


def _space(geometry: FlatmapGeometry, view: MapView) -> dict:
    return dict(text=geometry.space, name="space", xref="paper", yref="paper", x=0, y=0, xanchor="left", yanchor="top",
                showarrow=False, font=dict(size=13, color=theme_of(view.theme).muted))
