"""The record of images for a region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.drive import compute, tables
from brivl.analyses.drive.request import DriveRequest, drive_key
from brivl.analysis import Analysis, Context, Options

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

    from brivl.viz.export import Page
    from brivl.viz.style import FigureLabel, ThemeName


def _figures(
    result: compute.DriveResult, label: FigureLabel, theme: ThemeName, options: Options
) -> dict[str, go.Figure]:
    from brivl.analyses.drive.figures import region_bars

    return {"Regions": region_bars(result.by_region, result.request.region, label, theme)}


def _print_figure(result: compute.DriveResult, label: FigureLabel, page: Page, options: Options) -> Figure:
    from brivl.analyses.drive.print_figure import print_figure

    return print_figure(result, label, page)


def _prepare(context: Context, request: DriveRequest) -> None:
    from brivl.data.flatmaps import prepare_flatmap

    prepare_flatmap(context.store, context.data, request.subject)


DRIVE = Analysis(
    name="drive",
    title="Drive",
    summary_line="generate images with a large predicted response of a region, and rank the stimuli",
    request=DriveRequest,
    key=drive_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=lambda result: result.simulated,
    detail=tables.detail,
    references=("luo2023", "gu2022"),
    figures=_figures,
    print_figure=_print_figure,
    prepare=_prepare,
    write=tables.write_images,
    check_out=tables.check_folder,
    out_help="write the images as PNG files to this folder, which must exist",
)
