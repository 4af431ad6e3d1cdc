"""The record of text-to-image generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.generation import compute, tables
from brivl.analyses.generation.request import GenerationRequest, generation_key, parts
from brivl.analysis import Analysis, Options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from brivl.viz.export import Page
    from brivl.viz.style import FigureLabel


def _print_figure(result: compute.GenerationResult, label: FigureLabel, page: Page, options: Options) -> Figure:
    from brivl.analyses.generation.print_figure import print_figure

    return print_figure(result, label, page)


GENERATION = Analysis(
    name="generation",
    title="Generation",
    summary_line="generate an image from text by inversion",
    request=GenerationRequest,
    key=generation_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=lambda result: True,
    detail=tables.detail,
    warnings=tables.warnings,
    print_figure=_print_figure,
    parts=parts,
    old_names=("imagine",),
    has_verb=False,
)
