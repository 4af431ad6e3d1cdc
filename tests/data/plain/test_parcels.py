"""Parcels: columns described by a label image, a table or a header; they are regions, and maps are drawn from them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest

from brivl.config import cache_dir
from brivl.data.flatmaps import flatmap_factory, make_flatmap
from brivl.data.plain.loader import open_plain
from brivl.data.regions import available_parcellations, region_masks
from brivl.encoding.fit import FitRequest, fit
from brivl.errors import DataError
from brivl.store.artifacts import Store
from tests.support.app_driver import fresh_server, open_page, region_charts  # noqa: F401 (a fixture)

LABELS = (3, 5, 8, 9)  # of the columns, in rising order
AFFINE = np.array([[4.0, 0, 0, -60], [0, 4.0, 0, -80], [0, 0, 4.0, -20], [0, 0, 0, 1]])


def make_parcels(root: Path, space: str = "MNI152NLin6Asym") -> tuple[Path, np.ndarray, np.ndarray]:
    """A plain folder of four parcels in slabs along x, two runs of 30 rows; model a drives the third parcel."""
    rng = np.random.default_rng(0)
    for part in ("features", "responses"):
        (root / part).mkdir(parents=True)
    Y, X = rng.normal(size=(60, 4)).astype(np.float32), rng.normal(size=(60, 5))
    Y[:, 2] += 4 * (X @ rng.normal(size=5)).astype(np.float32)
    np.save(root / "features/a.npy", X)
    np.save(root / "features/b.npy", rng.normal(size=(60, 5)))
    np.save(root / "run_onsets.npy", [0, 15, 30, 45])
    (root / "dataset.json").write_text(json.dumps({"space": space}))
    volume = np.zeros((30, 36, 20), int)
    for i, label in enumerate(LABELS):
        volume[2 + 7 * i : 8 + 7 * i, 2:34, 3:18] = label
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.int16), AFFINE), root / "parcels.nii.gz")
    rows = "".join(f"{label}\tparcel {'ABCD'[i]}\n" for i, label in enumerate(LABELS))
    (root / "parcels.tsv").write_text(f"index\tname\n{rows}")
    np.save(root / "responses/s1.npy", Y)
    return root, Y, volume


def test_parcels_are_regions_and_a_fit_finds_the_planted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, _, _ = make_parcels(tmp_path / "p", "native")
    data = open_plain(root)
    voxels = data.responses("s1").voxels
    assert available_parcellations(voxels)[0] == "atlas-parcels"
    masks = region_masks(voxels, "atlas-parcels")
    assert {name: int(np.flatnonzero(inside)[0]) for name, inside in masks.items()} == {
        f"parcel {'ABCD'[i]} (parcels)": i for i in range(4)
    }
    assert data.reading("s1").notes == (
        "Parcels: 4 columns, described by parcels.nii.gz, parcels.tsv; each is a region.",
    )
    answer = fit(Store(cache_dir()), FitRequest(str(root), ("a", "b"), 1, "s1"))
    assert answer.result.r2_joint.argmax() == 2 and answer.result.r2_joint[2] > 0.8
    monkeypatch.setenv("BRIVL_DATA", str(root))
    where = {"data": str(root), "a": "a", "b": "b", "layer": "1", "subject": "s1"}
    at = open_page("regions", **where)
    assert not at.exception and not at.error and len(region_charts(at)[0]["rows"]) == 4
    at = open_page("flatmap", **where)
    assert not at.exception and not at.error
    before = data.digest("s1")
    (root / "parcels.tsv").write_text((root / "parcels.tsv").read_text().replace("parcel A", "V1"))
    assert open_plain(root).digest("s1") != before


@pytest.mark.parametrize("space", ["native", "MNI152NLin6Asym"])
def test_map_shows_the_parcel_of_each_voxel(tmp_path: Path, space: str) -> None:
    root, _, volume = make_parcels(tmp_path / "p", space)
    data, store = open_plain(root), Store(tmp_path / "cache")
    voxels = data.responses("s1").voxels
    assert voxels.flatmap == "mapper" and voxels.in_mni == (space != "native")
    np.testing.assert_array_equal(volume[tuple(voxels.ijk.T)], LABELS)  # a parcel stands at one of its own voxels
    geometry = make_flatmap(store, voxels, flatmap_factory(data, "s1"))
    weights = geometry.pixel_to_voxel
    assert weights.shape == (int(geometry.mask.sum()), 4)
    total = np.asarray(weights.sum(1)).ravel()
    assert np.allclose(total[total > 0], 1) and (np.asarray(weights.sum(0)) > 0).all()
    if space == "native":  # every labelled voxel of the slices is one pixel or more, in proportion
        share = np.asarray(weights.sum(0)).ravel() / weights.sum()
        np.testing.assert_allclose(share, [np.mean(volume[volume > 0] == label) for label in LABELS], atol=0.01)


def test_files_of_every_form_give_the_same_responses_and_runs(tmp_path: Path) -> None:
    root, Y, _ = make_parcels(tmp_path / "p")
    (root / "responses/s1.npy").unlink()
    header = "\t".join("wxyz")
    lines = "\n".join("\t".join(f"{v:.9g}" for v in row) for row in Y)
    for text in (lines, f"{header}\n{lines}\n"):
        (root / "responses/s1.tsv").write_text(text)
        np.testing.assert_allclose(open_plain(root).responses("s1").Y_train, Y, rtol=1e-6)
    for name in ("parcels.nii.gz", "parcels.tsv"):
        (root / name).unlink()
    voxels = open_plain(root).responses("s1").voxels  # by the header alone
    assert set(region_masks(voxels, "atlas-parcels")) == {f"{name} (parcels)" for name in "wxyz"}
    assert voxels.flatmap == "slices" and not voxels.in_mni
    (root / "responses/s1.tsv").unlink()
    with h5py.File(root / "responses/s1.h5", "w") as file:
        file["data"] = Y
    np.testing.assert_array_equal(open_plain(root).responses("s1").Y_train, Y)
    (root / "run_onsets.npy").unlink()
    with pytest.raises(DataError, match=r"Expected run_onsets.npy"):
        open_plain(root).design("s1")
    lengths, start = (12, 20, 28), 0
    with h5py.File(root / "responses/s1.h5", "w") as file:
        for i, n in enumerate(lengths):  # sessions with runs, as CNeuroMod writes them
            file[f"ses-00{i // 2 + 1}/ses-00{i // 2 + 1}_task-x_run-{i + 1}"] = Y[start : start + n]
            start += n
    data = open_plain(root)
    assert data.design("s1").run_onsets.tolist() == [0, 12, 32] and data.design("s1").n_train == 60
    np.testing.assert_array_equal(data.responses("s1").Y_train, Y)


def test_parcels_that_do_not_fit_get_a_sentence_each(tmp_path: Path) -> None:
    root, Y, volume = make_parcels(tmp_path / "p")
    (root / "parcels.tsv").write_text("index\tname\n1\ta\n2\tb\n")
    image = nibabel.Nifti1Image(np.where(volume == 9, 0, volume).astype(np.int16), AFFINE)
    nibabel.save(image, root / "parcels.nii.gz")
    with pytest.raises(DataError, match="each of 4 columns, got 3 labels in parcels.nii.gz and 2 names in parcels.tsv"):
        open_plain(root).responses("s1")
    (root / "parcels.tsv").write_text("3 a\n5 b\n8 c\n9 d\n")
    with pytest.raises(DataError, match="a voxel of every parcel in 'parcels.nii.gz', got none of label 9 and 1 of 4"):
        open_plain(root).responses("s1")
    (root / "responses/s1.npy").unlink()
    with h5py.File(root / "responses/s1.h5", "w") as file:
        file["a"], file["b"] = Y, Y[:, :3]
    with pytest.raises(DataError, match=r"got columns \[3, 4\]"):
        open_plain(root).responses("s1")
    with h5py.File(root / "responses/s1.h5", "w") as file:
        file["a"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(DataError, match="a group or a link"):
        open_plain(root).responses("s1")
    (root / "responses/s1.h5").unlink()
    (root / "responses/s1.tsv").write_text("1\t2\nx\t3\n")
    with pytest.raises(DataError, match="Expected numbers in row 2"):
        open_plain(root).responses("s1")
