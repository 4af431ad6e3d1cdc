"""Maps on the mesh of the data, and atlases of vertices: HCP-MMP1.0, .annot, .label.gii and .dlabel.nii."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from nibabel.cifti2 import Cifti2Header, Cifti2Image
from nibabel.cifti2.cifti2_axes import LabelAxis
from nibabel.freesurfer.io import write_annot

from brivl.core.records import Voxels
from brivl.data.anatomy.fs_lr import N_32K, hcp_file, mid_thickness
from brivl.data.anatomy.own_vertex_atlases import add_vertex_atlases, find_vertex_atlases
from brivl.data.anatomy.vertex_files import surface_files
from brivl.data.anatomy.vertices import surface_voxels, whole_hemispheres
from brivl.data.formats.cifti import read_grayordinates
from brivl.data.regions import available_parcellations, region_masks
from brivl.sharing import maps
from tests.data.anatomy.test_vertices import grayordinates_91k
from tests.support.surface_files import write_dense, write_labels

RNG = np.random.default_rng(5)


def dense_voxels(folder: Path) -> Voxels:
    axis = grayordinates_91k()
    return surface_voxels(
        "sub-01", read_grayordinates(write_dense(folder / "a.dtseries.nii", np.zeros((3, len(axis))), axis))
    )


def test_maps_are_written_on_the_mesh_of_the_data(tmp_path: Path) -> None:
    voxels = surface_voxels("sub-01", whole_hemispheres((10_242, 10_242)))
    values = RNG.normal(size=20_484).astype(np.float32)
    values[7] = np.nan
    files = surface_files(voxels, values, "joint")
    assert list(files) == ["hemi-L_space-fsaverage5.func.gii", "hemi-R_space-fsaverage5.func.gii"]
    halves = [nibabel.GiftiImage.from_bytes(content).agg_data() for content in files.values()]
    np.testing.assert_array_equal(np.concatenate(halves), values)
    dense = dense_voxels(tmp_path)
    values = RNG.normal(size=dense.n_voxels).astype(np.float32)
    ((name, content),) = surface_files(dense, values, "joint").items()
    (tmp_path / "map.dscalar.nii").write_bytes(content)
    image = nibabel.load(tmp_path / "map.dscalar.nii")
    assert name == "space-fsLR_den-91k.dscalar.nii" and image.header.get_axis(1) == grayordinates_91k()
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32)[0], values)


def test_areas_of_hcp_mmp_lie_where_the_package_has_them(tmp_path: Path) -> None:
    voxels = dense_voxels(tmp_path)
    masks = region_masks(voxels, "mmp")
    packaged = np.load(hcp_file("mmp_1.0.npz"))
    assert len(masks) == 360 and "mmp" in available_parcellations(voxels)
    number = packaged["ids"][packaged["labels"] == "R_MT"][0]
    np.testing.assert_array_equal(masks["MT, right (HCP-MMP)"][:59_412], packaged["map_all"][:59_412] == number)
    assert not any(inside[59_412:].any() for inside in masks.values())
    y = mid_thickness()[voxels.surface.place[:59_412], 1]
    means = [y[inside[:59_412]].mean() for inside in masks.values()]
    assert (np.diff(means) <= 1e-3).all(), "from front to back"
    fsaverage5 = surface_voxels("sub-01", whole_hemispheres((10_242, 10_242)))
    assert "mmp" not in available_parcellations(fsaverage5) and "hcp" in available_parcellations(fsaverage5)


def test_own_labels_of_vertices_become_levels(tmp_path: Path) -> None:
    atlases = tmp_path / "atlases"
    atlases.mkdir()
    colours = np.array([[0, 0, 0, 0, 0], [255, 0, 0, 0, 255], [0, 255, 0, 0, 65280]])
    left, right = RNG.integers(0, 3, 10_242), RNG.integers(0, 3, 10_242)
    for side, labels in (("lh", left), ("rh", right)):
        write_annot(str(atlases / f"{side}.mine.annot"), labels, colours, ["unknown", "front", "back"])
    for side, labels in (("L", left), ("R", right)):
        write_labels(atlases / f"hemi-{side}_atlas-gii.label.gii", labels, {0: "???", 1: "front", 2: "back"})
    voxels = surface_voxels("sub-01", whole_hemispheres((10_242, 10_242)))
    found, notes = add_vertex_atlases(voxels, find_vertex_atlases(tmp_path, []))
    assert set(found.parcellations) == {"atlas-mine", "atlas-gii"} and all("4 regions" in note for note in notes)
    for level, short in (("atlas-mine", "mine"), ("atlas-gii", "gii")):
        masks = region_masks(found, level)
        np.testing.assert_array_equal(masks[f"front, left ({short})"], np.r_[left == 1, np.zeros(10_242, bool)])
        np.testing.assert_array_equal(masks[f"back, right ({short})"], np.r_[np.zeros(10_242, bool), right == 2])
    other, notes = add_vertex_atlases(dense_voxels(tmp_path), find_vertex_atlases(tmp_path, []))
    assert not other.parcellations and all("is left out" in note and "fsaverage5" in note for note in notes)


def test_a_dlabel_reaches_vertices_and_voxels(tmp_path: Path) -> None:
    voxels = dense_voxels(tmp_path)
    axis = grayordinates_91k()
    labels = np.zeros(len(axis))
    labels[100:200], labels[-5:] = 3, 4
    table = {0: ("???", (0, 0, 0, 0)), 3: ("area", (1, 0, 0, 1)), 4: ("nucleus", (0, 1, 0, 1))}
    header = Cifti2Header.from_axes((LabelAxis(["x"], [table]), axis))
    (tmp_path / "atlases").mkdir()
    Cifti2Image(labels[None].astype(np.float32), header).to_filename(tmp_path / "atlases/parcels.dlabel.nii")
    known, (note,) = add_vertex_atlases(voxels, find_vertex_atlases(tmp_path, []))
    masks = region_masks(known, "atlas-parcels")
    assert np.flatnonzero(masks["area (parcels)"]).tolist() == [*range(100, 200)] and "2 regions" in note
    assert np.flatnonzero(masks["nucleus (parcels)"]).tolist() == [*range(len(axis) - 5, len(axis))]
    fine = surface_voxels("sub-01", whole_hemispheres((59_292, 59_292)))
    brought, (note,) = add_vertex_atlases(fine, find_vertex_atlases(tmp_path, []))
    assert "brought from fs_LR 32k by nearest vertex" in note and fine.surface.place.max() < 2 * N_32K
    (tmp_path / "atlases/parcels.dlabel.nii").write_bytes(b"no labels")
    _, (note,) = add_vertex_atlases(voxels, find_vertex_atlases(tmp_path, []))
    assert "is left out. Expected a CIFTI-2 file" in note


def test_files_of_a_bundle_are_named_by_the_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    voxels = surface_voxels("sub-01", whole_hemispheres((10_242, 10_242)))
    values = RNG.normal(size=voxels.n_voxels)
    evidence = SimpleNamespace(
        facts={"sub-01": SimpleNamespace(voxels=voxels)},
        maps=lambda store: {("sub-01", "joint"): values, ("sub-01", "unique_a"): values},
        summary=SimpleNamespace(simulated=False, short_name="study", dataset=object()),
        map_layer=4,
    )
    monkeypatch.setattr(maps, "_sidecar", lambda *_: b"{}")
    files = maps.map_files(None, evidence)
    stems = [f"maps/sub-01/sub-01_task-study_hemi-{side}_space-fsaverage5_stat-r2_desc-layer04" for side in "LR"]
    for what in ("Joint", "UniqueA"):
        assert all(f"{stem}{what}_statmap.{end}" in files for stem in stems for end in ("func.gii", "json"))
    assert len(files) == 8 and not maps.why_no_maps(evidence)
