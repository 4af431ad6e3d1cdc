"""R² by layer for print and talk: the content of `brivl.analyses.layers.figures` on a matplotlib page."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from brivl.analyses.layers.figures import AXIS_X, AXIS_Y, BOX, MIN_BOX, OFFSET, SYMBOLS, LayerScores, part_colours, span
from brivl.viz.export import SLIDE, Page, legend_line, new_page, print_style
from brivl.viz.style import JOINT, R2, FigureLabel


def layer_page(scores: LayerScores, label: FigureLabel, page: Page = SLIDE) -> Figure:
    """Draw R² by layer for print.

    Parameters
    ----------
    scores : LayerScores
        Scores and names.
    label : FigureLabel
        Texts around the figure.
    page : Page
        Size and type of the page.

    Returns
    -------
    Figure
        Matplotlib figure with the content of `layer_figure`.
    """
    with print_style(page):
        figure = new_page(label, page)
        axes = figure.add_subplot()
        _draw(axes, scores, page.base)
        legend_line(figure, axes, page)
        figure.canvas.draw()
    return figure


def _draw(axes: Axes, scores: LayerScores, base: float) -> None:
    table = scores.table
    if scores.selected is not None:
        axes.axvspan(scores.selected - 0.48, scores.selected + 0.48, color="#F0F2F4", zorder=0)
    columns = (table[name].tolist() for name in ("layer", "r2_split_a", "r2_split_b"))
    for layer, a, b in zip(*columns, strict=True):
        axes.plot(
            [layer - OFFSET, layer + OFFSET],
            [a, b],
            color="#9AA5B1",
            linewidth=base / 24,
            zorder=1,
        )
    for column, name, colour, offset in scores.sides():
        _draw_boxes(axes, table.dropna(subset=[column]), column, colour, offset)
        axes.plot(
            table["layer"] + offset,
            table[column],
            "o",
            color=colour,
            markersize=base / 3.2,
            zorder=3,
            markeredgecolor="white",
            markeredgewidth=base / 24,
            label=f"{name} (split {R2})",
        )
    colours, marks = part_colours("#7B8794"), {"diamond": "D", "square": "s"}
    for column, name, part in scores.part_means():
        axes.plot(
            part.index,
            part,
            marks[SYMBOLS[column]],
            linestyle=":",
            color=colours[column],
            linewidth=base / 9,
            markersize=base / 3.2,
            zorder=3.5,
            label=name,
        )
    mean = scores.joint_mean()
    axes.plot(
        mean.index, mean, "-o", color=JOINT, linewidth=base / 7, markersize=base / 2.6, zorder=4, label=f"joint {R2}"
    )
    axes.axhline(0, color="#9AA5B1", linewidth=base / 24, zorder=0)
    places, texts = scores.ticks()
    axes.set(
        xlabel=AXIS_X,
        ylabel=AXIS_Y,
        xlim=span(places),
        xticks=places,
        xticklabels=texts,
    )
    axes.grid(axis="y", color="#E4E7EB", linewidth=base / 24)
    axes.set_axisbelow(True)


def _draw_boxes(axes: Axes, table: pd.DataFrame, column: str, colour: str, offset: float) -> None:
    for layer in sorted(table["layer"].unique().tolist()):
        group = table[table["layer"] == layer]
        if len(group) >= MIN_BOX:
            axes.boxplot(
                [group[column]],
                positions=[layer + offset],
                widths=BOX,
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
                boxprops=dict(facecolor=(*to_rgb(colour), 0.25), edgecolor=colour),
                medianprops=dict(color=colour, linewidth=2),
                whiskerprops=dict(color=colour),
                capprops=dict(color=colour),
                zorder=2,
            )
