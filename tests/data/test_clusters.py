"""Clusters and peaks: planted blobs on a grid and patches of a mesh come back with their peaks and sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brivl.core.records import Voxels
from brivl.data.anatomy.fsaverage5_surface import fsaverage5_faces
from brivl.data.anatomy.vertex_maps import template_surface
from brivl.data.anatomy.vertices import surface_voxels, whole_hemispheres
from brivl.data.clusters import cluster_table
from brivl.errors import RequestError

AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -40], [0, 0, 3, -20], [0, 0, 0, 1]])


def grid() -> Voxels:
    ijk = np.argwhere(np.ones((20, 20, 20), bool))
    return Voxels("S9, native", ijk, (20, 20, 20), AFFINE)


def test_planted_blobs_come_back() -> None:
    """Two positive cubes and a negative one, each with one peak; sizes are counts of voxels times 27 mm3."""
    voxels = grid()
    volume = np.full((20, 20, 20), np.nan)
    volume[5:8, 5:8, 5:8], volume[6, 6, 6] = 0.2, 0.5
    volume[12:14, 12:14, 12:14], volume[12, 13, 12] = 0.3, 0.4
    volume[16:18, 2, 2], volume[16, 2, 2] = -0.3, -0.6
    volume[0, 0, 0] = 0.09  # below the threshold
    region = {"seed": volume.ravel() == 0.5, "all": np.ones(8000, bool)}
    table = cluster_table(voxels, volume.ravel(), 0.1, True, region)
    assert table["peak"].tolist() == pytest.approx([0.5, 0.4, -0.6])
    assert table["size_mm3"].tolist() == [27 * 27, 8 * 27, 2 * 27]
    for voxel, index in zip(table["voxel"], [(6, 6, 6), (12, 13, 12), (16, 2, 2)], strict=True):
        assert tuple(voxels.ijk[voxel]) == index
    expected = (AFFINE @ np.r_[6, 6, 6, 1])[:3]
    np.testing.assert_allclose(table[["x_mm", "y_mm", "z_mm"]].iloc[0].astype(float), expected)
    assert table["region"].tolist() == ["seed, all", "all", "all"]
    assert (cluster_table(voxels, volume.ravel(), 0.1)["peak"] > 0).all(), "one-sided"
    assert cluster_table(voxels, volume.ravel(), 0.7).empty
    assert cluster_table(voxels, volume.ravel(), 0.55, True)["peak"].tolist() == [-0.6], "one sign alone"


def test_patches_of_a_mesh_are_joined_by_its_edges() -> None:
    voxels = surface_voxels("S9", whole_hemispheres((10242, 10242)))
    mesh, faces = template_surface(voxels), fsaverage5_faces()
    values = np.zeros(voxels.n_voxels)
    patches = {}
    for vertex, value in ((4000, 0.5), (10242 + 4000, -0.4)):
        patch = np.unique(faces[(faces == vertex).any(1)])  # the vertex and its neighbours
        values[patch], values[vertex] = value / 2, value
        patches[vertex] = patch
    table = cluster_table(voxels, values, 0.1, True, mesh=mesh)
    assert table["voxel"].tolist() == list(patches) and table["peak"].tolist() == pytest.approx([0.5, -0.4])
    assert table["n_vertices"].tolist() == [len(patch) for patch in patches.values()]
    pial = mesh.forms["pial"]
    a, b, c = (pial[faces[:, k]] for k in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    for size, patch in zip(table["size_mm2"], patches.values(), strict=True):
        assert size == pytest.approx(sum(areas[k] / 3 for v in patch for k in np.flatnonzero((faces == v).any(1))))
    np.testing.assert_allclose(table[["x_mm", "y_mm", "z_mm"]], voxels.surface.mm[table["voxel"]], rtol=1e-5)


def test_what_has_no_neighbours_is_said() -> None:
    values = np.ones(8000)
    with pytest.raises(RequestError, match="have neither"):
        cluster_table(replace(grid(), affine=None), values, 0.1)
    with pytest.raises(RequestError, match="above 0"):
        cluster_table(grid(), values, 0.0)
