"""Layer and region charts: what is drawn equals what came in, colours mean models, "simulated" stands on the figure."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from brivl.analyses.layers.figures import LayerScores, layer_figure
from brivl.analyses.layers.print_figure import layer_page
from brivl.analyses.regions.browser_chart import RegionChart, chart_data
from brivl.analyses.regions.figures import RegionScores
from brivl.analyses.regions.print_figure import region_page
from brivl.errors import RequestError
from brivl.viz.export import PAPER, figure_bytes
from brivl.viz.style import SIMULATED, A, B, FigureLabel
from tests.support.figure_samples import LABEL, NAMES, layer_table, region_tables

REAL = FigureLabel("Finding", "Caption.")


def trace(figure: go.Figure, name: str) -> go.Figure:
    found = [t for t in figure.data if t.name == name]
    assert len(found) == 1, [t.name for t in figure.data]
    return found[0]


def notes(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def test_layers_draw_every_subject_in_the_model_s_colour() -> None:
    table = layer_table(5)
    figure = layer_figure(LayerScores(table, NAMES), LABEL)
    for name, column, colour, side in zip(NAMES, ("r2_split_a", "r2_split_b"), (A, B), (-1, 1), strict=True):
        dots = trace(figure, f"{name} (split R²)")
        np.testing.assert_array_equal(dots.y, table[column])
        assert dots.marker.color == colour
        assert (np.sign(dots.x - table["layer"]) == side).all()
        assert list(dots.customdata[0][:2]) == ["S01", 1] and dots.customdata[0][2] == table[column][0]
        box = trace(figure, name)
        np.testing.assert_array_equal(box.y, table[column])
        assert box.line.color == colour
    joint = trace(figure, "joint R²")
    np.testing.assert_allclose(joint.y, table.groupby("layer")["r2_joint"].mean())
    assert list(joint.x) == list(range(1, 13))


def test_links_join_the_two_dots_of_a_subject() -> None:
    table = layer_table(2, [3, 4])
    links = trace(layer_figure(LayerScores(table, NAMES), LABEL), "links")
    y = np.reshape(links.y, (-1, 3))
    np.testing.assert_array_equal(y[:, :2], table[["r2_split_a", "r2_split_b"]])
    assert np.isnan(y[:, 2]).all()


def test_one_subject_has_dots_and_no_box() -> None:
    figure = layer_figure(LayerScores(layer_table(1), NAMES), LABEL)
    assert not [t for t in figure.data if isinstance(t, go.Box)]
    assert len(trace(figure, f"{NAMES[0]} (split R²)").y) == 12
    assert "S01" in trace(figure, "joint R²").hovertemplate


def test_missing_layers_leave_a_gap() -> None:
    figure = layer_figure(LayerScores(layer_table(3, [1, 2, 5, 12]), NAMES), LABEL)
    joint = trace(figure, "joint R²")
    assert list(joint.x) == list(range(1, 13)) and joint.connectgaps is False
    assert list(np.flatnonzero(np.isfinite(joint.y)) + 1) == [1, 2, 5, 12]
    assert list(figure.layout.xaxis.tickvals) == [1, 2, 5, 12]


def test_layer_without_scores_of_a_subject_is_no_error() -> None:
    table = layer_table(3, [1, 2])
    table.loc[0, ["r2_joint", "r2_split_a", "r2_split_b"]] = np.nan
    figure = layer_figure(LayerScores(table, NAMES), LABEL)
    boxes = [t for t in figure.data if isinstance(t, go.Box)]
    assert len(boxes) == 2 and all((np.round(box.x) == 2).all() for box in boxes)
    assert np.isfinite(trace(figure, "joint R²").y).all()


def test_empty_table_draws_axes_only() -> None:
    figure = layer_figure(LayerScores(layer_table(0), NAMES), LABEL)
    assert len(figure.layout.xaxis.range) == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_simulated_stands_on_the_figure_only_when_it_is(theme: str) -> None:
    scores = LayerScores(layer_table(2), NAMES)
    assert SIMULATED in notes(layer_figure(scores, LABEL, theme))
    assert SIMULATED not in notes(layer_figure(scores, REAL, theme))
    assert layer_figure(scores, LABEL, theme).layout.meta["headline"] == LABEL.headline


def test_missing_columns_are_named() -> None:
    with pytest.raises(RequestError, match="r2_joint"):
        LayerScores(layer_table(2).drop(columns="r2_joint"), NAMES)
    table, subjects = region_tables(3, 2)
    with pytest.raises(RequestError, match="'q'"):
        RegionScores(table.drop(columns="q"), subjects, NAMES)


def test_dots_of_regions_not_shown_are_left_out() -> None:
    table, subjects = region_tables(3, 2)
    scores = RegionScores(table.iloc[:2], subjects, NAMES)
    assert np.isnan(scores.dot_rows()[subjects["region"] == "Region 2"]).all()


def words(figure: object) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def test_differences_have_whiskers() -> None:
    table, subjects = region_tables(3, 2)
    table = table.assign(
        difference=[0.1, -0.1, 0.0], ci_low=[0.05, -0.2, np.nan], ci_high=[0.2, 0.0, np.nan], n_voxels=[10, 20, 1000]
    )
    scores = RegionScores(table, subjects, NAMES, intervals=True)
    chart = RegionChart(scores, ["Region 1"], {}, None, "joint", "", True)
    data = chart_data(chart, list(table["region"]), "light")
    assert [row["low"] for row in data["rows"]] == [0.05, -0.2, None] and data["rows"][2]["cells"][0] == "1,000"
    assert [row["listed"] for row in data["rows"]] == [False, True, False]
    assert [len(row["dots"]) for row in data["rows"]] == [2, 2, 2]
    page = region_page(RegionScores(table, subjects, NAMES, intervals=True), LABEL, PAPER)
    assert len(page.axes) == 3 and any("95 % interval" in text for text in words(page))


def test_layer_page_carries_headline_caption_and_simulated() -> None:
    figure = layer_page(LayerScores(layer_table(3, [1, 2]), NAMES, selected=2), LABEL, PAPER)
    text = "\n".join(words(figure))
    assert LABEL.headline in text and LABEL.caption in text and LABEL.detail in text and SIMULATED in text
    assert SIMULATED not in words(layer_page(LayerScores(layer_table(3, [1, 2]), NAMES), REAL, PAPER))
    axes = figure.axes[0]
    means = layer_table(3, [1, 2]).groupby("layer")["r2_joint"].mean()
    assert any(len(line.get_ydata()) == 2 and np.allclose(line.get_ydata(), means) for line in axes.lines)


def test_region_page_has_every_row_and_grows() -> None:
    table, subjects = region_tables(45, 2)
    figure = region_page(RegionScores(table, subjects, NAMES), LABEL, PAPER)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(table["region"])
    assert figure.get_figheight() > 2 * PAPER.height
    widths = [patch.get_width() for patch in figure.axes[0].patches[-90:]]
    np.testing.assert_allclose(widths, [*table["a"], *table["b"]])


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_exports_are_files_of_their_kind_and_repeatable(kind: str, start: bytes) -> None:
    def make() -> bytes:
        return figure_bytes(layer_page(LayerScores(layer_table(1, [1, 2]), NAMES), LABEL, PAPER), kind, dpi=60)

    first = make()
    assert first.startswith(start) and first == make()
    if kind == "svg":
        assert SIMULATED.encode() in first and LABEL.headline.encode() in first
