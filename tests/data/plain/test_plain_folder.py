"""Plain folders of arrays."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import STRICT
from brivl.data.formats.npy import read_numbers
from brivl.data.null_controls import shuffle_events
from brivl.data.plain.loader import open_plain
from brivl.data.registry import open_folder
from brivl.errors import DataError, RequestError


def _make(root: Path, about: dict | None = None) -> Path:
    """40 rows in 4 runs, two models (one with 3 layers), one subject of 7 voxels."""
    rng = np.random.default_rng(0)
    (root / "features").mkdir(parents=True)
    (root / "responses").mkdir()
    np.save(root / "features/deep.npy", rng.normal(size=(3, 40, 5)))
    np.save(root / "features/flat.npy", rng.integers(0, 9, (40, 6)))
    np.save(root / "responses/A.npy", rng.normal(size=(40, 7)))
    np.save(root / "run_onsets.npy", np.arange(0, 40, 10))
    (root / "dataset.json").write_text(json.dumps({"tr": 2.0} if about is None else about))
    return root


def test_shapes_and_types(tmp_path):
    data = open_folder(_make(tmp_path))
    design, stimulus, responses = data.design("A"), data.stimulus("A"), data.responses("A")
    assert (data.subjects, data.models, data.simulated) == (("A",), ("deep", "flat"), False)
    assert (design.tr, design.n_train, design.n_test) == (2.0, 40, 0)
    assert design.run_onsets.tolist() == [0, 10, 20, 30]
    assert {m: X.shape for m, X in stimulus.features.items()} == {"deep": (3, 40, 5), "flat": (40, 6)}
    assert stimulus.kind == "features" and stimulus.weights.shape == (40, 0)
    assert all(X.dtype == np.float32 for X in (*stimulus.features.values(), responses.Y_train))
    np.testing.assert_array_equal(responses.Y_train, np.load(tmp_path / "responses/A.npy").astype(np.float32))
    assert responses.Y_test is None and responses.voxels.n_voxels == 7 and "not known" in responses.voxels.space
    with pytest.raises(RequestError, match="'B'"):
        data.design("B")


def test_last_rows_are_the_test_set(tmp_path):
    data = open_plain(_make(tmp_path, {"tr": 1.5, "n_test": 10, "simulated": True, "title": "T"}))
    np.save(tmp_path / "run_onsets.npy", [0.0, 15.0])
    design, responses = data.design("A"), data.responses("A")
    Y = np.load(tmp_path / "responses/A.npy").astype(np.float32)
    assert (design.n_train, design.n_test, data.simulated, data.title) == (30, 10, True, "T")
    np.testing.assert_array_equal(responses.Y_train, Y[:30])
    np.testing.assert_array_equal(responses.Y_test, Y[None, 30:])


@pytest.mark.parametrize("repeats", [None, 4])
def test_npz_with_train_and_test(tmp_path, repeats):
    root = _make(tmp_path)
    (root / "responses/A.npy").unlink()
    test = np.random.default_rng(1).normal(size=(10, 7) if repeats is None else (repeats, 10, 7))
    np.savez(root / "responses/A.npz", Y_train=np.ones((30, 7)), Y_test=test)
    np.save(root / "run_onsets.npy", [0, 15])
    data = open_plain(root)
    assert data.responses("A").Y_test.shape == (repeats or 1, 10, 7)
    assert (data.design("A").n_train, data.design("A").n_test) == (30, 10)
    assert data.stimulus("A").features["flat"].shape == (40, 6)


def test_one_npz_of_features_and_groups_without_runs(tmp_path):
    root = _make(tmp_path, {})
    arrays = {path.stem: np.load(path) for path in (root / "features").glob("*.npy")}
    for path in (root / "features").glob("*.npy"):
        path.unlink()
    np.savez_compressed(root / "features.npz", **arrays)
    (root / "run_onsets.npy").unlink()
    with pytest.raises(DataError, match="run_onsets.npy"):
        open_plain(root).design("A")
    np.save(root / "groups.npy", np.repeat(np.arange(10), 4))
    design = open_plain(root).design("A")
    assert design.tr is None and design.run_onsets.tolist() == [0] and len(set(design.groups)) == 10
    assert open_plain(root).models == ("deep", "flat")


def test_voxels_with_places_and_regions(tmp_path):
    root = _make(tmp_path)
    (root / "voxels").mkdir()
    arrays = dict(ijk=np.arange(21).reshape(7, 3) % 5, shape=[5, 5, 5], affine=np.eye(4), aal=np.arange(7))
    np.savez(root / "voxels/A.npz", **arrays, roi_FFA=np.arange(7) < 3)
    voxels = open_plain(root).responses("A").voxels
    assert voxels.shape == (5, 5, 5) and voxels.rois["FFA"].sum() == 3 and voxels.aal.tolist() == list(range(7))
    np.savez(root / "voxels/A.npz", **arrays | {"ijk": np.full((7, 3), 5)})
    with pytest.raises(DataError, match="counted from 0"):
        open_plain(root).responses("A")
    np.savez(root / "voxels/A.npz", **arrays | {"ijk": np.zeros((6, 3))})
    with pytest.raises(DataError, match=r"\(7, 3\)"):
        open_plain(root).responses("A")


@pytest.mark.parametrize(
    "onsets", [[0, 10, 40], [5, 10], [0, 10, 10], [0, 20, 10], [[0, 1]], [], [0, 10.5], [0, np.nan]]
)
def test_run_onsets_that_do_not_add_up(tmp_path, onsets):
    root = _make(tmp_path)
    np.save(root / "run_onsets.npy", np.array(onsets))
    with pytest.raises(DataError, match="run lengths do not add up"):
        open_plain(root).design("A")


def test_features_with_other_rows_or_nan_are_named(tmp_path):
    root = _make(tmp_path)
    np.save(root / "features/flat.npy", np.ones((39, 6)))
    with pytest.raises(DataError, match="'flat'.* of 40 rows.* got 39"):
        open_plain(root).stimulus("A")
    X = np.ones((40, 6))
    X[3, 2] = np.nan
    np.save(root / "features/flat.npy", X)
    with pytest.raises(DataError, match="'flat'.* 1 of 240 values"):
        open_plain(root).stimulus("A")


@pytest.mark.parametrize(
    ("about", "named"),
    [
        ({"TR": 2}, r"unknown keys \['TR'\]"),
        ({"tr": 2000}, "'tr'.*2000"),
        ({"tr": "2"}, "'tr'.*'2'"),
        ({"n_test": -1}, "n_test.*-1"),
        ({"simulated": "no"}, "true or false"),
        ({"title": 3}, "text"),
    ],
)
def test_descriptions_that_are_not_understood(tmp_path, about, named):
    with pytest.raises(DataError, match=named):
        open_plain(_make(tmp_path, about))


def test_responses_that_do_not_fit(tmp_path):
    root = _make(tmp_path, {"tr": 2, "n_test": 39})
    with pytest.raises(DataError, match="at least 2 training rows, got 1"):
        open_plain(root).design("A")
    np.save(root / "responses/A.npy", np.ones(40))
    with pytest.raises(DataError, match="n_samples, n_voxels"):
        open_plain(root).design("A")
    (root / "responses/A.npy").unlink()
    np.savez(root / "responses/A.npz", Y_train=np.ones((30, 7)), Y_test=np.ones((10, 6)))
    with pytest.raises(DataError, match="Y_test.*7 voxels"):
        open_plain(root).design("A")
    np.savez(root / "responses/A.npz", Y=np.ones((30, 7)))
    with pytest.raises(DataError, match="Expected Y_train"):
        open_plain(root).design("A")


def test_nothing_is_unpickled(tmp_path):
    root = _make(tmp_path)
    np.save(root / "responses/A.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="objects are not read"):
        open_plain(root).design("A")


def _npy(shape: tuple[int, ...], content: bytes) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return out.getvalue() + content


def test_headers_that_claim_too_much_and_files_that_are_none(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(_npy((10**6, 10**6), bytes(64)))
    with pytest.raises(DataError, match="truncated or its header is broken"):
        read_numbers(path)
    path.write_bytes(b"PK not numpy")
    with pytest.raises(DataError, match="Expected an array in"):
        read_numbers(path)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", _npy((10**6, 10**6), bytes(64)))
    with pytest.raises(DataError, match="truncated or its header is broken"):
        read_numbers(tmp_path / "a.npz", "x")
    with pytest.raises(DataError, match="'y'"):
        read_numbers(tmp_path / "a.npz", "y")
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:60])
    with pytest.raises(DataError):
        read_numbers(tmp_path / "b.npz", "x")


def test_folders_that_are_neither_form(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        open_folder(tmp_path / "gone")
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(DataError, match=r"BIDS .* plain arrays .*\['note.txt'\]"):
        open_folder(tmp_path)
    (tmp_path / "features").mkdir()
    with pytest.raises(DataError, match=r"responses/\*\.npy.*\['features', 'note.txt'\]"):
        open_folder(tmp_path)
    with pytest.raises(DataError, match="features/MODEL.npy"):
        open_plain(tmp_path)


def test_digest_follows_every_file_and_shuffling_takes_features_along(tmp_path):
    data = open_plain(_make(tmp_path))
    digests = {data.digest("A")}
    for name in ("features/flat.npy", "responses/A.npy", "run_onsets.npy", "dataset.json"):
        path = tmp_path / name
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
        digests.add(data.digest("A"))
    assert len(digests) == 5


def test_shuffling_exchanges_runs_of_features(tmp_path):
    data = open_plain(_make(tmp_path))
    true, moved = data.stimulus("A").features, shuffle_events(data, 0).stimulus("A").features
    for model, X in true.items():
        assert moved[model].shape == X.shape
        runs = X.reshape(*X.shape[:-2], 4, 10, X.shape[-1])
        given = moved[model].reshape(runs.shape)
        same = [[np.array_equal(given[..., k, :, :], runs[..., j, :, :]) for j in range(4)] for k in range(4)]
        assert not np.diag(same).any() and np.array_equal(np.sum(same, 0), np.ones(4))


def test_runs_of_the_test_set(tmp_path):
    root = _make(tmp_path, {"tr": 2, "n_test": 20})
    np.save(root / "run_onsets.npy", [0, 10])
    assert open_plain(root).design("A").test_onsets.tolist() == [0]
    before = open_plain(root).digest("A")
    np.save(root / "test_run_onsets.npy", [0, 12])
    assert open_plain(root).design("A").test_onsets.tolist() == [0, 12]
    assert open_plain(root).digest("A") != before
    for wrong in ([0, 20], [3, 12], [0, 12, 12]):
        np.save(root / "test_run_onsets.npy", wrong)
        with pytest.raises(DataError, match="Expected the first test row of each run .* below the 20 test rows"):
            open_plain(root).design("A")
    np.save(root / "test_run_onsets.npy", [0, 12])
    (root / "dataset.json").write_text('{"tr": 2}')
    with pytest.raises(DataError, match="Expected a test set for .*test_run_onsets.npy"):
        open_plain(root).design("A")


def test_baselines_of_test_runs_cost_no_score(tmp_path):
    """Two test runs of different baselines score as without them, and lose R2 where their onsets are missing."""
    rng, n_train, n_test = np.random.default_rng(0), 160, 80
    X, weights = rng.standard_normal((n_train + n_test, 4)), rng.standard_normal((4, 10))
    signal = np.zeros((n_train + n_test, 10))
    for start, stop in ((0, 80), (80, 160), (160, 200), (200, 240)):  # the response follows after 4 s, two samples
        signal[start + 2 : stop] = X[start : stop - 2] @ weights
    Y = signal + rng.standard_normal(signal.shape)
    moved = Y.copy()
    moved[n_train + 40 :] += 6.0
    scores = {}
    for name, responses, onsets in (("flat", Y, True), ("moved", moved, True), ("unknown", moved, False)):
        root = tmp_path / name
        (root / "features").mkdir(parents=True)
        (root / "responses").mkdir()
        np.save(root / "features/a.npy", X[:, :2])
        np.save(root / "features/b.npy", X[:, 2:])
        np.save(root / "responses/A.npy", responses)
        np.save(root / "run_onsets.npy", [0, 80])
        (root / "dataset.json").write_text(json.dumps({"tr": 2.0, "n_test": n_test}))
        if onsets:
            np.save(root / "test_run_onsets.npy", [0, 40])
        data = open_plain(root)
        features = data.stimulus("A").features
        result = encode(list(features.values()), data.responses("A"), data.design("A"), STRICT)
        scores[name] = result.r2_joint
    np.testing.assert_allclose(scores["moved"], scores["flat"], atol=1e-3)
    assert scores["flat"].mean() > 0.6 and scores["unknown"].mean() < scores["flat"].mean() - 0.2
