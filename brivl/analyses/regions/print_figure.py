"""R² by region for print and talk: the content of `brivl.analyses.regions.figures` on a matplotlib page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brivl.analyses.regions.figures import INTERVALS, SLOT, RegionScores, short_name
from brivl.viz.export import POINTS, SLIDE, Page, legend_line, new_page, print_style
from brivl.viz.style import JOINT, LIGHT, FigureLabel

PLACES = {2: (0.42, 1.0), 3: (0.28, 0.64, 1.0), 4: (0.2, 0.46, 0.72, 1.0)}  # right edges of the columns in words
TEXT_WIDTH = {2: 1.0, 3: 1.6, 4: 2.1}
LONG_NAME = 28  # characters on one line


def region_page(scores: RegionScores, label: FigureLabel, page: Page = SLIDE) -> Figure:
    """Draw R² by region for print; the page grows downwards when the rows need more than it has.

    Parameters
    ----------
    scores : RegionScores
        Scores, tests and names.
    label : FigureLabel
        Texts around the figure.
    page : Page
        Size and type of the page.

    Returns
    -------
    Figure
        Matplotlib figure with the content of `region_figure`.
    """
    rows = 1.9 * page.base / POINTS * scores.n_regions
    height = max(page.height, rows + 0.42 * page.height)
    page = replace(page, height=height)
    with print_style(page):
        figure = new_page(label, page)
        columns = scores.text_columns
        widths = (5.0, *((1.5,) if scores.intervals else ()), TEXT_WIDTH[len(columns)])
        bars, *middle, text = figure.subplots(1, len(widths), sharey=True, width_ratios=widths)
        _draw_bars(bars, scores, page.base)
        for axes in middle:
            _draw_differences(axes, scores, page.base)
        _draw_text(text, columns)
        legend_line(figure, bars, page)
        figure.canvas.draw()
    return figure


def _draw_bars(axes: Axes, scores: RegionScores, base: float) -> None:
    rows, table = scores.rows(), scores.table
    for row in range(1, scores.n_regions, 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F6F7F8", zorder=0)
    for column, name, colour, offset in scores.sides():
        axes.barh(
            rows + offset,
            table[column],
            height=2 * SLOT * 0.92,
            color=colour,
            alpha=0.85,
            label=f"{name} (split {scores.quantity})",
            zorder=2,
        )
        if len(scores.subjects):
            axes.plot(
                scores.subjects[column],
                scores.dot_rows() + offset,
                "o",
                color="white",
                markersize=base / 3.4,
                markeredgecolor=colour,
                markeredgewidth=base / 13,
                zorder=4,
            )
    axes.plot(*scores.links(), color="#B5BDC7", linewidth=base / 30, zorder=3)
    axes.plot(
        table["joint"],
        rows,
        "|",
        color=JOINT,
        markersize=base * 1.15,
        markeredgewidth=base / 6,
        label=f"joint {scores.quantity}",
        zorder=3,
    )
    for column, name, colour, offset in scores.unique_sides():
        axes.plot(
            table[column],
            rows + offset,
            "D",
            color=colour,
            markersize=base / 3,
            markeredgecolor=LIGHT.text,
            markeredgewidth=base / 16,
            label=f"unique to {name}",
            zorder=5,
        )
    _label_rows(axes, scores, base)


def _draw_differences(axes: Axes, scores: RegionScores, base: float) -> None:
    """A - B of each region with its 95 % interval."""
    difference, low, high = (scores.table[name].to_numpy(float) for name in INTERVALS)
    drawn = np.isfinite(low) & np.isfinite(high)
    for row in range(1, scores.n_regions, 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F6F7F8", zorder=0)
    axes.axvline(0, color=LIGHT.muted, linewidth=base / 20, zorder=1)
    axes.hlines(scores.rows()[drawn], low[drawn], high[drawn], color=LIGHT.text, linewidth=base / 10, zorder=2)
    axes.plot(difference, scores.rows(), "o", color=LIGHT.text, markersize=base / 3, zorder=3)
    axes.set_xlabel(f"{scores.names[0]} −\n{scores.names[1]}, 95 % interval", size=base * 0.85)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=3)
    axes.spines["left"].set_visible(False)


def _label_rows(axes: Axes, scores: RegionScores, base: float) -> None:
    names = [_two_lines(short_name(name)) for name in scores.table["region"]]
    axes.axvline(0, color=LIGHT.muted, linewidth=base / 20)
    axes.set(
        yticks=scores.rows(),
        yticklabels=names,
        ylim=(scores.n_regions - 0.4, -0.6),
        xlabel=f"{scores.quantity} on held-out data",
    )
    broken = any("\n" in name for name in names)
    axes.tick_params(axis="y", length=0, labelsize=base * (0.76 if broken else 1))
    axes.spines["left"].set_visible(False)


def _two_lines(name: str) -> str:
    """Long names broken once, near the middle, so that bars keep their room."""
    if len(name) <= LONG_NAME:
        return name
    breaks = [i for i, sign in enumerate(name) if sign == " "]
    cut = min(breaks, key=lambda i: abs(i - len(name) / 2), default=None)
    return name if cut is None else f"{name[:cut]}\n{name[cut + 1 :]}"


def _draw_text(axes: Axes, columns: Sequence[tuple[str, str, list[str]]]) -> None:
    axes.axis("off")
    for x, (_, head, cells) in zip(PLACES[len(columns)], columns, strict=True):
        axes.text(
            x,
            -0.7,
            head,
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="bottom",
            style="italic",
            color=LIGHT.muted,
            in_layout=False,
        )
        for row, text in enumerate(cells):
            axes.text(
                x,
                row,
                text,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                in_layout=False,
            )
