"""Groups of voxels by name: drawn ROIs or masks of a dataset, AAL at three levels, further atlases in MNI space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from brivl.core.records import Voxels
from brivl.core.regions.areas import aal_regions
from brivl.errors import RequestError

Level = Literal["roi", "area", "merged", "region", "aal3", "hcp"]
Order = Literal["anatomical", "p", "effect", "name"]  # of the rows of a table of regions
ORDERS: tuple[Order, ...] = ("anatomical", "p", "effect", "name")
FURTHER: tuple[Level, ...] = ("aal3", "hcp")
TITLES: dict[Level, str] = {
    "roi": "ROIs",
    "area": "8 areas",
    "merged": "45 regions, sides merged",
    "region": "90 regions",
    "aal3": "AAL3",
    "hcp": "HCP-MMP",
}
NOUNS: dict[Level, str] = {
    "roi": "ROIs",
    "area": "areas",
    "merged": "regions",
    "region": "regions",
    "aal3": "AAL3 regions",
    "hcp": "HCP-MMP regions",
}
ABOUT: dict[Level, str] = {
    "aal3": "Atlas: AAL3 (Rolls et al. 2020), by the label at each voxel's centre; cerebellum left out.",
    "hcp": "Atlas: HCP-MMP1 in volume with subcortical regions, HCPex (Huang et al. 2022), by the label at each "
    "voxel's centre.",
}
BRAIN = "all"
MNI = re.compile(r"\bMNI")  # in the name of a space: "MNI152, 4 mm", "S01, MNI152NLin2009cAsym space"


def in_mni(voxels: Voxels) -> bool:
    """Whether these voxels have coordinates in MNI space."""
    return voxels.affine is not None and MNI.search(voxels.space) is not None


def levels_of(voxels: Voxels) -> tuple[Level, ...]:
    """Levels at which these voxels can be grouped; none where nothing is known about them."""
    aal: tuple[Level, ...] = ("area", "merged", "region") if voxels.aal is not None else ()
    return (("roi",) if voxels.rois else ()) + aal + (FURTHER if in_mni(voxels) else ())


def why_not(level: str, voxels: Voxels) -> str:
    """A sentence on why voxels cannot be grouped at a level ("further": at AAL3, HCP-MMP); "" for another word."""
    if level in (*FURTHER, "further"):
        return f"AAL3 and HCP-MMP are atlases of MNI space; these voxels lie in {voxels.space}."
    if level in ("area", "merged", "region"):
        return f"These voxels have no AAL labels ({voxels.space})."
    return "These voxels have no ROIs." if level == "roi" else ""


def checked_level(level: str, voxels: Voxels) -> Level:
    """The level asked for, the first where none is named. RequestError where these voxels do not have it."""
    levels = levels_of(voxels)
    if not level and levels:
        return levels[0]
    for known in levels:
        if known == level:
            return known
    raise RequestError(
        f"Wanted a level out of {list(levels)} for the regions of these voxels and got {level!r}. "
        f"{why_not(level, voxels)}".rstrip()
    )


def masks_of(voxels: Voxels, level: Level) -> dict[str, np.ndarray]:
    """Name as shown -> (n_voxels,) bool, front to back; groups without any voxel are left out."""
    if level == "roi":
        found = {name: np.asarray(inside, bool) for name, inside in voxels.rois.items()}
        depth = _depths(voxels)
        found = dict(sorted(found.items(), key=lambda item: -depth[item[1]].mean() if item[1].any() else 0.0))
    elif level in FURTHER:
        found = _further(voxels, level)
    else:
        aal = np.asarray(voxels.aal)
        found = {region.title: np.isin(aal, region.labels) for region in aal_regions(level)}
    return {name: inside for name, inside in found.items() if inside.any()}


def _further(voxels: Voxels, level: Level) -> dict[str, np.ndarray]:
    from brivl.data.anatomy.mni_atlases import numbers_at, parcels

    mm = coordinates(voxels)
    assert mm is not None  # levels_of saw to it
    numbers = numbers_at(level, mm)
    present = set(np.unique(numbers).tolist())
    return {parcel.title: numbers == parcel.number for parcel in parcels(level) if parcel.number in present}


def _depths(voxels: Voxels) -> np.ndarray:
    """(n_voxels,) y in mm (front is high), 0 where places are not known, so that the given order stays."""
    if voxels.affine is None:
        return np.zeros(voxels.n_voxels)
    return voxels.ijk @ voxels.affine[1, :3] + voxels.affine[1, 3]


def region_choices(voxels: Voxels, also: str = BRAIN) -> dict[str, np.ndarray]:
    """What the region filter offers: drawn ROIs, else AAL areas, merged and single regions; name -> (n_voxels,) bool.

    `also` is offered too where it is a region of a further atlas or of a level that is not listed.
    """
    levels = levels_of(voxels)
    listed: Sequence[Level] = ("roi",) if "roi" in levels else [x for x in levels if x not in FURTHER]
    found = {name: inside for level in listed for name, inside in masks_of(voxels, level).items()}
    if also == BRAIN or also in found:
        return found
    for level in levels:
        if level not in listed and (inside := masks_of(voxels, level).get(also)) is not None:
            return found | {also: inside}
    return found


def region_mask(voxels: Voxels, name: str) -> np.ndarray | None:
    """(n_voxels,) bool of a region at any level, None where these voxels have none of that name."""
    return region_choices(voxels, name).get(name)


def level_of(voxels: Voxels, name: str) -> Level | None:
    """The first level at which there is a region of this name."""
    return next((level for level in levels_of(voxels) if name in masks_of(voxels, level)), None)


def coordinates(voxels: Voxels) -> np.ndarray | None:
    """(n_voxels, 3) mm RAS, or None where the grid has no affine."""
    if voxels.affine is None:
        return None
    return voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]


SCALE_FIELD, CEILING = "scale", "ceiling"  # in the URL, on the command line
