"""AAL on the template: every region once on the cortex or below it, each on its own side, the right way up."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.regions.atlas_views import AtlasView, pixel_values, region_borders
from brivl.data.anatomy.aal import aal_region_names
from brivl.data.anatomy.atlas_views import SUBCORTICAL, aal_views

NUMBER = {name: i for i, name in enumerate(aal_region_names(), start=1)}


@pytest.fixture(scope="module")
def views() -> list[AtlasView]:
    return aal_views()


def centre(view: AtlasView, name: str) -> np.ndarray:
    """Mean (x, y) in pixels of a region."""
    rows, columns = np.nonzero(view.labels == NUMBER[name])
    return np.array([columns.mean(), rows.mean()])


def test_all_90_regions_are_drawn_and_12_of_them_in_slices(views: list[AtlasView]) -> None:
    drawn = [set(np.unique(view.labels)) - {0} for view in views]
    cortex, below = set().union(*drawn[:4]), set().union(*drawn[4:])
    assert cortex | below == set(range(1, 91)) and not cortex & below and below == set(SUBCORTICAL)
    assert all(np.isfinite(view.shade[view.labels > 0]).all() for view in views)


def test_regions_keep_their_side(views: list[AtlasView]) -> None:
    for view, left in zip(views[:4], (True, False, True, False), strict=True):
        numbers = np.unique(view.labels[view.labels > 0])
        assert (numbers % 2 == int(left)).all() and ("left" in view.name) == left
    for view in views[4:]:
        assert view.marks["L"][0] < view.marks["R"][0]
        assert centre(view, "Hippocampus_L")[0] < view.labels.shape[1] / 2 < centre(view, "Hippocampus_R")[0]


def test_front_is_where_it_belongs(views: list[AtlasView]) -> None:
    """The outer side of the left hemisphere looks to the left, its inner side to the right; up is up."""
    outer_left, outer_right, inner_left, inner_right = views[:4]
    assert centre(outer_left, "Frontal_Mid_L")[0] < centre(outer_left, "Occipital_Mid_L")[0]
    assert centre(outer_right, "Frontal_Mid_R")[0] > centre(outer_right, "Occipital_Mid_R")[0]
    assert centre(inner_left, "Frontal_Sup_Medial_L")[0] > centre(inner_left, "Cuneus_L")[0]
    assert centre(inner_right, "Frontal_Sup_Medial_R")[0] < centre(inner_right, "Cuneus_R")[0]
    for view, side in ((outer_left, "L"), (outer_right, "R")):
        assert centre(view, f"Parietal_Sup_{side}")[1] < centre(view, f"Temporal_Inf_{side}")[1]
    striatum = views[5]
    assert centre(striatum, "Caudate_L")[1] < centre(striatum, "Thalamus_L")[1]  # front at the top


def test_values_follow_their_regions() -> None:
    view = AtlasView("test", np.array([[0, 1, 1], [2, 2, 3]]), np.ones((2, 3)), {})
    np.testing.assert_array_equal(
        pixel_values(view, {1: 0.5, 3: -1.0, 90: 7.0}), [[np.nan, 0.5, 0.5], [np.nan, np.nan, -1]]
    )
    np.testing.assert_array_equal(region_borders(view.labels), [[True, True, True], [False, True, False]])
