"""Sweeps in worker processes, and the nulls that are shown beside measured data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.flatmap.null_panel import null_requests, null_table
from brivl.encoding.fit import FitRequest, fit, stored_fit
from brivl.errors import RequestError
from brivl.jobs.sweep import sweep_job
from brivl.jobs.task_kinds import KINDS
from brivl.store.artifacts import Store
from brivl.tasks.registry import TASKS, run_task
from tests.support.cache_samples import is_stored
from tests.support.plain_sample import make_plain

HAXBY = Path(__file__).resolve().parents[3] / "shared" / "data" / "haxby2001_1slice"


def test_fits_side_by_side_are_those_of_one_after_the_other(tmp_path: Path) -> None:
    folder = str(make_plain(tmp_path / "data"))
    requests = [
        FitRequest(folder, ("signal", "other"), layer, "A", preset)
        for layer in (1, 2)
        for preset in ("strict", "paper")
    ]
    stores = {n_jobs: Store(tmp_path / f"store{n_jobs}") for n_jobs in (1, 2)}
    for n_jobs, store in stores.items():
        seen: list[float] = []
        ended = run_task(
            sweep_job(store, requests) | {"n_jobs": n_jobs}, lambda done, _t, _m, seen=seen: seen.append(done)
        )
        assert ended == {"n_fits": 4, "hits": 0}
        assert seen == sorted(seen) and seen[-1] == 4
    for request in requests:
        one, two = (stored_fit(store, request) for store in stores.values())
        np.testing.assert_allclose(one.result.r2_split, two.result.r2_split, atol=1e-6)


def test_a_sweep_counts_what_was_there(tmp_path: Path) -> None:
    store, request = (
        Store(tmp_path / "store"),
        FitRequest(str(make_plain(tmp_path / "data")), ("signal", "other"), 2, "A"),
    )
    fit(store, request)
    assert run_task(sweep_job(store, [request]), lambda *_: None) == {"n_fits": 1, "hits": 1}


def test_an_unknown_task_is_a_sentence() -> None:
    with pytest.raises(RequestError, match="Expected a task out of"):
        run_task({"task": "dance"}, lambda *_: None)


def test_every_task_has_a_title_and_a_usual_duration() -> None:
    assert set(KINDS) == set(TASKS)


@pytest.mark.skipif(not HAXBY.is_dir(), reason="the Haxby slice is not beside this checkout")
def test_real_voxels_are_predicted_and_wrong_events_predict_less(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    request = FitRequest(str(HAXBY), ("brivl-mini", "minilm-l6"), 6, "sub-01")
    nulls = {kind: fit(store, null) for kind, null in null_requests(request).items()}
    recorded = fit(store, request)
    table = null_table({"recorded": recorded} | nulls).set_index("events")
    # Stimulus on/off alone explains most of these voxels; what the items add comes on top and vanishes with wrong
    # events.
    on_off = recorded.result.r2_nuisance
    assert on_off is not None and (on_off + recorded.result.r2_joint > 0.05).sum() >= 150
    assert table.loc["recorded", "voxels > 0.05"] >= 40
    assert table.loc["shuffled", "mean joint R²"] < table.loc["recorded", "mean joint R²"]
    assert table.loc[["shuffled", "shifted"], "voxels > 0.05"].max() <= 5
    assert is_stored(store, replace(request, models=request.models[::-1]))
