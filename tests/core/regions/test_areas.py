"""Areas, pairs and regions of AAL: counts, coverage and order, held against the atlas itself."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.regions.areas import AAL_LEVELS, AREAS, aal_regions, area_of
from brivl.data.anatomy.aal import aal_region_names, load_aal
from brivl.errors import RequestError

PAIRS_PER_AREA = {
    "Central region": 3,
    "Frontal lobe": 13,
    "Temporal lobe": 4,
    "Parietal lobe": 5,
    "Occipital lobe": 7,
    "Limbic lobe": 7,
    "Insula": 1,
    "Sub cortical gray nuclei": 5,
}


@pytest.fixture(scope="module")
def y_of() -> dict[int, tuple[float, int]]:
    """AAL number -> (mean y in mm, number of atlas voxels)."""
    atlas = load_aal()
    sizes = np.bincount(atlas.labels.ravel(), minlength=117)
    y = np.broadcast_to(np.arange(atlas.labels.shape[1])[:, None], atlas.labels.shape)
    sums = np.bincount(atlas.labels.ravel(), y.ravel(), minlength=117)
    return {i: (sums[i] / sizes[i] + atlas.affine[1, 3], int(sizes[i])) for i in range(1, 117)}


def mean_y(labels: tuple[int, ...], y_of: dict[int, tuple[float, int]]) -> float:
    return sum(y_of[i][0] * y_of[i][1] for i in labels) / sum(y_of[i][1] for i in labels)


def test_counts_per_area() -> None:
    assert {region.name: len(region.labels) // 2 for region in aal_regions("area")} == PAIRS_PER_AREA
    assert [len(aal_regions(level)) for level in AAL_LEVELS] == [8, 45, 90]


@pytest.mark.parametrize("level", AAL_LEVELS)
def test_every_cerebral_number_once_and_no_cerebellum(level: str) -> None:
    labels = [label for region in aal_regions(level) for label in region.labels]
    assert sorted(labels) == list(range(1, 91))
    names = [region.name for region in aal_regions(level)]
    titles = [region.title for region in aal_regions(level)]
    assert len(set(names)) == len(set(titles)) == len(names)


def test_names_are_the_atlas_own() -> None:
    names = aal_region_names()
    for region in aal_regions("region"):
        assert names[region.labels[0] - 1] == region.name
    for pair in aal_regions("merged"):
        assert [names[label - 1] for label in pair.labels] == [f"{pair.name}_L", f"{pair.name}_R"]


def test_titles_read_well() -> None:
    merged = {region.name: region.title for region in aal_regions("merged")}
    assert merged["Temporal_Sup"] == "Superior temporal gyrus (Temporal_Sup)"
    assert merged["Insula"] == "Insula"
    single = {region.name: region.title for region in aal_regions("region")}
    assert single["Heschl_L"] == "Heschl gyrus, left (Heschl_L)"
    assert single["Angular_R"] == "Angular gyrus, right (Angular_R)"


def test_front_to_back(y_of: dict[int, tuple[float, int]]) -> None:
    areas = [mean_y(region.labels, y_of) for region in aal_regions("area")]
    assert areas == sorted(areas, reverse=True)
    for area in AREAS:
        pairs = [mean_y(region.labels, y_of) for region in aal_regions("merged") if region.area == area]
        assert pairs == sorted(pairs, reverse=True), area


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("Temporal_Pole_Sup_L", "Limbic lobe"),
        ("Hippocampus_R", "Limbic lobe"),
        ("Cingulum_Mid_L", "Limbic lobe"),
        ("Amygdala_L", "Sub cortical gray nuclei"),
        ("Rolandic_Oper_R", "Central region"),
        ("Postcentral_L", "Central region"),
        ("Paracentral_Lobule_R", "Frontal lobe"),
        ("Olfactory_L", "Frontal lobe"),
        ("Fusiform_R", "Occipital lobe"),
        ("Lingual_L", "Occipital lobe"),
        ("Precuneus_R", "Parietal lobe"),
    ],
)
def test_areas_that_are_easily_mistaken(name: str, area: str) -> None:
    assert area_of(aal_region_names().index(name) + 1) == area


@pytest.mark.parametrize("label", [0, -1, 91, 116, 117, None])
def test_numbers_without_an_area_are_refused(label: int | None) -> None:
    with pytest.raises(RequestError, match="from 1 to 90"):
        area_of(label)


def test_unknown_level() -> None:
    with pytest.raises(RequestError, match="'lobe'"):
        aal_regions("lobe")
