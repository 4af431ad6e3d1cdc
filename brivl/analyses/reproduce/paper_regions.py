"""Regions as the paper lays them out: bars with boxes around some rows (Fig. 6c), layers within each area (Fig. S4)."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from brivl.analyses.layers.figures import AXIS_X
from brivl.analyses.regions.figures import RegionScores
from brivl.analyses.regions.print_figure import region_page
from brivl.viz.export import PAPER, Page, legend_line, new_page, print_style
from brivl.viz.style import JOINT, LIGHT, R2, A, B, FigureLabel

BOX = "#D98200"
AREAS = Page(PAPER.width, 5.4, PAPER.base, PAPER.headline)
N_COLUMNS = 4


def boxed_region_page(
    scores: RegionScores, label: FigureLabel, boxed: Collection[str] = (), page: Page = PAPER
) -> Figure:
    """Draw `region_page` with an orange box around the rows of some regions.

    Parameters
    ----------
    scores : RegionScores
        Scores by region.
    label : FigureLabel
        Headline, caption and label of simulated data.
    boxed : collection of str
        Titles of the regions with a box.
    page : Page
        Size of the page.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    figure = region_page(scores, label, page)
    bars = figure.axes[0]
    for row, region in enumerate(scores.table["region"]):
        if region in boxed:
            corner = (0.0, row - 0.46)
            bars.add_patch(
                Rectangle(
                    corner,
                    1.0,
                    0.92,
                    transform=bars.get_yaxis_transform(),
                    fill=False,
                    edgecolor=BOX,
                    linewidth=page.base / 6,
                    zorder=6,
                    clip_on=False,
                )
            )
    return figure


def area_layers_page(table: pd.DataFrame, names: tuple[str, str], label: FigureLabel, page: Page = AREAS) -> Figure:
    """Draw joint and split R² by layer in a panel for each area.

    Lines are means over subjects, dots are subjects.

    Parameters
    ----------
    table : DataFrame
        Columns area, layer, subject, joint, a, b.
    names : tuple of str
        Names of models A and B.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of the page.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    areas = list(dict.fromkeys(table["area"]))
    n_rows = -(-len(areas) // N_COLUMNS)
    with print_style(page):
        figure = new_page(label, page)
        grid = figure.subplots(n_rows, N_COLUMNS, sharex=True, sharey=True, squeeze=False)
        for axes, area in zip(grid.ravel(), areas, strict=False):
            _draw(axes, table[table["area"] == area], names, page.base)
            axes.set_title(area, size=page.base, pad=4)
        for axes in grid.ravel()[len(areas) :]:
            figure.delaxes(axes)
        for axes in grid[-1]:
            axes.set_xlabel(AXIS_X)
        figure.supylabel(f"{R2} on held-out data", size=page.base)
        legend_line(figure, grid[0, 0], page)
        figure.canvas.draw()
    return figure


def _draw(axes: Axes, table: pd.DataFrame, names: tuple[str, str], base: float) -> None:
    layers = sorted(table["layer"].unique())
    shown = (
        ("joint", f"joint {R2}", JOINT, "-o"),
        ("a", f"{names[0]} (split {R2})", A, "-^"),
        ("b", f"{names[1]} (split {R2})", B, "-s"),
    )
    for column, name, colour, form in shown:
        mean = table.groupby("layer")[column].mean()
        axes.plot(mean.index, mean, form, color=colour, linewidth=base / 6, markersize=base / 2.6, label=name, zorder=3)
        if column != "joint":
            axes.plot(
                table["layer"],
                table[column],
                "o",
                color=colour,
                markersize=base / 5,
                alpha=0.45,
                zorder=2,
                markeredgewidth=0,
            )
    axes.axhline(0, color=LIGHT.muted, linewidth=base / 24, zorder=0)
    axes.grid(axis="y", color=LIGHT.grid, linewidth=base / 24)
    axes.set(xticks=layers if len(layers) <= 6 else layers[1::2] if layers[-1] % 2 == 0 else layers[::2])
