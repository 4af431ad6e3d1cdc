"""The record of attention maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.attention import tables
from brivl.analyses.attention.request import AttentionRequest, open_images, request_key
from brivl.analysis import Analysis, Options

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

    from brivl.viz.export import Page
    from brivl.viz.style import FigureLabel, ThemeName


def _figures(
    result: tables.AttentionResult, label: FigureLabel, theme: ThemeName, options: Options
) -> dict[str, go.Figure]:
    from brivl.analyses.attention.figures import attention_figure

    return {"Attention": attention_figure(tables.figure_of(result, options), label, theme)}


def _print_figure(result: tables.AttentionResult, label: FigureLabel, page: Page, options: Options) -> Figure:
    from brivl.analyses.attention.figures import attention_page

    return attention_page(tables.figure_of(result, options), label, page)


ATTENTION = Analysis(
    name="attention",
    title="Attention",
    summary_line="show what BriVL-mini attends to for a word or phrase",
    request=AttentionRequest,
    key=request_key,
    compute=tables.compute,
    read=tables.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=tables.is_simulated,
    detail=tables.detail,
    references=("chefer2021",),
    figures=_figures,
    print_figure=_print_figure,
    open_data=open_images,
    attach=tables.attach,
    warnings=tables.warnings,
    old_names=("attend",),
    has_verb=False,
)
