"""Generated images with their curves as a matplotlib page."""

from __future__ import annotations

from matplotlib.figure import Figure

from brivl.analyses.generation.compute import GenerationResult
from brivl.analyses.generation.figures import AXIS_X, AXIS_Y
from brivl.analyses.generation.tables import recognised
from brivl.viz.export import Page, new_page, print_style, wrap_text
from brivl.viz.style import LIGHT, FigureLabel

LINES = ("-", "--", ":", "-.")


def print_figure(result: GenerationResult, label: FigureLabel, page: Page) -> Figure:
    """Draw the images above, and the similarity over steps below.

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
        grid = figure.add_gridspec(2, len(result.images), height_ratios=(3, 2))
        for i, one in enumerate(result.images):
            axes = figure.add_subplot(grid[0, i])
            axes.imshow(one.image)
            axes.set_axis_off()
            size, room = page.base * 0.85, 0.9 * page.width / max(2, len(result.images))
            title = f"“{one.prompt.text[:30]}”\n{recognised(one)}\ncosine {one.similarity:.2f}"
            axes.set_title(wrap_text(title, room, size), fontsize=size)
        axes = figure.add_subplot(grid[1, :])
        for i, one in enumerate(result.images):
            name = one.prompt.text[:40]
            axes.plot(one.steps, one.similarities, ls=LINES[i % len(LINES)], color=LIGHT.joint, label=name)
        axes.set_xlabel(AXIS_X)
        axes.set_ylabel(AXIS_Y)
        axes.legend(loc="lower right")
    return figure
