"""Layer x region for print and talk: the content of `figures` on a Matplotlib page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from brivl.analyses.layers.heat_map.figures import CURVE_COLOURS, colours_of, layer_ticks, matrix
from brivl.analyses.layers.heat_map.tables import HeatMap
from brivl.analyses.regions.figures import row_name
from brivl.viz.export import POINTS, SLIDE, Page, legend_line, new_page, print_style
from brivl.viz.style import LIGHT, FigureLabel


def heat_page(heat: HeatMap, label: FigureLabel, page: Page = SLIDE) -> Figure:
    """Draw heat map and curves for print; the page grows downwards when the rows need more than it has.

    Parameters
    ----------
    heat : HeatMap
        What is shown.
    label : FigureLabel
        Texts around the figure.
    page : Page
        Size and type of the page.

    Returns
    -------
    Figure
        Matplotlib figure: the heat map at the left, the curves of the chosen regions at the right.
    """
    needed = 1.25 * page.base / POINTS * len(heat.rows())
    page = replace(page, height=max(page.height, needed + 0.45 * page.height))
    with print_style(page):
        figure = new_page(label, page)
        cells, curves = figure.subplots(1, 2, width_ratios=(1.35, 1))
        _draw_cells(figure, cells, heat, page.base)
        _draw_curves(curves, heat, page.base)
        legend_line(figure, curves, page)
        figure.canvas.draw()
    return figure


def _draw_cells(figure: Figure, axes: Axes, heat: HeatMap, base: float) -> None:
    cells, rows, layers = heat.cells(), heat.rows(), heat.layers
    cells = cells[cells["region"].isin(rows)].reset_index(drop=True)
    values = matrix(heat, cells)
    colours, (low, high) = colours_of(heat, values, dark=False)
    extent = (layers[0] - 0.5, layers[-1] + 0.5, len(rows) - 0.5, -0.5)
    image = axes.imshow(
        np.ma.masked_invalid(values),
        cmap=ListedColormap(colours),
        vmin=low,
        vmax=high,
        extent=extent,
        aspect="auto",
        interpolation="nearest",
    )
    place = {region: row for row, region in enumerate(rows)}
    uncertain = cells[heat.uncertain(cells)]
    for layer, region in zip(uncertain["layer"].tolist(), uncertain["region"].tolist(), strict=True):
        corner = (layer - 0.5, place[region] - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, hatch="////", edgecolor=LIGHT.muted, linewidth=0))
    best = heat.best()
    best = best[best.index.isin(rows)]
    axes.plot(
        best.to_numpy(),
        [place[region] for region in best.index],
        "o",
        color="white",
        markeredgecolor=LIGHT.text,
        markersize=base / 2.8,
        markeredgewidth=base / 9,
        linestyle="none",
    )
    if heat.layer is not None and heat.chosen and heat.chosen[0] in place:
        corner = (heat.layer - 0.5, place[heat.chosen[0]] - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=LIGHT.text, linewidth=base / 6))
    places, texts = layer_ticks(heat)
    axes.set_xticks(places, texts)
    axes.set_yticks(range(len(rows)), [row_name(region) for region in rows])
    axes.tick_params(axis="y", length=0, labelsize=base * (1 if len(rows) <= 20 else 0.75))
    axes.tick_params(axis="x", labelsize=base * 0.8)
    axes.set_xlabel("Layer")
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
    bar.set_label(heat.quantity)
    bar.outline.set_visible(False)


def _draw_curves(axes: Axes, heat: HeatMap, base: float) -> None:
    for region, colour in zip(heat.chosen_regions(), CURVE_COLOURS, strict=False):
        curve = heat.curve(region)
        bounded = curve.dropna(subset=["low", "high"])
        if len(bounded):
            axes.fill_between(bounded["layer"], bounded["low"], bounded["high"], color=colour, alpha=0.16, linewidth=0)
        axes.plot(
            curve["layer"],
            curve["value"],
            "-o",
            color=colour,
            linewidth=base / 6,
            markersize=base / 2.8,
            label=row_name(region),
        )
    axes.axhline(0, color=LIGHT.muted, linewidth=base / 24, zorder=0)
    places, texts = layer_ticks(heat)
    axes.set_xticks(places, texts)
    axes.tick_params(axis="x", labelsize=base * 0.8)
    axes.set_xlabel("Layer")
    axes.set_ylabel(heat.quantity)
