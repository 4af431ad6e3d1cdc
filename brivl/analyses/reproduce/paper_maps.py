"""Flatmaps as the paper lays them out: split R² over joint R² (Figs. 4c-e), and many layers on one page (S5-S13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brivl.core.records import FlatmapGeometry
from brivl.viz.export import PAPER, Page, new_page, print_style
from brivl.viz.flatmap.painting import MapScores, Painting, outline_path, overlay_on_curvature, paint_joint, paint_pair
from brivl.viz.flatmap.print_figure import SCALE_SHARE, draw_map, draw_scale
from brivl.viz.style import LIGHT, R2, FigureLabel

TALL = Page(PAPER.width, 6.6, PAPER.base, PAPER.headline)
WHOLE = Page(PAPER.width, 9.7, PAPER.base, PAPER.headline)
LEAST_ROWS = 3
THIN = 2  # every so many pixels of a small map are drawn


@dataclass(frozen=True)
class MapLimits:
    """Ends of the colour scales, common to all maps that are compared; both start at 0."""

    joint: float
    split: float


def map_pair_page(
    geometry: FlatmapGeometry, scores: MapScores, limits: MapLimits, label: FigureLabel, page: Page = TALL
) -> Figure:
    """Draw both split R² above and joint R² below, each with its scale.

    Parameters
    ----------
    geometry : FlatmapGeometry
        The flatmap.
    scores : MapScores
        Scores by voxel.
    limits : MapLimits
        Upper ends of the scales.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of the page.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    paintings = _paint(geometry, scores, limits)
    with print_style(page):
        figure = new_page(label, page)
        grid = figure.subplots(2, 2, width_ratios=(1 - SCALE_SHARE, SCALE_SHARE))
        for (brain, side), painting in zip(grid, paintings, strict=True):
            draw_map(brain, geometry, painting, None, page)
            side.axis("off")
            draw_scale(side, painting, page)
        figure.canvas.draw()
    return figure


def map_grid_page(
    geometry: FlatmapGeometry, layers: Sequence[tuple[int, MapScores]], limits: MapLimits, label: FigureLabel
) -> Figure:
    """Draw the pair of split R² and joint R² side by side for each layer, layers in two columns, scales below.

    Parameters
    ----------
    geometry : FlatmapGeometry
        The flatmap.
    layers : sequence of tuple
        Layer number and MapScores.
    limits : MapLimits
        Upper ends of the scales.
    label : FigureLabel
        Headline, caption and label of simulated data.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    n_rows = max(-(-len(layers) // 2), LEAST_ROWS)
    page = Page(WHOLE.width, WHOLE.height * (n_rows + 1.9) / (6 + 1.9), WHOLE.base, WHOLE.headline)
    with print_style(page):
        figure = new_page(label, page)
        grid = figure.subplots(n_rows + 1, 4, height_ratios=(*[1] * n_rows, 0.85))
        for axes in grid.ravel():
            axes.axis("off")
        for i, (layer, scores) in enumerate(layers):
            row, column = i % n_rows, 2 * (i // n_rows)
            for offset, painting in enumerate(_paint(geometry, scores, limits)):
                _small_map(grid[row, column + offset], geometry, painting)
            grid[row, column].set_title(f"layer {layer}", loc="left", size=page.base, pad=2)
        for axes, title in zip(grid[0], 2 * ("split", "joint"), strict=True):
            axes.set_title(f"{title} {R2}", loc="right", size=page.base * 0.9, color=LIGHT.muted, pad=2)
        _scales(grid[n_rows], geometry, layers[0][1], limits, page)
        figure.canvas.draw()
    return figure


def _paint(geometry: FlatmapGeometry, scores: MapScores, limits: MapLimits) -> tuple[Painting, Painting]:
    return (
        paint_pair(geometry, scores, (0.0, limits.split)),
        paint_joint(geometry, scores, (0.0, limits.joint)),
    )


def _small_map(axes: Axes, geometry: FlatmapGeometry, painting: Painting) -> None:
    """Map with outlines, too small for names."""
    image = np.clip(overlay_on_curvature(geometry, painting.rgba, "light"), 0, 1)
    height, width = geometry.mask.shape
    axes.imshow(image[::THIN, ::THIN], interpolation="none", extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    for polygons in geometry.outlines.values():
        axes.plot(*outline_path(polygons).T, color="white", linewidth=0.25)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _scales(row: np.ndarray, geometry: FlatmapGeometry, scores: MapScores, limits: MapLimits, page: Page) -> None:
    pair, joint = _paint(geometry, scores, limits)
    square = row[0].inset_axes((0.0, 0.1, 1.0, 1.5))
    square.axis("off")
    draw_scale(square, pair, page)
    bar = row[1].inset_axes((0.35, 0.25, 0.6, 1.2))
    bar.axis("off")
    draw_scale(bar, joint, page)
