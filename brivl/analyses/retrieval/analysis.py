"""The record of retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.retrieval import compute, request, tables
from brivl.analysis import Analysis, Options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from brivl.viz.export import Page
    from brivl.viz.style import FigureLabel


def _print_figure(result: compute.RetrievalResult, label: FigureLabel, page: Page, options: Options) -> Figure:
    from brivl.analyses.retrieval.print_figure import print_figure

    return print_figure(result, label, page)


RETRIEVAL = Analysis(
    name="retrieval",
    title="Retrieval",
    summary_line="search images or videos by text, by image, and by sums of them",
    request=request.RetrievalRequest,
    key=request.retrieval_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=tables.is_simulated,
    detail=tables.detail,
    references=("fei2022",),
    print_figure=_print_figure,
    parts=request.parts,
    open_data=request.open_gallery_of,
    dataset_fields=("gallery",),
    link_fields=request.link_fields,
    resolve=request.resolve_image,
    attach=compute.attach,
    old_names=("retrieve",),
    out_help="write the matches to this .csv",
)
