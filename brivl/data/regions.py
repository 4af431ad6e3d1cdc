"""Regions of a subject's voxels: ROIs that the dataset defines, and the regions of the atlases in `ATLASES`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from brivl.core.records import Voxels, describe_space
from brivl.core.regions.areas import AREAS, N_CEREBRAL, area_of
from brivl.data.anatomy.atlases import ATLASES, ROI_KEY, ROI_TITLE
from brivl.data.anatomy.atlases.atlas import Atlas
from brivl.data.anatomy.coordinates import apply_affine
from brivl.errors import RequestError

ParcellationName = str  # "roi", or the key of an atlas
Order = Literal["anatomical", "p", "effect", "name"]  # of the rows of a table of regions
ORDERS: tuple[Order, ...] = ("anatomical", "p", "effect", "name")
ROWS: Mapping[str, str] = {"": "all", "top": "top 20", "q": "q < .05"}  # rows of a figure, and how they are called
TOP_ROWS, Q_LIMIT = 20, 0.05
_ATLASES: Mapping[str, Atlas] = {atlas.key: atlas for atlas in ATLASES}
MNI_PARCELLATIONS: tuple[ParcellationName, ...] = tuple(atlas.key for atlas in ATLASES if atlas.space == "MNI")
PARCELLATION_TITLES: Mapping[str, str] = {ROI_KEY: ROI_TITLE, **{atlas.key: atlas.title for atlas in ATLASES}}
PARCELLATION_NOUNS: Mapping[str, str] = {ROI_KEY: ROI_TITLE, **{atlas.key: atlas.noun for atlas in ATLASES}}
ATLAS_NOTES: Mapping[str, str] = {atlas.key: atlas.citation for atlas in ATLASES if atlas.citation}
BRAIN = "all"
AREA_KEY = "area"  # the level of AAL whose regions are the lobes
SCALE_FIELD, CEILING = "scale", "ceiling"  # in the URL, on the command line


def available_parcellations(voxels: Voxels) -> tuple[ParcellationName, ...]:
    """List the parcellations by which voxels can be grouped.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    tuple of str
        "roi" and keys of atlases; empty where nothing is known about the voxels.
    """
    spaces = {"AAL1": voxels.aal is not None, "MNI": voxels.in_mni}
    atlases = tuple(atlas.key for atlas in ATLASES if spaces[atlas.space])
    return ((ROI_KEY,) if voxels.rois else ()) + atlases


def why_unavailable(level: str, voxels: Voxels) -> str:
    """Explain why voxels cannot be grouped by a parcellation.

    Parameters
    ----------
    level : str
        Name of a parcellation; "further" for all atlases of MNI space.
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    str
        A sentence; "" for a name that is no parcellation.
    """
    if level in (*MNI_PARCELLATIONS, "further"):
        titles = " and ".join(PARCELLATION_TITLES[key] for key in MNI_PARCELLATIONS)
        return f"{titles} are atlases of MNI space; these voxels lie in {describe_space(voxels.space)}."
    if level in _ATLASES:
        return f"These voxels have no AAL labels ({voxels.space})."
    return "These voxels have no ROIs." if level == ROI_KEY else ""


def checked_parcellation(level: str, voxels: Voxels) -> ParcellationName:
    """Check the name of a parcellation.

    Parameters
    ----------
    level : str
        Name of a parcellation; "" for the first that the voxels have.
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    str
        Name of a parcellation that the voxels have.

    Raises
    ------
    RequestError
        The voxels do not have this parcellation.
    """
    available = available_parcellations(voxels)
    if not level and available:
        return available[0]
    if level in available:
        return level
    raise RequestError(
        f"Expected a parcellation of these voxels, one of {list(available)}, got {level!r}. "
        f"{why_unavailable(level, voxels) or 'Choose one of them.'}"
    )


def region_masks(voxels: Voxels, level: ParcellationName) -> dict[str, np.ndarray]:
    """Group voxels into the regions of a parcellation.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.
    level : str
        Parcellation that the voxels have.

    Returns
    -------
    dict of str to (n_voxels,) array of bool
        Title of each region to its voxels, from front to back; regions without a voxel are left out.
    """
    if level == ROI_KEY:
        masks = {name: np.asarray(inside, bool) for name, inside in voxels.rois.items()}
        y = _y_mm(voxels)
        masks = dict(sorted(masks.items(), key=lambda item: -y[item[1]].mean() if item[1].any() else 0.0))
        return {name: inside for name, inside in masks.items() if inside.any()}
    labels = _ATLASES[level].load()
    if labels.volume is None:
        numbers = np.asarray(voxels.aal)
    else:
        mm = coordinates(voxels)
        if mm is None:
            raise RequestError(
                f"Expected voxels with coordinates in MNI space, got none. {why_unavailable(level, voxels)}"
            )
        numbers = labels.volume.at(mm)
    present = set(np.unique(numbers).tolist())
    regions = [region for region in labels.regions if not present.isdisjoint(region.numbers)]
    return {region.title: np.isin(numbers, region.numbers) for region in regions}


def region_lobes(voxels: Voxels, level: ParcellationName) -> dict[str, str]:
    """Find the AAL lobe that holds most voxels of each region of an atlas.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.
    level : str
        Parcellation that the voxels have.

    Returns
    -------
    dict of str to str
        Title of each region with a voxel in a lobe to the name of the lobe (`core.regions.areas`, as Tzourio-Mazoyer
        et al. 2002 group AAL); empty for ROIs, for the lobes themselves, and where voxels have no AAL labels.
    """
    if level in (ROI_KEY, AREA_KEY) or voxels.aal is None:
        return {}
    labels = np.asarray(voxels.aal).astype(int)
    place_of = np.zeros(max(int(labels.max()), N_CEREBRAL) + 1, int)  # label -> 1 + place of its lobe, 0 for none
    place_of[1 : N_CEREBRAL + 1] = [AREAS.index(area_of(label)) + 1 for label in range(1, N_CEREBRAL + 1)]
    place = place_of[labels]
    lobes = {}
    for title, inside in region_masks(voxels, level).items():
        counts = np.bincount(place[inside], minlength=len(AREAS) + 1)[1:]
        if counts.any():
            lobes[title] = AREAS[int(counts.argmax())]
    return lobes


def _y_mm(voxels: Voxels) -> np.ndarray:
    """(n_voxels,) y in mm, which is high at the front; 0 without an affine, so that the given order stays."""
    if voxels.surface is not None and voxels.surface.mm is not None:
        return np.nan_to_num(voxels.surface.mm[:, 1].astype(float))
    if voxels.affine is None:
        return np.zeros(voxels.n_voxels)
    return voxels.ijk @ voxels.affine[1, :3] + voxels.affine[1, 3]


def region_choices(voxels: Voxels, also: str = BRAIN) -> dict[str, np.ndarray]:
    """List the regions that the region filter offers.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.
    also : str
        Title of a region that is offered too, whatever its parcellation.

    Returns
    -------
    dict of str to (n_voxels,) array of bool
        ROIs of the dataset, or else the regions of AAL1 at all levels.
    """
    available = available_parcellations(voxels)
    own_rois = ROI_KEY in available
    listed: Sequence[ParcellationName] = (
        (ROI_KEY,) if own_rois else [level for level in available if level not in MNI_PARCELLATIONS]
    )
    masks = {name: inside for level in listed for name, inside in region_masks(voxels, level).items()}
    if also == BRAIN or also in masks:
        return masks
    for level in available:
        if level not in listed and (inside := region_masks(voxels, level).get(also)) is not None:
            return masks | {also: inside}
    return masks


def region_mask(voxels: Voxels, name: str) -> np.ndarray | None:
    """Find the voxels of a region of any parcellation.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.
    name : str
        Title of the region.

    Returns
    -------
    (n_voxels,) array of bool, or None
        Voxels of the region; None where there is no region of this title.
    """
    return region_choices(voxels, name).get(name)


def parcellation_of(voxels: Voxels, name: str) -> ParcellationName | None:
    """Find the parcellation of a region.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.
    name : str
        Title of the region.

    Returns
    -------
    str or None
        The first parcellation with a region of this title.
    """
    return next((level for level in available_parcellations(voxels) if name in region_masks(voxels, level)), None)


def coordinates(voxels: Voxels) -> np.ndarray | None:
    """Return the centres of voxels.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    (n_voxels, 3) array, or None
        Coordinates in mm RAS; None without an affine. Of vertices those at mid-thickness of the template, NaN where
        they are not known.
    """
    if voxels.surface is not None:
        return None if voxels.surface.mm is None else voxels.surface.mm.astype(float)
    return None if voxels.affine is None else apply_affine(voxels.affine, voxels.ijk)
