"""Surfaces in space: meshes of masks, fsaverage5 with AAL's regions, and what the browser is sent of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brivl.core.flatmap.surface import SurfaceMesh, from_arrays, to_arrays
from brivl.core.records import Voxels
from brivl.data.anatomy.aal import aal_region_names, load_aal, mni_grid
from brivl.data.anatomy.fsaverage5_surface import SUBCORTICAL, fsaverage5_surface
from brivl.data.anatomy.mask_mesh import mask_mesh
from brivl.data.flatmaps import flatmap_key
from brivl.data.surfaces import has_surface, make_surface, stored_surface
from brivl.errors import DataError
from brivl.store.artifacts import Store
from brivl.viz.browser.map_payload import COORDINATE_UNIT, surface_payload
from brivl.viz.browser.packing import unpack


def volume(places: np.ndarray, faces: np.ndarray) -> float:
    """Of a closed mesh, by the divergence theorem; positive where faces are counter-clockwise from outside."""
    a, b, c = (places[faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


@pytest.fixture(scope="module")
def voxels() -> Voxels:
    return mni_grid(6.0)


@pytest.fixture(scope="module")
def surface(voxels: Voxels) -> SurfaceMesh:
    return fsaverage5_surface(voxels)


@pytest.mark.parametrize("step", [1, 2])
def test_mesh_of_a_ball_is_closed_and_has_its_volume(step: int) -> None:
    grid = np.stack(np.mgrid[:40, :40, :40], axis=-1) - 19.5
    ball = (grid**2).sum(-1) < 14**2
    places, faces = mask_mesh(ball, step)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all(), "each edge belongs to two faces"
    assert volume(places, faces) == pytest.approx(4 / 3 * np.pi * 14**3, rel=0.05)
    np.testing.assert_allclose(np.linalg.norm(places - 19.5, axis=1), 14, atol=0.9 * step)


def test_every_vertex_has_the_voxels_near_it(surface: SurfaceMesh, voxels: Voxels) -> None:
    mm = voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]
    shown = surface.vertex_to_voxel @ mm
    has = np.asarray(surface.vertex_to_voxel.sum(1)).ravel() > 0
    pial = surface.forms["pial"]
    cortex = has & (np.arange(len(has)) < surface.n_cortex)
    assert cortex.sum() > 0.9 * surface.n_cortex
    assert np.linalg.norm(shown[cortex] - pial[cortex], axis=1).max() < 15
    assert (np.sign(shown[cortex, 0]) * np.sign(pial[cortex, 0]) >= 0).mean() > 0.98, "hemispheres are kept apart"


def test_ninety_regions_of_which_twelve_are_below(surface: SurfaceMesh) -> None:
    above, below = np.split(surface.region, [surface.n_cortex])
    assert set(np.unique(below)) == set(SUBCORTICAL) and len(SUBCORTICAL) == 12
    assert set(np.unique(above)) - {0} == set(range(1, 91)) - set(SUBCORTICAL)
    names = aal_region_names()
    structures = {names[number - 1].rsplit("_", 1)[0] for number in SUBCORTICAL}
    assert structures == {"Hippocampus", "Amygdala", "Caudate", "Putamen", "Pallidum", "Thalamus"}


def test_vertices_of_the_cortex_lie_in_the_region_that_they_are_named_after(surface: SurfaceMesh) -> None:
    atlas, pial = load_aal(), surface.forms["pial"][: surface.n_cortex]
    at = atlas.at(pial * 0.97)
    inside = (at > 0) & (at <= 90)
    assert (at == surface.region[: surface.n_cortex])[inside].mean() > 0.7


def test_all_meshes_face_outwards_and_left_is_left(surface: SurfaceMesh) -> None:
    cortex = surface.faces[(surface.faces < surface.n_cortex).all(1)]
    below = surface.faces[(surface.faces >= surface.n_cortex).all(1)]
    for form in surface.forms.values():
        assert volume(form, cortex) > 5e5 and volume(form - form[surface.n_cortex :].mean(0), below) > 5e4
    left = np.isin(surface.region, np.arange(1, 91, 2))
    assert surface.forms["inflated"][left & (np.arange(len(left)) < surface.n_cortex), 0].max() < 0


def test_voxels_without_a_place_are_refused(voxels: Voxels) -> None:
    with pytest.raises(DataError, match="affine"):
        fsaverage5_surface(replace(voxels, affine=None))
    assert not has_surface(replace(voxels, flatmap="slices", affine=None))


def test_stored_surfaces_come_back(surface: SurfaceMesh, voxels: Voxels, tmp_path) -> None:
    again = from_arrays(to_arrays(surface))
    np.testing.assert_array_equal(again.faces, surface.faces)
    assert (again.vertex_to_voxel != surface.vertex_to_voxel).nnz == 0
    store = Store(tmp_path / "store")
    assert stored_surface(store, voxels) is None
    made = make_surface(store, voxels)
    assert stored_surface(store, voxels).n_cortex == made.n_cortex and flatmap_key(voxels)
    with pytest.raises(DataError, match="Build the surfaces again"):
        from_arrays({"faces": surface.faces})


def test_payload(surface: SurfaceMesh, voxels: Voxels) -> None:
    packed = surface_payload(surface, voxels, {1: "Precentral"})
    meta, arrays = unpack(packed.data)
    assert meta["kind"] == "solid" and meta["region_names"] == {"1": "Precentral"} and len(packed.data) < 1.5e6
    pial = arrays["form_pial"].reshape(-1, 3) / COORDINATE_UNIT
    np.testing.assert_allclose(pial, surface.forms["pial"], atol=0.51 / COORDINATE_UNIT)
    np.testing.assert_array_equal(arrays["faces"].reshape(-1, 3), surface.faces)
    np.testing.assert_array_equal(arrays["aal"], voxels.aal)
