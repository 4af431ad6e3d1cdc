"""A fit gives the same bits on one core and on several, whichever way its search goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.core.encoding import batched_ridge, single_bands, standardize
from brivl.core.encoding.banded_ridge import BandedRidge, Solver
from brivl.core.encoding.batched_ridge import BatchedRidge
from brivl.core.encoding.split_score import r2_joint, r2_split
from brivl.core.encoding.standardize import TrainingScaler, centre_runs, zscore_runs
from brivl.core.encoding.surface_search import stratified_sample
from brivl.core.progress import no_fraction
from brivl.errors import Cancelled
from brivl.threads import use_cores
from tests.core.encoding.test_surface_search import ALPHAS, N, simulate

CORES = (2, 3)
ROOT = Path(__file__).parents[3]
# Products of this size are shared between threads by OpenBLAS and MKL, and their sums then differ.
IN_A_PROCESS = """
import json
from brivl.threads import set_threads
set_threads()
from brivl.bench.simulated_fit import ALPHAS, Size, simulate
from brivl.core.encoding.banded_ridge import BandedRidge, DirichletRatios, Solver
from brivl.store.digests import array_digest
data, n = simulate(Size("movie", 300, 450, 1)), 300
arrays = [data.Y]
for settings in ({}, {"solver": Solver(method="himalaya"), "ratios": DirichletRatios(2)}):
    ridge = BandedRidge(tuple(ALPHAS), **settings).fit([X[:n] for X in data.Xs], data.Y[:n])
    predicted = ridge.predict([X[n:] for X in data.Xs], split=True)
    arrays += [ridge.dual_coef_, ridge.cv_scores_, ridge.alphas_, predicted]
print(json.dumps([array_digest(array) for array in arrays]))
"""


def fitted(n_voxels: int, solver: Solver) -> list[np.ndarray]:
    """Everything that a fit of all voxels at once computes."""
    Xs, Y = simulate(n_voxels=n_voxels)
    ridge = BandedRidge(ALPHAS, solver=solver).fit([X[:N] for X in Xs], Y[:N], Xs_single=[X[N:] for X in Xs])
    assert ridge.single_predictions_ is not None
    predicted = ridge.predict([X[N:] for X in Xs], split=True)
    scores = r2_split(Y[N:], predicted), r2_joint(Y[N:], predicted.sum(0))
    return [
        ridge.dual_coef_,
        ridge.cv_scores_,
        ridge.alphas_,
        ridge.band_weights_,
        ridge.single_predictions_,
        predicted,
        *scores,
    ]


def fitted_in_batches(folder: Path, n_voxels: int) -> list[np.ndarray]:
    """The same for voxels in batches of 300, with matrices in a scratch file."""
    Xs, Y = simulate(n_voxels=n_voxels)
    ridge = BatchedRidge(BandedRidge(ALPHAS), [X[:N] for X in Xs], [X[N:] for X in Xs], n_voxels, folder)
    sample = stratified_sample(ridge.predictability_proxy(Y[:N]))
    score_map = ridge.learn(Y[:N, sample], no_fraction)
    batches = [ridge.fit(Y[:N, start : start + 300], no_fraction) for start in range(0, n_voxels, 300)]
    ridge.close()
    choices = [array for batch in batches for array in (batch.weights, batch.alphas, batch.predicted)]
    return [score_map.pivots, score_map.factors, *choices]


@pytest.mark.parametrize(
    ("n_voxels", "solver"),
    [
        (1300, Solver()),
        (1300, Solver(n_voxels_batch=170)),
        (200, Solver()),
        (700, Solver(exact=True)),
        (500, Solver(backend="numpy")),
        (60, Solver(method="himalaya", n_voxels_batch=25)),
    ],
    ids=["mapped", "small batches", "few voxels", "every combination", "numpy", "himalaya"],
)
def test_a_fit(n_voxels: int, solver: Solver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_bands, "BLOCK", 400)
    assert_same_on_any_number_of_cores(lambda: fitted(n_voxels, solver))


@pytest.mark.parametrize("room", [batched_ridge.ROOM_BYTES, 3 * 4 * N * N], ids=["memory", "scratch file"])
def test_a_fit_in_batches(room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_ridge, "ROOM_BYTES", room)
    assert_same_on_any_number_of_cores(lambda: fitted_in_batches(tmp_path, 1000))


def assert_same_on_any_number_of_cores(fit: Callable[[], list[np.ndarray]]) -> None:
    """Also where torch would use several threads of its own."""
    before = torch.get_num_threads()
    with use_cores(1):
        on_one_core = fit()
    try:
        for cores in CORES:
            torch.set_num_threads(cores)
            with use_cores(cores):
                for expected, array in zip(on_one_core, fit(), strict=True):
                    np.testing.assert_array_equal(array, expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("n_voxels", [1, 2, standardize.BLOCK + 1, 2 * standardize.BLOCK + 2])
def test_scaling_of_responses(n_voxels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, onsets = np.random.default_rng(0), np.array([0, 30, 70])
    Y = rng.standard_normal((100, n_voxels)).astype(np.float32)
    whole = Y.astype(float).std(0), Y[30:70].astype(float).std(0)

    def scaled() -> list[np.ndarray]:
        scaler = TrainingScaler().fit(Y)
        np.testing.assert_array_equal(scaler.std_, whole[0])  # blocks of columns change nothing
        return [zscore_runs(Y, onsets), centre_runs(Y, onsets), scaler.transform(Y), scaler.transform(Y, onsets)]

    monkeypatch.setattr(standardize, "WORTH_THREADS", 0)
    assert_same_on_any_number_of_cores(scaled)
    run = Y[30:70].astype(float)
    np.testing.assert_array_equal(zscore_runs(Y, onsets)[30:70], ((run - run.mean(0)) / whole[1]).astype(np.float32))


def test_a_fit_under_any_setting_of_threads() -> None:
    """In processes of their own, since libraries read the settings when they are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BRIVL_CORES", "BRIVL_THREADS_SET")
    bare = {name: value for name, value in os.environ.items() if name not in names}

    def digests(**settings: str) -> list[str]:
        command = [sys.executable, "-c", IN_A_PROCESS]
        ran = subprocess.run(command, cwd=ROOT, env=bare | settings, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr[-2000:]
        return json.loads(ran.stdout)

    one = digests(OMP_NUM_THREADS="1")
    assert digests(OMP_NUM_THREADS="2") == one
    assert digests(OPENBLAS_NUM_THREADS="3", BRIVL_CORES="2") == one


def test_himalayas_search_reports_every_step_and_stops_in_all_threads() -> None:
    Xs, Y = simulate(n_voxels=30)
    ridge, train = BandedRidge(ALPHAS, solver=Solver(method="himalaya")), [X[:N] for X in Xs]
    total = 11 * 5 * 3  # candidates, folds, batches of alphas
    filters = list(warnings.filters)
    for cores in (1, 3):
        steps: list[tuple[int, int]] = []
        with use_cores(cores):
            ridge.fit(train, Y[:N], lambda done, of, steps=steps: steps.append((done, of)))
        assert steps == [(done, total) for done in range(1, total + 1)]

        def stop(done: int, of: int, steps: list[tuple[int, int]] = steps) -> None:
            steps.append((done, of))
            raise Cancelled("enough")

        steps.clear()
        with use_cores(cores), pytest.raises(Cancelled, match="enough"):
            ridge.fit(train, Y[:N], stop)
        assert steps == [(1, total)]
    assert warnings.filters == filters


def test_progress_is_the_same_and_may_stop_the_fit() -> None:
    Xs, Y = simulate(n_voxels=900)
    train = [X[:N] for X in Xs]
    reports: dict[int, list[tuple[int, int]]] = {}
    for cores in (1, 3):
        steps = reports.setdefault(cores, [])
        with use_cores(cores):
            BandedRidge(ALPHAS).fit(train, Y[:N], lambda done, total, steps=steps: steps.append((done, total)))
    assert reports[1] == reports[3] and reports[1][-1][0] == reports[1][-1][1]

    for last in (1, 40, reports[1][-1][0]):

        def stop(done: int, _total: int, last: int = last) -> None:
            if done == last:
                raise Cancelled("enough")

        with use_cores(3), pytest.raises(Cancelled, match="enough"):
            BandedRidge(ALPHAS).fit(train, Y[:N], stop)
