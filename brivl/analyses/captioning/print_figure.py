"""An image with its captions and the attention of each word as a matplotlib page."""

from __future__ import annotations

from matplotlib.figure import Figure

from brivl.analyses.captioning.compute import CaptioningResult
from brivl.analyses.captioning.figures import spotlight
from brivl.analyses.captioning.tables import NO_MAP, probabilities
from brivl.models.registry import SHIPPED
from brivl.viz.export import Page, new_page, print_style, wrap_text
from brivl.viz.style import FigureLabel

MAX_WORDS = 10  # maps in a row


def print_figure(result: CaptioningResult, label: FigureLabel, page: Page) -> Figure:
    """Draw the image, and a row of maps for each captioner.

    Parameters
    ----------
    result : CaptioningResult
        The captions with their image.
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
        if result.image is None:
            return figure
        grid = figure.add_gridspec(len(result.captions), MAX_WORDS + 3)
        axes = figure.add_subplot(grid[:, :3])
        axes.imshow(result.image.image)
        axes.set_axis_off()
        for row, (name, one) in enumerate(result.captions.items()):
            shown = [i for i, word in enumerate(one.words) if word not in NO_MAP][:MAX_WORDS]
            words = probabilities(one)
            for column, i in enumerate(shown):
                axes = figure.add_subplot(grid[row, 3 + column])
                axes.imshow(spotlight(result.image.image, one.attention[i]))
                axes.set_axis_off()
                axes.set_title(f"{words[i][0]}\n{words[i][1]:.0%}", fontsize=page.base * 0.7)
                if column == 0:
                    room = 0.9 * page.width * MAX_WORDS / (MAX_WORDS + 3)
                    text = wrap_text(f"{SHIPPED[name].title}: {one.text}", room, page.base * 0.85)
                    below = axes.text(0, -0.12, text, transform=axes.transAxes, va="top", fontsize=page.base * 0.85)
                    below.set_in_layout(False)  # it is wider than its tile
    return figure
