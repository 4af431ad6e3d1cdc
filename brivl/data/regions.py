"""Regions of a subject's voxels: ROIs and atlases that come with the data, and the regions of `ATLASES`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from brivl.core.records import Voxels, describe_space
from brivl.core.regions.areas import AREAS, N_CEREBRAL, area_of
from brivl.data.anatomy.atlases import ATLASES, OWN_PREFIX, ROI_KEY, ROI_TITLE, AtlasTexts
from brivl.data.anatomy.atlases.atlas import Atlas
from brivl.data.anatomy.coordinates import apply_affine
from brivl.errors import RequestError

if TYPE_CHECKING:
    from brivl.data.anatomy.label_volume import LabelVolume

ParcellationName = str  # "roi", or the key of an atlas
Order = Literal["anatomical", "p", "effect", "name"]  # of the rows of a table of regions
ORDERS: tuple[Order, ...] = ("anatomical", "p", "effect", "name")
ROWS: Mapping[str, str] = {"": "all", "top": "top 20", "q": "q < .05"}  # rows of a figure, and how they are called
TOP_ROWS, Q_LIMIT = 20, 0.05
_ATLASES: Mapping[str, Atlas] = {atlas.key: atlas for atlas in ATLASES}
MNI_PARCELLATIONS: tuple[ParcellationName, ...] = tuple(atlas.key for atlas in ATLASES if atlas.space == "MNI")
FS_LR_PARCELLATIONS: tuple[ParcellationName, ...] = tuple(atlas.key for atlas in ATLASES if atlas.space == "fs_LR")
AAL1_PARCELLATIONS: tuple[ParcellationName, ...] = tuple(atlas.key for atlas in ATLASES if atlas.space == "AAL1")
PARCELLATION_TITLES: Mapping[str, str] = AtlasTexts({ROI_KEY: ROI_TITLE} | {one.key: one.title for one in ATLASES})
PARCELLATION_NOUNS: Mapping[str, str] = AtlasTexts({ROI_KEY: ROI_TITLE} | {one.key: one.noun for one in ATLASES})
ATLAS_NOTES: Mapping[str, str] = {atlas.key: atlas.citation for atlas in ATLASES if atlas.citation}
BRAIN = "all"
FS_LR = "fs_LR 32k"  # name of the template, as in `SurfaceVertices.template`
AREA_KEY = "area"  # the level of AAL whose regions are the lobes
CORTICAL_SHARE = 0.2  # of voxels in cortical regions of AAL1, from which they are drawn on fsaverage5
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
        "roi" and keys of atlases, the default first; empty where nothing is known about the voxels.
    """
    labelled, in_mni = voxels.aal is not None, voxels.in_mni
    atlases = (AAL1_PARCELLATIONS if labelled else ()) + (MNI_PARCELLATIONS if in_mni else ())
    # AAL1 that is looked up by coordinates follows, so that the default stays what it was before it was looked up.
    by_coordinates = AAL1_PARCELLATIONS if in_mni and not labelled else ()
    own = tuple(voxels.parcellations)
    parcels = tuple(key for key in own if len(np.unique(voxels.parcellations[key].labels)) == voxels.n_voxels)
    others = tuple(key for key in own if key not in parcels)
    on_fs_lr = FS_LR_PARCELLATIONS if voxels.surface is not None and voxels.surface.template == FS_LR else ()
    return ((ROI_KEY,) if voxels.rois else ()) + parcels + atlases + by_coordinates + on_fs_lr + others


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
    if level in FS_LR_PARCELLATIONS:
        return f"{PARCELLATION_TITLES[level]} is an atlas of fs_LR; these voxels lie in {describe_space(voxels.space)}."
    if level in _ATLASES:
        return f"These voxels have no AAL labels ({voxels.space})."
    if level.startswith(OWN_PREFIX):
        return f"No atlas called {level.removeprefix(OWN_PREFIX)} lies with these data."
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
    if level.startswith(OWN_PREFIX):
        return _own_masks(voxels, level)
    labels = _ATLASES[level].load()
    if labels.vertices is not None:
        numbers = _on_vertices(voxels, labels.vertices, level)
    elif labels.volume is None:
        numbers = aal_numbers(voxels)
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


def _on_vertices(voxels: Voxels, labels: np.ndarray, level: str) -> np.ndarray:
    """(n_voxels,) label at the vertex of fs_LR 32k that is nearest to each voxel, 0 where there is none."""
    if voxels.surface is None or voxels.surface.template != FS_LR:
        raise RequestError(f"Expected vertices of fs_LR, got others. {why_unavailable(level, voxels)}")
    place = voxels.surface.place
    return np.where(place >= 0, labels[place], 0)


def _own_masks(voxels: Voxels, level: ParcellationName) -> dict[str, np.ndarray]:
    """Regions of an atlas that lies with the data, from front to back where coordinates are known."""
    own = voxels.parcellations[level]
    present, y = [int(n) for n in np.unique(own.labels) if n], _y_mm(voxels)
    depth = {number: float(np.mean(y[own.labels == number])) for number in present}
    short = level.removeprefix(OWN_PREFIX)
    return {
        f"{own.names.get(number, f'label {number}')} ({short})": own.labels == number
        for number in sorted(present, key=lambda number: (-depth[number], number))
    }


def aal_numbers(voxels: Voxels) -> np.ndarray:
    """Return the AAL1 numbers of voxels: those of the dataset, else those at the coordinates in MNI space.

    Parameters
    ----------
    voxels : Voxels
        Voxels that have AAL labels, or coordinates in MNI space.

    Returns
    -------
    (n_voxels,) array of int
        1 to 116, 0 for none.

    Raises
    ------
    RequestError
        The voxels have neither.
    """
    if voxels.aal is not None:
        return np.asarray(voxels.aal)
    mm = coordinates(voxels) if voxels.in_mni else None
    if mm is None:
        raise RequestError(
            f"Expected voxels with AAL labels or coordinates in MNI space, got neither. "
            f"{why_unavailable(AAL1_PARCELLATIONS[0], voxels)} Choose another parcellation."
        )
    return _aal().at(mm)


@lru_cache(maxsize=1)
def _aal() -> LabelVolume:
    from brivl.data.anatomy.aal import load_aal

    return load_aal()


def with_mni_anatomy(voxels: Voxels) -> Voxels:
    """Give voxels in MNI space the labels of AAL1, and views on fsaverage5 where enough of them are cortical.

    Parameters
    ----------
    voxels : Voxels
        Voxels of any space.

    Returns
    -------
    Voxels
        The same voxels where they are not in MNI space, have labels, or lie outside of the atlas.
    """
    if voxels.aal is not None or not voxels.in_mni:
        return voxels
    from brivl.data.anatomy.aal import SUBCORTICAL

    numbers = aal_numbers(voxels)
    if not numbers.any():
        return voxels
    cortical = (numbers > 0) & (numbers <= N_CEREBRAL) & ~np.isin(numbers, SUBCORTICAL)
    on_surface = voxels.flatmap == "slices" and cortical.mean() >= CORTICAL_SHARE
    return replace(voxels, aal=numbers, flatmap="fsaverage5" if on_surface else voxels.flatmap)


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
        ROIs of the dataset, or else the regions of AAL1 at all levels, or else those of atlases with the data.
    """
    available = available_parcellations(voxels)
    own_rois = ROI_KEY in available
    listed: Sequence[ParcellationName] = (
        (ROI_KEY,) if own_rois else [level for level in available if level in AAL1_PARCELLATIONS] or available
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
