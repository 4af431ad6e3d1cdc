"""Fits in batches of voxels give the result of one fit of all voxels, for any batches and interruptions."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from brivl.core.columns import LazyArray
from brivl.core.encoding import batched_ridge, batches, spill_buffer
from brivl.core.encoding.banded_ridge import BandedRidge
from brivl.core.encoding.batched_ridge import BatchedRidge
from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.encode import encode, encode_many
from brivl.core.encoding.presets import STRICT
from brivl.core.encoding.problem import Solver
from brivl.core.encoding.split_score import himalaya_backend
from brivl.core.encoding.surface_search import SurfaceSearch, stratified_sample
from brivl.core.encoding.voxel_selection import SelectedVoxels
from brivl.core.encoding.voxel_source import VoxelSource
from brivl.core.progress import FractionCallback, ProgressSteps, no_fraction
from brivl.core.records import Design, EncodingResult, Responses
from brivl.errors import Cancelled, StoreError
from tests.core.encoding import test_surface_search as searches
from tests.core.encoding.test_encode import MOVIE, QUICK, SENTENCES, simulate_movie, simulate_sentences, voxels
from tests.core.encoding.test_encode_many import second_subject

N_VOXELS = 2300  # three batches of at most 1,000, the least
DESIGN = Design(2.0, searches.N, searches.N_TEST, np.arange(0, searches.N, 40))
PRESET = replace(STRICT, n_ratios=7, n_inner=4, alphas=tuple(np.logspace(-1, 4, 6)))


@pytest.fixture(scope="module")
def data() -> tuple[list[np.ndarray], Responses]:
    """Features, and responses in a file: 160 + 60 samples, one voxel of NaN."""
    Xs, Y = searches.simulate(n_voxels=N_VOXELS, width=30)
    Y[:, 7] = np.nan
    train, test = (LazyArray(part.shape, read_from(part)) for part in (Y[: searches.N], Y[None, searches.N :]))
    return Xs, Responses(train, test, voxels(N_VOXELS))


def read_from(part: np.ndarray):
    return lambda start, stop: part[..., start:stop].copy()


class Memory(dict):
    """Checkpoints in a dictionary."""

    scratch = None

    def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self[name] = {key: np.copy(value) for key, value in arrays.items()}


def set_batch_size(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", 4 * (searches.N + searches.N_TEST) * size)


def assert_same(first: EncodingResult, second: EncodingResult, atol: float) -> None:
    np.testing.assert_array_equal(first.selected, second.selected)
    np.testing.assert_array_equal(first.band_weights, second.band_weights)
    np.testing.assert_allclose(first.r2_joint, second.r2_joint, atol=atol, rtol=0)
    np.testing.assert_allclose(first.r2_split, second.r2_split, atol=atol, rtol=0)
    assert first.excluded == second.excluded


def test_choices_are_the_same_to_the_bit_for_any_size_of_batch(data, monkeypatch):
    results = []
    for size in (1000, 2000, 10**6):
        set_batch_size(monkeypatch, size)
        results.append(encode(*data, DESIGN, PRESET))
    for other in results[1:]:
        assert_same(results[0], other, atol=1e-5)
    assert results[0].excluded == {"NaN or infinite responses": 1} and np.nanmean(results[0].r2_joint) > 0.05


def test_a_voxel_has_the_same_bits_whichever_voxels_it_is_read_with():
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((3, searches.N + searches.N_TEST, 5)).astype(np.float32)
    subjects = [Responses(Y[0, : searches.N] + 50, Y[1:, searches.N :], voxels(5))] * 2
    chosen = SelectedVoxels(np.array([True, False, True, True, False]), None, {})
    source = VoxelSource(subjects, [chosen] * 2, DESIGN, PRESET)
    (split,) = cv_splits(DESIGN, PRESET)
    together = source.split_responses(slice(0, 6), split)
    assert source.n_voxels == 6 and source.ends.tolist() == [3, 6]
    assert source.n_rows == searches.N + 2 * searches.N_TEST
    for voxel in range(6):
        single = source.split_responses(slice(voxel, voxel + 1), split)
        np.testing.assert_array_equal(single.Y_train[:, 0], together.Y_train[:, voxel])
        np.testing.assert_array_equal(single.Y_test[:, 0], together.Y_test[:, voxel])
    order = np.array([5, 0, 4])
    np.testing.assert_array_equal(source.fit_responses(order, split), together.Y_train[:, order])


def test_batches_give_the_result_of_all_voxels_at_once(data, monkeypatch):
    set_batch_size(monkeypatch, 1000)
    Xs, responses = data
    in_memory = replace(responses, Y_train=np.asarray(responses.Y_train), Y_test=np.asarray(responses.Y_test))
    at_once, batched = encode(Xs, in_memory, DESIGN, PRESET), encode(Xs, responses, DESIGN, PRESET)
    same = (at_once.band_weights == batched.band_weights).all(0)
    assert same[at_once.selected].mean() > 0.95
    np.testing.assert_allclose(batched.r2_split[:, same], at_once.r2_split[:, same], atol=5e-3)
    assert abs(np.nanmean(batched.r2_joint) - np.nanmean(at_once.r2_joint)) < 1e-4


def test_the_choice_is_as_good_as_that_of_the_full_grid():
    Xs, Y = searches.simulate(n_voxels=2200)
    n, alphas = searches.N, searches.ALPHAS
    ridge = BatchedRidge(BandedRidge(alphas), [X[:n] for X in Xs], [X[n:] for X in Xs], Y.shape[1])
    blocks = [Y[:n, start : start + 1000] for start in range(0, Y.shape[1], 1000)]
    proxies = np.concatenate([ridge.predictability_proxy(block) for block in blocks])
    ridge.learn(Y[:n, stratified_sample(proxies)], no_fraction)
    fitted = [ridge.fit(block, no_fraction) for block in blocks]
    problem = ridge._bands.problem
    with himalaya_backend("torch") as backend:
        search = SurfaceSearch(problem, Solver(exact=True), backend)
        exact = search.all_scores(Y[:n], ProgressSteps(None, 0))
    lost = exact.max(0) - _score_of(ridge, search, exact, fitted)
    assert np.quantile(lost, 0.99) < 1e-3 and lost.mean() < 1e-4  # variances are 1
    assert len(ridge.map.pivots) < len(exact) / 4


def _score_of(ridge: BatchedRidge, search: SurfaceSearch, exact: np.ndarray, fitted: list) -> np.ndarray:
    """Score in the full grid of what each voxel chose."""
    bands, weights = ridge._bands, np.concatenate([fit.weights for fit in fitted], axis=1)
    alphas = np.concatenate([fit.alphas for fit in fitted])
    candidate = np.abs(bands.candidates[:, :, None] - weights).sum(1).argmin(0)
    a = np.abs(np.log(search.alphas)[:, None] - np.log(alphas)).argmin(0)
    return exact[bands.positions[candidate] * len(search.alphas) + a, np.arange(len(a))]


@pytest.mark.parametrize("preset", QUICK.values(), ids=QUICK)
@pytest.mark.parametrize("simulate, design", [(simulate_movie, MOVIE), (simulate_sentences, SENTENCES)])
def test_few_voxels_repeats_folds_and_subjects(simulate, design, preset, monkeypatch):
    Xs, first = simulate()
    subjects = [first, second_subject(first)]
    at_once = encode_many(Xs, subjects, design, preset)
    monkeypatch.setattr(batches, "LARGE_BYTES", 0)
    reported: list[tuple[int, int]] = []
    batched = encode_many(Xs, subjects, design, preset, lambda done, total: reported.append((done, total)))
    for one, other in zip(at_once, batched, strict=True):
        np.testing.assert_array_equal(one.selected, other.selected)
        np.testing.assert_allclose(one.r2_split, other.r2_split, atol=1e-5)
        np.testing.assert_allclose(one.band_weights, other.band_weights, atol=1e-6)
        assert one.excluded == other.excluded
        if one.explainable_variance is not None:
            np.testing.assert_array_equal(one.explainable_variance, other.explainable_variance)
    assert (
        reported == sorted(reported) and reported[-1][0] == reported[-1][1] and len({done for done, _ in reported}) > 10
    )


def test_features_that_repeat_are_projected_in_batches_too(monkeypatch):
    rng = np.random.default_rng(0)
    shown = np.eye(5)[rng.integers(0, 5, searches.N + searches.N_TEST)]
    Xs = [(shown @ rng.standard_normal((5, k))).astype(np.float32) for k in (20, 40)]
    Y = (Xs[0] @ rng.standard_normal((20, 500)) + 9 * rng.standard_normal((len(shown), 500))).astype(np.float32)
    responses = Responses(Y[: searches.N], Y[None, searches.N :], voxels(500))
    at_once = encode(Xs, responses, DESIGN, PRESET)
    monkeypatch.setattr(batches, "LARGE_BYTES", 0)
    batched = encode(Xs, responses, DESIGN, PRESET)
    assert np.abs(at_once.r2_joint - batched.r2_joint).mean() < 1e-4 and np.mean(at_once.r2_joint) > 0.02


def test_finished_batches_are_not_fitted_again_and_change_nothing(data, monkeypatch):
    set_batch_size(monkeypatch, 1000)
    memory, fitted, fit = Memory(), [], BatchedRidge.fit

    def counted(self: BatchedRidge, Y: np.ndarray, report: FractionCallback, single: bool = False) -> object:
        fitted.append(Y.shape[1])
        return fit(self, Y, report, single)

    monkeypatch.setattr(BatchedRidge, "fit", counted)
    uninterrupted = encode(*data, DESIGN, PRESET)
    assert fitted == [1000, 1000, 299]
    for stop_at in (0.02, 0.6, 0.9):
        with pytest.raises(Cancelled):
            encode(*data, DESIGN, PRESET, stopping(stop_at), memory)
    fitted.clear()
    assert {"selection-0", "fold-0-map", "fold-0-voxels-0-1000"} <= memory.keys()
    reported: list[int] = []
    resumed = encode(*data, DESIGN, PRESET, lambda done, total: reported.append(done), memory)
    assert sum(fitted) < N_VOXELS - 1000 and sum(fitted) > 0
    assert_same(uninterrupted, resumed, atol=0)
    fitted.clear()
    assert_same(uninterrupted, encode(*data, DESIGN, PRESET, None, memory), atol=0)
    assert not fitted


def stopping(fraction: float):
    def stop(done: int, total: int) -> None:
        if done > fraction * total:
            raise Cancelled("stopped by the user")

    return stop


def test_matrices_that_do_not_fit_in_memory_are_the_same_from_the_scratch_file(data, monkeypatch, tmp_path):
    in_memory, memory = encode(*data, DESIGN, PRESET), Memory()
    memory.scratch = tmp_path / "scratch"
    written: list[int] = []
    write = spill_buffer.SpillBuffer._write
    monkeypatch.setattr(
        spill_buffer.SpillBuffer, "_write", lambda self, array: written.append(array.nbytes) or write(self, array)
    )
    monkeypatch.setattr(batched_ridge, "ROOM_BYTES", 3 * 4 * searches.N**2)
    assert_same(in_memory, encode(*data, DESIGN, PRESET, None, memory), atol=0)
    assert sum(written) > 8 * 4 * searches.N**2
    assert list(memory.scratch.iterdir()) == []  # the scratch file has no name


def test_a_full_disk_gives_an_error_that_says_what_to_do(monkeypatch):
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spill_buffer.tempfile, "TemporaryFile", full)
    full_up = spill_buffer.SpillBuffer(0)
    with pytest.raises(StoreError, match="Free some space"):
        full_up.store(np.zeros(3))
    full_up.close()
