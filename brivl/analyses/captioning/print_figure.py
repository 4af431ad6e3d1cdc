"""An image with its captions and the attention of each word as a matplotlib page."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from brivl.analyses.captioning.compute import CaptioningResult
from brivl.analyses.captioning.figures import spotlight
from brivl.analyses.captioning.tables import FUNCTION_WORDS, NO_MAP, probabilities
from brivl.models.registry import SHIPPED
from brivl.viz.export import POINTS, Page, new_page, print_style, wrap_text
from brivl.viz.style import FigureLabel

MAX_WORDS = 8  # maps in a row


def print_figure(result: CaptioningResult, label: FigureLabel, page: Page) -> Figure:
    """Draw the image, and for each captioner a row of maps, one for each word but for function words.

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
        size, room = page.base * 0.85, 0.9 * page.width * MAX_WORDS / (MAX_WORDS + 2)
        texts = [wrap_text(f"{SHIPPED[name].title}: {one.text}", room, size) for name, one in result.captions.items()]
        engine = figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)  # set by `new_page`
        row_height = engine.get()["rect"][3] * page.height / len(texts)
        text_heights = [1.4 * (text.count("\n") + 1) * size / POINTS for text in texts]
        heights = [height for text in text_heights for height in (max(row_height - text, text), text)]
        grid = figure.add_gridspec(len(heights), MAX_WORDS + 2, height_ratios=heights)
        axes = figure.add_subplot(grid[:, :2])
        axes.imshow(result.image.image)
        axes.set_axis_off()
        for row, one in enumerate(result.captions.values()):
            shown = [i for i, word in enumerate(one.words) if word not in NO_MAP | FUNCTION_WORDS][:MAX_WORDS]
            words = probabilities(one)
            for column, i in enumerate(shown):
                axes = figure.add_subplot(grid[2 * row, 2 + column])
                axes.imshow(spotlight(result.image.image, one.attention[i]))
                axes.set_axis_off()
                axes.set_anchor("S")  # close to the caption below
                axes.set_title(f"{words[i][0]}\n{words[i][1]:.0%}", fontsize=page.base * 0.8)
            axes = figure.add_subplot(grid[2 * row + 1, 2:])
            axes.set_axis_off()
            axes.text(0, 1, texts[row], transform=axes.transAxes, va="top", fontsize=size)
    return figure
