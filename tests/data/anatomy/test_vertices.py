"""Voxels that are vertices: which vertex of a template shows which column, and where columns lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nibabel.cifti2.cifti2_axes import BrainModelAxis

from brivl.core.flatmap.geometry import check_geometry, to_pixels
from brivl.core.records import Voxels
from brivl.data.anatomy.aal import aal_region_names, load_aal
from brivl.data.anatomy.fs_lr import N_32K, N_59K, hcp_file, mid_thickness, mmp_areas
from brivl.data.anatomy.fsaverage5 import load_fsaverage5
from brivl.data.anatomy.vertices import (
    _fsaverage5_sphere,
    columns_of,
    name_of_mesh,
    surface_voxels,
    whole_hemispheres,
)
from brivl.data.flatmaps import make_flatmap
from brivl.data.formats.cifti import read_grayordinates
from brivl.data.regions import coordinates
from brivl.data.subject_facts import _facts, _voxel_arrays
from brivl.data.surfaces import has_surface, is_prepared_by_fits, make_surface
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey
from tests.support.surface_files import write_dense

RNG = np.random.default_rng(3)


def grayordinates_91k() -> BrainModelAxis:
    """The 59,412 vertices of the 91k space, and two of its structures on a grid of 6 mm."""
    grey = np.load(hcp_file("fMRI_vertex_info_32k.npz"))
    axis = BrainModelAxis.from_surface(grey["grayl"], N_32K, "CORTEX_LEFT")
    axis = axis + BrainModelAxis.from_surface(grey["grayr"], N_32K, "CORTEX_RIGHT")
    affine = np.array([[-6.0, 0, 0, 90], [0, 6, 0, -126], [0, 0, 6, -72], [0, 0, 0, 1]])
    grid = np.stack(np.indices((31, 37, 31)), -1).reshape(-1, 3)
    aal = load_aal().at(grid @ affine[:3, :3].T + affine[:3, 3]).reshape(31, 37, 31)
    for number, name in ((37, "HIPPOCAMPUS_LEFT"), (78, "THALAMUS_RIGHT")):
        axis = axis + BrainModelAxis.from_mask(aal == number, name, affine)
    return axis


@pytest.fixture(scope="module")
def cifti(tmp_path_factory: pytest.TempPathFactory) -> Voxels:
    axis = grayordinates_91k()
    path = write_dense(tmp_path_factory.mktemp("cifti") / "a.dtseries.nii", np.zeros((3, len(axis))), axis)
    return surface_voxels("sub-01", read_grayordinates(path))


@pytest.fixture(scope="module")
def fsaverage5() -> Voxels:
    return surface_voxels("sub-01", whole_hemispheres((10_242, 10_242)))


def test_meshes_are_named_by_their_numbers_of_vertices() -> None:
    names = {10_242: "fsaverage5", 40_962: "fsaverage6", 163_842: "fsaverage", N_32K: "fs_LR 32k", N_59K: "fs_LR 59k"}
    assert all(name_of_mesh((n, n)) == name for n, name in names.items())
    assert name_of_mesh((10_242, 0)) == "fsaverage5" and name_of_mesh((131_000, 132_000)) == "fsnative"


def test_fsaverage5_is_drawn_vertex_by_vertex(fsaverage5: Voxels, tmp_path: Path) -> None:
    brain = load_fsaverage5()
    assert np.array_equal(fsaverage5.surface.drawn, np.arange(20_484)) and fsaverage5.in_mni
    assert np.allclose(coordinates(fsaverage5), (brain.pia + brain.wm) / 2, atol=1e-3)
    geometry = make_flatmap(Store(tmp_path), fsaverage5)
    check_geometry(geometry)
    shown = to_pixels(geometry, brain.pia.T)
    half = geometry.mask.shape[1] // 2
    assert np.nanmax(shown[0][:, :half]) < 5 and np.nanmin(shown[0][:, half:]) > -5, "left is left"
    assert fsaverage5.index_of(10_250) == ("vertex", "right 8")


def test_a_region_at_a_place_is_drawn_where_its_outline_is(fsaverage5: Voxels, cifti: Voxels, tmp_path: Path) -> None:
    """AAL regions by coordinates lie within the outlines of the map, and in front of or behind one another."""
    names = aal_region_names()
    for voxels in (fsaverage5, cifti):
        geometry = make_flatmap(Store(tmp_path), voxels)
        at = load_aal().at(coordinates(voxels))
        for name in ("Precentral_L", "Calcarine_R"):
            inside = at == names.index(name) + 1
            drawn = to_pixels(geometry, inside.astype(float)) > 0.5
            corners = np.concatenate(geometry.outlines[name])
            rows, columns = np.nonzero(drawn)
            (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
            within = (columns > x0 - 8) & (columns < x1 + 8) & (rows > y0 - 8) & (rows < y1 + 8)
            assert drawn.sum() > 100 and within.mean() > 0.9, (voxels.space, name)


def test_cifti_has_cortex_on_fs_lr_and_subcortex_in_space(cifti: Voxels, tmp_path: Path) -> None:
    surface = cifti.surface
    assert surface.mesh == surface.template == "fs_LR 32k" and (surface.drawn >= 0).sum() == 59_412
    assert np.allclose(surface.mm[:59_412], mid_thickness()[surface.place[:59_412]], atol=1e-3)
    below = np.flatnonzero(surface.vertex < 0)
    assert surface.n_in_space == len(below) > 20 and (surface.place[below] == -1).all()
    at = load_aal().at(surface.mm[below])
    assert set(at) == {37, 78} and cifti.index_of(int(below[0]))[0] == "index"
    assert "subcortical voxels" in cifti.space and (cifti.ijk < cifti.shape).all()
    store = Store(tmp_path)
    assert has_surface(cifti) and is_prepared_by_fits(cifti)
    mesh = make_surface(store, cifti)
    shown = mesh.vertex_to_voxel @ np.isin(np.arange(cifti.n_voxels), below[at == 37]).astype(float)
    assert shown[: mesh.n_cortex].max() == 0 and (mesh.region[shown > 0] == 37).mean() > 0.5
    assert (shown[mesh.region == 37][-100:] > 0).mean() > 0.8, "the mesh of the hippocampus shows its voxels"
    v1 = next(number for number, name in mmp_areas()[1].items() if name == "L_V1")
    lit = mesh.vertex_to_voxel @ np.where(surface.place >= 0, mmp_areas()[0][surface.place] == v1, False).astype(float)
    assert mesh.forms["pial"][lit > 0, 1].max() < -50 and mesh.forms["inflated"][lit > 0, 0].max() < 0


def test_finer_meshes_are_drawn_on_what_there_is() -> None:
    for n in (40_962, 163_842):
        voxels = surface_voxels("sub-01", whole_hemispheres((n, n)))
        assert voxels.surface.drawn.tolist() == [*range(10_242), *range(n, n + 10_242)]
        assert np.isnan(voxels.surface.mm[10_242:n]).all() and "drawn on fsaverage5 by nearest vertex" in voxels.space
        assert (voxels.surface.place[:10_242] == np.arange(10_242)).all() and load_aal().at(coordinates(voxels)).any()
    fine = surface_voxels("sub-01", whole_hemispheres((N_59K, N_59K))).surface
    assert fine.template == "fs_LR 32k" and len(np.unique(fine.drawn)) == 2 * N_32K
    assert np.linalg.norm(fine.mm[fine.drawn] - mid_thickness(), axis=1).max() < 4


def test_a_mesh_of_the_subject_is_drawn_by_its_registered_sphere() -> None:
    sphere = _fsaverage5_sphere()
    order = [RNG.permutation(10_242), RNG.permutation(10_242)]
    extra = sphere[:500] + RNG.normal(size=(500, 3))
    registered = np.concatenate([sphere[:10_242][order[0]], extra, sphere[10_242:][order[1]]])
    voxels = surface_voxels("sub-01", whole_hemispheres((10_742, 10_242)), registered * 1.3)
    surface = voxels.surface
    assert surface.mesh == "fsnative" and surface.template == "fsaverage5"
    assert np.array_equal(surface.drawn[order[0]], np.arange(10_242))
    assert np.array_equal(surface.drawn[10_242:][order[1]], 10_742 + np.arange(10_242))
    assert np.array_equal(surface.place[:10_242], order[0])
    unknown = surface_voxels("sub-01", whole_hemispheres((10_742, 10_242)))
    assert unknown.surface is None and unknown.flatmap == "slices" and not has_surface(unknown)


def test_one_hemisphere_alone() -> None:
    brain = load_fsaverage5()
    voxels = surface_voxels("sub-01", whole_hemispheres((0, 10_242)))
    assert (voxels.surface.drawn[:10_242] == -1).all() and voxels.n_voxels == 10_242
    assert np.allclose(coordinates(voxels), ((brain.pia + brain.wm) / 2)[10_242:], atol=1e-3)


def test_voxels_come_back_from_the_store_and_columns_as_the_file_has_them(cifti: Voxels, tmp_path: Path) -> None:
    arrays, info = _voxel_arrays(cifti)
    timing = {"tr": 1.0, "n_train": 3, "n_test": 0, "n_runs": 1, "n_groups": None, "n_repeats": None}
    key = ArtifactKey("subject", {"of": "a test"})
    Store(tmp_path).put(key, arrays, info | {"timing": timing})
    again = _facts(Store(tmp_path).get(key)).voxels
    for name in ("drawn", "vertex", "mm", "place", "affine"):
        np.testing.assert_array_equal(getattr(again.surface, name), getattr(cifti.surface, name))
    assert replace(again.surface, **{n: None for n in ("structure", "vertex", "drawn", "place", "mm", "affine")}) == (
        replace(cifti.surface, **{n: None for n in ("structure", "vertex", "drawn", "place", "mm", "affine")})
    )
    where = columns_of(cifti)
    axis = grayordinates_91k()
    assert np.array_equal(where.structure, axis.name.astype(str)) and np.array_equal(where.vertex, axis.vertex)
    assert np.array_equal(where.ijk[where.vertex < 0], axis.voxel[~axis.surface_mask])
