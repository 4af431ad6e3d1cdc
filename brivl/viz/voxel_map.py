"""One number for each voxel on the flatmap, for pages that show a map beside other figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from brivl.core.records import FlatmapGeometry
from brivl.viz.flatmap import MapView, flatmap_figure
from brivl.viz.painting import MapScores, paint_value
from brivl.viz.style import FigureLabel, ThemeName


@dataclass(frozen=True)
class Quantity:
    """What is painted. step: the upper limit is a multiple of it, at least one; digits: of the read-out."""

    title: str
    step: float = 0.1
    digits: int = 3
    unit: str = ""


def voxel_map(
    geometry: FlatmapGeometry, values: np.ndarray, rois: Mapping[str, np.ndarray], quantity: Quantity,
    label: FigureLabel, theme: ThemeName = "light",
) -> go.Figure:  # fmt: skip
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
