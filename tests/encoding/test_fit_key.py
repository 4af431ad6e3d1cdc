"""The key of a fit holds everything that changes the answer: any of it changed in turn finds no stored answer."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brivl.core.encoding.presets import PRESETS, Preset
from brivl.data.plain import loader
from brivl.encoding import fit as fitting
from brivl.encoding.fit import FitRequest, fit_key
from brivl.store.artifacts import Store
from tests.support.cache_samples import is_stored
from tests.support.plain_sample import LENGTH, N_RUNS, make_plain
from tests.support.tiny_models import save_timm

# Another value of each field; a field that is added to either record must be added here too.
OTHER_REQUEST: dict[str, Any] = {
    "dataset": None,
    "models": ("signal", "signal"),
    "layer": 1,
    "subject": "B",
    "preset": "paper",
    "pooling": None,
}
OTHER_PRESET: dict[str, Any] = {
    "name": "own",
    "outer": "shuffled",
    "inner": "contiguous",
    "n_outer": 4,
    "n_inner": 5,
    "n_ratios": 13,
    "n_iter": 7,
    "alphas": (*PRESETS["strict"].alphas[:-1], 1e6),
    "test_zscore": "own",
    "normalise_kernels": False,
    "delays_s": (0.0, 2.0, 4.0, 6.0),
    "ev_threshold": 0.05,
    "seed": 1,
    "search": "himalaya",
    "response": "hrf",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The plain sample with a second subject, whose responses are the first one's."""
    folder = make_plain(tmp_path / "plain")
    (folder / "responses" / "B.npy").write_bytes((folder / "responses" / "A.npy").read_bytes())
    return folder


@pytest.fixture
def request_a(folder: Path) -> FitRequest:
    return FitRequest(str(folder), ("signal", "other"), 2, "A")


@pytest.fixture
def store(own_cache: Path, request_a: FitRequest) -> Store:
    """The answer of `request_a` is stored; what it says does not matter here."""
    store = Store(own_cache)
    store.put(fit_key(store, request_a), {"r2_joint": np.zeros(3)}, {})
    return store


def test_every_field_is_tried() -> None:
    assert {f.name for f in dataclasses.fields(FitRequest)} == OTHER_REQUEST.keys()
    assert {f.name for f in dataclasses.fields(Preset)} - {"why"} == OTHER_PRESET.keys()
    assert all(getattr(PRESETS["strict"], name) != value for name, value in OTHER_PRESET.items())


@pytest.mark.parametrize("name", sorted(OTHER_REQUEST.keys() - {"dataset", "pooling"}))
def test_another_choice_is_a_miss(store: Store, request_a: FitRequest, name: str) -> None:
    assert is_stored(store, request_a)
    assert not is_stored(store, dataclasses.replace(request_a, **{name: OTHER_REQUEST[name]}))


@pytest.mark.parametrize("null", ["shifted", "shuffled"])
def test_a_null_control_is_a_miss(store: Store, request_a: FitRequest, null: str) -> None:
    assert not is_stored(store, dataclasses.replace(request_a, dataset=f"{request_a.dataset}@{null}"))


@pytest.mark.parametrize("name", sorted(OTHER_PRESET))
def test_another_setting_of_the_preset_is_a_miss(
    store: Store, request_a: FitRequest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = dataclasses.replace(PRESETS["strict"], **{name: OTHER_PRESET[name]})
    monkeypatch.setitem(PRESETS._presets, "strict", changed)
    assert not is_stored(store, request_a)
    monkeypatch.undo()
    assert is_stored(store, request_a)


def test_other_code_is_a_miss(store: Store, request_a: FitRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "ENCODING_VERSION", fitting.ENCODING_VERSION + 1)
    assert not is_stored(store, request_a)


def test_another_loader_is_a_miss(store: Store, request_a: FitRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "LOADER_VERSION", "plain 0")
    assert not is_stored(store, request_a)
    monkeypatch.undo()
    assert is_stored(store, request_a)


def save_changed(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(path, change(np.load(path)))


def one_bit(X: np.ndarray) -> np.ndarray:
    """The last bit of one value is another."""
    X.reshape(-1)[7:8].view("u8")[...] ^= 1
    return X


FILES: dict[str, Callable[[Path], object]] = {
    "a bit of the responses": lambda f: save_changed(f / "responses" / "A.npy", one_bit),
    "a bit of the features of one model": lambda f: save_changed(f / "features" / "other.npy", one_bit),
    "responses in single precision": lambda f: save_changed(f / "responses" / "A.npy", lambda Y: Y.astype("f4")),
    "runs": lambda f: np.save(f / "run_onsets.npy", np.arange(2 * N_RUNS) * LENGTH // 2),
    "groups": lambda f: np.save(f / "groups.npy", np.repeat(np.arange(N_RUNS), LENGTH)),
    "no groups": lambda f: (f / "groups.npy").unlink(),
    "a TR, and so delays": lambda f: (f / "dataset.json").write_text(json.dumps({"tr": 2.0})),
    "another TR": lambda f: (f / "dataset.json").write_text(json.dumps({"tr": 1.5})),
}


@pytest.mark.parametrize("change", FILES, ids=str)
def test_other_content_under_the_same_name_is_a_miss(
    store: Store, request_a: FitRequest, folder: Path, change: str
) -> None:
    assert is_stored(store, request_a)
    FILES[change](folder)
    assert not is_stored(store, request_a)


def test_voxels_of_the_subject_count_and_files_of_others_do_not(
    store: Store, request_a: FitRequest, folder: Path
) -> None:
    save_changed(folder / "responses" / "B.npy", one_bit)
    (folder / "notes.txt").write_text("mine")
    assert is_stored(store, request_a)
    (folder / "voxels").mkdir()
    np.savez(folder / "voxels" / "A.npz", ijk=np.zeros((12, 3), int), shape=np.array([2, 2, 2]))
    assert not is_stored(store, request_a)


def test_each_ingredient_of_the_key_alone_is_a_miss(store: Store, request_a: FitRequest) -> None:
    """Also those of one preset's settings, in the key itself."""
    key = fit_key(store, request_a)
    assert key.ingredients.keys() >= {"data", "models", "layer", "pooling", "preset", "version"}
    for name in key.ingredients:
        changed = dataclasses.replace(key, ingredients={**key.ingredients, name: "another"})
        assert store.get(changed) is None and not store.has(changed), name
    assert store.get(dataclasses.replace(key)) is not None


def test_a_models_folder_may_lie_elsewhere(tmp_path: Path, own_cache: Path) -> None:
    """Neither the key nor the order of scores depends on where; an `a` in the path sorts before brivl-mini."""
    store, keys = Store(own_cache), []
    for parent in ("a", "z"):
        folder = save_timm(tmp_path / parent / "vit_own")
        request = FitRequest("phantom-movie:120/20", (str(folder), "brivl-mini"), 1, "S01")
        assert fitting.canonical_order(request.models) == ("brivl-mini", str(folder))
        keys.append(fit_key(store, request))
    assert keys[0] == keys[1] and str(tmp_path) not in json.dumps(keys[0].ingredients)


def test_manifests_of_a_fit_name_no_path_and_no_host(folder: Path, own_cache: Path) -> None:
    store = Store(own_cache)
    fitting.fit(store, FitRequest(str(folder), ("signal", "other"), 2, "A"))  # also the summary, parts, equal features
    texts = [path.read_text() for path in own_cache.glob("*/*.json")]
    seconds = [json.loads(text)["seconds"] for text in texts]  # None: made on the way to another result
    assert len(texts) == 4 and all(value is None or isinstance(value, float) for value in seconds) and any(seconds)
    for text in texts:
        assert str(folder.parent) not in text and str(own_cache) not in text and os.uname().nodename not in text
