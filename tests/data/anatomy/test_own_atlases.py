"""Atlases and ROIs of the user: found, brought to voxels by another implementation, named, refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nilearn.image import resample_img

from brivl.config import cache_dir
from brivl.core.records import Voxels
from brivl.data.anatomy.aal import load_aal, mni_grid
from brivl.data.anatomy.label_tables import read_label_table
from brivl.data.anatomy.own_atlases import add_own_regions, find_own_regions, own_parcellation
from brivl.data.bids.loader import open_bids
from brivl.data.dataset import Dataset
from brivl.data.plain.loader import open_plain
from brivl.data.reading import reading_of
from brivl.data.regions import (
    available_parcellations,
    checked_parcellation,
    region_choices,
    region_mask,
    region_masks,
    with_mni_anatomy,
)
from brivl.data.subject_facts import load_facts, stored_facts
from brivl.encoding.fit import FitRequest, fit
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store
from tests.support.app_driver import fresh_server, headline, open_page, region_charts  # noqa: F401 (a fixture)
from tests.support.bids_fixture import make_bids, noise, write_nifti

SPACE = "space-MNI152NLin2009cAsym"
AFFINE_3MM = np.array([[3.0, 0, 0, -60], [0, 3.0, 0, -90], [0, 0, 3.0, -20], [0, 0, 0, 1]])


def write_atlas(path: Path, labels: np.ndarray, affine: np.ndarray, names: dict[int, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.int16), affine), path)
    if names is not None:
        rows = "".join(f"{number}\t{name}\n" for number, name in names.items())
        path.with_name(path.name.removesuffix(".nii.gz") + ".tsv").write_text(f"index\tname\n{rows}")
    return path


def make_mni_study(root: Path) -> Path:
    """A BIDS folder whose 12 x 12 x 8 voxels of 3 mm lie in the left occipital lobe of MNI space."""
    rng = np.random.default_rng(0)
    make_bids(root, mask=False)
    affine = np.array([[3.0, 0, 0, -42], [0, 3.0, 0, -100], [0, 0, 3.0, -8], [0, 0, 0, 1]])
    for path in (root / "sub-01/func").glob("*_bold.nii.gz"):
        path.unlink()
        stem = path.name.removesuffix("_bold.nii.gz")
        write_nifti(path.with_name(f"{stem}_{SPACE}_bold.nii.gz"), noise(rng, (12, 12, 8, 20)), affine=affine)
    write_nifti(
        root / f"sub-01/func/sub-01_task-view_{SPACE}_mask.nii.gz", np.ones((12, 12, 8), np.uint8), 2.5, "sec", affine
    )
    return root


def test_voxels_in_mni_space_get_aal1_and_views_on_fsaverage(tmp_path: Path) -> None:
    data = open_bids(make_mni_study(tmp_path / "study"))
    raw = data.responses("sub-01").voxels
    levels = ("aal3", "hcp", "area", "merged", "region")
    assert raw.aal is None and available_parcellations(raw) == levels
    voxels = load_facts(Store(tmp_path / "cache"), data, "sub-01").voxels
    assert available_parcellations(voxels) == ("area", "merged", "region", "aal3", "hcp")
    assert voxels.flatmap == "fsaverage5" and with_mni_anatomy(voxels) is voxels
    mm = nibabel.affines.apply_affine(raw.affine, raw.ijk)
    atlas = load_aal()
    nearest = np.round(nibabel.affines.apply_affine(np.linalg.inv(atlas.affine), mm)).astype(int)
    np.testing.assert_array_equal(voxels.aal, atlas.labels[tuple(nearest.T)])
    for level in levels:  # the same regions before and after, so that a region that a page names is found by a fit
        for name, inside in region_masks(voxels, level).items():
            np.testing.assert_array_equal(inside, region_masks(raw, level)[name])
    assert np.array_equal(region_mask(raw, "Occipital lobe"), region_masks(voxels, "area")["Occipital lobe"])
    assert set(region_choices(raw)) == {name for level in levels[2:] for name in region_masks(raw, level)}


def test_labels_are_those_of_the_sentence_phantom(tmp_path: Path) -> None:
    grid = mni_grid(8.0)
    found = with_mni_anatomy(Voxels(grid.space, grid.ijk, grid.shape, grid.affine))
    np.testing.assert_array_equal(found.aal, grid.aal)
    assert found.flatmap == grid.flatmap == "fsaverage5"
    native = Voxels("native", grid.ijk, grid.shape, grid.affine)
    assert with_mni_anatomy(native) is native and available_parcellations(native) == ()
    below = np.isin(grid.aal, (71, 72, 77, 78))
    subcortical = with_mni_anatomy(Voxels(grid.space, grid.ijk[below], grid.shape, grid.affine))
    assert subcortical.aal is not None and subcortical.flatmap == "slices"
    away = Voxels("MNI152", grid.ijk + 1000, grid.shape, grid.affine)
    assert with_mni_anatomy(away) is away


def test_label_image_on_another_grid_is_resampled_as_nilearn_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, (21, 19, 17))
    path = write_atlas(tmp_path / f"atlases/{SPACE}_atlas-Mine_dseg.nii.gz", labels, AFFINE_3MM, {1: "one", 3: "three"})
    affine = np.array([[-2.5, 0, 0, 0.3], [0, 2.0, 0, -88.0], [0, 0, 2.2, -18.7], [0, 0, 0, 1]])  # radiological
    shape = (24, 20, 16)
    ijk = np.argwhere(rng.random(shape) < 0.2)
    index = nibabel.affines.apply_affine(np.linalg.inv(AFFINE_3MM) @ affine, ijk)
    # scipy, which nilearn calls, takes the outer half of the voxels at the border for outside.
    ijk = ijk[((index >= 0) & (index <= np.array(labels.shape) - 1)).all(1)]
    voxels = Voxels("sub-01, MNI152NLin6Asym space", ijk, shape, affine)
    regions = find_own_regions(tmp_path, (), "MNI152NLin6Asym")
    found, (note,) = add_own_regions(voxels, regions, "MNI152NLin6Asym")
    image = resample_img(
        nibabel.load(path), affine, shape, interpolation="nearest", force_resample=True, copy_header=True
    )
    expected = np.asarray(image.dataobj)[tuple(ijk.T)]
    own = found.parcellations["atlas-Mine"]
    np.testing.assert_array_equal(own.labels, expected)
    assert own.names == {1: "one", 3: "three"} and "resampled by nearest voxel" in note and "2 of them without" in note
    assert available_parcellations(found)[-1] == "atlas-Mine"
    masks = region_masks(found, "atlas-Mine")
    assert set(masks) == {"one (Mine)", "three (Mine)", "label 2 (Mine)", "label 4 (Mine)"}
    assert all(np.array_equal(masks[f"{name} (Mine)"], expected == n) for n, name in ((1, "one"), (3, "three")))
    with pytest.raises(RequestError, match="No atlas called Other lies with these data"):
        checked_parcellation("atlas-Other", found)


def test_atlas_and_rois_of_a_bids_folder_are_levels_and_in_the_key(tmp_path: Path) -> None:
    root = make_mni_study(tmp_path / "study")
    before, grid = open_bids(root).digest("sub-01"), (12, 12, 8)
    affine = open_bids(root).responses("sub-01").voxels.affine
    planted = np.zeros(grid, int)
    planted[:4], planted[8:] = 1, 7
    write_atlas(
        root / f"derivatives/tool/sub-01/func/sub-01_task-view_run-01_{SPACE}_desc-aseg_dseg.nii.gz", planted, affine
    )
    (root / "derivatives/tool/desc-aseg_dseg.tsv").write_text("index\tname\tcolor\n1\tfront\t#fff\n7\tback\t#000\n")
    roi = np.zeros(grid, int)
    roi[2:5, 3:7, 1:3] = 1
    write_atlas(root / f"sub-01/func/sub-01_{SPACE}_hemi-L_label-PPA_mask.nii.gz", roi, affine)
    write_atlas(root / "derivatives/spm/sub-01/sub-01_mask-LOC_space-MNI152NLin2009cAsym.nii.gz", 1 - roi, affine)
    write_atlas(root / f"sub-01/anat/sub-01_{SPACE}_label-GM_mask.nii.gz", 1 - roi, affine)  # tissue, no ROI
    data: Dataset = open_bids(root)
    assert data.digest("sub-01") != before
    store = Store(tmp_path / "cache")
    load_facts(store, data, "sub-01")
    voxels = stored_facts(store, data, "sub-01").voxels
    assert available_parcellations(voxels) == ("roi", "area", "merged", "region", "aal3", "hcp", "atlas-aseg")
    masks = region_masks(voxels, "atlas-aseg")
    np.testing.assert_array_equal(masks["front (aseg)"], (planted == 1).ravel())
    np.testing.assert_array_equal(masks["back (aseg)"], (planted == 7).ravel())
    np.testing.assert_array_equal(voxels.rois["PPA, left"], (roi == 1).ravel())
    assert set(voxels.rois) == {"PPA, left", "LOC"}
    notes = " ".join(reading_of(data, "sub-01").notes)
    assert "Atlas aseg: sub-01_task-view_run-01" in notes and "names from desc-aseg_dseg.tsv: 2 regions" in notes
    assert "ROIs from masks in the folder: LOC, PPA, left." in notes and "mask from sub-01_task-view" in notes
    (root / "derivatives/tool/desc-aseg_dseg.tsv").write_text("index\tname\n1\tanterior\n7\tback\n")
    assert data.digest("sub-01") != before and "anterior (aseg)" in region_masks(
        data.responses("sub-01").voxels, "atlas-aseg"
    )


def test_plain_folder_takes_atlases_and_pages_show_their_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, root = np.random.default_rng(0), tmp_path / "plain"
    for part in ("features", "responses", "voxels"):
        (root / part).mkdir(parents=True)
    (root / "dataset.json").write_text(json.dumps({"space": "T1w"}))
    X = {name: rng.normal(size=(80, 4)) for name in "ab"}
    Y = rng.normal(size=(80, 30))
    Y[:, :10] += 3 * X["a"] @ rng.normal(size=(4, 10))
    for name in "ab":
        np.save(root / f"features/{name}.npy", X[name])
    np.save(root / "responses/s1.npy", Y)
    np.save(root / "run_onsets.npy", [0, 20, 40, 60])
    ijk = np.argwhere(np.ones((5, 3, 2)))
    np.savez(root / "voxels/s1.npz", ijk=ijk, shape=(5, 3, 2), affine=np.diag([2.0, 2, 2, 1]))
    before = open_plain(root).digest("s1")
    labels = np.repeat([1, 2, 3], 10).reshape(5, 3, 2)
    image = write_atlas(root / "atlases/mine.nii.gz", labels, np.diag([2.0, 2, 2, 1]), {1: "V1", 2: "V2", 3: "V3"})
    data = open_plain(root)
    assert data.digest("s1") != before and "Atlas mine: mine.nii.gz, names from mine.tsv" in data.reading("s1").notes[0]
    store = Store(cache_dir())
    answer = fit(store, FitRequest(str(root), ("a", "b"), 1, "s1"))
    masks = region_masks(stored_facts(store, data, "s1").voxels, "atlas-mine")
    means = {name: float(np.nanmean(answer.result.r2_joint[inside])) for name, inside in masks.items()}
    assert means["V1 (mine)"] > 0.8 and means["V2 (mine)"] < 0.1 and means["V3 (mine)"] < 0.1
    monkeypatch.setenv("BRIVL_DATA", str(root))
    at = open_page("regions", data=str(root), a="a", b="b", layer="1", subject="s1", level="atlas-mine")
    assert not at.exception and not at.error
    assert [row["region"] for row in region_charts(at)[0]["rows"]] == list(masks)
    assert "mine" in headline(at)
    write_atlas(image, np.ones((9, 9, 9)), np.diag([1.0, 1, 1, 1]))
    (note,) = data.reading("s1").notes
    assert note.startswith("Atlas mine is left out. Expected 'mine.nii.gz' on the grid of the voxels, shape (5, 3, 2)")
    write_atlas(root / "atlases/other_space-MNI152NLin6Asym.nii.gz", labels, np.diag([2.0, 2, 2, 1]))
    assert any("T1w, native space (not MNI), got MNI152NLin6Asym" in one for one in data.reading("s1").notes)


@pytest.mark.parametrize(
    "text",
    [
        "index\tname\n1\tV1\n2\tV2 left\n",
        "label,name,hemi\n1,V1,L\n2,V2 left,L\n",
        "#$Id\n#No. Label Name: R G B A\n0 Unknown 0 0 0 0\n1  V1  70 130 180 0\n2  V2 left  245 245 245 0\n",
        "1\tV1\t120\t18\t131\t0\n2\tV2 left\t120\t18\t132\t0\n",
        "V1\n1 120 18 131 255\nV2 left\n2 120 18 132 255\n",
        "V1\nV2 left\n",
        "\ufeffindex\tname\r\n1\tV1\r\n2\tV2 left\r\n",
    ],
)
def test_tables_of_labels_in_the_forms_that_tools_write(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(text, "utf-8")
    assert read_label_table(path) == {1: "V1", 2: "V2 left"}


def test_schaefer_files_belong_together_by_their_names(tmp_path: Path) -> None:
    image = tmp_path / "atlases/Schaefer2018_100Parcels_7Networks_order_FSLMNI152_2mm.nii.gz"
    write_atlas(image, np.arange(8).reshape(2, 2, 2), np.diag([2.0, 2, 2, 1]))
    for n in (100, 200):
        table = image.with_name(f"Schaefer2018_{n}Parcels_7Networks_order.txt")
        table.write_text("".join(f"{i}\t7Networks_LH_Vis_{i}\t120\t18\t{i}\t0\n" for i in range(1, 8)))
    (atlas,) = find_own_regions(tmp_path, (), "MNI152NLin6Asym").atlases
    assert atlas.table.name == "Schaefer2018_100Parcels_7Networks_order.txt"
    voxels = Voxels("MNI152NLin6Asym", np.argwhere(np.ones((2, 2, 2))), (2, 2, 2), np.diag([2.0, 2, 2, 1]))
    found, _ = add_own_regions(voxels, find_own_regions(tmp_path, (), "MNI152NLin6Asym"), "MNI152NLin6Asym")
    (own,) = found.parcellations.values()
    assert own.names[7] == "7Networks_LH_Vis_7" and own.labels.tolist() == list(range(8))


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.full((5, 4, 2), 0.5), "whole numbers from 0"),
        (np.full((5, 4, 2), -1.0), "whole numbers from 0"),
        (np.full((5, 4, 2), 1e7), "labels up to 100000"),
        (np.zeros((5, 4, 2)), "to label some of the 40 voxels, got none"),
        (np.ones((5, 4, 2, 3)), "of one volume"),
    ],
)
def test_images_that_are_no_atlas_are_left_out_with_a_sentence(
    tmp_path: Path, labels: np.ndarray, sentence: str
) -> None:
    path = tmp_path / "atlases/x.nii.gz"
    path.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.float32), np.eye(4)), path)
    voxels = Voxels("native", np.argwhere(np.ones((5, 4, 2))), (5, 4, 2), np.eye(4))
    found, (note,) = add_own_regions(voxels, find_own_regions(tmp_path, (), ""), "")
    assert not found.parcellations and note.startswith("Atlas x is left out. Expected") and sentence in note


def test_bad_tables_and_labels_of_vertices(tmp_path: Path) -> None:
    table = tmp_path / "x.tsv"
    for text, sentence in (
        ("index\tname\n1\ta\n1\tb\n", "one name for each label"),
        ("1 2 3\n", "got none"),
        ("", "got none"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=sentence):
            read_label_table(table)
    table.write_bytes(b"\xff\xfe1")
    with pytest.raises(DataError, match="UTF-8"):
        read_label_table(table)
    key, own = own_parcellation("MMP", np.array([0, 2, 2]), {1: "V1", 2: "V2"}, "from a .annot file")
    assert key == "atlas-MMP" and own.names == {2: "V2"}
    for labels in (np.array([0.5]), np.array([-1]), np.array([np.nan]), np.zeros(3), np.ones((2, 2))):
        with pytest.raises(DataError, match="the atlas MMP"):
            own_parcellation("MMP", labels, {})
