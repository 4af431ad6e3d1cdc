"""The record of decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.decoding import compute, tables
from brivl.analyses.decoding.request import DecodingRequest, decoding_key
from brivl.analysis import Analysis, Options

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from brivl.viz.style import FigureLabel, ThemeName


def _figures(
    result: compute.DecodingResult, label: FigureLabel, theme: ThemeName, options: Options
) -> dict[str, go.Figure]:
    from brivl.analyses.decoding.figures import figures

    return figures(result, label, theme, options)


DECODING = Analysis(
    name="decoding",
    title="Decoding",
    summary_line="identify held-out stimuli from the responses of one subject",
    request=DecodingRequest,
    key=decoding_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=lambda result: result.simulated,
    detail=tables.detail,
    references=("liu2023", "scotti2023"),
    figures=_figures,
    old_names=("decode",),
)
