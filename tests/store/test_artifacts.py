"""The result store: what is put comes back bit for bit, and damage is noticed, never returned."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brivl.errors import StoreError
from brivl.store import npz
from brivl.store.artifacts import Store
from brivl.store.digests import array_digest, canonical_json
from brivl.store.keys import ArtifactKey
from tests.support.processes import PATIENCE

KEY = ArtifactKey("fits", {"data": "abc", "layer": 3, "delays": [0, 4, 6, 8], "preset": "strict"})


def arrays_of_all_sorts() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "float32": rng.normal(size=(7, 5)).astype(np.float32),
        "fortran": np.asfortranarray(rng.normal(size=(6, 4, 3))),
        "strided": rng.normal(size=(9, 8))[::2, ::-3],
        "big_endian": np.arange(5, dtype=">i4"),
        "bool": np.array([True, False, True]),
        "complex": np.array([1 + 2j]),
        "names": np.array(["V1", "Präcuneus", ""]),
        "dates": np.array(["2022-01-01", "NaT"], dtype="datetime64[D]"),
        "nan": np.array([np.nan, np.inf, -0.0]),
        "scalar": np.array(3.5),
        "empty": np.zeros((0, 4)),
    }


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.mark.parametrize("mapped_from", [0, 2**20])
def test_arrays_come_back_bit_for_bit_and_read_only(
    store: Store, monkeypatch: pytest.MonkeyPatch, mapped_from: int
) -> None:
    monkeypatch.setattr(npz, "MAPPED_FROM", mapped_from)
    arrays = arrays_of_all_sorts()
    for artifact in (store.put(KEY, arrays, {"seconds": 1.5}), store.get(KEY)):
        assert artifact is not None and artifact.key == KEY and artifact.info == {"seconds": 1.5}
        assert list(artifact.arrays) == list(arrays)
        for name, array in artifact.arrays.items():
            assert array.dtype == arrays[name].dtype and array.shape == arrays[name].shape
            assert array.tobytes() == arrays[name].tobytes()
            assert not array.flags.writeable and type(array) is np.ndarray
            assert isinstance(array.base, np.memmap) == (mapped_from == 0)
        assert artifact.arrays["fortran"].flags.f_contiguous
        assert all(array.ctypes.data % 16 == 0 for array in artifact.arrays.values() if array.size)


def test_numpy_reads_our_files_and_we_read_numpys(store: Store, tmp_path: Path) -> None:
    store.put(KEY, arrays_of_all_sorts(), {})
    with np.load(store.root / "fits" / f"{KEY.digest}.npz", allow_pickle=False) as loaded:
        for name, array in arrays_of_all_sorts().items():
            np.testing.assert_array_equal(loaded[name], array)
    unaligned = {"a": np.arange(3, dtype=np.int8), "b": np.asfortranarray(np.arange(12.0).reshape(3, 4))}
    np.savez(tmp_path / "theirs.npz", **unaligned)
    with open(tmp_path / "theirs.npz", "rb") as file:
        ours = npz.read_npz(file)
    np.testing.assert_array_equal(ours["b"], unaligned["b"])
    assert ours["b"].flags.f_contiguous


def test_equal_arrays_give_equal_bytes(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    manifests = [s.put(KEY, arrays_of_all_sorts(), {}).manifest for s in (store, other)]
    assert manifests[0]["sha256"] == manifests[1]["sha256"]


def test_nothing_is_created_before_the_first_write(store: Store) -> None:
    assert store.get(KEY) is None and not store.has(KEY) and not store.remove(KEY)
    assert list(store.list()) == []
    assert store.size() == 0 and not store.root.exists()


def test_list_size_remove_and_replace(store: Store) -> None:
    other = ArtifactKey("features", {"model": "vit"})
    store.put(KEY, {"x": np.zeros(4)}, {"n": 1})
    old = store.get(KEY)
    store.put(KEY, {"x": np.ones(4)}, {"n": 2})
    store.put(other, {"x": np.ones(4)}, {})
    assert [m["kind"] for m in store.list("features")] == ["features"] and len(store.list()) == 2
    assert store.size() == sum(p.stat().st_size for k in ("fits", "features") for p in (store.root / k).iterdir())
    new = store.get(KEY)
    assert new is not None and new.info == {"n": 2} and new.arrays["x"].sum() == 4
    assert old is not None and old.arrays["x"].sum() == 0
    assert store.remove(KEY) and not store.has(KEY) and store.get(KEY) is None and store.has(other)


@pytest.mark.parametrize(
    "array", [np.array([None, 1]), np.array([{}]), np.zeros(2, dtype=[("a", "f8")])], ids=["none", "dict", "record"]
)
def test_objects_are_refused(store: Store, array: np.ndarray) -> None:
    with pytest.raises(StoreError, match="'bad'.*dtype"):
        store.put(KEY, {"good": np.ones(2), "bad": array}, {})
    assert not store.root.exists()
    with pytest.raises(StoreError, match="dtype"):
        array_digest(array)


@pytest.mark.parametrize("value", [float("nan"), {1: 2}, Path("x"), {"a": [object()]}, b"x"])
def test_ingredients_and_info_must_be_json(store: Store, value: object) -> None:
    with pytest.raises(StoreError, match="JSON value"):
        ArtifactKey("fits", {"value": value})
    with pytest.raises(StoreError, match="JSON value"):
        store.put(KEY, {"x": np.ones(2)}, {"value": value})
    assert store.get(KEY) is None and not any((store.root / "fits").iterdir())


@pytest.mark.parametrize("kind", ["", "../x", "A", "locks", "quarantine", "jobs", "a/b"])
def test_kinds_are_plain_names(kind: str) -> None:
    with pytest.raises(StoreError, match="kind"):
        ArtifactKey(kind, {})


def test_key_changes_with_every_ingredient() -> None:
    base = {"data": "abc", "layer": 3, "delays": [0, 4], "preset": {"name": "strict", "alphas": [1.0, 2.0]}, "z": None}
    changes = [
        {"data": "abd"},
        {"layer": 4},
        {"layer": "3"},
        {"layer": True},
        {"delays": [4, 0]},
        {"delays": [0, 4, 4]},
        {"preset": {"name": "paper", "alphas": [1.0, 2.0]}},
        {"preset": {"name": "strict", "alphas": [1.0, 2.000001]}},
        {"z": False},
        {"z": 0},
        {"new": None},
    ]
    keys = [ArtifactKey("fits", base), ArtifactKey("other", base), ArtifactKey("fits", {**base, "layer": 1})]
    keys += [ArtifactKey("fits", {**base, **change}) for change in changes]
    keys.append(ArtifactKey("fits", {k: v for k, v in base.items() if k != "z"}))
    assert len({key.digest for key in keys}) == len(keys) and all(len(key.digest) == 32 for key in keys)


def test_key_ignores_order_and_later_changes() -> None:
    ingredients = {"a": [1, 2], "b": 2}
    key = ArtifactKey("fits", ingredients)
    before = ArtifactKey("fits", {"b": np.int64(2), "a": (1, 2)})
    ingredients["a"].append(3)
    assert key == before and hash(key) == hash(before) and key.digest == before.digest
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"\\u00e9","b":1}'


@pytest.mark.parametrize("ending", ["npz", "json"])
def test_any_flipped_byte_is_quarantined_and_recomputed(
    store: Store, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    path = store.root / "fits" / f"{KEY.digest}.{ending}"
    store.put(KEY, {"x": np.arange(20.0)}, {"seconds": 2})
    length = path.stat().st_size
    for n, position in enumerate(range(0, length, max(1, length // 12)), start=1):
        damaged = bytearray(path.read_bytes())
        damaged[position] ^= 1 if ending == "npz" else 4
        path.write_bytes(damaged)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert store.get(KEY) is None
        assert "moved to quarantine because" in caplog.text and not store.has(KEY)
        assert len(list((store.root / "quarantine").iterdir())) == 2 * n
        again = store.get_or_compute(KEY, lambda: ({"x": np.arange(20.0)}, {"seconds": 2}))
        np.testing.assert_array_equal(again.arrays["x"], np.arange(20.0))


@pytest.mark.parametrize("n_bytes", [0, 10, 700])
def test_truncated_or_missing_data_counts_as_absent(store: Store, n_bytes: int) -> None:
    store.put(KEY, {"x": np.arange(200.0)}, {})
    data = store.root / "fits" / f"{KEY.digest}.npz"
    if n_bytes:
        os.truncate(data, n_bytes)
    else:
        data.unlink()
    assert not store.has(KEY)
    assert store.get(KEY) is None
    assert not (store.root / "fits" / f"{KEY.digest}.json").exists()


def test_data_without_manifest_was_never_committed(store: Store) -> None:
    store.put(KEY, {"x": np.ones(3)}, {})
    (store.root / "fits" / f"{KEY.digest}.json").unlink()
    assert not store.has(KEY) and store.get(KEY) is None
    assert store.put(KEY, {"x": np.zeros(3)}, {}).arrays["x"].sum() == 0


def test_a_manifest_of_another_key_is_not_believed(store: Store) -> None:
    other = ArtifactKey("fits", {"layer": 4})
    store.put(other, {"x": np.ones(3)}, {})
    for ending in ("npz", "json"):
        os.replace(store.root / "fits" / f"{other.digest}.{ending}", store.root / "fits" / f"{KEY.digest}.{ending}")
    assert store.get(KEY) is None and len(list((store.root / "quarantine").iterdir())) == 2


def test_bytes_are_hashed_once_per_file_state(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(KEY, {"x": np.ones(3)}, {})
    store.get(KEY)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("hashed again"))
    assert Store(store.root).get(KEY) is not None


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "permission")])
def test_full_disk_or_no_permission_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: int, number: int, words: str
) -> None:
    calls = []

    def failing_fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == call:  # 1: data, 2: manifest
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing_fsync)
    with pytest.raises(StoreError, match=f"{words}.*BRIVL_CACHE"):
        store.put(KEY, {"x": np.ones(3)}, {})
    assert list((store.root / "fits").iterdir()) == [] and store.get(KEY) is None
    assert store.get_or_compute(KEY, lambda: ({"x": np.ones(3)}, {})).arrays["x"].sum() == 3


def test_disk_that_fills_in_the_middle_of_an_array(store: Store) -> None:
    """The kernel itself refuses (file size limit), half-way through the data."""
    code = (
        "import resource, signal, sys, numpy as np; from pathlib import Path\n"
        "from brivl.store.artifacts import Store; from brivl.store.keys import ArtifactKey\n"
        "from brivl.errors import StoreError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: Store(Path(sys.argv[1])).put(ArtifactKey('fits', {}), {'x': np.ones(50_000)}, {})\n"
        "except StoreError as error: print(error)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(store.root)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=PATIENCE)
    assert ran.returncode == 0 and ran.stderr == "" and "Could not write a result of kind 'fits'" in ran.stdout
    assert list((store.root / "fits").iterdir()) == []


def test_folder_that_is_a_file_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(StoreError, match="BRIVL_CACHE"):
        Store(tmp_path / "cache").get_or_compute(KEY, lambda: ({}, {}))


def test_errors_of_the_computation_pass_and_free_the_lock(store: Store) -> None:
    def broken() -> tuple[dict[str, np.ndarray], dict[str, object]]:
        raise OSError("not the store's business")

    with pytest.raises(OSError, match="not the store's business"):
        store.get_or_compute(KEY, broken)
    with pytest.raises(StoreError, match="its own result"):
        store.get_or_compute(KEY, lambda: store.get_or_compute(KEY, broken) and ({}, {}))
    assert store.get_or_compute(KEY, lambda: ({}, {"n": 1})).info == {"n": 1}


def test_array_digest_is_of_the_values_not_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(1).normal(size=(40, 30))
    whole = array_digest(array)
    np.save(tmp_path / "x.npy", array)
    monkeypatch.setattr("brivl.store.digests.CHUNK_BYTES", 1000)
    for same in (np.asfortranarray(array), np.load(tmp_path / "x.npy", mmap_mode="r"), array[::-1].copy()[::-1]):
        assert array_digest(same) == whole
    for other in (array.T, array.reshape(30, 40), array.astype(np.float32), array + 1e-12):
        assert array_digest(other) != whole
    assert array_digest(array, array) != whole
    assert array_digest(np.zeros((0, 3))) != array_digest(np.zeros((0, 4)))
    assert array_digest(np.array(1.0)) != array_digest(np.array(2.0))
