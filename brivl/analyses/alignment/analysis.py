"""The record of text-aligned encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.alignment import compute, tables
from brivl.analyses.alignment.request import AlignmentRequest, alignment_key
from brivl.analysis import Analysis, Context, Options

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from brivl.viz.style import FigureLabel, ThemeName


def _figures(
    result: compute.AlignmentResult, label: FigureLabel, theme: ThemeName, options: Options
) -> dict[str, go.Figure]:
    from brivl.analyses.alignment.figures import figures

    return figures(result, label, theme, options)


def _prepare(context: Context, request: AlignmentRequest) -> None:
    from brivl.data.flatmaps import prepare_flatmap

    prepare_flatmap(context.store, context.data, request.subject)


ALIGNMENT = Analysis(
    name="alignment",
    title="Alignment",
    summary_line="train an encoder of responses to images whose embedding is aligned with descriptions",
    request=AlignmentRequest,
    key=alignment_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=lambda result: result.simulated,
    detail=tables.detail,
    references=("ma2024", "duprelatour2022"),
    figures=_figures,
    prepare=_prepare,
    old_names=("align",),
    out_help="write the medians of regions to this .csv",
    keeps_checkpoints=True,
)
