"""Voxels that are vertices of a cortical mesh: which mesh, which vertices of a template show them, where they lie.

Data on fsaverage5 and fs_LR 32k are drawn vertex by vertex. fs_LR 59k is drawn on 32k by nearest vertex of the sphere.
fsaverage and fsaverage6 are drawn on fsaverage5, whose vertices are their first 10,242: FreeSurfer makes the finer
meshes by dividing triangles (Fischl et al. 1999), which numbers the new vertices after the old ones. A subject's own
mesh, and the finer meshes where FreeSurfer's folder is beside the data, are drawn by nearest vertex of the sphere that
is registered to fsaverage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from brivl.core.records import SurfaceVertices, Voxels
from brivl.data.anatomy.coordinates import apply_affine
from brivl.data.anatomy.fs_lr import FS_LR_32K, FS_LR_59K, N_32K, N_59K, at_59k, fs_lr_sphere, mid_thickness
from brivl.data.anatomy.fsaverage5 import CorticalTemplate, load_fsaverage5
from brivl.data.formats.cifti import LEFT, RIGHT, Grayordinates
from brivl.data.formats.gifti import MESHES as FSAVERAGE_MESHES

FSAVERAGE5 = "fsaverage5"
NATIVE = "fsnative"
MESHES: Mapping[int, str] = FSAVERAGE_MESHES | {N_32K: FS_LR_32K, N_59K: FS_LR_59K}  # by vertices of a hemisphere
COARSER = ("fsaverage4",)  # than every template; drawn nowhere
SPHERE_RADIUS = 100.0  # mm, of FreeSurfer's and the HCP's spheres


def name_of_mesh(n_vertices: tuple[int, int]) -> str:
    """Name the mesh of a number of vertices.

    Parameters
    ----------
    n_vertices : tuple of int
        Vertices of the left and right hemisphere; 0 for one that is not there.

    Returns
    -------
    str
        Name of a template; NATIVE for other numbers.
    """
    counts = {n for n in n_vertices if n}
    return MESHES.get(counts.pop(), NATIVE) if len(counts) == 1 else NATIVE


def load_template(name: str) -> CorticalTemplate:
    """Load a template by its name.

    Parameters
    ----------
    name : str
        "fsaverage5" or "fs_LR 32k".

    Returns
    -------
    CorticalTemplate
        The template.
    """
    from brivl.data.anatomy.fs_lr import load_fs_lr

    return load_fs_lr() if name == FS_LR_32K else load_fsaverage5()


def whole_hemispheres(n_vertices: tuple[int, int]) -> Grayordinates:
    """List all vertices of both hemispheres, as in a pair of GIfTI files.

    Parameters
    ----------
    n_vertices : tuple of int
        Vertices of the left and right hemisphere.

    Returns
    -------
    Grayordinates
        Left vertices first.
    """
    vertex = np.concatenate([np.arange(n) for n in n_vertices])
    structure = np.repeat(np.array([LEFT, RIGHT]), n_vertices)
    return Grayordinates(structure, vertex, np.full((len(vertex), 3), -1), n_vertices, None, None)


@dataclass(frozen=True)
class _OnTemplate:
    """How a mesh of both hemispheres lies on a template."""

    template: str
    shown: np.ndarray  # (n_template_vertices,) vertex of the mesh that a vertex of the template shows; -1 for none
    place: np.ndarray  # (n_mesh_vertices,) nearest vertex of the template; -1 where it is not known
    mm: np.ndarray  # (n_mesh_vertices, 3) MNI mm at mid-thickness; NaN where not known


def surface_voxels(space: str, where: Grayordinates, registered: np.ndarray | None = None) -> Voxels:
    """Describe the columns of data on a surface.

    Parameters
    ----------
    space : str
        Name of the subject and of what else the space is called after.
    where : Grayordinates
        Vertices, and subcortical voxels of CIFTI data.
    registered : np.ndarray, optional
        (n_left + n_right, 3) places of all vertices of the mesh on the sphere that is registered to fsaverage.

    Returns
    -------
    Voxels
        One for each column; without `surface` where the mesh cannot be drawn on any template.
    """
    mesh = name_of_mesh(where.n_vertices)
    right = np.where(where.vertex >= 0, where.structure == RIGHT, False)
    ijk = np.where((where.vertex >= 0)[:, None], np.stack([where.vertex, 0 * where.vertex, right], 1), where.ijk)
    low, high = (1, 1, 1) if where.shape is None else where.shape, (max(*where.n_vertices, 1), 1, 2)
    x, y, z = (max(a, b) for a, b in zip(low, high, strict=True))
    voxels = Voxels(f"{space}, {mesh} surface", ijk.astype(int), (x, y, z), None)
    on = _on_template(mesh, where.n_vertices, registered)
    if on is None:
        return voxels
    vertex = np.where(where.vertex >= 0, where.vertex + right * where.n_vertices[0], -1)
    column = np.full(sum(where.n_vertices) + 1, -1)  # its last entry stands for "no vertex", -1
    column[vertex[vertex >= 0]] = np.flatnonzero(vertex >= 0)
    mm = np.where((vertex >= 0)[:, None], on.mm[vertex], np.nan)
    if where.affine is not None:
        mm[vertex < 0] = apply_affine(where.affine, where.ijk[vertex < 0])
    structures, structure = np.unique(where.structure, return_inverse=True)
    surface = SurfaceVertices(
        mesh=mesh,
        n_vertices=where.n_vertices,
        structures=tuple(str(name) for name in structures),
        structure=structure,
        vertex=where.vertex,
        template=on.template,
        drawn=column[on.shown],
        place=np.where(vertex >= 0, on.place[vertex], -1),
        mm=mm.astype(np.float32),
        affine=where.affine,
        shape=where.shape,
    )
    drawn = "" if mesh == on.template else f", drawn on {on.template} by nearest vertex"
    below = ", subcortical voxels in MNI152NLin6Asym" if surface.n_in_space else ""
    name = f"{space}, {mesh} surface{below}{drawn}"
    return replace(voxels, space=name, flatmap="vertices", surface=surface)


def columns_of(voxels: Voxels) -> Grayordinates:
    """Write the columns of data on a surface as CIFTI has them.

    Parameters
    ----------
    voxels : Voxels
        Voxels with `surface`.

    Returns
    -------
    Grayordinates
        Vertices and voxels in the order of columns.
    """
    surface = _surface(voxels)
    names = np.array(surface.structures)[surface.structure]
    ijk = np.where((surface.vertex < 0)[:, None], voxels.ijk, -1)
    return Grayordinates(names, surface.vertex, ijk, surface.n_vertices, surface.affine, surface.shape)


def _surface(voxels: Voxels) -> SurfaceVertices:
    assert voxels.surface is not None  # flatmap "vertices" implies it
    return voxels.surface


def _on_template(mesh: str, n_vertices: tuple[int, int], registered: np.ndarray | None) -> _OnTemplate | None:
    """None for meshes that no template shows."""
    if mesh == FS_LR_32K:
        return _itself(FS_LR_32K, mid_thickness(), (N_32K, N_32K), n_vertices)
    if mesh == FS_LR_59K:
        sphere, fine = fs_lr_sphere(), at_59k(fs_lr_sphere())
        full = _by_sphere(FS_LR_32K, sphere, fine, (N_59K, N_59K))
        return _of_sides(replace(full, mm=at_59k(mid_thickness())), (N_59K, N_59K), n_vertices)
    if mesh in COARSER or (mesh == NATIVE and registered is None):
        return None
    brain = load_fsaverage5()
    mm = (brain.pia + brain.wm) / 2
    if mesh == FSAVERAGE5:
        return _itself(FSAVERAGE5, mm, (brain.n_left, brain.n_left), n_vertices)
    if registered is not None:
        by_sphere = _by_sphere(FSAVERAGE5, _fsaverage5_sphere(), registered, n_vertices)
        return replace(by_sphere, mm=mm[by_sphere.place])
    n = next(count for count, name in MESHES.items() if name == mesh)
    first = np.r_[np.arange(brain.n_left), n + np.arange(brain.n_left)]
    place, finer = np.full(2 * n, -1), np.full((2 * n, 3), np.nan)
    place[first], finer[first] = np.arange(len(first)), mm
    return _of_sides(_OnTemplate(FSAVERAGE5, first, place, finer), (n, n), n_vertices)


def _itself(template: str, mm: np.ndarray, both: tuple[int, int], n_vertices: tuple[int, int]) -> _OnTemplate:
    every = np.arange(sum(both))
    return _of_sides(_OnTemplate(template, every, every, mm), both, n_vertices)


def _of_sides(on: _OnTemplate, both: tuple[int, int], n_vertices: tuple[int, int]) -> _OnTemplate:
    """Without the hemisphere that the data do not have."""
    if n_vertices == both:
        return on
    kept = np.r_[np.arange(both[0]) if n_vertices[0] else [], both[0] + np.arange(both[1]) if n_vertices[1] else []]
    number = np.full(sum(both) + 1, -1)
    number[kept.astype(int)] = np.arange(len(kept))
    return replace(on, shown=number[on.shown], place=on.place[kept.astype(int)], mm=on.mm[kept.astype(int)])


def _by_sphere(template: str, sphere: np.ndarray, registered: np.ndarray, n_vertices: tuple[int, int]) -> _OnTemplate:
    """By nearest vertex within the hemisphere, in both directions; mm are left to the caller."""
    shown, place = np.full(len(sphere), -1), np.full(len(registered), -1)
    n_half = len(sphere) // 2
    theirs, ours = (0, n_vertices[0], len(registered)), (0, n_half, len(sphere))
    for side in (0, 1):
        data = _on_unit_sphere(registered[theirs[side] : theirs[side + 1]])
        mesh = _on_unit_sphere(sphere[ours[side] : ours[side + 1]])
        if len(data):
            shown[ours[side] : ours[side + 1]] = theirs[side] + cKDTree(data).query(mesh)[1]
            place[theirs[side] : theirs[side + 1]] = ours[side] + cKDTree(mesh).query(data)[1]
    return _OnTemplate(template, shown, place, np.full((len(registered), 3), np.nan))


def _on_unit_sphere(points: np.ndarray) -> np.ndarray:
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)


def _fsaverage5_sphere() -> np.ndarray:
    from nilearn.datasets import load_fsaverage

    parts = load_fsaverage("fsaverage5")["sphere"].parts
    return np.concatenate([parts[side].coordinates for side in ("left", "right")])
