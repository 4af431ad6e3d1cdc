"""Two small maps beside each other on the page, each with its own colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import streamlit as st

from brivl.analyses.flatmap import cached_maps
from brivl.core.numbers import number
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.ui import style
from brivl.viz.colormaps import shown_diverging, shown_sequential
from brivl.viz.flatmap.figure import CONFIG, MapView, flatmap_figure
from brivl.viz.flatmap.painting import MapScores, paint_difference, paint_value
from brivl.viz.style import FigureLabel, theme_of

SIZE = (470, 270)  # px of one of the two maps


@dataclass(frozen=True)
class SmallMap:
    """One value for each voxel.

    Attributes
    ----------
    title : str
        What stands above the map and at the pointer.
    values : (n_voxels,) array
        NaN where there is none.
    limit : float
        Colours run to it, from its negative for signed values, else from 0.
    signed : bool
        Whether the sign matters.
    ends : (str, str)
        Words at the ends of the scale.
    """

    title: str
    values: np.ndarray
    limit: float
    signed: bool
    ends: tuple[str, str] = ("", "")


def draw_pair(
    voxels: Voxels,
    geometry: FlatmapGeometry,
    regions: Mapping[str, np.ndarray],
    maps: Sequence[SmallMap],
    key: str,
    one_scale: bool = False,
) -> None:
    """Draw maps in columns, each with its scale below.

    Parameters
    ----------
    voxels : Voxels
        Voxels of the subject.
    geometry : FlatmapGeometry
        Their flatmap.
    regions : mapping of str to (n_voxels,) bool array
        Regions whose names the pointer shows.
    maps : sequence of SmallMap
        The maps.
    key : str
        Start of the keys of the charts in the session.
    one_scale : bool
        Whether one scale stands for all.
    """
    base = cached_maps.ground(voxels, geometry, regions)
    width, height = SIZE
    theme = style.theme()
    view = MapView(theme, True, width=width, height=height, scale=False)
    for column, one in zip(st.columns(len(maps)), maps, strict=True):
        scores = MapScores(one.values, one.values, np.zeros(voxels.n_voxels), (one.title, ""), regions)
        scale = ((0.0, one.limit), one.title)
        painting = (
            paint_difference(geometry, scores, one.limit, theme)
            if one.signed
            else paint_value(geometry, scores, one.values, scale, theme)
        )
        figure = flatmap_figure(geometry, painting, scores, FigureLabel(one.title), view, base)
        figure.update_layout(height=height, margin=dict(l=0, r=0, t=4, b=4))
        hover = (
            f"<b>%{{text}}</b>, voxel %{{customdata[0]}}<br>{escape(one.title)}: %{{customdata[1]:.3f}}<extra></extra>"
        )
        figure.update_traces(hovertemplate=hover, selector={"name": "voxels"})
        with column:
            style.caption(one.title)
            st.plotly_chart(figure, theme=None, key=f"{key} {one.title}", config=CONFIG)
            if not one_scale or one is maps[0]:
                st.html(_scale(one))


def _scale(one: SmallMap) -> str:
    """A colour bar in the width of a map."""
    curvature = theme_of(style.theme()).curvature
    colours = (shown_diverging if one.signed else shown_sequential)(curvature)[::5]
    stops = ", ".join(f"rgb({red:.0f} {green:.0f} {blue:.0f})" for red, green, blue in 255 * colours)
    low = -one.limit if one.signed else 0.0
    numbers = (low, (low + one.limit) / 2, one.limit)
    words = (one.ends[0], "", one.ends[1])
    texts = [", ".join(filter(None, (number(value), word))) for value, word in zip(numbers, words, strict=True)]
    spans = "".join(f"<span>{escape(text)}</span>" for text in texts)
    return (
        f'<div style="max-width:26rem"><div style="height:12px;background:linear-gradient(90deg,{stops})"></div>'
        f'<div style="display:flex;justify-content:space-between;font-size:0.85rem">{spans}</div></div>'
    )
