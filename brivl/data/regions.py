"""Groups of voxels by name: drawn ROIs or masks of a dataset, AAL at three levels, further atlases in MNI space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from brivl.core.records import Voxels
from brivl.core.regions.areas import aal_regions
from brivl.errors import RequestError

ParcellationName = Literal["roi", "area", "merged", "region", "aal3", "hcp"]
Order = Literal["anatomical", "p", "effect", "name"]  # of the rows of a table of regions
ORDERS: tuple[Order, ...] = ("anatomical", "p", "effect", "name")
MNI_PARCELLATIONS: tuple[ParcellationName, ...] = ("aal3", "hcp")
PARCELLATION_TITLES: dict[ParcellationName, str] = {
    "roi": "ROIs",
    "area": "8 areas",
    "merged": "45 regions, sides merged",
    "region": "90 regions",
    "aal3": "AAL3",
    "hcp": "HCP-MMP",
}
PARCELLATION_NOUNS: dict[ParcellationName, str] = {
    "roi": "ROIs",
    "area": "areas",
    "merged": "regions",
    "region": "regions",
    "aal3": "AAL3 regions",
    "hcp": "HCP-MMP regions",
}
ATLAS_NOTES: dict[ParcellationName, str] = {
    "aal3": "Atlas: AAL3 (Rolls et al. 2020), by the label at each voxel's centre; cerebellum left out.",
    "hcp": "Atlas: HCP-MMP1 in volume with subcortical regions, HCPex (Huang et al. 2022), by the label at each "
    "voxel's centre.",
}
BRAIN = "all"
MNI = re.compile(r"\bMNI")  # in the name of a space: "MNI152, 4 mm", "S01, MNI152NLin2009cAsym space"


def in_mni(voxels: Voxels) -> bool:
    """Whether these voxels have coordinates in MNI space."""
    return voxels.affine is not None and MNI.search(voxels.space) is not None


def available_parcellations(voxels: Voxels) -> tuple[ParcellationName, ...]:
    """Levels at which these voxels can be grouped; none where nothing is known about them."""
    aal: tuple[ParcellationName, ...] = ("area", "merged", "region") if voxels.aal is not None else ()
    return (("roi",) if voxels.rois else ()) + aal + (MNI_PARCELLATIONS if in_mni(voxels) else ())


def why_unavailable(level: str, voxels: Voxels) -> str:
    """A sentence on why voxels cannot be grouped at a level ("further": at AAL3, HCP-MMP); "" for another word."""
    if level in (*MNI_PARCELLATIONS, "further"):
        return f"AAL3 and HCP-MMP are atlases of MNI space; these voxels lie in {voxels.space}."
    if level in ("area", "merged", "region"):
        return f"These voxels have no AAL labels ({voxels.space})."
    return "These voxels have no ROIs." if level == "roi" else ""


def checked_parcellation(level: str, voxels: Voxels) -> ParcellationName:
    """The level asked for, the first where none is named. RequestError where these voxels do not have it."""
    levels = available_parcellations(voxels)
    if not level and levels:
        return levels[0]
    for known in levels:
        if known == level:
            return known
    raise RequestError(
        f"Wanted a level out of {list(levels)} for the regions of these voxels and got {level!r}. "
        f"{why_unavailable(level, voxels)}".rstrip()
    )


def region_masks(voxels: Voxels, level: ParcellationName) -> dict[str, np.ndarray]:
    """Name as shown -> (n_voxels,) bool, front to back; groups without any voxel are left out."""
    if level == "roi":
        found = {name: np.asarray(inside, bool) for name, inside in voxels.rois.items()}
        depth = _depths(voxels)
        found = dict(sorted(found.items(), key=lambda item: -depth[item[1]].mean() if item[1].any() else 0.0))
    elif level in MNI_PARCELLATIONS:
        found = _further(voxels, level)
    else:
        aal = np.asarray(voxels.aal)
        found = {region.title: np.isin(aal, region.labels) for region in aal_regions(level)}
    return {name: inside for name, inside in found.items() if inside.any()}


def _further(voxels: Voxels, level: ParcellationName) -> dict[str, np.ndarray]:
    from brivl.data.anatomy.mni_atlases import numbers_at, parcels

    mm = coordinates(voxels)
    assert mm is not None  # available_parcellations checks it
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
    levels = available_parcellations(voxels)
    listed: Sequence[ParcellationName] = (
        ("roi",) if "roi" in levels else [x for x in levels if x not in MNI_PARCELLATIONS]
    )
    found = {name: inside for level in listed for name, inside in region_masks(voxels, level).items()}
    if also == BRAIN or also in found:
        return found
    for level in levels:
        if level not in listed and (inside := region_masks(voxels, level).get(also)) is not None:
            return found | {also: inside}
    return found


def region_mask(voxels: Voxels, name: str) -> np.ndarray | None:
    """(n_voxels,) bool of a region at any level, None where these voxels have none of that name."""
    return region_choices(voxels, name).get(name)


def parcellation_of(voxels: Voxels, name: str) -> ParcellationName | None:
    """The first level at which there is a region of this name."""
    return next((level for level in available_parcellations(voxels) if name in region_masks(voxels, level)), None)


def coordinates(voxels: Voxels) -> np.ndarray | None:
    """(n_voxels, 3) mm RAS, or None where the grid has no affine."""
    if voxels.affine is None:
        return None
    return voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]


SCALE_FIELD, CEILING = "scale", "ceiling"  # in the URL, on the command line
