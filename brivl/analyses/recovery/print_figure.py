"""Recovery of the simulated ground truth for print and slides, with matplotlib."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brivl.analyses.recovery.figures import BINS, MANY, TRUTH_NAME, DifferenceRecovery, LayerRecovery, RegionRecovery
from brivl.core.numbers import number
from brivl.core.records import FlatmapGeometry
from brivl.viz.export import POINTS, SLIDE, Page, legend_line, new_page, print_style
from brivl.viz.flatmap.painting import Painting
from brivl.viz.flatmap.print_figure import draw_map, draw_scale
from brivl.viz.style import JOINT, LIGHT, TRUTH, FigureLabel

MAP_TITLES = ("Planted", "Estimated")
DARKEST_DARK_TEXT = 0.5  # share of the largest count from which the number in a cell is white


def _page(draw: Callable[[Axes, float], None], label: FigureLabel, page: Page) -> Figure:
    with print_style(page):
        figure = new_page(label, page)
        axes = figure.add_subplot()
        draw(axes, page.base)
        legend_line(figure, axes, page)
        figure.canvas.draw()
    return figure


def maps_page(
    geometry: FlatmapGeometry, paintings: tuple[Painting, Painting], label: FigureLabel, page: Page = SLIDE
) -> Figure:
    """Draw the planted and the estimated map beside each other, with one scale.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    paintings : (Painting, Painting)
        Planted and estimated map, with the same limits.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of the page.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    with print_style(page):
        figure = new_page(label, page)
        *maps, side = figure.subplots(1, 3, width_ratios=(1, 1, 0.3))
        for axes, painting, title in zip(maps, paintings, MAP_TITLES, strict=True):
            draw_map(axes, geometry, painting, None, page)
            axes.set_title(title)
        side.axis("off")
        draw_scale(side, paintings[0], page)
        figure.canvas.draw()
    return figure


def difference_page(recovery: DifferenceRecovery, label: FigureLabel, page: Page = SLIDE) -> Figure:
    """Draw the content of `difference_figure`.

    Parameters
    ----------
    recovery : DifferenceRecovery
        What is drawn.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of the page.

    Returns
    -------
    Figure
        Matplotlib figure.
    """

    def draw(axes: Axes, base: float) -> None:
        truth, estimate, _ = recovery.shown()
        limit = recovery.limit
        if len(truth) > MANY:
            edges = np.linspace(-limit, limit, BINS + 1)
            counts = np.histogram2d(estimate, truth, bins=(edges, edges))[0]
            axes.pcolormesh(edges, edges, np.ma.masked_equal(np.sqrt(counts), 0), cmap="Greys", rasterized=True)
        else:
            axes.plot(
                truth, estimate, "o", color=JOINT, alpha=0.45, markersize=base / 5, markeredgewidth=0, label="voxel"
            )
        axes.plot([-limit, limit], [-limit, limit], "--", color=TRUTH, linewidth=base / 7, label=TRUTH_NAME)
        x_title, y_title = (title.replace(": ", ":\n") for title in recovery.axis_titles())
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel=x_title, ylabel=y_title)
        ticks = np.linspace(-limit, limit, 5)
        axes.set(xticks=ticks, yticks=ticks, xticklabels=map(number, ticks), yticklabels=map(number, ticks))
        axes.text(1.04, 0.98, recovery.note().replace(", ", "\n"), transform=axes.transAxes, va="top")

    return _page(draw, label, page)


def layer_recovery_page(recovery: LayerRecovery, label: FigureLabel, page: Page = SLIDE) -> Figure:
    """Draw the content of `layer_recovery_figure`.

    Parameters
    ----------
    recovery : LayerRecovery
        What is drawn.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of the page.

    Returns
    -------
    Figure
        Matplotlib figure.
    """

    def draw(axes: Axes, base: float) -> None:
        counts, n = recovery.counts(), recovery.n_layers
        ends = (0.5, n + 0.5)
        axes.imshow(
            np.ma.masked_equal(counts, 0), cmap="Greys", origin="lower", extent=(*ends, *ends), aspect="equal", vmin=0
        )
        for best, planted in np.argwhere(counts):
            dark = counts[best, planted] > DARKEST_DARK_TEXT * counts.max()
            axes.text(
                planted + 1,
                best + 1,
                f"{counts[best, planted]}",
                ha="center",
                va="center",
                size=base * 0.6,
                color="white" if dark else LIGHT.text,
            )
        axes.plot(ends, ends, "--", color=TRUTH, linewidth=base / 7, label=TRUTH_NAME)
        axes.set(
            xlim=ends,
            ylim=ends,
            xticks=range(1, n + 1),
            yticks=range(1, n + 1),
            xlabel="planted layer",
            ylabel="layer with the\nhighest joint R²",
        )
        axes.text(1.04, 0.98, recovery.note().replace(" within", "\nwithin"), transform=axes.transAxes, va="top")

    return _page(draw, label, page)


def region_recovery_page(recovery: RegionRecovery, label: FigureLabel, page: Page = SLIDE) -> Figure:
    """Draw the content of `region_recovery_figure`.

    Parameters
    ----------
    recovery : RegionRecovery
        What is drawn.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of the page.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    table, rows = recovery.table, np.arange(len(recovery.table))
    height = max(page.height, 1.6 * page.base / POINTS * len(rows) + 0.42 * page.height)

    def draw(axes: Axes, base: float) -> None:
        axes.barh(rows, table["estimated"], height=0.6, color=recovery.colours(), alpha=0.85, label="estimated")
        axes.vlines(
            table["planted"],
            rows - 0.42,
            rows + 0.42,
            color=TRUTH,
            linestyle=(0, (2, 1)),
            linewidth=base / 6,
            label=TRUTH_NAME,
        )
        axes.axvline(0, color=LIGHT.muted, linewidth=base / 20)
        axes.set(
            yticks=rows,
            yticklabels=table["region"],
            ylim=(len(rows) - 0.4, -0.6),
            xlabel=recovery.axis_title(),
            xlim=recovery.span(),
        )
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)

    return _page(draw, label, Page(page.width, height, page.base, page.headline))
