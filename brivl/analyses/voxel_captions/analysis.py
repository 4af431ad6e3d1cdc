"""The record of voxel captions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.voxel_captions import compute, tables
from brivl.analyses.voxel_captions.request import VoxelCaptionsRequest, voxel_captions_key
from brivl.analysis import Analysis, Options

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from brivl.viz.style import FigureLabel, ThemeName


def _figures(
    result: compute.VoxelCaptionsResult, label: FigureLabel, theme: ThemeName, options: Options
) -> dict[str, go.Figure]:
    from brivl.analyses.voxel_captions.figures import figures

    return figures(result, label, theme)


VOXEL_CAPTIONS = Analysis(
    name="voxel_captions",
    title="Voxel captions",
    summary_line="caption the voxels and regions of one subject with words and sentences",
    request=VoxelCaptionsRequest,
    key=voxel_captions_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=lambda result: result.simulated,
    detail=tables.detail,
    references=("luo2024", "nukrai2022"),
    figures=_figures,
    out_help="write words and sentences of every voxel to this .csv",
)
