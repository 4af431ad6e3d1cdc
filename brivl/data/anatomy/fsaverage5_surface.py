"""Voxels in MNI space on the inflated and pial fsaverage5 surface, with AAL's subcortical regions as meshes below."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from brivl.core.flatmap.geometry import normalise_rows
from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import Voxels
from brivl.data.anatomy.aal import load_aal, mni_grid
from brivl.data.anatomy.flat_mesh import columns_to_weights, shade_folding
from brivl.data.anatomy.fsaverage5 import CORTICAL_DEPTHS, N_CEREBRAL, CorticalTemplate, load_fsaverage5, nearest_voxels
from brivl.data.anatomy.mask_mesh import mask_mesh
from brivl.errors import DataError

# AAL1: hippocampus, amygdala, caudate, putamen, pallidum, thalamus, each left and right (paper, Fig. 6).
SUBCORTICAL = (37, 38, 41, 42, 71, 72, 73, 74, 75, 76, 77, 78)
HEMISPHERE_GAP_MM = 4.0  # mm between the inflated hemispheres
SUBCORTEX_OFFSET_MM = -62.0  # mm from the lowest point of the cortex to the middle of the subcortical structures
SUBCORTEX_SCALE = 1.7  # of the subcortical structures, which are small beside the cortex
MAX_DISTANCE_MM = 6.0  # mm from a vertex to the atlas voxel that names its region


def fsaverage5_surface(voxels: Voxels) -> SurfaceMesh:
    """Make the surfaces of voxels in MNI space.

    Parameters
    ----------
    voxels : Voxels
        Voxels in MNI space.

    Returns
    -------
    SurfaceMesh
        fsaverage5 and subcortical structures.

    Raises
    ------
    DataError
        The voxels have no affine.
    """
    if voxels.affine is None:
        raise DataError(
            f"Expected voxels with an affine to MNI space, got none for {voxels.space!r}. Show the voxels as slices."
        )
    brain = load_fsaverage5()
    left = np.arange(len(brain.pia)) < brain.n_left
    places, faces, numbers = subcortical_meshes()
    cortex = _on_cortex(voxels, brain, left)
    affine = np.asarray(voxels.affine)
    mm = voxels.ijk @ affine[:3, :3].T + affine[:3, 3]
    edge = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    below = nearest_voxels(mm, places, places[:, 0] <= 0, 1.5 * edge)
    columns = [np.concatenate([part, below]) for part in cortex]
    forms = {
        "inflated": with_subcortical(fsaverage5_inflated(left), places),
        "pial": with_subcortical(brain.pia, places),
    }
    curvature = shade_folding(-brain.depth)
    return SurfaceMesh(
        forms=forms,
        faces=np.concatenate([fsaverage5_faces(), faces + len(brain.pia)]).astype(np.int32),
        vertex_to_voxel=normalise_rows(columns_to_weights(columns, voxels.n_voxels)),
        shade=np.concatenate([curvature, np.full(len(places), 0.5)]).astype(np.float32),
        region=np.concatenate([vertex_regions(brain, left), numbers]).astype(np.int16),
        n_cortex=len(brain.pia),
    )


def _on_cortex(voxels: Voxels, brain: CorticalTemplate, left: np.ndarray) -> list[np.ndarray]:
    """Voxel of each vertex at three depths, as on the flatmap."""
    affine = np.asarray(voxels.affine)
    mm = voxels.ijk @ affine[:3, :3].T + affine[:3, 3]
    edge = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    return [nearest_voxels(mm, brain.wm + depth * (brain.pia - brain.wm), left, edge) for depth in CORTICAL_DEPTHS]


def vertex_regions(brain: CorticalTemplate, left: np.ndarray) -> np.ndarray:
    """Find the AAL number of each vertex at mid-thickness, of its own hemisphere (AAL's numbers are odd on the left).

    Parameters
    ----------
    brain : CorticalTemplate
        The template.
    left : np.ndarray
        (n_vertices,) bool, vertex of the left hemisphere.

    Returns
    -------
    np.ndarray
        (n_vertices,) int, 0 where no region lies within MAX_DISTANCE_MM.
    """
    grid = mni_grid(2.0)
    aal, affine = np.asarray(grid.aal), np.asarray(grid.affine)
    cortical = (aal <= N_CEREBRAL) & ~np.isin(aal, SUBCORTICAL)
    places, labels = (brain.pia + brain.wm) / 2, np.zeros(len(brain.pia), int)
    for side, odd in ((left, 1), (~left, 0)):
        rows = np.flatnonzero(cortical & (aal % 2 == odd))
        mm = grid.ijk[rows] @ affine[:3, :3].T + affine[:3, 3]
        distance, nearest = cKDTree(mm).query(places[side], distance_upper_bound=MAX_DISTANCE_MM)
        labels[side] = np.where(np.isfinite(distance), aal[rows[np.minimum(nearest, len(rows) - 1)]], 0)
    return labels


def fsaverage5_inflated(left: np.ndarray) -> np.ndarray:
    """Load the inflated hemispheres, side by side.

    Parameters
    ----------
    left : np.ndarray
        (20484,) bool, vertex of the left hemisphere.

    Returns
    -------
    np.ndarray
        (20484, 3) mm.
    """
    from nilearn.datasets import load_fsaverage

    parts = load_fsaverage("fsaverage5")["inflated"].parts
    return apart(np.concatenate([parts[side].coordinates for side in ("left", "right")]).astype(float), left)


def apart(form: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Move inflated hemispheres so that they do not touch.

    Parameters
    ----------
    form : np.ndarray
        (n_vertices, 3) mm.
    left : np.ndarray
        (n_vertices,) bool, vertex of the left hemisphere.

    Returns
    -------
    np.ndarray
        (n_vertices, 3) mm.
    """
    moved = form.copy()
    moved[left, 0] -= form[left, 0].max() + HEMISPHERE_GAP_MM / 2
    moved[~left, 0] -= form[~left, 0].min() - HEMISPHERE_GAP_MM / 2
    return moved


def fsaverage5_faces() -> np.ndarray:
    """Load the triangles of both hemispheres.

    Returns
    -------
    np.ndarray
        (n_faces, 3) vertex indices, left first.
    """
    from nilearn.datasets import load_fsaverage

    parts = load_fsaverage("fsaverage5")["pial"].parts
    left, right = parts["left"], parts["right"]
    return np.concatenate([left.faces, right.faces + len(left.coordinates)])


def subcortical_meshes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make meshes of the twelve subcortical structures, from the atlas at 1 mm.

    Returns
    -------
    tuple of np.ndarray
        Vertices (n_vertices, 3) in mm, triangles (n_faces, 3) and the AAL number of each vertex (n_vertices,).
    """
    atlas = load_aal()
    places, faces, numbers, n = [], [], [], 0
    for number in SUBCORTICAL:
        vertices, triangles = mask_mesh(atlas.labels == number, step=2)
        places.append(vertices @ atlas.affine[:3, :3].T + atlas.affine[:3, 3])
        faces.append(triangles + n)
        numbers.append(np.full(len(vertices), number))
        n += len(vertices)
    return np.concatenate(places), np.concatenate(faces), np.concatenate(numbers)


def with_subcortical(cortex: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Place the structures below the cortex, enlarged, so that it does not hide them.

    Parameters
    ----------
    cortex : np.ndarray
        (n_cortex, 3) mm.
    places : np.ndarray
        (n_below, 3) mm, vertices of the structures.

    Returns
    -------
    np.ndarray
        (n_cortex + n_below, 3) mm.
    """
    middle = (places.min(0) + places.max(0)) / 2
    moved = (places - middle) * SUBCORTEX_SCALE + [0, middle[1], cortex[:, 2].min() + SUBCORTEX_OFFSET_MM]
    return np.concatenate([cortex, moved])
