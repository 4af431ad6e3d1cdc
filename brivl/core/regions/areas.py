"""The 90 cerebral AAL regions, their 45 pairs and 8 areas (Tzourio-Mazoyer et al. 2002), in order from front to back.

AAL numbers a pair as (odd, even) = (left, right). Areas are ordered by the mean y coordinate of their voxels in MNI
space, and so are pairs within an area; tests compare the table with the atlas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from brivl.errors import RequestError

AalLevel = Literal["area", "merged", "region"]
AAL_LEVELS: tuple[AalLevel, ...] = ("area", "merged", "region")
N_CEREBRAL = 90  # cerebellum (91..108) and vermis (109..116) are in none of the levels: the paper leaves them out

# Area -> (AAL number on the left, name without side, title), front to back.
_TABLE: dict[str, tuple[tuple[int, str, str], ...]] = {
    "Frontal lobe": (
        (25, "Frontal_Med_Orb", "Medial orbital frontal gyrus"),
        (9, "Frontal_Mid_Orb", "Middle frontal gyrus, orbital part"),
        (23, "Frontal_Sup_Medial", "Superior frontal gyrus, medial"),
        (5, "Frontal_Sup_Orb", "Superior frontal gyrus, orbital part"),
        (27, "Rectus", "Gyrus rectus"),
        (7, "Frontal_Mid", "Middle frontal gyrus"),
        (3, "Frontal_Sup", "Superior frontal gyrus"),
        (15, "Frontal_Inf_Orb", "Inferior frontal gyrus, orbital part"),
        (13, "Frontal_Inf_Tri", "Inferior frontal gyrus, triangular part"),
        (21, "Olfactory", "Olfactory cortex"),
        (11, "Frontal_Inf_Oper", "Inferior frontal gyrus, opercular part"),
        (19, "Supp_Motor_Area", "Supplementary motor area"),
        (69, "Paracentral_Lobule", "Paracentral lobule"),
    ),
    "Insula": ((29, "Insula", "Insula"),),
    "Limbic lobe": (
        (31, "Cingulum_Ant", "Anterior cingulate gyrus"),
        (83, "Temporal_Pole_Sup", "Temporal pole, superior"),
        (87, "Temporal_Pole_Mid", "Temporal pole, middle"),
        (33, "Cingulum_Mid", "Middle cingulate gyrus"),
        (39, "ParaHippocampal", "Parahippocampal gyrus"),
        (37, "Hippocampus", "Hippocampus"),
        (35, "Cingulum_Post", "Posterior cingulate gyrus"),
    ),
    "Sub cortical gray nuclei": (
        (71, "Caudate", "Caudate nucleus"),
        (73, "Putamen", "Putamen"),
        (75, "Pallidum", "Pallidum"),
        (41, "Amygdala", "Amygdala"),
        (77, "Thalamus", "Thalamus"),
    ),
    "Central region": (
        (1, "Precentral", "Precentral gyrus"),
        (17, "Rolandic_Oper", "Rolandic operculum"),
        (57, "Postcentral", "Postcentral gyrus"),
    ),
    "Temporal lobe": (
        (79, "Heschl", "Heschl gyrus"),
        (81, "Temporal_Sup", "Superior temporal gyrus"),
        (89, "Temporal_Inf", "Inferior temporal gyrus"),
        (85, "Temporal_Mid", "Middle temporal gyrus"),
    ),
    "Parietal lobe": (
        (63, "SupraMarginal", "Supramarginal gyrus"),
        (61, "Parietal_Inf", "Inferior parietal gyrus"),
        (67, "Precuneus", "Precuneus"),
        (59, "Parietal_Sup", "Superior parietal gyrus"),
        (65, "Angular", "Angular gyrus"),
    ),
    "Occipital lobe": (
        (55, "Fusiform", "Fusiform gyrus"),
        (47, "Lingual", "Lingual gyrus"),
        (43, "Calcarine", "Calcarine cortex"),
        (45, "Cuneus", "Cuneus"),
        (53, "Occipital_Inf", "Inferior occipital gyrus"),
        (51, "Occipital_Mid", "Middle occipital gyrus"),
        (49, "Occipital_Sup", "Superior occipital gyrus"),
    ),
}
AREAS = tuple(_TABLE)
_AREA_OF = {label + side: area for area, pairs in _TABLE.items() for label, _, _ in pairs for side in (0, 1)}


@dataclass(frozen=True)
class Region:
    """A group of voxels, given by the AAL numbers in `labels`."""

    name: str  # unique within a level, e.g. "Temporal_Sup_L"
    title: str  # for axes, e.g. "Superior temporal gyrus, left (Temporal_Sup_L)"
    area: str
    labels: tuple[int, ...]


def area_of(label: int) -> str:
    """Look up the area of a cerebral AAL number.

    Parameters
    ----------
    label : int
        AAL number from 1 to 90.

    Returns
    -------
    str
        Name of the area.

    Raises
    ------
    RequestError
        If the number belongs to no area; 91 to 116 are cerebellum and vermis.
    """
    try:
        return _AREA_OF[int(label)]
    except (KeyError, TypeError, ValueError):
        raise RequestError(
            f"Expected an AAL number from 1 to {N_CEREBRAL} (cerebrum), got {label!r}. Numbers 91 to 116 are "
            "cerebellum and vermis, which belong to no area."
        ) from None


def aal_regions(level: AalLevel) -> list[Region]:
    """List the regions of a level of AAL, from front to back.

    Parameters
    ----------
    level : {"area", "merged", "region"}
        The 8 areas, the 45 bilateral pairs, or the 90 regions.

    Returns
    -------
    list of Region
        Regions of the level.

    Raises
    ------
    RequestError
        If there is no such level.
    """
    if level == "area":
        return [Region(area, area, area, _both(pairs)) for area, pairs in _TABLE.items()]
    if level == "merged":
        return [
            Region(name, _titled(title, name), area, (label, label + 1))
            for area, pairs in _TABLE.items()
            for label, name, title in pairs
        ]
    if level == "region":
        return [
            Region(f"{name}_{letter}", _titled(f"{title}, {side}", f"{name}_{letter}"), area, (number,))
            for area, pairs in _TABLE.items()
            for label, name, title in pairs
            for number, side, letter in ((label, "left", "L"), (label + 1, "right", "R"))
        ]
    raise RequestError(f"Expected a level out of {AAL_LEVELS!r}, got {level!r}. Choose one of these.")


def _both(pairs: tuple[tuple[int, str, str], ...]) -> tuple[int, ...]:
    return tuple(sorted(label + side for label, _, _ in pairs for side in (0, 1)))


def _titled(title: str, name: str) -> str:
    """Readable name followed by the AAL name, unless they are the same."""
    return title if title == name else f"{title} ({name})"
