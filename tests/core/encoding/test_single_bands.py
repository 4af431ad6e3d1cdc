"""Bands alone from the decompositions of the joint fit: against plain numpy, fits of their own, planted truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brivl.core.encoding import single_bands
from brivl.core.encoding.banded_ridge import BandedRidge, DirichletRatios, Solver
from brivl.core.encoding.batches import encode_parts_in_batches
from brivl.core.encoding.cross_validation import contiguous_folds
from brivl.core.encoding.encode import encode, encode_parts
from brivl.core.encoding.presets import PAPER, STRICT, FitProtocol, Preset
from brivl.core.encoding.split_score import r2_joint
from brivl.core.records import Design, Responses, Voxels
from brivl.errors import Cancelled
from brivl.threads import use_cores
from tests.core.encoding.test_surface_search import ALPHAS, N, simulate

PRESET = replace(STRICT, n_ratios=7, n_inner=3, alphas=tuple(np.logspace(-2, 3, 6)))


def plain_ridge(X: np.ndarray, Y: np.ndarray, X_test: np.ndarray, folds: list) -> np.ndarray:
    """Predictions of ridge regression in float64 with a kernel of mean diagonal 1; alpha by cross-validation."""
    X, Y, X_test = (part.astype(float) for part in (X, Y, X_test))
    scale = len(X) / np.square(X).sum()
    K, across = scale * X @ X.T, scale * X_test @ X.T
    alphas = np.sort(ALPHAS)[::-1]
    losses = np.zeros((len(alphas), Y.shape[1]))
    for train, test in folds:
        values, vectors = np.linalg.eigh(K[np.ix_(train, train)])
        rotated, predictor = vectors.T @ Y[train], K[np.ix_(test, train)] @ vectors
        for a, alpha in enumerate(alphas):
            errors = Y[test] - predictor @ (rotated / (values + alpha)[:, None])
            losses[a] += np.square(errors).mean(0) / len(folds)
    values, vectors = np.linalg.eigh(K)
    chosen = alphas[losses.argmin(0)]
    return across @ vectors @ ((vectors.T @ Y) / (values[:, None] + chosen))


@pytest.mark.parametrize("n_voxels", [200, 1500], ids=["every combination", "mapped"])
def test_each_band_alone_is_plain_ridge(n_voxels: int) -> None:
    Xs, Y = simulate(n_voxels=n_voxels)
    train, test, folds = [X[:N] for X in Xs], [X[N:] for X in Xs], contiguous_folds(N, 5)
    ridge = BandedRidge(ALPHAS).fit(train, Y[:N], Xs_single=test)
    assert ridge.single_predictions_ is not None
    for X, X_test, predicted in zip(train, test, ridge.single_predictions_, strict=True):
        expected = r2_joint(Y[N:], plain_ridge(X, Y[:N], X_test, folds))
        difference = np.abs(r2_joint(Y[N:], predicted) - expected)
        # Losses at two alphas can differ by less than float32 resolves; then another alpha is as good.
        assert np.quantile(difference, 0.995) < 2e-6 and difference.max() < 1e-3


@pytest.mark.parametrize(
    "solver", [Solver(), Solver(exact=True), Solver(method="himalaya")], ids=["own", "exact", "himalaya"]
)
def test_each_band_alone_is_a_fit_of_its_own(solver: Solver) -> None:
    Xs, Y = simulate(n_voxels=300)
    train, test = [X[:N] for X in Xs], [X[N:] for X in Xs]
    together = BandedRidge(ALPHAS, solver=solver).fit(train, Y[:N], Xs_single=test).single_predictions_
    for X, X_test, predicted in zip(train, test, together, strict=True):
        alone = BandedRidge(ALPHAS, solver=solver).fit([X], Y[:N]).predict([X_test])
        np.testing.assert_allclose(r2_joint(Y[N:], predicted), r2_joint(Y[N:], alone), atol=1e-6)


@pytest.mark.parametrize("ratios", [DirichletRatios(5), np.array([[0.5, 0.5], [0.2, 0.8]])], ids=["drawn", "mixed"])
def test_bands_that_are_no_candidate_are_searched_alone(ratios: np.ndarray | DirichletRatios) -> None:
    Xs, Y = simulate(n_voxels=60)
    train, test = [X[:N] for X in Xs], [X[N:] for X in Xs]
    together = BandedRidge(ALPHAS, ratios).fit(train, Y[:N], Xs_single=test).single_predictions_
    for X, X_test, predicted in zip(train, test, together, strict=True):
        alone = BandedRidge(ALPHAS).fit([X], Y[:N]).predict([X_test])
        np.testing.assert_allclose(r2_joint(Y[N:], predicted), r2_joint(Y[N:], alone), atol=1e-6)


def test_the_joint_fit_is_the_same_to_the_bit() -> None:
    Xs, Y = simulate(n_voxels=900)
    train, test = [X[:N] for X in Xs], [X[N:] for X in Xs]
    without, with_single = BandedRidge(ALPHAS).fit(train, Y[:N]), BandedRidge(ALPHAS).fit(train, Y[:N], Xs_single=test)
    for name in ("dual_coef_", "band_weights_", "alphas_", "cv_scores_"):
        np.testing.assert_array_equal(getattr(without, name), getattr(with_single, name))
    assert without.single_predictions_ is None


def test_identical_bands_are_the_joint_fit() -> None:
    (X, _), Y = simulate(n_voxels=700)
    ridge = BandedRidge(ALPHAS).fit([X[:N], X[:N].copy()], Y[:N], Xs_single=[X[N:], X[N:]])
    joint = ridge.score([X[N:], X[N:]], Y[N:])
    difference = np.abs(np.stack([r2_joint(Y[N:], p) for p in ridge.single_predictions_]) - joint)
    assert np.median(difference) < 1e-6


def test_wrong_maps_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With mapped gains that are noise, every choice is made by exact losses."""
    Xs, Y = simulate(n_voxels=600)
    train, test = [X[:N] for X in Xs], [X[N:] for X in Xs]
    expected = BandedRidge(ALPHAS, solver=Solver(exact=True)).fit(train, Y[:N], Xs_single=test).single_predictions_
    search = single_bands.SearchOutcome

    def _noisy(alphas: np.ndarray, score_map: object, pivot_losses: np.ndarray) -> single_bands.SearchOutcome:
        noise = np.random.default_rng(0).normal(0, 0.02, pivot_losses.shape)
        return search(alphas, score_map, pivot_losses + noise)

    monkeypatch.setattr("brivl.core.encoding.banded_ridge.SearchOutcome", _noisy)
    found = BandedRidge(ALPHAS).fit(train, Y[:N], Xs_single=test).single_predictions_
    same = [np.isclose(r2_joint(Y[N:], f), r2_joint(Y[N:], e), atol=1e-5) for f, e in zip(found, expected, strict=True)]
    assert np.mean(same) > 0.98


def test_any_number_of_cores_gives_the_same_bits() -> None:
    Xs, Y = simulate(n_voxels=900)
    train, test = [X[:N] for X in Xs], [X[N:] for X in Xs]
    found = []
    for n_cores in (1, 3):
        with use_cores(n_cores):
            found.append(BandedRidge(ALPHAS).fit(train, Y[:N], Xs_single=test).single_predictions_)
    np.testing.assert_array_equal(*found)


def test_it_can_be_stopped_while_bands_are_fitted_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    Xs, Y = simulate(n_voxels=900)
    monkeypatch.setattr(single_bands, "BLOCK", 100)
    reported: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        reported.append((done, total))
        if reported.count((1, 1)) == 3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        BandedRidge(ALPHAS).fit([X[:N] for X in Xs], Y[:N], stop, Xs_single=[X[N:] for X in Xs])
    assert reported[-1] == (1, 1)


# Planted unique parts: voxels answer to what both bands know, to what one of them knows, and noise.
N_ROWS, N_VOXELS, NOISE = 900, 9, 0.5
WIDTH = 4
PLANTED = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
DESIGN = Design(None, N_ROWS, 0, np.zeros(1, int), np.repeat(np.arange(60), N_ROWS // 60))


def planted() -> tuple[list[np.ndarray], Responses]:
    """Two bands that share WIDTH dimensions and have WIDTH of their own; one voxel for each row of PLANTED."""
    rng = np.random.default_rng(3)
    latents = np.linalg.qr(rng.standard_normal((N_ROWS, 3 * WIDTH)))[0] * np.sqrt(N_ROWS)
    common, of_a, of_b = np.split(latents, 3, axis=1)
    mix = rng.standard_normal((3, WIDTH, len(PLANTED)))
    mix /= np.linalg.norm(mix, axis=1, keepdims=True)
    signals = [part @ m for part, m in zip((of_a, of_b, common), mix, strict=True)]
    Y = sum(np.sqrt(share) * signal for share, signal in zip(PLANTED.T, signals, strict=True))
    Y = Y + NOISE * rng.standard_normal(Y.shape)
    voxels = Voxels("simulated", np.zeros((len(PLANTED), 3), int), (1, 1, 1), None)
    return [np.hstack([common, of_a]), np.hstack([common, of_b])], Responses(Y.astype(np.float32), None, voxels)


def design_of(Y: np.ndarray) -> tuple[Design, Responses]:
    """Groups of ten rows, and responses in voxels of no place."""
    n, n_voxels = Y.shape
    voxels = Voxels("simulated", np.zeros((n_voxels, 3), int), (1, 1, 1), None)
    return Design(None, n, 0, np.zeros(1, int), np.arange(n) // 10), Responses(Y, None, voxels)


def test_planted_unique_and_shared_variance_is_recovered() -> None:
    Xs, responses = planted()
    result, single = encode_parts(Xs, responses, DESIGN, PRESET)
    found = np.stack([result.r2_joint - single[1], result.r2_joint - single[0], single.sum(0) - result.r2_joint], 1)
    np.testing.assert_allclose(found, PLANTED / (1 + NOISE**2), atol=0.05)
    # Of the voxel that answers to what both know, one model carries the prediction, and none of it is its own.
    assert result.r2_split[:, 2].max() > 0.3 and found[2, :2].max() < 0.05


@pytest.mark.parametrize("preset", [PRESET, replace(PAPER, alphas=PRESET.alphas)], ids=["strict", "paper"])
def test_scores_are_those_of_separate_fits(preset: Preset) -> None:
    Xs, Y = simulate(n_voxels=40)
    design, responses = design_of(Y)
    result, single = encode_parts(Xs, responses, design, preset)
    joint = encode(Xs, responses, design, preset)
    np.testing.assert_array_equal(result.r2_joint, joint.r2_joint)
    np.testing.assert_array_equal(result.r2_split, joint.r2_split)
    np.testing.assert_allclose(single, [encode([X], responses, design, preset).r2_joint for X in Xs], atol=1e-6)


def test_few_features_are_compressed_with_all_bands() -> None:
    """Rows are projected on the features of all bands; alphas whose losses are equal in float32 may then change."""
    Xs, responses = planted()
    _, single = encode_parts(Xs, responses, DESIGN, PRESET)
    np.testing.assert_allclose(single, [encode([X], responses, DESIGN, PRESET).r2_joint for X in Xs], atol=1e-3)


def test_batches_give_the_same() -> None:
    Xs, responses = planted()
    result, single = encode_parts(Xs, responses, DESIGN, PRESET)
    batched, batched_single = encode_parts_in_batches(Xs, responses, FitProtocol(DESIGN, PRESET))
    np.testing.assert_allclose(batched_single, single, atol=1e-6)
    np.testing.assert_allclose(batched.r2_joint, result.r2_joint, atol=1e-6)


def test_mapped_batches_are_the_fit_of_all_voxels() -> None:
    Xs, Y = simulate(n_voxels=700)
    design, responses = design_of(Y)
    preset = replace(PRESET, n_outer=2)
    _, single = encode_parts(Xs, responses, design, preset)
    _, batched = encode_parts_in_batches(Xs, responses, FitProtocol(design, preset))
    difference = np.abs(batched - single)
    assert np.quantile(difference, 0.99) < 1e-5 and difference.max() < 5e-3
