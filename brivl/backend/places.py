"""Groups of voxels by name: drawn ROIs or masks of a dataset, or AAL at three levels."""

from __future__ import annotations

from typing import Literal

import numpy as np

from brivl.core.records import Voxels
from brivl.core.regions.areas import regions

Level = Literal["roi", "area", "merged", "region"]
TITLES: dict[Level, str] = {
    "roi": "ROIs",
    "area": "8 areas",
    "merged": "45 regions, sides merged",
    "region": "90 regions",
}
NOUNS: dict[Level, str] = {"roi": "ROIs", "area": "areas", "merged": "regions", "region": "regions"}
BRAIN = "all"


def levels_of(voxels: Voxels) -> tuple[Level, ...]:
    """Levels at which these voxels can be grouped; none where nothing is known about them."""
    return (("roi",) if voxels.rois else ()) + (("area", "merged", "region") if voxels.aal is not None else ())


def masks_of(voxels: Voxels, level: Level) -> dict[str, np.ndarray]:
    """Name as shown -> (n_voxels,) bool, front to back; groups without any voxel are left out."""
    if level == "roi":
        found = {name: np.asarray(inside, bool) for name, inside in voxels.rois.items()}
        found = dict(sorted(found.items(), key=lambda item: -_depth(voxels, item[1])))
    else:
        aal = np.asarray(voxels.aal)
        found = {region.title: np.isin(aal, region.labels) for region in regions(level)}
    return {name: inside for name, inside in found.items() if inside.any()}


def _depth(voxels: Voxels, inside: np.ndarray) -> float:
    """Mean y in mm (front is high), 0 where places are not known, so that the given order stays."""
    if voxels.affine is None or not inside.any():
        return 0.0
    return float((voxels.ijk[inside] @ voxels.affine[:3, :3].T + voxels.affine[:3, 3])[:, 1].mean())


def region_choices(voxels: Voxels) -> dict[str, np.ndarray]:
    """What the region filter offers: drawn ROIs, else AAL areas and merged regions; name -> (n_voxels,) bool."""
    levels = levels_of(voxels)
    shown: tuple[Level, ...] = ("roi",) if "roi" in levels else tuple(x for x in ("area", "merged") if x in levels)
    return {name: inside for level in shown for name, inside in masks_of(voxels, level).items()}


def coordinates(voxels: Voxels) -> np.ndarray | None:
    """(n_voxels, 3) mm RAS, or None where the grid has no affine."""
    if voxels.affine is None:
        return None
    return voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]
