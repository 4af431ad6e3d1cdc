"""The first matches of a query as a matplotlib page."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from brivl.analyses.retrieval.compute import RetrievalResult
from brivl.analyses.retrieval.tables import model_title
from brivl.data.galleries.gallery import Gallery
from brivl.errors import DataError
from brivl.viz.export import POINTS, Page, new_page, print_style
from brivl.viz.style import LIGHT, FigureLabel

COLUMNS = 5
MAX_ROWS = 2  # of images for each model
SIDE = 300  # pixels of an image
GAP = 0.6  # of the type size, between images
LINES = 2.7  # of type above an image: name and similarity


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
        engine = figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)  # set by `new_page`
        left, bottom, width, height = engine.get()["rect"]
        figure.set_layout_engine("none")  # images of one size in a grid need no solver
        n_models, n = len(result.matches), min(result.request.k, COLUMNS * MAX_ROWS)
        em = page.base / POINTS  # inches
        head = 1.5 * em if n_models > 1 else 0.0
        n_columns, n_rows = n_models * COLUMNS + (n_models - 1) * 0.3, -(-n // COLUMNS)
        side = min(
            width * page.width / n_columns - GAP * em, (height * page.height - head) / n_rows - (LINES + GAP) * em
        )
        step = side + GAP * em
        start = left * page.width + (width * page.width - n_columns * step) / 2
        top = (bottom + height) * page.height - head
        for block, (model, one) in enumerate(result.matches.items()):
            x0 = start + block * (COLUMNS + 0.3) * step
            if n_models > 1:
                at = (x0 / page.width, (top + 0.4 * em) / page.height)
                figure.text(*at, model_title(model), fontsize=page.base * 1.1, fontweight="bold")
            for i, row in enumerate(one.rows[:n]):
                x, y = x0 + i % COLUMNS * step, top - (i // COLUMNS + 1) * (step + LINES * em)
                axes = figure.add_axes((x / page.width, y / page.height, side / page.width, side / page.height))
                _draw(axes, result.gallery, int(row))
                mark = " ✓" if one.shows[i] else ""
                name = result.gallery.item_name(int(row))[:24]
                axes.set_title(
                    f"{name}\n{one.scores[i]:.2f}{mark}",
                    fontsize=page.base * (0.9 if n_models == 1 else 0.7),
                    pad=0.25 * page.base,
                )
    return figure


def _draw(axes: Axes, gallery: Gallery, row: int) -> None:
    """Draw an item, the middle frame of a video; a sentence where its file has gone."""
    axes.set_axis_off()
    try:
        frames = gallery.item(row, SIDE).frames
        axes.imshow(frames[len(frames) // 2])
    except DataError:
        axes.text(0.5, 0.5, "file not found", color=LIGHT.muted, ha="center", va="center", transform=axes.transAxes)
