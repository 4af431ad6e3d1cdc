"""Coarser meshes against spheres and tori, and S1 in space against its own surfaces."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.records import Voxels
from brivl.data.anatomy import decimate
from brivl.data.anatomy.cortex import find_cortical_voxels, load_s1, load_s1_inflated
from brivl.data.anatomy.decimate import decimate_mesh
from brivl.data.anatomy.s1_surface import surface_from_meshes
from brivl.data.surfaces import has_surface, is_prepared_by_fits
from brivl.errors import DataError
from brivl.viz.browser.map_payload import surface_payload
from tests.core.flatmap.test_surface import volume


def torus(n: int = 90, m: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Radii 3 and 1; its neighbours along the tube are near in space and far along the surface."""
    u, v = np.meshgrid(np.arange(n) * 2 * np.pi / n, np.arange(m) * 2 * np.pi / m, indexing="ij")
    places = np.stack([(3 + np.cos(v)) * np.cos(u), (3 + np.cos(v)) * np.sin(u), np.sin(v)], -1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(n), np.arange(m), indexing="ij")
    at = lambda a, b: ((a % n) * m + b % m).ravel()  # noqa: E731
    one = np.stack([at(i, j), at(i + 1, j), at(i + 1, j + 1)], 1)
    return places, np.concatenate([one, np.stack([at(i, j), at(i + 1, j + 1), at(i, j + 1)], 1)])


def edges_of(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return np.unique(edges, axis=0, return_counts=True)


def test_a_coarser_torus_is_closed_and_still_a_torus() -> None:
    places, faces = torus()
    kept, few = decimate_mesh(places, faces, 500)
    assert len(kept) == 500 == len(set(kept.tolist())) and few.max() == 499
    edges, counts = edges_of(few)
    assert (counts == 2).all(), "each edge belongs to two faces"
    assert 500 - len(edges) + len(few) == 0, "Euler's number of a torus"
    assert volume(places[kept], few) == pytest.approx(2 * np.pi**2 * 3, rel=0.06)
    nearest = np.linalg.norm(places[:, None] - places[kept][None], axis=2).min(1)
    assert nearest.max() < 0.7, "no part is left out"


def test_the_same_seed_gives_the_same_mesh_and_nonsense_is_refused() -> None:
    places, faces = torus(40, 20)
    for one, other in zip(decimate_mesh(places, faces, 100), decimate_mesh(places, faces, 100), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(DataError, match="4 to 800"):
        decimate_mesh(places, faces, 900)


def test_s1_in_space_shows_the_voxels_near_each_vertex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decimate, "N_RELAXATIONS", 1)  # quicker, a little less even
    s1 = load_s1()
    cortex, inflated_whole = find_cortical_voxels(s1), load_s1_inflated()
    voxels = cortex.voxels()
    solid = surface_from_meshes(s1, inflated_whole, voxels, n_each=3000)
    assert len(solid.shade) == 6000 and not solid.region.any() and solid.n_cortex == 6000
    mm = voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]
    has = np.asarray(solid.vertex_to_voxel.sum(1)).ravel() > 0
    assert has.mean() > 0.9
    shown, pial = (solid.vertex_to_voxel @ mm)[has], solid.forms["pial"][has]
    assert np.median(np.linalg.norm(shown - pial, axis=1)) < 4 and np.linalg.norm(shown - pial, axis=1).max() < 12
    side = solid.vertex_to_voxel @ cortex.left.astype(float)
    assert side[has & (np.arange(6000) < 3000)].mean() > 0.98 and side[has & (np.arange(6000) >= 3000)].mean() < 0.02
    inflated = solid.forms["inflated"]
    assert inflated[:3000, 0].max() < 0 < inflated[3000:, 0].min(), "left is left"
    assert (edges_of(solid.faces)[1] == 2).mean() > 0.999
    assert volume(solid.forms["pial"], solid.faces) == pytest.approx(volume(s1.pia, s1.faces), rel=0.3)
    packed = surface_payload(solid, voxels, {})
    assert len(packed.data) < 10_000_000
    with pytest.raises(DataError, match="grid"):
        surface_from_meshes(
            s1, inflated_whole, Voxels("other", voxels.ijk[:2], (99, 100, 100), None, flatmap="pycortex-S1")
        )


def test_surfaces_of_s1_are_made_when_asked_for() -> None:
    ijk = np.zeros((1, 3), int)
    s1 = Voxels("S1 (pycortex), fullhead", ijk, (31, 100, 100), np.eye(4), flatmap="pycortex-S1")
    mni = Voxels("MNI152", ijk, (1, 1, 1), np.eye(4), flatmap="fsaverage5")
    assert has_surface(s1) and not is_prepared_by_fits(s1) and is_prepared_by_fits(mni)
    assert not has_surface(Voxels("native", ijk, (1, 1, 1), np.eye(4)))
