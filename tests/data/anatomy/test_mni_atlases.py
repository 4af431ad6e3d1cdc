"""AAL3 and HCPex: where their regions lie, and against AAL1, which is read in another way."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.records import Voxels
from brivl.data.anatomy import label_volume
from brivl.data.anatomy.aal import load_aal, mni_grid
from brivl.data.anatomy.atlases import ATLASES, PARCELLATION_HELP
from brivl.data.anatomy.atlases.aal3 import AAL3
from brivl.data.anatomy.atlases.atlas import Atlas
from brivl.data.anatomy.atlases.hcpex import HCPEX
from brivl.data.regions import (
    available_parcellations,
    checked_parcellation,
    region_choices,
    region_mask,
    region_masks,
    why_unavailable,
)
from brivl.errors import DataError, RequestError


@pytest.mark.parametrize(("atlas", "n"), [(AAL3, 140), (HCPEX, 426)], ids=["aal3", "hcp"])
def test_names_differ_and_sides_lie_where_they_say(atlas: Atlas, n: int) -> None:
    labels = atlas.load()
    every, volume = labels.regions, labels.volume
    assert volume is not None
    assert len(every) == n == len({r.title for r in every}) == len({r.numbers for r in every})
    assert not [r.name for r in every if r.name.startswith(("Cerebellum", "Vermis"))]
    x = np.arange(volume.labels.shape[0]) * volume.affine[0, 0] + volume.affine[0, 3]
    counts = np.zeros((int(volume.labels.max()) + 1, len(x)))
    for i in range(len(x)):
        counts[:, i] = np.bincount(volume.labels[i].ravel(), minlength=len(counts))
    mean = counts @ x / np.maximum(counts.sum(1), 1)
    for region in every:
        (number,) = region.numbers
        if region.name.endswith("_L"):
            assert mean[number] < 0, region.name
        if region.name.endswith("_R"):
            assert mean[number] > 0, region.name


def test_regions_that_both_aal_atlases_have_are_the_same_places() -> None:
    """AAL3 keeps most of AAL1 as it was, some 3 mm lower in these files: looked up by coordinates in both."""
    grid = mni_grid(3.0)
    mm = grid.ijk @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    labels = AAL3.load()
    assert labels.volume is not None
    new, old = labels.volume.at(mm), load_aal().at(mm)
    for name, number in (("Heschl_L", 79), ("Temporal_Sup_R", 82), ("Hippocampus_L", 37), ("Calcarine_R", 44)):
        (region,) = [r for r in labels.regions if r.name == name]
        one, other = new == region.numbers[0], old == number
        assert (one & other).sum() > 0.6 * min(one.sum(), other.sum()) > 0, name
        assert np.linalg.norm(mm[one].mean(0) - mm[other].mean(0)) < 4, name


def test_hcp_s_primary_visual_cortex_lies_in_aal_s_occipital_regions() -> None:
    grid = mni_grid(4.0)
    v1 = region_masks(grid, "hcp")["Primary Visual Cortex, left (HCPex)"]
    assert v1.sum() > 20 and np.isin(grid.aal[v1], range(43, 57)).mean() > 0.9
    order = list(region_masks(grid, "hcp"))
    assert order.index("Area 10d, left (HCPex)") < order.index("Primary Visual Cortex, left (HCPex)"), "front to back"


def test_only_voxels_in_mni_space_have_them() -> None:
    grid = mni_grid(8.0)
    assert available_parcellations(grid)[-2:] == ("aal3", "hcp")
    native = Voxels("S1 (pycortex), fullhead", grid.ijk, grid.shape, grid.affine, {"V1": grid.aal == 43})
    assert available_parcellations(native) == ("roi",) and "MNI space" in why_unavailable("hcp", native)
    with pytest.raises(RequestError, match="these voxels lie in S1"):
        checked_parcellation("hcp", native)
    assert checked_parcellation("", native) == "roi" and checked_parcellation("aal3", grid) == "aal3"
    own = Voxels("sub-01, MNI152NLin2009cAsym space", grid.ijk, grid.shape, grid.affine)
    assert available_parcellations(own) == ("aal3", "hcp", "area", "merged", "region")  # AAL1 by coordinates
    assert not available_parcellations(Voxels("MNI152", grid.ijk, grid.shape, None)), "no coordinates"


def test_a_region_of_any_atlas_can_be_chosen() -> None:
    grid = mni_grid(6.0)
    name = "Primary Visual Cortex, left (HCPex)"
    assert name not in region_choices(grid) and name in region_choices(grid, name)
    np.testing.assert_array_equal(region_mask(grid, name), region_masks(grid, "hcp")[name])
    np.testing.assert_array_equal(region_mask(grid, "Heschl gyrus, left (Heschl_L)"), grid.aal == 79)
    assert region_mask(grid, "Atlantis") is None


def test_another_file_is_no_atlas(tmp_path, monkeypatch) -> None:
    (tmp_path / "AAL3.txt").write_text("1 A\n2 A\n")
    monkeypatch.setattr(label_volume, "atlas_file", lambda name: tmp_path / name)
    with pytest.raises(DataError, match="170 different names"):
        label_volume.read_names("AAL3", 170)


def test_help_texts_name_every_atlas() -> None:
    assert all(f"{atlas.key} ({atlas.title})" in PARCELLATION_HELP for atlas in ATLASES)
    assert len({atlas.key for atlas in ATLASES}) == len(ATLASES)
