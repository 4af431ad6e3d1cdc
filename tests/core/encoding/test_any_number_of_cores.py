"""A fit gives the same bits on one core and on several, whichever way its search goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.core.encoding import batched_ridge, standardize
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


def fitted(n_voxels: int, solver: Solver) -> list[np.ndarray]:
    """Everything that a fit of all voxels at once computes."""
    Xs, Y = simulate(n_voxels=n_voxels)
    ridge = BandedRidge(ALPHAS, solver=solver).fit([X[:N] for X in Xs], Y[:N])
    predicted = ridge.predict([X[N:] for X in Xs], split=True)
    scores = r2_split(Y[N:], predicted), r2_joint(Y[N:], predicted.sum(0))
    return [ridge.dual_coef_, ridge.cv_scores_, ridge.alphas_, ridge.band_weights_, predicted, *scores]


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
    ],
    ids=["mapped", "small batches", "few voxels", "every combination", "numpy"],
)
def test_a_fit(n_voxels: int, solver: Solver) -> None:
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
