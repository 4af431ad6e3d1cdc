"""A flatmap of one value for each voxel: the text under the pointer, and the limits of the colours."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.viz.flatmap.figure import MapView, Quantity, flatmap_figure, voxel_map
from brivl.viz.flatmap.painting import MapScores, paint_value
from tests.support.figure_samples import LABEL, flatmap, map_scores
from tests.viz.flatmap.test_figure import image_of, trace

GEOMETRY = flatmap()
N_VOXELS = GEOMETRY.pixel_to_voxel.shape[1]
SCORES = map_scores(N_VOXELS)


@pytest.mark.parametrize(("largest", "step", "limit"), [(0.42, 0.1, 0.5), (0.01, 0.1, 0.1), (3.7, 0.5, 4.0)])
def test_colours_go_up_to_the_next_step(largest: float, step: float, limit: float) -> None:
    values = np.linspace(-largest, largest, N_VOXELS)
    values[3] = np.nan
    figure = voxel_map(GEOMETRY, values, SCORES.rois, Quantity("r", step), LABEL)
    scores = MapScores(values, values, values, ("", ""), SCORES.rois)
    painting = paint_value(GEOMETRY, scores, values, ((0.0, limit), "r"), "light")
    expected = flatmap_figure(GEOMETRY, painting, scores, LABEL, MapView(width=760, height=430))
    np.testing.assert_array_equal(image_of(figure, "data"), image_of(expected, "data"))


def test_the_pointer_shows_the_value_of_its_voxel() -> None:
    values = np.arange(N_VOXELS, dtype=float)
    quantity = Quantity("predicted response (SD)", step=0.5, digits=2, unit="SD")
    voxels = trace(voxel_map(GEOMETRY, values, SCORES.rois, quantity, LABEL), "voxels")
    assert "predicted response %{customdata[1]:.2f} SD<extra>" in voxels.hovertemplate
    data = np.asarray(voxels.customdata, float)
    np.testing.assert_array_equal(data[:, 1], values[data[:, 0].astype(int)])


def test_a_map_without_values_is_drawn() -> None:
    assert voxel_map(GEOMETRY, np.full(N_VOXELS, np.nan), {}, Quantity("r"), LABEL).layout.images


def test_small_maps_have_finer_lines_and_only_names_that_fit():
    small, large = (voxel_map(GEOMETRY, np.zeros(N_VOXELS), {}, Quantity("r"), LABEL, width=w) for w in (460, 760))
    assert trace(small, "outlines").line.width < trace(large, "outlines").line.width
    assert set(trace(small, "names").text) <= set(trace(large, "names").text)
    assert small.layout.height < large.layout.height == 433
