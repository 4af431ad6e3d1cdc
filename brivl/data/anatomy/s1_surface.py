"""Pycortex's subject S1 in space: inflated and pial surface, coarser than pycortex's own so that it turns smoothly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brivl.core.flatmap.geometry import normalise_rows
from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import Voxels
from brivl.data.anatomy.cortex import S1Surfaces, load_s1, load_s1_inflated
from brivl.data.anatomy.decimate import decimate_mesh
from brivl.data.anatomy.flat_mesh import columns_to_weights, mean_curvature, shade_folding
from brivl.errors import DataError

VERTICES_PER_HEMISPHERE = 16_000  # vertices of a hemisphere, of some 150,000: 2 mm apart, half of a voxel's height
CORTICAL_DEPTHS = (np.arange(8) + 0.5) / 8  # of the cortex, from white matter to pia
HEMISPHERE_GAP_MM = 4.0  # mm between the inflated hemispheres


def s1_surface(voxels: Voxels, store_root: Path | None = None) -> SurfaceMesh:
    """Make the surfaces of voxels of the grid `fullhead` of pycortex's S1.

    Parameters
    ----------
    voxels : Voxels
        Voxels of that grid.
    store_root : Path, optional
        Folder of the pycortex database; by default within the cache.

    Returns
    -------
    SurfaceMesh
        The surfaces.

    Raises
    ------
    DataError
        The voxels belong to another grid.
    """
    return surface_from_meshes(load_s1(store_root), load_s1_inflated(store_root), voxels)


def surface_from_meshes(
    s1: S1Surfaces, inflated: np.ndarray, voxels: Voxels, n_each: int = VERTICES_PER_HEMISPHERE
) -> SurfaceMesh:
    """Make the surfaces from meshes that are already loaded, as `s1_surface` does.

    Parameters
    ----------
    s1 : S1Surfaces
        Meshes of both hemispheres.
    inflated : np.ndarray
        (n_vertices, 3) mm.
    voxels : Voxels
        Voxels of the grid of `s1`.
    n_each : int
        Vertices to keep in each hemisphere.

    Returns
    -------
    SurfaceMesh
        The surfaces.

    Raises
    ------
    DataError
        The voxels belong to another grid.
    """
    if tuple(voxels.shape) != tuple(s1.shape):
        raise DataError(
            f"Expected voxels on the grid {tuple(s1.shape)!r} of S1, got {tuple(voxels.shape)!r}. Use voxels of that "
            "grid."
        )
    kept, faces = _both_sides(s1, n_each)
    left = kept < s1.n_left
    middle = (s1.pia + s1.wm) / 2
    return SurfaceMesh(
        forms={"inflated": _side_by_side(inflated[kept], left), "pial": s1.pia[kept]},
        faces=faces.astype(np.int32),
        vertex_to_voxel=normalise_rows(columns_to_weights(_columns(s1, kept, voxels), voxels.n_voxels)),
        shade=shade_folding(mean_curvature(middle, s1.faces))[kept].astype(np.float32),
        region=np.zeros(len(kept), np.int16),
        n_cortex=len(kept),
    )


def _both_sides(s1: S1Surfaces, n_each: int) -> tuple[np.ndarray, np.ndarray]:
    """Kept vertices, left ones first, and faces between them."""
    kept, faces, n = [], [], 0
    middle = (s1.pia + s1.wm) / 2
    for start, end in ((0, s1.n_left), (s1.n_left, len(middle))):
        own = s1.faces[((s1.faces >= start) & (s1.faces < end)).all(1)] - start
        some, between = decimate_mesh(middle[start:end], own, n_each)
        kept.append(some + start)
        faces.append(between + n)
        n += len(some)
    return np.concatenate(kept), np.concatenate(faces)


def _side_by_side(form: np.ndarray, left: np.ndarray) -> np.ndarray:
    form = form.astype(float)
    form[left, 0] -= form[left, 0].max() + HEMISPHERE_GAP_MM / 2
    form[~left, 0] -= form[~left, 0].min() - HEMISPHERE_GAP_MM / 2
    return form


def _columns(s1: S1Surfaces, kept: np.ndarray, voxels: Voxels) -> list[np.ndarray]:
    """Voxel of each vertex at each depth, -1 for none, as on the flatmap."""
    where = np.full(s1.shape, -1)
    where[tuple(voxels.ijk.T)] = np.arange(voxels.n_voxels)
    to_index = np.linalg.inv(s1.affine)
    wm, pia = (surface[kept] @ to_index[:3, :3].T + to_index[:3, 3] for surface in (s1.wm, s1.pia))
    indices = []
    for depth in CORTICAL_DEPTHS:
        index = np.rint(wm + depth * (pia - wm)).astype(int)
        inside = ((index >= 0) & (index < np.array(s1.shape))).all(1)
        columns = np.full(len(kept), -1)
        columns[inside] = where[tuple(index[inside].T)]
        indices.append(columns)
    return indices
