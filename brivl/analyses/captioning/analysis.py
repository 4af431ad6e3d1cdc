"""The record of captioning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.captioning import compute, request, tables
from brivl.analysis import Analysis, Options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from brivl.viz.export import Page
    from brivl.viz.style import FigureLabel


def _print_figure(result: compute.CaptioningResult, label: FigureLabel, page: Page, options: Options) -> Figure:
    from brivl.analyses.captioning.print_figure import print_figure

    return print_figure(result, label, page)


CAPTIONING = Analysis(
    name="captioning",
    title="Captioning",
    summary_line="caption images",
    request=request.CaptioningRequest,
    key=request.caption_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=tables.is_simulated,
    detail=tables.detail,
    print_figure=_print_figure,
    parts=request.parts,
    open_data=request.open_image,
    warnings=tables.warnings,
    attach=compute.attach,
    old_names=("caption",),
    has_verb=False,
)
