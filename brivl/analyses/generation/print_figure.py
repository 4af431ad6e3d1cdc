"""Generated images with their curves as a matplotlib page."""

from __future__ import annotations

from matplotlib.figure import Figure

from brivl.analyses.generation.compute import GenerationResult
from brivl.analyses.generation.figures import AXIS_X, AXIS_Y
from brivl.analyses.generation.tables import recognised
from brivl.viz.export import Page, new_page, print_style, wrap_text
from brivl.viz.style import LIGHT, FigureLabel

LINES = ("-", "--", ":", "-.")


def _shortened(text: str, n: int) -> str:
    return text if len(text) <= n else f"{text[: n - 1].rstrip()}…"


def print_figure(result: GenerationResult, label: FigureLabel, page: Page) -> Figure:
    """Draw the images, and beside them the similarity over steps.

    Parameters
    ----------
    result : GenerationResult
        The images.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of page and type.

    Returns
    -------
    Figure
        The figure.
    """
    with print_style(page):
        figure = new_page(label, page)
        n_rows = 1 if len(result.images) <= 2 else 2
        n_columns = -(-len(result.images) // n_rows)
        grid = figure.add_gridspec(n_rows, 2 * n_columns)
        size, room = page.base * 0.8, 0.45 * page.width / n_columns
        for i, one in enumerate(result.images):
            axes = figure.add_subplot(grid[i // n_columns, i % n_columns])
            axes.imshow(one.image)
            axes.set_axis_off()
            title = f"“{_shortened(one.prompt.text, 40)}”, cosine {one.similarity:.2f}\n{recognised(one)}"
            axes.set_title(wrap_text(title, room, size), fontsize=size).set_in_layout(n_rows > 1)
        axes = figure.add_subplot(grid[:, n_columns:])
        for i, one in enumerate(result.images):
            name = _shortened(one.prompt.text, 32)
            axes.plot(one.steps, one.similarities, ls=LINES[i % len(LINES)], color=LIGHT.joint, label=name)
        axes.set_xlabel(AXIS_X)
        axes.set_ylabel(AXIS_Y)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=size, borderaxespad=0.2)
    return figure
