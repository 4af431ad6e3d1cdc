"""The content of manifests; and a disk that is full while one is written."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from brivl.errors import StoreError
from brivl.store import artifacts, writing
from brivl.store.artifacts import Store
from brivl.store.digests import file_digest, json_digest
from brivl.store.keys import ArtifactKey

KEY = ArtifactKey("fits", {"data": "abc", "layer": 3, "delays": [0, 4, 6, 8], "preset": "strict"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def test_manifest_says_how_it_was_made_without_paths_or_hosts(store: Store) -> None:
    store.put(KEY, {"x": np.ones(3)}, {"n_voxels": np.int64(3)})
    text = (store.root / "fits" / f"{KEY.digest}.json").read_text()
    manifest = json.loads(text)
    assert manifest["ingredients"] == dict(KEY.ingredients) and manifest["info"] == {"n_voxels": 3}
    assert manifest["bytes"] == (store.root / "fits" / f"{KEY.digest}.npz").stat().st_size
    assert manifest["sha256"] == file_digest(store.root / "fits" / f"{KEY.digest}.npz")
    assert manifest["versions"]["numpy"] == np.__version__ and manifest["created"].endswith("+00:00")
    assert {"brivl", "python", "scipy", "torch", "timm", "transformers", "himalaya"} <= manifest["versions"].keys()
    assert all(manifest["versions"].values()) and manifest["seconds"] is None
    assert str(store.root) not in text and os.uname().nodename not in text


def test_notes_keep_names_and_lose_folders(store: Store, tmp_path: Path) -> None:
    model, picture = tmp_path / "my model", tmp_path / "a.png"
    info = {
        "request": {"models": (str(model), "vit-mini")},
        "bad": [["a", f"Wanted {str(picture)!r} and could not."]],
        "prompt": "a '/red/' or '/blue' car",
        "n": np.int64(2),
    }
    store.put(KEY, {}, info)
    assert store.list()[0]["info"] == {
        "request": {"models": ["my model", "vit-mini"]},
        "bad": [["a", "Wanted 'a.png' and could not."]],
        "prompt": "a '/red/' or '/blue' car",
        "n": 2,
    }


def test_manifest_says_how_long_the_computation_took(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(artifacts, "time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))

    def slow() -> tuple[dict[str, np.ndarray], dict[str, object]]:
        clock.now += 0.25
        return {}, {}

    assert store.get_or_compute(KEY, slow).manifest["seconds"] == 0.25
    assert store.get_or_compute(KEY, slow).manifest == store.list()[0]


def test_a_manifest_of_an_earlier_version_is_read(store: Store) -> None:
    """Results that were stored before manifests had seconds are still valid."""
    store.put(KEY, {"x": np.ones(3)}, {})
    path = store.root / "fits" / f"{KEY.digest}.json"
    body = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("seconds", "self_sha256")}
    path.write_text(json.dumps(body | {"self_sha256": json_digest(body)}))
    artifact = store.get(KEY)
    assert artifact is not None and "seconds" not in artifact.manifest


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_disk_that_is_full_for_the_kernel(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "open", lambda _path, mode: open("/dev/full", mode), raising=False)
    with pytest.raises(StoreError, match="Could not write a result of kind 'fits'.*the disk is full.*BRIVL_CACHE"):
        store.put(KEY, {"x": np.ones(50_000)}, {})
    assert list((store.root / "fits").iterdir()) == []
    monkeypatch.undo()
    assert store.put(KEY, {"x": np.ones(3)}, {}).arrays["x"].sum() == 3
