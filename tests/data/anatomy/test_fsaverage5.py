"""MNI voxels on the flat fsaverage5: sides, places, regions, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from scipy.spatial import cKDTree

from brivl.core.flatmap.geometry import check_geometry, to_pixels
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.data.anatomy.aal import aal_region_names, mni_grid
from brivl.data.anatomy.fsaverage5 import fsaverage5_flatmap, load_fsaverage5
from brivl.errors import DataError

HEIGHT = 200


@pytest.fixture(scope="module")
def voxels() -> Voxels:
    return mni_grid(4)


@pytest.fixture(scope="module")
def mm(voxels: Voxels) -> np.ndarray:
    return voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]


@pytest.fixture(scope="module")
def geometry(voxels: Voxels) -> FlatmapGeometry:
    return fsaverage5_flatmap(voxels, HEIGHT)


def test_left_values_stand_on_the_left_only(geometry: FlatmapGeometry, mm: np.ndarray) -> None:
    check_geometry(geometry)
    picture = np.isfinite(to_pixels(geometry, np.where(mm[:, 0] < 0, 1.0, np.nan)))
    width = geometry.mask.shape[1]
    empty = np.flatnonzero(~geometry.mask.any(0))
    gap = empty[abs(empty / width - 0.5) < 0.1]  # between the hemispheres
    assert len(gap) >= 3
    assert not picture[:, gap.mean().astype(int) :].any()
    left = geometry.mask[:, : gap[0]]
    assert picture[:, : gap[0]][left].mean() > 0.98
    assert geometry.marks["L"][0] < gap.mean() < geometry.marks["R"][0]


def test_coordinates_reach_their_places(geometry: FlatmapGeometry, mm: np.ndarray) -> None:
    """On the left half the front is left and the top is up; the right half mirrors it."""
    back_to_front, height = to_pixels(geometry, mm[:, 1]), to_pixels(geometry, mm[:, 2])
    rows, columns = np.nonzero(np.isfinite(height))
    left = columns < geometry.mask.shape[1] / 2
    for side, sign in ((left, -1), (~left, 1)):
        assert sign * np.corrcoef(columns[side], back_to_front[rows[side], columns[side]])[0, 1] > 0.9
        assert np.corrcoef(rows[side], height[rows[side], columns[side]])[0, 1] < -0.8


def test_pixels_show_the_voxel_at_their_place(voxels: Voxels, geometry: FlatmapGeometry, mm: np.ndarray) -> None:
    """Positions read back from the picture lie on the surface: within a voxel of the nearest mid-thickness vertex."""
    brain = load_fsaverage5()
    middle = (brain.pia + brain.wm) / 2
    shown = to_pixels(geometry, mm.T)[:, geometry.mask].T
    shown = shown[np.isfinite(shown).all(1)][::300]
    distance, _ = cKDTree(middle).query(shown)
    assert len(shown) > 100 and np.median(distance) < 3.0 and distance.max() < 8.0


def test_regions_are_drawn_over_their_voxels(voxels: Voxels, geometry: FlatmapGeometry) -> None:
    rows, columns = np.nonzero(geometry.mask)
    places = np.stack([columns, rows], axis=1)
    names = aal_region_names()
    assert {name[-1] for name in geometry.outlines} == {"L", "R"} and len(geometry.outlines) >= 70
    for name in ("Temporal_Sup_L", "Fusiform_R", "Precentral_R", "Calcarine_L", "Occipital_Mid_L"):
        outline = shapely.union_all([shapely.make_valid(shapely.Polygon(p)) for p in geometry.outlines[name]])
        share = to_pixels(geometry, (voxels.aal == names.index(name) + 1).astype(float))[geometry.mask]
        inside = shapely.contains_xy(outline, places)
        assert np.nanmean(share[inside]) > 0.7, name
        assert np.nanmean(share[~inside]) < 0.02, name
        assert shapely.Point(geometry.labels[name]).within(outline)


def test_small_regions_and_the_cerebellum_have_no_name(geometry: FlatmapGeometry) -> None:
    assert 20 < len(geometry.labels) < len(geometry.outlines)
    assert not [name for name in geometry.outlines if name.startswith(("Cerebelum", "Vermis"))]
    assert set(geometry.labels) <= set(geometry.outlines)


def test_no_voxel_near_means_no_data(voxels: Voxels) -> None:
    """With only the left temporal lobe measured the rest stays empty, the right half wholly."""
    keep = np.isin(voxels.aal, [81, 85, 89])
    part = fsaverage5_flatmap(replace(voxels, ijk=voxels.ijk[keep], aal=voxels.aal[keep]), 100)
    shown = np.isfinite(to_pixels(part, np.ones(int(keep.sum()))))
    assert 0.05 < shown.sum() / part.mask.sum() < 0.2
    assert not shown[:, part.mask.shape[1] // 2 :].any()


def test_no_affine_no_surface(voxels: Voxels) -> None:
    with pytest.raises(DataError, match="affine"):
        fsaverage5_flatmap(replace(voxels, affine=None))
