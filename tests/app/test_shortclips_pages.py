"""Layers, flatmap and regions on a shortclips folder whose features stand in for frames, so that no model is run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from brivl.config import cache_dir
from brivl.tasks.registry import run_task
from tests.support.app_driver import charts, fresh_server, headline, html, maps, open_page, region_charts  # noqa: F401 (a fixture)
from tests.support.shortclips_fixture import (
    N_REPEATS,
    N_RUNS,
    N_TEST,
    ONSETS,
    RUN,
    make_shortclips,
    responses_arrays,
    write,
)

N_TRAIN = N_RUNS * RUN


@pytest.fixture
def fitted(tmp_path: Path) -> str:
    """S01 is driven by 'wordnet' in all voxels but NaN ones; fitted, and its flatmap prepared, as a worker does."""
    folder, rng = make_shortclips(tmp_path / "shortclips"), np.random.default_rng(2)
    shutil.rmtree(folder / "stimuli")
    X = rng.normal(size=(2, N_TRAIN + N_TEST, 5))
    for name, space in zip(("wordnet", "motion_energy"), X, strict=True):
        write(folder / "features" / f"{name}.hdf", {"X_train": space[:N_TRAIN], "X_test": space[N_TRAIN:]})
    arrays = responses_arrays(20)
    signal = X[0] @ rng.normal(size=(5, 20))
    arrays["Y_train"] += signal[:N_TRAIN]
    arrays["Y_test"] += np.broadcast_to(signal[N_TRAIN:], (N_REPEATS, N_TEST, 20))
    write(folder / "responses" / "S01_responses.hdf", arrays | {"run_onsets": ONSETS})
    asked = {"dataset": str(folder), "models": ["wordnet", "motion_energy"], "layer": 1, "subject": "S01"}
    run_task({"task": "sweep", "store": str(cache_dir()), "fits": [asked], "n_jobs": 1}, lambda *_: None)
    return str(folder)


@pytest.mark.parametrize("page", ["layers", "flatmap", "regions"])
def test_pages_show_what_was_fitted(fitted: str, page: str) -> None:
    at = open_page(page, data=fitted, a="wordnet", b="motion_energy", layer="1", subject="S01")
    assert not at.exception and not at.error
    said = {"layers": "wordnet", "flatmap": "all 18 voxels", "regions": "wordnet"}
    drawn = {"flatmap": maps, "regions": region_charts, "layers": charts}[page](at)
    assert drawn and said[page] in headline(at) and "SIMULATED" not in html(at)
