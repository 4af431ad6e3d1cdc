"""Decoding: kernels against delayed responses, planted embeddings, ranks and shift tests against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.decoding.identification import (
    CandidatePool,
    Identification,
    chance_accuracy,
    circular_shift_test,
    cumulative_order,
    identify,
    nearest_candidates,
    pairwise_accuracy,
    top_k_accuracy,
)
from brivl.core.decoding.ridge import advance_kernel, decode_embeddings, gram_matrix, row_onsets, split_into_windows
from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.delays import delay, delays_at
from brivl.core.encoding.fold_responses import split_responses
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.records import Design, Responses, Voxels
from brivl.errors import RequestError

STRICT = PRESETS["strict"]


def _voxels(n: int) -> Voxels:
    return Voxels("native", np.arange(3 * n).reshape(n, 3), (3 * n, 3 * n, 3 * n), None)


def _movie_data(rng: np.random.Generator, n_voxels: int, signal: float) -> tuple[Responses, Design, np.ndarray]:
    """Embeddings, and responses that follow each dimension 4 s (2 samples) later, in four runs and a test run."""
    design = Design(2.0, 160, 48, np.arange(0, 160, 40))
    E = rng.standard_normal((208, 6)).astype(np.float32)
    mixing = rng.standard_normal((6, n_voxels))
    driven = delay(E, [2], np.r_[design.run_onsets, 160]) @ mixing
    train = signal * driven[:160] + rng.standard_normal((160, n_voxels))
    test = signal * driven[160:] + rng.standard_normal((3, 48, n_voxels))
    return Responses(train.astype(np.float32), test.astype(np.float32), _voxels(n_voxels)), design, E


def test_the_kernel_is_that_of_responses_at_all_later_samples() -> None:
    rng = np.random.default_rng(0)
    responses, design, _ = _movie_data(rng, 30, 1.0)
    (rows,) = cv_splits(design, STRICT)
    voxels = np.array([0, 3, 4, 20])
    protocol = FitProtocol(design, STRICT)
    K = advance_kernel(gram_matrix(responses, voxels, rows, protocol), rows, protocol)
    part = split_responses(responses.Y_train[:, voxels], responses.Y_test[:, :, voxels], rows, design, STRICT)
    later = [-d for d in delays_at(STRICT.delays_s, 2.0)]
    Y = delay(np.concatenate([part.Y_train, part.Y_test]), later, np.array([0, 40, 80, 120, 160]))
    np.testing.assert_allclose(K, Y @ Y.T, rtol=1e-4, atol=1e-3)


def test_grams_add_up_over_voxels() -> None:
    responses, design, _ = _movie_data(np.random.default_rng(1), 12, 1.0)
    (rows,) = cv_splits(design, STRICT)
    some, others = np.arange(5), np.arange(5, 12)
    kernels = [gram_matrix(responses, voxels, rows, FitProtocol(design, STRICT)) for voxels in (some, others)]
    whole = gram_matrix(responses, np.arange(12), rows, FitProtocol(design, STRICT))
    np.testing.assert_allclose(sum(kernels), whole, rtol=1e-4, atol=1e-3)


def test_planted_embeddings_are_recovered_and_noise_is_not() -> None:
    results = {}
    for signal in (1.0, 0.0):
        responses, design, E = _movie_data(np.random.default_rng(2), 40, signal)
        (rows,) = cv_splits(design, STRICT)
        protocol = FitProtocol(design, STRICT)
        decoded = decode_embeddings(
            advance_kernel(gram_matrix(responses, np.arange(40), rows, protocol), rows, protocol), E, rows, protocol
        )
        events = split_into_windows([0], 48, 3)
        candidates = np.stack([E[rows.test][event].mean(0) for event in events]) - E[rows.train].mean(0)
        pool = CandidatePool(decoded.predicted, candidates, events, np.zeros(1, int))
        results[signal] = pairwise_accuracy([identify(pool)]), circular_shift_test([pool]).p, decoded.inner_r2
    assert results[1.0][0] > 0.9 and results[1.0][1] == pytest.approx(1 / 48) and results[1.0][2] > 0.3
    assert results[0.0][0] < 0.75 and results[0.0][1] > 0.05 and results[0.0][2] < 0.05


def test_rows_of_a_fold_keep_their_runs_apart() -> None:
    design = Design(2.0, 120, 0, np.arange(0, 120, 40))
    for rows in cv_splits(design, STRICT):
        np.testing.assert_array_equal(row_onsets(rows, design), [0, 40, 80])  # two runs of the fit, one held out


def test_windows_do_not_cross_runs_and_drop_the_rest() -> None:
    windows = split_into_windows([0, 7], 12, 3)
    assert [w.tolist() for w in windows] == [[0, 1, 2], [3, 4, 5], [7, 8, 9]]


def _pool(rng: np.random.Generator, n: int, width: int = 1) -> CandidatePool:
    predicted, candidates = rng.standard_normal((n * width, 5)), rng.standard_normal((n, 5))
    return CandidatePool(predicted, candidates, split_into_windows([0], n * width, width), np.zeros(1, int))


def test_ranks_are_those_of_cosines() -> None:
    pool = _pool(np.random.default_rng(3), 20, width=2)
    expected = []
    for i, rows in enumerate(pool.events):
        mean = pool.predicted[rows].mean(0)
        cosines = pool.candidates @ mean / np.linalg.norm(pool.candidates, axis=1) / np.linalg.norm(mean)
        expected.append(int((np.delete(cosines, i) >= cosines[i]).sum()))
        np.testing.assert_array_equal(nearest_candidates(pool, 3)[i], np.argsort(-cosines)[:3])
    np.testing.assert_array_equal(identify(pool).ranks, expected)


def test_accuracies_of_known_ranks() -> None:
    identified = [
        Identification(np.array([0, 4, 2]), np.zeros(3, int), 5),
        Identification(np.array([1, 0]), np.zeros(2), 2),
    ]
    assert top_k_accuracy(identified, 1) == pytest.approx(0.4)
    assert pairwise_accuracy(identified) == pytest.approx((1 + 0 + 0.5 + 0 + 1) / 5)


def test_ties_count_half_and_equal_candidates_are_one() -> None:
    candidates = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    events, onsets = [np.array([i]) for i in range(5)], np.zeros(1, int)
    nothing = identify(CandidatePool(np.zeros((5, 2)), candidates, events, onsets))
    assert nothing.n_candidates == 3 and nothing.ranks.tolist() == [1.0] * 5 and nothing.ties.tolist() == [2] * 5
    assert pairwise_accuracy([nothing]) == 0.5 and top_k_accuracy([nothing], 1) == pytest.approx(1 / 3)
    right = identify(CandidatePool(candidates, candidates, events, onsets))
    assert pairwise_accuracy([right]) == 1 and top_k_accuracy([right], 1) == 1
    with pytest.raises(RequestError, match="at least two different stimuli .* got 2 that are all alike"):
        CandidatePool(np.eye(2), np.ones((2, 2)), events[:2], onsets)


@pytest.mark.parametrize("counts", [(4, 4, 4, 4), (10, 3, 2, 1), (2, 2)])
def test_chance_is_that_of_shuffled_data(counts: tuple[int, ...]) -> None:
    """Repeated stimuli, also of unequal frequency, and predictions that favour the frequent one."""
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(len(counts)), counts)
    candidates = rng.standard_normal((len(counts), 6))[labels]
    predicted = candidates[:1] + rng.standard_normal((len(labels), 6))
    events, onsets = [np.array([i]) for i in range(len(labels))], np.zeros(1, int)
    chance = chance_accuracy([CandidatePool(predicted, candidates, events, onsets)])
    simulated = []
    for _ in range(600):
        one = identify(CandidatePool(rng.permutation(predicted), candidates, events, onsets))
        simulated.append([pairwise_accuracy([one]), top_k_accuracy([one], 1), top_k_accuracy([one], 5)])
    means, errors = np.mean(simulated, axis=0), np.std(simulated, axis=0) / np.sqrt(len(simulated))
    np.testing.assert_array_less(abs(means - [chance.pairwise, *chance.top_k.values()]), 4 * errors + 1e-12)
    if len(set(counts)) == 1:
        assert chance.pairwise == pytest.approx(0.5) and chance.top_k[1] == pytest.approx(1 / len(counts))
    else:
        assert chance.pairwise > 0.6  # which was said to be 0.5


def test_shift_test_of_one_run_counts_every_shift() -> None:
    pool = _pool(np.random.default_rng(4), 15)
    scores = []
    for shift in range(15):
        shifted = CandidatePool(np.roll(pool.predicted, shift, axis=0), pool.candidates, pool.events, pool.onsets)
        scores.append(pairwise_accuracy([identify(shifted)]))
    assert circular_shift_test([pool]).p == pytest.approx(np.mean(np.array(scores) >= scores[0] - 1e-12))
    assert circular_shift_test([pool]).smallest_p == pytest.approx(1 / 15)


def test_shift_test_is_fair_where_neighbours_are_alike() -> None:
    rng, ps = np.random.default_rng(5), []
    for _ in range(200):  # predictions and stimuli change slowly, and have nothing to do with one another
        slow = [delay(rng.standard_normal((44, 4)), range(4), np.zeros(1, int)).reshape(44, 4, 4).sum(1) for _ in "ab"]
        halves = [[part[at : at + 22] for part in slow] for at in (0, 22)]
        pools = [CandidatePool(*half, [np.array([i]) for i in range(22)], np.zeros(1, int)) for half in halves]
        ps.append(circular_shift_test(pools, n_draws=199).p)
    assert 0.01 < np.mean(np.array(ps) <= 0.05) < 0.10


def test_order_by_score_then_name() -> None:
    assert cumulative_order({"b": 0.1, "a": 0.1, "c": 0.3}) == ["c", "a", "b"]


def test_what_cannot_be_identified_is_refused() -> None:
    with pytest.raises(RequestError, match="shorter windows"):
        CandidatePool(np.eye(2), np.eye(2)[:1], [np.array([0])], np.zeros(1, int))
    responses, design, _ = _movie_data(np.random.default_rng(6), 4, 1.0)
    (rows,) = cv_splits(design, STRICT)
    with pytest.raises(RequestError, match="Choose another region"):
        gram_matrix(responses, np.zeros(0, int), rows, FitProtocol(design, STRICT))
