"""Scores by AAL region on the template (paper Figs. 6a-b, S2 and S3): cortex from four sides, subcortex in slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brivl.core.regions.atlas_views import AtlasView, pixel_values, region_borders
from brivl.viz.colormaps import colour_diverging, colour_sequential, diverging, sequential
from brivl.viz.export import PAPER, Page, new_page, print_style
from brivl.viz.flatmap.painting import ColourBar
from brivl.viz.flatmap.print_figure import draw_bar
from brivl.viz.style import LIGHT, R2, FigureLabel

NO_VALUE = (0.82, 0.82, 0.82)  # grey of the template where there is no region or no voxel
BORDER = 0.55  # brightness of the lines between regions
WHOLE = Page(PAPER.width, 9.9, PAPER.base, PAPER.headline)
BASE_ROWS, MOST_ROWS = 1.2, 12


@dataclass(frozen=True)
class AtlasScale:
    """Joint R² from 0 to `limit`, or the difference A - B from -limit to +limit."""

    limit: float
    names: tuple[str, str] | None = None  # of A and B, for the difference

    @property
    def bar(self) -> ColourBar:
        """The colour bar, with its limits and label."""
        if self.names is None:
            return ColourBar(sequential(), (0.0, self.limit), f"joint {R2}")
        a, b = self.names
        return ColourBar(
            diverging(), (-self.limit, self.limit), f"split {R2}, {a} − {b}", (f"{b} higher", f"{a} higher")
        )

    def colours(self, values: np.ndarray) -> np.ndarray:
        """Colour values; whole regions are drawn, so that low values need not fade.

        Parameters
        ----------
        values : ndarray
            Values, NaN where there is none.

        Returns
        -------
        ndarray, shape (..., 4)
            RGBA from 0 to 1, clear where the value is NaN.
        """
        if self.names is None:
            rgba = colour_sequential(values, (0.0, self.limit), LIGHT.negative)
        else:
            rgba = colour_diverging(values, self.limit)
        rgba[..., 3] = np.isfinite(values)
        return rgba


def atlas_page(
    views: Sequence[AtlasView], values: Mapping[int, float], scale: AtlasScale, label: FigureLabel, page: Page = PAPER
) -> Figure:
    """Draw 2 x 2 views of the cortex, slices through the subcortex, and the scale.

    Parameters
    ----------
    views : sequence of AtlasView
        Four views of the cortex and two slices.
    values : mapping
        Value by number of the AAL region.
    scale : AtlasScale
        Limits and names of the scale.
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
        grid = figure.subplots(2, 4, width_ratios=(1.35, 1.35, 1, 0.62))
        for axes, view in zip([*grid[0, :2], *grid[1, :2], grid[0, 2], grid[1, 2]], views, strict=True):
            _draw(axes, view, values, scale, page.base)
            axes.set_title(view.name, size=page.base, pad=3)
        figure.delaxes(grid[1, 3])
        grid[0, 3].axis("off")
        grid[0, 3].set_subplotspec(grid[0, 3].get_gridspec()[:, 3])
        draw_bar(grid[0, 3], scale.bar, page)
        figure.canvas.draw()
    return figure


def atlas_grid_page(
    views: Sequence[AtlasView], layers: Sequence[tuple[int, Mapping[int, float]]], scale: AtlasScale, label: FigureLabel
) -> Figure:
    """Draw a row for each layer and a column for each view, with the scale at the right.

    Parameters
    ----------
    views : sequence of AtlasView
        Four views of the cortex and two slices.
    layers : sequence of tuple
        Layer number, and value by number of the AAL region.
    scale : AtlasScale
        Limits and names of the scale.
    label : FigureLabel
        Headline, caption and label of simulated data.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    n_rows = len(layers)
    height = WHOLE.height * (max(n_rows, 3) + BASE_ROWS) / (MOST_ROWS + BASE_ROWS)
    page = Page(WHOLE.width, height, WHOLE.base, WHOLE.headline)
    with print_style(page):
        figure = new_page(label, page)
        grid = figure.subplots(n_rows, len(views) + 1, squeeze=False, width_ratios=(*[1.4] * 4, 1, 1, 0.95))
        for row, (layer, values) in zip(grid, layers, strict=True):
            for axes, view in zip(row[:-1], views, strict=True):
                _draw(axes, view, values, scale, page.base * 0.8)
            row[0].text(-0.1, 0.5, str(layer), transform=row[0].transAxes, size=page.base, ha="right", va="center")
            row[-1].axis("off")
        for axes, view in zip(grid[0, :-1], views, strict=True):
            axes.set_title(view.name.replace(", ", "\n"), size=page.base * 0.9, pad=3)
        grid[0, 0].text(-0.1, 1.0, "layer", transform=grid[0, 0].transAxes, size=page.base, ha="right")
        top = grid[0, -1]
        bottom = min(n_rows, 4)
        for axes in grid[1:bottom, -1]:
            figure.delaxes(axes)
        top.set_subplotspec(top.get_gridspec()[:bottom, -1])
        draw_bar(top, scale.bar, page)
        figure.canvas.draw()
    return figure


def _draw(axes: Axes, view: AtlasView, values: Mapping[int, float], scale: AtlasScale, size: float) -> None:
    colours = scale.colours(pixel_values(view, values))
    rgb = colours[..., :3] * colours[..., 3:] + np.array(NO_VALUE) * (1 - colours[..., 3:])
    inside = np.isfinite(view.shade)
    shade = np.nan_to_num(view.shade) * np.where(region_borders(view.labels) & inside, BORDER, 1.0)
    axes.imshow(np.dstack([np.clip(rgb * shade[..., None], 0, 1), inside]), interpolation="antialiased")
    for name, (x, y) in view.marks.items():
        axes.text(x, y, name, size=size, weight="bold", ha="center", va="center")
    axes.axis("off")
