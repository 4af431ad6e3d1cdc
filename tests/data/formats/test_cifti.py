"""CIFTI files are read and written as nibabel does it, and wrong ones end in a sentence."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.cifti2 import Cifti2Header, Cifti2Image
from nibabel.cifti2.cifti2_axes import LabelAxis, ParcelsAxis, SeriesAxis

from brivl.data.formats.cifti import (
    dscalar_bytes,
    read_dense_labels,
    read_dense_series,
    read_grayordinates,
    scan_dense_series,
)
from brivl.errors import DataError
from tests.support.surface_files import small_axis, write_dense

RNG = np.random.default_rng(2)


def test_a_series_is_read_as_nibabel_reads_it(tmp_path: Path) -> None:
    Y = RNG.normal(size=(6, 7)).astype(np.float32)
    path = write_dense(tmp_path / "a_bold.dtseries.nii", Y, small_axis(), tr=0.8)
    scan = scan_dense_series(path)
    assert (scan.n_volumes, scan.step_s) == (6, pytest.approx(0.8)) and scan.where.n == 7
    assert np.array_equal(nibabel.load(path).get_fdata(dtype=np.float32), read_dense_series(path))
    assert np.array_equal(read_dense_series(path), Y)
    where = read_grayordinates(path)
    assert where.n == 7 and where.n_cortex == 5 and where.n_vertices == (10, 10)
    assert where.vertex.tolist() == [0, 2, 3, 1, 4, -1, -1] and where.ijk[5:].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert where.is_right.tolist() == [False] * 3 + [True] * 2 + [False] * 2 and where.shape == (3, 3, 3)


def test_whole_numbers_with_a_slope_are_scaled_as_nibabel_does(tmp_path: Path) -> None:
    header = Cifti2Header.from_axes((SeriesAxis(0, 2, 4), small_axis()))
    image = Cifti2Image(np.linspace(-3, 5, 28).reshape(4, 7), header)
    image.set_data_dtype(np.int16)
    image.to_filename(tmp_path / "a.dtseries.nii")
    expected = nibabel.load(tmp_path / "a.dtseries.nii").get_fdata(dtype=np.float32)
    np.testing.assert_allclose(read_dense_series(tmp_path / "a.dtseries.nii"), expected, atol=1e-6)


def test_brain_models_are_those_of_nibabels_axis(tmp_path: Path) -> None:
    where = read_grayordinates(write_dense(tmp_path / "a.dtseries.nii", np.zeros((3, 7)), small_axis()))
    axis = nibabel.load(tmp_path / "a.dtseries.nii").header.get_axis(1)
    assert np.array_equal(where.structure, axis.name.astype(str)) and where.shape == axis.volume_shape
    assert np.array_equal(where.ijk[5:], axis.voxel[5:]) and np.allclose(where.affine, axis.affine)


def test_maps_are_written_on_the_same_grayordinates(tmp_path: Path) -> None:
    where = read_grayordinates(write_dense(tmp_path / "a.dtseries.nii", np.zeros((3, 7)), small_axis()))
    content = dscalar_bytes(where, np.r_[np.nan, np.arange(6.0)], "joint R2")
    assert content == dscalar_bytes(where, np.r_[np.nan, np.arange(6.0)], "joint R2")
    (tmp_path / "a.dscalar.nii").write_bytes(content)
    image = nibabel.load(tmp_path / "a.dscalar.nii")
    assert image.header.get_axis(1) == small_axis() and image.header.get_axis(0).name.tolist() == ["joint R2"]
    assert np.array_equal(image.get_fdata()[0], np.r_[np.nan, np.arange(6.0)], equal_nan=True)


def test_labels(tmp_path: Path) -> None:
    table = {0: ("?", (0, 0, 0, 0)), 3: ("V1", (1, 0, 0, 1))}
    axes = (LabelAxis(["atlas"], [table]), small_axis())
    image = Cifti2Image(np.array([[0, 3, 3, 0, 3, 0, 0]], np.float32), Cifti2Header.from_axes(axes))
    image.to_filename(tmp_path / "a.dlabel.nii")
    where, labels, names = read_dense_labels(tmp_path / "a.dlabel.nii")
    assert where.n == 7 and labels.tolist() == [0, 3, 3, 0, 3, 0, 0] and names == {0: "?", 3: "V1"}


def test_wrong_files_end_in_a_sentence(tmp_path: Path) -> None:
    path = write_dense(tmp_path / "a.dtseries.nii", RNG.normal(size=(40, 7)), small_axis())
    whole = path.read_bytes()
    wrong = {"truncated": whole[:-100], "start": whole[:900], "empty": b"", "text": b"no image" * 100}
    for name, content in wrong.items():
        (tmp_path / f"{name}.dtseries.nii").write_bytes(content)
        with pytest.raises(DataError, match=r"^Expected .*, got .*\. [A-Z].*\.$"):
            read_dense_series(tmp_path / f"{name}.dtseries.nii")
    with pytest.raises(DataError, match="truncated"):
        read_dense_series(tmp_path / "truncated.dtseries.nii")
    plain = nibabel.Nifti2Image(np.zeros((1, 1, 1, 1, 6, 7), np.float32), np.eye(4))
    nibabel.save(plain, tmp_path / "plain.dtseries.nii")
    with pytest.raises(DataError, match="without the description of brain models"):
        read_dense_series(tmp_path / "plain.dtseries.nii")
    parcels = ParcelsAxis.from_brain_models([("one", small_axis())])
    header = Cifti2Header.from_axes((SeriesAxis(0, 1, 6), parcels))
    Cifti2Image(np.zeros((6, 1), np.float32), header).to_filename(tmp_path / "a.ptseries.nii")
    with pytest.raises(DataError, match="brain model.*got parcels. Name a dense file"):
        scan_dense_series(tmp_path / "a.ptseries.nii")
    (tmp_path / "m.dscalar.nii").write_bytes(dscalar_bytes(read_grayordinates(path), np.zeros(7), "x"))
    with pytest.raises(DataError, match="Expected a time series"):
        scan_dense_series(tmp_path / "m.dscalar.nii")
