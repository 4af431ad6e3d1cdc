"""Plotly figures in print: several beside each other keep room for names of rows, titles and legends."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure

from brivl.viz.export import PAPER, SLIDE, Page, figure_bytes
from brivl.viz.print_plotly import print_figures
from brivl.viz.style import FigureLabel

N_ROWS = 24
LABEL = FigureLabel("A finding", "What the figure shows, in a sentence or two. " * 4, True, "dataset, S01")


def rows_figure(names: tuple[str, ...]) -> go.Figure:
    figure = go.Figure()
    for i, name in enumerate(names):
        regions = [f"region {k}" for k in range(N_ROWS)]
        values = np.linspace(-0.2, 0.5, N_ROWS) + i
        figure.add_trace(go.Bar(x=values, y=regions, orientation="h", name=name))
    figure.update_xaxes(title="mean r over voxels, held out")
    return figure


def drawn(figures: dict[str, go.Figure], page: Page) -> Figure:
    printed = print_figures(figures, LABEL, page)
    assert figure_bytes(printed, "png", 50)  # lays the figure out
    return printed


@pytest.mark.parametrize("page", (PAPER, SLIDE), ids=("paper", "slide"))
def test_three_figures_with_many_rows_fit(page: Page) -> None:
    names = ("the model of the other modality", "its own model", "unimodal features")
    printed = drawn({f"The {k}. title of some length": rows_figure(names) for k in range(3)}, page)
    assert len(printed.axes) == 3
    for axes in printed.axes:
        box = axes.get_position()
        assert box.width > 0.1 and box.height > 0.15
        names_of_rows = [label.get_window_extent() for label in axes.get_yticklabels()]
        heights = np.diff([extent.y0 for extent in names_of_rows])
        assert (np.abs(heights) >= 0.9 * max(extent.height for extent in names_of_rows)).all()


def test_equal_legends_are_drawn_once_and_others_with_their_axes() -> None:
    shared = drawn({"One": rows_figure(("a", "b")), "Two": rows_figure(("a", "b"))}, PAPER)
    assert len(shared.legends) == 1 and all(axes.get_legend() is None for axes in shared.axes)
    apart = drawn({"One": rows_figure(("a", "b")), "Two": rows_figure(("c", "d"))}, PAPER)
    assert not apart.legends
    for axes in apart.axes:
        title, legend = axes._left_title.get_window_extent(), axes.get_legend().get_window_extent()
        assert title.y0 >= legend.y1 - 1
