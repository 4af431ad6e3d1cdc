"""The first matches of a query as a matplotlib page."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brivl.analyses.retrieval.compute import RetrievalResult
from brivl.analyses.retrieval.tables import model_title
from brivl.data.galleries.gallery import Gallery
from brivl.errors import DataError
from brivl.viz.export import Page, new_page, print_style
from brivl.viz.style import LIGHT, FigureLabel

COLUMNS = 5
MAX_ROWS = 2  # of images for each model
SIDE = 200  # pixels of an image


def print_figure(result: RetrievalResult, label: FigureLabel, page: Page) -> Figure:
    """Draw the first ten matches of each model with their similarity.

    Parameters
    ----------
    result : RetrievalResult
        The result with its gallery.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of page and type.

    Returns
    -------
    Figure
        The figure; models stand beside each other.
    """
    with print_style(page):
        figure = new_page(label, page)
        if result.gallery is None:
            return figure
        several, n = len(result.matches) > 1, min(result.request.k, COLUMNS * MAX_ROWS)
        grid = figure.add_gridspec(-(-n // COLUMNS), len(result.matches) * (COLUMNS + 1) - 1)
        for block, (model, one) in enumerate(result.matches.items()):
            for i, row in enumerate(one.rows[:n]):
                axes = figure.add_subplot(grid[i // COLUMNS, block * (COLUMNS + 1) + i % COLUMNS])
                axes.set_axis_off()
                _draw(axes, result.gallery, int(row))
                mark = " ✓" if one.shows[i] else ""
                title = f"{result.gallery.item_name(int(row))[:24]}\n{one.scores[i]:.2f}{mark}"
                if several and i < COLUMNS:  # the first row has the name of the model above it
                    title = f"{'' if i else model_title(model)}\n{title}"
                axes.set_title(title, fontsize=page.base * 0.8)
    return figure


def _draw(axes: Axes, gallery: Gallery, row: int) -> None:
    """Draw an item, the middle frame of a video; a grey square where its file has gone."""
    try:
        frames = gallery.item(row, SIDE).frames
        axes.imshow(frames[len(frames) // 2])
    except DataError:
        axes.imshow(np.ones((2, 2, 3)), alpha=0.0)
        axes.text(0.5, 0.5, "file not found", color=LIGHT.muted, ha="center", va="center", transform=axes.transAxes)
