"""Recovery figures: points, counts and bars equal the input; truth is green and dashed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from brivl.analyses.recovery.figures import (
    MANY,
    DifferenceRecovery,
    LayerRecovery,
    RegionRecovery,
    difference_figure,
    layer_recovery_figure,
    region_recovery_figure,
)
from brivl.analyses.recovery.print_figure import (
    MAP_TITLES,
    difference_page,
    layer_recovery_page,
    maps_page,
    region_recovery_page,
)
from brivl.core.records import EncodingResult, Truth
from brivl.encoding.recovery import compare_with_truth, difference_maps
from brivl.errors import RequestError
from brivl.viz.export import PAPER, SLIDE
from brivl.viz.flatmap.painting import MapScores, paint_difference
from brivl.viz.style import SIMULATED, TRUTH, A, B, FigureLabel
from tests.support.figure_samples import LABEL, NAMES, flatmap


def difference(n: int) -> DifferenceRecovery:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.03, n)
    return DifferenceRecovery(truth, truth + rng.normal(0, 0.01, n), 0.949, 0.1, NAMES)


def trace(figure: object, name: str) -> object:
    return next(t for t in figure.data if t.name == name)


def note(figure: object) -> str:
    return next(n.text for n in figure.layout.annotations if n.name == "note")


def test_few_voxels_are_points() -> None:
    recovery = difference(200)
    recovery.truth[3], recovery.estimate[4], recovery.estimate[5] = np.nan, np.nan, 0.4
    figure = difference_figure(recovery, LABEL)
    keep = np.setdiff1d(np.arange(200), [3, 4, 5])
    points = trace(figure, "voxel")
    inside = keep[(np.abs(recovery.truth[keep]) <= 0.1) & (np.abs(recovery.estimate[keep]) <= 0.1)]
    np.testing.assert_array_equal(points.x, recovery.truth[inside])
    np.testing.assert_array_equal(points.y, recovery.estimate[inside])
    assert note(figure) == f"r = 0.949, 198 voxels, {198 - len(inside)} outside the axes"
    assert figure.layout.yaxis.scaleanchor == "x" and list(figure.layout.xaxis.range) == [-0.1, 0.1]


def test_many_voxels_are_counted() -> None:
    recovery = difference(MANY + 500)
    density = trace(difference_figure(recovery, LABEL), "voxels")
    assert np.nansum(density.customdata) == len(recovery.shown()[0])
    middle = np.argmax(np.nansum(density.customdata, axis=0))
    assert abs(density.x[middle]) < 0.02


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_truth_is_green_and_dashed(theme: str) -> None:
    regions = RegionRecovery(pd.DataFrame({"region": ["a"], "planted": [0.1], "estimated": [0.1]}), NAMES)
    layers = LayerRecovery(np.array([1, 2]), np.array([1, 2]), 3)
    for figure in (
        difference_figure(difference(20), LABEL, theme),
        layer_recovery_figure(layers, LABEL, theme),
        region_recovery_figure(regions, LABEL, theme),
    ):
        line = trace(figure, "planted").line
        assert line.dash in ("dash", "3px,2px") and (line.color == TRUTH or theme == "dark")
        red, green, blue = (int(line.color[i : i + 2], 16) for i in (1, 3, 5))
        assert green > 1.3 * red and green > 1.3 * blue
        assert SIMULATED in [n.name for n in figure.layout.annotations]


def test_layers_are_counted_without_voxels_that_have_none() -> None:
    recovery = LayerRecovery(np.array([1, 1, 2, 3, 0, 2]), np.array([1, 2, 2, np.nan, 3, 3]), 3)
    np.testing.assert_array_equal(recovery.counts(), [[1, 0, 0], [1, 1, 0], [0, 1, 0]])
    cells = trace(layer_recovery_figure(recovery, LABEL), "voxels")
    np.testing.assert_array_equal(cells.z, [[1, np.nan, np.nan], [1, 1, np.nan], [np.nan, 1, np.nan]])
    wide = LayerRecovery(np.array([1, 4, 12, 8]), np.array([3, 8, 12, 10]), 12)
    assert wide.note() == "3 of 4 voxels within 2 layers"
    with pytest.raises(RequestError, match="from 1 to 3"):
        LayerRecovery(np.array([4]), np.array([1]), 3).counts()
    assert "no voxel" in LayerRecovery(np.zeros(3), np.ones(3), 3).note()


def test_regions_compare_bar_and_mark() -> None:
    table = pd.DataFrame({"region": ["V1", "FFA"], "planted": [-0.02, 0.05], "estimated": [-0.01, 0.04]})
    figure = region_recovery_figure(RegionRecovery(table, NAMES), LABEL)
    bars, planted = trace(figure, "estimated"), trace(figure, "planted")
    np.testing.assert_array_equal(bars.x, table["estimated"])
    assert list(bars.marker.color) == [B, A]
    np.testing.assert_array_equal(np.reshape(planted.x, (2, 3))[:, 0], table["planted"])
    with pytest.raises(RequestError, match="planted"):
        RegionRecovery(table.drop(columns="planted"), NAMES)


def test_pages_for_print() -> None:
    table = pd.DataFrame(
        {"region": [f"R{i}" for i in range(40)], "planted": 0.1, "estimated": np.linspace(-0.1, 0.1, 40)}
    )
    pages = [
        difference_page(difference(50), LABEL, PAPER),
        difference_page(difference(MANY + 10), LABEL, PAPER),
        layer_recovery_page(LayerRecovery(np.array([1, 2, 2]), np.array([1, 2, 3]), 3), LABEL, PAPER),
        region_recovery_page(RegionRecovery(table, NAMES), LABEL, PAPER),
    ]
    for figure in pages:
        words = [t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
        assert SIMULATED in words and LABEL.headline in words and "planted" in words
    np.testing.assert_allclose([patch.get_width() for patch in pages[3].axes[0].patches], table["estimated"])
    assert pages[3].get_figheight() > PAPER.height


def test_maps_of_planted_and_estimated_have_the_same_voxels_and_limits() -> None:
    rng = np.random.default_rng(0)
    geometry = flatmap()
    n = geometry.pixel_to_voxel.shape[1]
    oracle, split = rng.uniform(0, 0.2, (2, n)), rng.uniform(0, 0.2, (2, n))
    layer = np.arange(n) % 3
    truth = Truth(layer, np.full((2, n), 0.5), np.full(n, 0.4), oracle, ("a", "b"))
    selected = np.arange(n) > 0
    result = EncodingResult(split.sum(0), split, selected, None, np.full((2, n), 0.5))
    planted, estimated = difference_maps(result, truth, ("b", "a"))
    inside = selected & (layer > 0)
    np.testing.assert_allclose(planted[inside], (oracle[1] - oracle[0])[inside])
    np.testing.assert_allclose(estimated[inside], (split[0] - split[1])[inside])
    assert np.isnan(planted[~inside]).all() and np.isnan(estimated[~inside]).all()
    scores = [MapScores(values, values, np.zeros(n), ("b", "a")) for values in (planted, estimated)]
    first, second = (paint_difference(geometry, each, 0.2) for each in scores)
    page = maps_page(geometry, (first, second), FigureLabel("Planted and estimated", simulated=True), SLIDE)
    assert [axes.get_title() for axes in page.axes[:2]] == list(MAP_TITLES)
    compared = compare_with_truth(result, truth, ("b", "a"), {})
    np.testing.assert_allclose(planted[inside], compared.oracle)
