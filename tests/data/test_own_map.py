"""A user's own map: read on the voxels' grid or mesh, and refused with a sentence on others."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

from brivl.analyses.flatmap.own_map_panel import agreement, limit_of
from brivl.core.records import Voxels
from brivl.data.anatomy.vertices import surface_voxels, whole_hemispheres
from brivl.data.formats.gifti import gifti_bytes
from brivl.data.own_map import read_own_map
from brivl.errors import DataError

AFFINE = np.diag([4.0, 4, 4, 1])


def voxels(space: str = "S9, native") -> Voxels:
    return Voxels(space, np.argwhere(np.ones((6, 5, 4), bool)), (6, 5, 4), AFFINE)


def nifti(volume: np.ndarray, affine: np.ndarray = AFFINE) -> bytes:
    return nibabel.Nifti1Image(volume.astype(np.float32), affine).to_bytes()


def test_a_map_on_the_grid_is_taken_as_it_is() -> None:
    volume = np.random.default_rng(0).normal(size=(6, 5, 4))
    volume[0, 0, 0] = np.inf
    for content in (nifti(volume), gzip.compress(nifti(volume)), nifti(volume[..., None])):
        values, note = read_own_map({"z.nii.gz": content}, voxels())
        np.testing.assert_allclose(values[1:], volume.ravel()[1:], rtol=1e-6)
        assert np.isnan(values[0]) and "lies on the grid" in note


def test_another_grid_is_read_in_mni_space_only() -> None:
    fine = np.arange(12 * 10 * 8, dtype=float).reshape(12, 10, 8)
    content = nifti(fine, np.diag([2.0, 2, 2, 1]))
    with pytest.raises(DataError, match="on the grid of these voxels"):
        read_own_map({"z.nii": content}, voxels())
    values, note = read_own_map({"z.nii": content}, voxels("MNI152, 4 mm"))
    np.testing.assert_array_equal(values, fine[::2, ::2, ::2].ravel())
    assert "nearest voxel" in note and "12 x 10 x 8" in note


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.nii": b"no image"}, "cannot be read"),
        ({"a.nii.gz": b"\x1f\x8bbroken"}, "cannot be read"),
        ({"a.nii": nifti(np.ones((6, 5, 4)))}, "different values"),
        ({"a.nii": nifti(np.ones((6, 5, 4, 3)))}, "one volume"),
        ({"a.gii": b""}, "one NIfTI file"),
        ({"a.nii": b"", "b.nii": b""}, "one NIfTI file"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_own_map(files, voxels())


def test_hemispheres_of_a_mesh() -> None:
    surface = surface_voxels("S9", whole_hemispheres((10242, 10242)))
    left, right = np.random.default_rng(0).normal(size=(2, 10242))
    files = {"one.gii": gifti_bytes(right, "R"), "two.gii": gifti_bytes(left, "L")}
    values, note = read_own_map(files, surface)
    np.testing.assert_allclose(values, np.r_[left, right], rtol=1e-6)
    assert "one.gii as the right hemisphere" in note
    only, _ = read_own_map({"two.gii": gifti_bytes(left, "L")}, surface)
    assert np.isnan(only[10242:]).all() and np.isfinite(only[:10242]).all()
    with pytest.raises(DataError, match="Expected 10,242 values for the left hemisphere of fsaverage5"):
        read_own_map({"two.gii": gifti_bytes(left[:2562], "L")}, surface)
    with pytest.raises(DataError, match="one GIfTI file"):
        read_own_map({"a.nii": b""}, surface)


def test_agreement_and_limits() -> None:
    rng = np.random.default_rng(0)
    shown = rng.normal(size=500)
    assert "ρ = +1.00 over the 499 voxels" in agreement(np.r_[np.nan, np.exp(shown[1:])], shown)
    assert "too few" in agreement(np.full(500, np.nan), shown)
    assert limit_of(np.linspace(0, 7.63, 1000)) == pytest.approx(7.6) and limit_of(np.array([0.0, 0.031])) >= 0.03
