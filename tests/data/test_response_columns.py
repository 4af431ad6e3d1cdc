"""Large responses stay in their files, .npy and HDF5, and come out of them as if they had been read whole."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from brivl.core import columns
from brivl.core.columns import LazyArray
from brivl.data.formats import npy
from brivl.data.plain import loader
from brivl.data.plain.loader import open_plain
from brivl.data.shortclips import files
from brivl.data.shortclips.files import read_layout, read_responses
from brivl.errors import DataError
from tests.support.plain_sample import make_plain
from tests.support.shortclips_fixture import ONSETS, write

RNG = np.random.default_rng(0)
N_VOXELS = 33
PICK = np.r_[2, 9:20, 31]


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "LARGE_BYTES", 0)
    monkeypatch.setattr(files, "LARGE_BYTES", 0)
    monkeypatch.setattr(columns, "READ_COLUMNS", 8)
    monkeypatch.setattr(npy, "STRIP_ROWS", 7)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_a_npy_file(tmp_path: Path, order: str, dtype: type) -> None:
    folder = make_plain(tmp_path / "plain", {"n_test": 30})
    Y = np.asarray(100 * RNG.standard_normal((120, N_VOXELS)), dtype, order=order)
    np.save(folder / "responses" / "A.npy", Y)
    responses = open_plain(folder).responses("A")
    assert isinstance(responses.Y_train, LazyArray) and responses.Y_train.shape == (90, N_VOXELS)
    np.testing.assert_array_equal(responses.Y_train, Y[:90].astype(np.float32))
    np.testing.assert_array_equal(responses.Y_train[:, PICK], Y[:90, PICK].astype(np.float32))
    np.testing.assert_array_equal(responses.Y_test[:, :, PICK], Y[None, 90:][:, :, PICK].astype(np.float32))


def test_a_npy_file_without_test_rows_and_one_that_is_cut_short(tmp_path: Path) -> None:
    folder = make_plain(tmp_path / "plain")
    responses = open_plain(folder).responses("A")
    assert responses.Y_test is None
    path = folder / "responses" / "A.npy"
    os.truncate(path, path.stat().st_size - 8)
    with pytest.raises(DataError, match="truncated"):
        responses.Y_train[:, 0]


@pytest.mark.parametrize("compressed", [True, False], ids=["chunks", "contiguous"])
@pytest.mark.parametrize("n_repeats", [1, 4])
def test_a_shortclips_file(tmp_path: Path, compressed: bool, n_repeats: int) -> None:
    arrays = {
        "Y_train": RNG.standard_normal((192, N_VOXELS)),
        "run_onsets": ONSETS,
        "Y_test": RNG.standard_normal((n_repeats, 30, N_VOXELS)),
    }
    given = arrays if n_repeats > 1 else arrays | {"Y_test": arrays["Y_test"][0]}
    path = tmp_path / "S01_responses.hdf"
    with h5py.File(path, "w") as file:
        for name, values in given.items():
            chunks = (*([1, 9][-(values.ndim - 1) :]), 8) if compressed and values.ndim > 1 else None
            file.create_dataset(name, data=values, chunks=chunks, compression="gzip" if chunks else None)
    Y_train, Y_test = read_responses(path, read_layout(path))
    assert isinstance(Y_train, LazyArray) and isinstance(Y_test, LazyArray)
    for found, name in ((Y_train, "Y_train"), (Y_test, "Y_test")):
        np.testing.assert_array_equal(found, arrays[name].astype(np.float32))
        np.testing.assert_array_equal(found[..., PICK], arrays[name][..., PICK].astype(np.float32))


def test_wide_chunks_are_read_whole_and_a_file_that_changes_is_noticed(tmp_path: Path, monkeypatch) -> None:
    arrays = {
        "Y_train": RNG.standard_normal((192, N_VOXELS)),
        "run_onsets": ONSETS,
        "Y_test": RNG.standard_normal((2, 30, N_VOXELS)),
    }
    path = write(tmp_path / "S01_responses.hdf", arrays, compressed=False)
    Y_train, _ = read_responses(path, read_layout(path))
    write(path, arrays | {"Y_train": arrays["Y_train"][1:]}, compressed=False)
    with pytest.raises(DataError, match="has changed"):
        Y_train[:, :4]
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, chunks=values.shape)
    monkeypatch.setattr(files, "READ_COLUMNS", 8)
    Y_train, Y_test = read_responses(path, read_layout(path))
    assert isinstance(Y_train, np.ndarray) and isinstance(Y_test, np.ndarray)
    np.testing.assert_array_equal(Y_train, arrays["Y_train"].astype(np.float32))
