"""Each fault where its harm is known: small simulated data with known truth, scored validly and not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import scipy.special

from brivl.core.audit.leakage import count_shared_items, count_split_labels, find_leaks, leak_warning
from brivl.core.audit.nuisance import autocorrelated_sequences, standardise_columns
from brivl.core.audit.scoring import errors_against_truth, halves, r2_by_fold, score_selected_voxels
from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import PAPER, STRICT, FitProtocol
from brivl.core.inference.contributions import Predictions
from brivl.core.inference.held_out_predictions import held_out_predictions
from brivl.core.records import Design, Responses, Truth
from tests.core.encoding.test_encode import MOVIE, QUICK, simulate_movie, voxels

N_PASSAGES, LENGTH, N_VOXELS = 24, 5, 30
GROUPS = np.repeat(np.arange(N_PASSAGES), LENGTH)
READING = Design(None, len(GROUPS), 0, np.zeros(1, int), groups=GROUPS)
GROUPED = replace(QUICK["strict"], n_ratios=3)
SHUFFLED = replace(GROUPED, outer="shuffled")


def passage_noise(rng: np.random.Generator, share: float = 0.5) -> np.ndarray:
    """Responses without any signal; sentences of a passage share part of their noise."""
    common = rng.standard_normal((N_PASSAGES, N_VOXELS))[GROUPS]
    return np.sqrt(share) * common + np.sqrt(1 - share) * rng.standard_normal((len(GROUPS), N_VOXELS))


def passage_features(rng: np.random.Generator, n: int = 40) -> np.ndarray:
    """Features of which sentences of a passage have much in common, as meanings have."""
    return rng.standard_normal((N_PASSAGES, n))[GROUPS] + 0.5 * rng.standard_normal((len(GROUPS), n))


def mean_r2(Xs: list[np.ndarray], Y: np.ndarray, preset, design: Design = READING) -> np.ndarray:
    """Mean over voxels: joint, then by band."""
    responses = Responses(Y.astype(np.float32), None, voxels(Y.shape[1]))
    data = held_out_predictions(Xs, responses, np.arange(Y.shape[1]), FitProtocol(design, preset))
    return r2_by_fold(data, data.folds).mean((0, 2))


def test_scores_by_fold_are_those_of_a_fit() -> None:
    Xs, responses = simulate_movie()
    result = encode(Xs, responses, MOVIE, QUICK["strict"])
    data = held_out_predictions(Xs, responses, np.flatnonzero(result.selected), FitProtocol(MOVIE, QUICK["strict"]))
    one_fold = r2_by_fold(data, np.zeros(len(data.measured), int))[0]
    np.testing.assert_allclose(one_fold, np.r_[result.r2_joint[None], result.r2_split], atol=1e-4)
    by_half = r2_by_fold(data, halves(len(data.measured)))
    squares = np.stack([np.square(half, dtype=float).sum(0) for half in np.split(data.measured, 2)])
    np.testing.assert_allclose((by_half[:, 0] * squares).sum(0) / squares.sum(0), one_fold[0], atol=1e-4)


def test_shuffled_folds_find_signal_in_noise(rng: np.random.Generator) -> None:
    Xs, Y = [passage_features(rng), passage_features(rng)], passage_noise(rng)
    grouped, shuffled = (mean_r2(Xs, Y, preset)[0] for preset in (GROUPED, SHUFFLED))
    assert grouped < 0.01 < 0.1 < shuffled


def test_sequences_without_content_profit_from_shuffling_alone(rng: np.random.Generator) -> None:
    """As Hadidi et al. showed, neighbourhood alone predicts where neighbours are in the training set."""
    X, Y = standardise_columns(autocorrelated_sequences(GROUPS)), passage_noise(rng)
    grouped, shuffled = (mean_r2([X], Y, replace(preset, alphas=(3.0,)))[0] for preset in (GROUPED, SHUFFLED))
    assert grouped < 0.01 < 0.1 < shuffled


def test_own_zscore_hides_a_wrong_level(rng: np.random.Generator) -> None:
    """Every six passages have a level of their own; a fold's mean is then off, which only its own z-score hides."""
    X = rng.standard_normal((len(GROUPS), 6))
    levels = np.repeat(rng.standard_normal((N_PASSAGES // 6, N_VOXELS)) * 2, 6 * LENGTH, axis=0)
    Y = X @ rng.standard_normal((6, N_VOXELS)) + 0.5 * rng.standard_normal((len(GROUPS), N_VOXELS)) + levels
    design = replace(READING, groups=GROUPS // 6)
    valid, own = (mean_r2([X], Y, preset, design)[0] for preset in (GROUPED, replace(GROUPED, test_zscore="own")))
    assert own > valid + 0.2


def test_own_zscore_of_a_test_run_changes_the_score_by_its_scale() -> None:
    """A constant factor on the test responses makes the prediction too small, which the z-score of the test hides."""
    Xs, responses = simulate_movie()
    presets = [replace(QUICK["strict"], test_zscore=whose) for whose in ("training", "own")]
    louder = replace(responses, Y_test=3 * responses.Y_test)
    (strict, own), (strict_loud, own_loud) = (
        [encode(Xs, given, MOVIE, preset).r2_joint for preset in presets] for given in (responses, louder)
    )
    np.testing.assert_allclose(own, own_loud, atol=1e-4)
    assert (strict_loud < strict).mean() > 0.9 and strict_loud.mean() < strict.mean() - 0.1


def test_voxels_selected_by_the_scored_data_score_above_their_truth(rng: np.random.Generator) -> None:
    """True mean R² is -0.02 everywhere. Selected by the scored data, noise scores above 0; by other folds, -0.02."""
    parts = np.zeros((5, 3, 20_000))
    parts[:, 1:] = -0.01 + 0.05 * rng.standard_normal((5, 2, 20_000))
    parts[:, 0] = parts[:, 1:].sum(1)
    valid, biased = score_selected_voxels(parts, False), score_selected_voxels(parts, True)
    assert valid.r2[0] == pytest.approx(-0.02, abs=0.002) and valid.r2.shape == (3,)
    sd = 0.05 * np.sqrt(2 / 5)  # of the mean over folds; mean of what exceeds 0 of N(-0.02, sd)
    z = 0.02 / sd
    tail = 0.5 * (1 - scipy.special.erf(z / np.sqrt(2)))
    expected = -0.02 + sd * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / tail
    assert biased.r2[0] == pytest.approx(expected, abs=0.002) and expected > 0.01
    assert biased.n_voxels == pytest.approx(20_000 * tail, rel=0.05)
    empty = score_selected_voxels(-np.abs(parts), True)
    assert empty.n_voxels == 0 and np.isnan(empty.r2).all()


def test_a_nuisance_band_takes_its_own_variance(rng: np.random.Generator) -> None:
    """Responses follow sentence length; a model that contains length scores until length is a band of its own."""
    length = rng.standard_normal((len(GROUPS), 1))
    model = np.c_[length + 0.5 * rng.standard_normal(length.shape), rng.standard_normal((len(GROUPS), 8))]
    other = rng.standard_normal((len(GROUPS), 9))
    Y = length + rng.standard_normal((len(GROUPS), N_VOXELS))
    without = mean_r2([model, other], Y, GROUPED)
    beside = mean_r2([model, other, length], Y, GROUPED)
    assert without[1] > 0.2 and beside[1] < 0.4 * without[1] and beside[3] > 0.25 and beside[0] > without[0]


def test_against_truth_in_closed_form() -> None:
    truth = Truth(
        np.array([0, 5, 5]), np.zeros((2, 3)), np.zeros(3), np.array([[0, 0.3, 0.1], [0, 0.1, 0.3]]), ("m", "u")
    )
    null_voxels, signal_voxels = truth.layer == 0, truth.layer > 0
    r2 = np.array([[0.04, 0.3, 0.3], [0.02, 0.2, 0.1], [0.02, 0.1, 0.2]])
    errors = errors_against_truth(r2, truth, ("m", "u"), null_voxels, signal_voxels)
    assert errors.null_r2 == 0.04 and errors.difference_error == pytest.approx(0.1)
    swapped = errors_against_truth(r2[[0, 2, 1]], truth, ("u", "m"), null_voxels, signal_voxels)
    assert swapped.difference_error == pytest.approx(0.1)
    assert np.isnan(errors_against_truth(r2, truth, ("m", "u"), np.zeros(3, bool), signal_voxels).null_r2)


def test_bands_without_a_score_are_nan() -> None:
    y = np.c_[np.ones(6) * [1, -1, 1, -1, 1, -1], np.zeros(6)].astype(np.float32)
    r2 = r2_by_fold(Predictions(y, y[None] / 2), halves(6))
    np.testing.assert_allclose(r2[:, :, 0], 0.75, rtol=1e-5)
    assert np.isnan(r2[:, :, 1]).all()


# Leakage


def test_passages_that_folds_divide_are_counted() -> None:
    assert (
        count_split_labels([(np.array([0, 1, 2]), np.array([3])), (np.array([2, 3]), np.array([0, 1]))], [7, 7, 8, 8])
        == 1
    )
    assert find_leaks(READING, STRICT) == [] and leak_warning(READING, STRICT) == ""
    (scored, *rest) = find_leaks(READING, PAPER)
    assert scored.kind == "passages" and scored.n_groups == N_PASSAGES and scored.n_divided > N_PASSAGES / 2
    warning = leak_warning(READING, PAPER)
    assert f"{scored.n_divided} of 24 passages appear in both the training and the test set" in warning
    assert "preset strict" in warning
    assert all(leak.where == "choice" for leak in rest)


def test_runs_that_folds_divide_are_counted_and_a_test_run_is_not_divided() -> None:
    """Twelve runs of 60 in five consecutive blocks of 144: the borders at 144, 288, 432, 576 are within four runs."""
    movie = Design(2.0, 720, 90, np.arange(12) * 60)
    (leak,) = find_leaks(movie, PAPER)
    assert (leak.kind, leak.n_divided, leak.n_groups, leak.where) == ("runs", 4, 12, "choice")
    assert "choose weights and alpha" in leak_warning(movie, PAPER) and leak_warning(movie, STRICT) == ""
    one_run = Design(2.0, 100, 0, np.zeros(1, int))
    assert "1 of 1 run appears in both the training and the test set" in leak_warning(one_run, STRICT)


def test_items_that_are_shown_again_are_counted() -> None:
    weights = scipy.sparse.csr_matrix(np.array([[1.0, 0, 0], [0, 1, 0], [0.5, 0, 0.5], [0, 0, 1]]))
    assert count_shared_items(weights, [(np.array([0, 1]), np.array([2, 3]))]) == 1
    assert (
        count_shared_items(weights, [(np.array([0, 3]), np.array([1, 2])), (np.array([1, 2]), np.array([0, 3]))]) == 3
    )
