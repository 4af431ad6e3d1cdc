"""Layers that two models share are found from their features, whatever the models are called."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brivl.commands.main import main
from brivl.encoding.fit import FitRequest
from brivl.encoding.identical_features import identical_features, stored_identical_features
from brivl.jobs.sweep import sweep_job
from brivl.store.artifacts import Store
from brivl.tasks.registry import run_task
from tests.support.plain_sample import make_plain


@pytest.fixture
def shared(tmp_path: Path) -> str:
    """Two sets of features of other names; layer 1 is the same in both, layer 2 differs in one value."""
    folder = make_plain(tmp_path / "plain")
    signal = np.load(folder / "features" / "signal.npy")
    signal[1, -1, -1] += 1e-3
    np.save(folder / "features" / "other.npy", signal)
    return str(folder)


def request(dataset: str, layer: int, models: tuple[str, str] = ("signal", "other")) -> FitRequest:
    """A fit of the sample."""
    return FitRequest(dataset, models, layer, "A")


def test_equality_is_that_of_the_features(shared: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert stored_identical_features(store, request(shared, 1)) is None, "looking compares nothing"
    assert identical_features(store, request(shared, 1)) is True
    assert identical_features(store, request(shared, 2)) is False
    assert stored_identical_features(store, request(shared, 1, ("other", "signal"))) is True
    assert stored_identical_features(store, request(shared, 2)) is False


def test_other_data_are_compared_anew(shared: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert identical_features(store, request(shared, 1))
    path = Path(shared) / "features" / "other.npy"
    np.save(path, np.load(path) + 1)
    assert stored_identical_features(store, request(shared, 1)) is None


def test_every_run_notes_it_also_of_fits_that_were_stored(shared: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    asked = request(shared, 1)
    run_task(sweep_job(store, [asked]), lambda *_: None)
    assert stored_identical_features(store, asked) is True
    for path in (store.root / "identical-features").glob("*"):
        path.unlink()
    run_task(sweep_job(store, [asked]), lambda *_: None)
    assert stored_identical_features(store, asked) is True


def test_the_command_line_says_it(shared: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--cache", str(tmp_path / "c"), "fit", "--dataset", shared, "--models", "signal,other", "--subject", "A"]
    main([*words, "--layer", "1"])
    assert "identical features at this layer" in capsys.readouterr().out
    main([*words, "--layer", "2", "--json"])
    assert json.loads(capsys.readouterr().out)["identical_features"] is False
