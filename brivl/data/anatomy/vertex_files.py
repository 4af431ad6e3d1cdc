"""Maps of values of voxels that are vertices, as files on the mesh of the data: GIfTI, or CIFTI with the subcortex."""

from __future__ import annotations

import numpy as np

from brivl.core.records import SurfaceVertices, Voxels
from brivl.data.anatomy.fs_lr import FS_LR_32K, FS_LR_59K
from brivl.data.anatomy.vertices import columns_of
from brivl.data.formats.cifti import LEFT, RIGHT, dscalar_bytes
from brivl.data.formats.gifti import SIDES, gifti_bytes

# Entities of file names in BIDS; other meshes bear their own name.
DENSITIES = {FS_LR_32K: "91k", FS_LR_59K: "170k"}


def is_cifti(voxels: Voxels) -> bool:
    """Tell whether maps of voxels are written as CIFTI: vertices of fs_LR, which CIFTI files have.

    Parameters
    ----------
    voxels : Voxels
        Voxels with or without `surface`.

    Returns
    -------
    bool
        False for meshes of which GIfTI files are written.
    """
    return voxels.surface is not None and voxels.surface.mesh in DENSITIES


def surface_files(voxels: Voxels, values: np.ndarray, name: str) -> dict[str, bytes]:
    """Write a map on the mesh of the data.

    Parameters
    ----------
    voxels : Voxels
        Voxels with `surface`.
    values : np.ndarray
        (n_voxels,), NaN where nothing was fitted.
    name : str
        Name of the map within a CIFTI file.

    Returns
    -------
    dict of str to bytes
        Content by "SPACE.ENDING", with the entities of BIDS, such as "space-fsLR_den-91k.dscalar.nii", or
        "hemi-L_space-fsaverage5.func.gii" and its like of the right hemisphere.
    """
    surface = _surface(voxels)
    if is_cifti(voxels):
        content = dscalar_bytes(columns_of(voxels), values, name)
        return {f"space-fsLR_den-{DENSITIES[surface.mesh]}.dscalar.nii": content}
    files = {}
    for side, structure, n in zip(SIDES, (LEFT, RIGHT), surface.n_vertices, strict=True):
        if n:
            of_side = np.array(surface.structures)[surface.structure] == structure
            on_mesh = np.full(n, np.nan, np.float32)
            on_mesh[surface.vertex[of_side]] = values[of_side]
            files[f"hemi-{side}_space-{surface.mesh}.func.gii"] = gifti_bytes(on_mesh, side)
    return files


def _surface(voxels: Voxels) -> SurfaceVertices:
    assert voxels.surface is not None  # flatmap "vertices" implies it
    return voxels.surface
