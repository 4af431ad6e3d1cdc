"""Maps on fsaverage: sampling against nilearn's, hemispheres and names, and what a bundle holds of them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.gifti import GiftiImage
from nilearn.surface import vol_to_surf

from brivl.core.records import Voxels
from brivl.data.anatomy.fsaverage5 import CORTICAL_DEPTHS, load_fsaverage5, project_to_fsaverage5
from brivl.data.formats.gifti import gifti_bytes, hemispheres, mesh_name
from brivl.data.shortclips.loader import open_shortclips
from brivl.data.shortclips.mapper import read_fsaverage, to_vertices
from brivl.errors import DataError
from brivl.sharing.bundle import bundle_bytes
from tests.support.app_samples import SENTENCES
from tests.support.sharing_samples import figure_of, stored
from tests.support.shortclips_fixture import make_shortclips

MM = 4.0


@pytest.fixture
def brain_voxels() -> Voxels:
    """Every voxel of a grid around the whole brain."""
    shape = (46, 56, 46)
    affine = np.array([[MM, 0, 0, -90], [0, MM, 0, -124], [0, 0, MM, -80], [0, 0, 0, 1]])
    return Voxels("MNI152, 4 mm", np.argwhere(np.ones(shape, bool)), shape, affine, flatmap="fsaverage5")


def test_sampling_is_nilearns(brain_voxels: Voxels) -> None:
    """nilearn interpolates, this takes the nearest voxel: they differ by at most half a voxel's diagonal of a slope."""
    slope = np.array([0.1, -0.2, 0.15])
    values = (brain_voxels.ijk @ brain_voxels.affine[:3, :3].T + brain_voxels.affine[:3, 3]) @ slope
    found, brain = project_to_fsaverage5(brain_voxels, values), load_fsaverage5()
    image = nibabel.Nifti1Image(values.reshape(brain_voxels.shape), brain_voxels.affine)
    outer, inner = ((points, brain.flat_faces) for points in (brain.pia, brain.wm))
    expected = vol_to_surf(image, outer, inner_mesh=inner, interpolation="linear", depth=list(CORTICAL_DEPTHS))
    away = np.abs(brain.pia[:, 0]) > 2 * MM  # at the midline only voxels of the own side are taken
    apart = np.abs(found - expected)[away]
    assert len(found) == 20_484 and apart.max() < MM / 2 * np.abs(slope).sum() and abs(apart.mean()) < 0.3
    assert np.corrcoef(found[away], expected[away])[0, 1] > 0.999


def test_voxels_that_were_not_fitted_are_left_out(brain_voxels: Voxels) -> None:
    left = brain_voxels.ijk[:, 0] * MM - 90 < 0
    found = hemispheres(project_to_fsaverage5(brain_voxels, np.where(left, 0.25, np.nan)))
    assert np.nanmin(found["L"]) == np.nanmax(found["L"]) == 0.25 and np.isfinite(found["L"]).mean() > 0.99
    assert np.isnan(found["R"]).mean() > 0.95


def test_files_come_back(rng: np.random.Generator) -> None:
    values = rng.standard_normal(10_242)
    values[3] = np.nan
    image = GiftiImage.from_bytes(gifti_bytes(values, "R"))
    np.testing.assert_array_equal(image.darrays[0].data, values.astype(np.float32))
    assert dict(image.meta)["AnatomicalStructurePrimary"] == "CortexRight"
    assert mesh_name(10_242) == "fsaverage5" and mesh_name(163_842) == "fsaverage"
    with pytest.raises(DataError, match="two hemispheres"):
        hemispheres(np.zeros(7))


def test_a_bundle_holds_both_hemispheres_of_voxels_in_mni_space() -> None:
    store = stored(SENTENCES, (5,), ("P01",))
    record = figure_of(store, "flatmap", SENTENCES, layers=(5,), subjects=("P01",))
    voxels = record.evidence.facts["P01"].voxels
    with zipfile.ZipFile(io.BytesIO(bundle_bytes(store, record))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    names = [name for name in files if name.endswith(".func.gii")]
    assert len(names) == (6 if voxels.flatmap == "fsaverage5" else 0)


def test_shortclips_reach_fsaverage_by_their_mapper(tmp_path: Path, rng: np.random.Generator) -> None:
    folder = make_shortclips(tmp_path / "shortclips")
    dataset, values = open_shortclips(folder), rng.standard_normal(20)
    operator = read_fsaverage(folder / "mappers" / "S01_mappers.hdf")
    np.testing.assert_array_equal(dataset.on_fsaverage("S01", values), to_vertices(operator, values))
