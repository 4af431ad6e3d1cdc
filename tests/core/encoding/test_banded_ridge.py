"""Banded ridge against himalaya's own estimator, scikit-learn's kernel ridge, symmetry, and simulated weights."""

from __future__ import annotations

import numpy as np
import pytest
from himalaya.backend import get_backend
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge

from brivl.core.encoding.banded_ridge import BandedRidge, DirichletRatios, Solver
from brivl.core.encoding.cross_validation import contiguous_folds
from brivl.core.encoding.ratios import choose_candidate, permutation_orbits, ratio_grid
from brivl.core.encoding.split_score import himalaya_backend
from brivl.errors import Cancelled, RequestError

ALPHAS = tuple(np.logspace(-2, 5, 8))


def simulate(n_voxels: int = 30, seed: int = 0, n: int = 90) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Two centred bands of unequal size and scale; voxel v has fraction[v] of its signal from the first."""
    rng = np.random.default_rng(seed)
    Xs = [rng.standard_normal((n, 12)), 30 * rng.standard_normal((n, 20))]
    fraction = np.linspace(0, 1, n_voxels)
    signals = [X @ rng.standard_normal((X.shape[1], n_voxels)) for X in Xs]
    signals = [signal / signal.std(0) for signal in signals]
    Y = np.sqrt(fraction) * signals[0] + np.sqrt(1 - fraction) * signals[1] + 0.7 * rng.standard_normal((n, n_voxels))
    return [(X - X.mean(0)).astype(np.float32) for X in Xs], (Y - Y.mean(0)).astype(np.float32), fraction


def himalaya_fit(Xs: list[np.ndarray], Y: np.ndarray, candidates: np.ndarray, alphas: tuple) -> MultipleKernelRidgeCV:
    kernels = np.stack([X @ X.T for X in Xs]).astype(np.float32)
    params = {"n_iter": candidates, "alphas": np.array(alphas, np.float32), "progress_bar": False}
    with himalaya_backend("numpy"), np.errstate(divide="ignore"):
        return MultipleKernelRidgeCV(kernels="precomputed", solver_params=params, cv=5).fit(kernels, Y)


@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_random_draws_agree_with_himalayas_estimator(backend):
    Xs, Y, _ = simulate()
    alphas = tuple(np.logspace(3, 7, 6))
    ours = BandedRidge(alphas, DirichletRatios(8, 3), normalise_kernels=False, solver=Solver(backend, 13, 3)).fit(Xs, Y)
    theirs = himalaya_fit(Xs, Y, ours.candidates(np.arange(2)), alphas)
    np.testing.assert_allclose(ours.cv_scores_, theirs.cv_scores_, atol=1e-4)
    np.testing.assert_allclose(np.log(ours.band_weights_ / ours.alphas_), theirs.deltas_, atol=1e-4)
    kernels = np.stack([X @ X.T for X in Xs])
    with himalaya_backend("numpy"):
        np.testing.assert_allclose(ours.predict(Xs, split=True), theirs.predict(kernels, split=True), atol=2e-3)
        np.testing.assert_allclose(ours.score(Xs, Y, split=True), theirs.score(kernels, Y, split=True), atol=1e-3)


def test_draws_are_himalayas_and_seeded():
    Xs, Y, _ = simulate(5)
    ridge = BandedRidge(ALPHAS, DirichletRatios(6, 11)).fit(Xs, Y)
    with himalaya_backend("numpy"):
        theirs = MultipleKernelRidgeCV(
            kernels="precomputed",
            random_state=11,
            cv=5,
            solver_params={"n_iter": 6, "alphas": np.array(ALPHAS, np.float32), "progress_bar": False},
        ).fit(np.stack([X @ X.T / np.trace(X @ X.T) * len(X) for X in Xs]), Y)
    np.testing.assert_allclose(ridge.cv_scores_, theirs.cv_scores_, atol=1e-4)


def test_one_band_is_kernel_ridge_in_closed_form():
    (X, _), Y, _ = simulate(6)
    ridge = BandedRidge((5.0,), normalise_kernels=False).fit([X], Y)
    expected = KernelRidge(alpha=5.0).fit(X.astype(float), Y.astype(float)).predict(X.astype(float))
    np.testing.assert_allclose(ridge.predict([X]), expected, atol=1e-3)
    np.testing.assert_array_equal(ridge.band_weights_, 1)


def test_one_band_chooses_the_alpha_that_brute_force_chooses():
    (X, _), Y, _ = simulate(10)
    folds = contiguous_folds(len(X), 4)
    losses = np.array(
        [
            np.mean(
                [
                    ((KernelRidge(alpha=a).fit(X[train], Y[train]).predict(X[test]) - Y[test]) ** 2).mean(0)
                    for train, test in folds
                ],
                axis=0,
            )
            for a in ALPHAS
        ]
    )
    ridge = BandedRidge(ALPHAS, cv=folds, normalise_kernels=False).fit([X], Y)
    np.testing.assert_allclose(ridge.alphas_, np.array(ALPHAS)[losses.argmin(0)], rtol=1e-5)
    np.testing.assert_allclose(-ridge.cv_scores_[0], losses.min(0), rtol=1e-3)


def test_three_bands_with_given_weights_are_kernel_ridge_on_scaled_features():
    rng = np.random.default_rng(5)
    Xs, Y = [rng.standard_normal((40, k)) for k in (3, 5, 8)], rng.standard_normal((40, 4))
    weights = np.array([[0.2, 0.5, 0.3]])
    ridge = BandedRidge((2.0,), weights, normalise_kernels=False).fit(Xs, Y)
    stacked = np.hstack([X * np.sqrt(w) for X, w in zip(Xs, weights[0], strict=True)])
    np.testing.assert_allclose(ridge.predict(Xs), KernelRidge(alpha=2.0).fit(stacked, Y).predict(stacked), atol=1e-4)
    np.testing.assert_allclose(ridge.score(Xs, Y, split=True).sum(0), ridge.score(Xs, Y), atol=1e-5)


def test_swapping_the_bands_swaps_the_scores():
    Xs, Y, _ = simulate(60)
    train, test = slice(0, 60), slice(60, 90)
    scores = []
    for order in (Xs, Xs[::-1]):
        ridge = BandedRidge(ALPHAS).fit([X[train] for X in order], Y[train])
        scores.append(ridge.score([X[test] for X in order], Y[test], split=True))
    np.testing.assert_allclose(scores[0], scores[1][::-1], atol=1e-5)
    assert np.abs(scores[0] - scores[1]).max() > 0.1


@pytest.mark.parametrize("ratios", [None, DirichletRatios(6, 0)])
def test_the_same_band_twice_gives_equal_halves(ratios):
    (X, other), Y, _ = simulate(20)
    ridge = BandedRidge(ALPHAS, ratios).fit([X, X.copy()], Y)
    first, second = ridge.score([X, X], Y, split=True)
    np.testing.assert_allclose(first, second, atol=1e-4)
    np.testing.assert_allclose(first + second, BandedRidge(ALPHAS).fit([X], Y).score([X], Y), atol=1e-5)
    three = BandedRidge(ALPHAS, ratios).fit([X, other, X], Y)
    np.testing.assert_allclose(three.band_weights_.sum(0), 1, atol=1e-6)
    np.testing.assert_array_equal(three.band_weights_[0], three.band_weights_[2])


def test_the_scale_of_a_band_does_not_matter_once_kernels_are_normalised():
    Xs, Y, _ = simulate(20)
    plain, scaled = BandedRidge(ALPHAS).fit(Xs, Y), BandedRidge(ALPHAS).fit([Xs[0] * 1000, Xs[1]], Y)
    np.testing.assert_allclose(scaled.predict([Xs[0] * 1000, Xs[1]], True), plain.predict(Xs, True), atol=1e-3)
    raw = BandedRidge(ALPHAS, normalise_kernels=False).fit([Xs[0] * 1000, Xs[1]], Y)
    assert np.abs(raw.predict([Xs[0] * 1000, Xs[1]], True) - plain.predict(Xs, True)).max() > 0.1


def test_planted_shares_are_recovered():
    Xs, Y, fraction = simulate(60, n=400)
    ridge = BandedRidge(ALPHAS).fit([X[:300] for X in Xs], Y[:300])
    first, second = ridge.score([X[300:] for X in Xs], Y[300:], split=True)
    assert np.corrcoef(first - second, 2 * fraction - 1)[0, 1] > 0.95
    assert ridge.band_weights_[0, -5:].min() > 0.8 and ridge.band_weights_[0, :5].max() < 0.2


def test_pure_noise_is_not_predicted():
    rng = np.random.default_rng(2)
    Xs, Y = [rng.standard_normal((160, 20)) for _ in range(2)], rng.standard_normal((160, 400))
    r2 = BandedRidge(ALPHAS).fit([X[:100] for X in Xs], Y[:100]).score([X[100:] for X in Xs], Y[100:])
    assert r2.mean() <= 0.002


def test_a_band_of_zeros_gets_nothing():
    (X, _), Y, _ = simulate(10)
    ridge = BandedRidge(ALPHAS).fit([X, np.zeros((90, 3))], Y)
    split = ridge.score([X, np.zeros((90, 3))], Y, split=True)
    assert split[0].mean() > 0.1 and not split[1].any()


def test_progress_is_followed_to_the_end_and_can_stop_the_fit():
    Xs, Y, _ = simulate(20)
    steps: list[tuple[int, int]] = []
    BandedRidge(ALPHAS, solver=Solver("torch", 7, 3)).fit(Xs, Y, lambda done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1)) and {total for _, total in steps} == {
        len(steps)
    }

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Cancelled("stopped by the user")

    before = get_backend().name
    with pytest.raises(Cancelled):
        BandedRidge(ALPHAS).fit(Xs, Y, stop)
    assert get_backend().name == before


def test_batches_do_not_change_the_answer():
    Xs, Y, _ = simulate(20)
    small = BandedRidge(ALPHAS, solver=Solver("torch", 3, 2)).fit(Xs, Y)
    large = BandedRidge(ALPHAS, solver=Solver("torch", 1000, 50)).fit(Xs, Y)
    np.testing.assert_allclose(small.predict(Xs, True), large.predict(Xs, True), atol=1e-4)


def test_it_behaves_as_a_scikit_learn_estimator():
    ridge = BandedRidge((1.0, 10.0), cv=3)
    assert clone(ridge).get_params() == ridge.get_params()
    assert ridge.set_params(cv=4).cv == 4


@pytest.mark.parametrize(
    "spoil, match",
    [
        (lambda Xs, Y: ([Xs[0][:-1], Xs[1]], Y), "shapes"),
        (lambda Xs, Y: (Xs, Y[:-1]), "shapes"),
        (lambda Xs, Y: ([], Y), "shapes"),
        (lambda Xs, Y: ([Xs[0] * np.nan, Xs[1]], Y), "NaN"),
        (lambda Xs, Y: (Xs, Y * np.nan), "NaN"),
    ],
)
def test_bad_arrays_are_refused_in_words(spoil, match):
    Xs, Y, _ = simulate(5)
    with pytest.raises(RequestError, match=match):
        BandedRidge(ALPHAS).fit(*spoil(Xs, Y))


@pytest.mark.parametrize("n_bands", [1, 2, 3, 4])
def test_the_grid_treats_bands_alike(n_bands):
    grid = ratio_grid(n_bands)
    np.testing.assert_allclose(grid.sum(1), 1)
    np.testing.assert_allclose(grid[0], 1 / n_bands)
    assert {tuple(row) for row in grid} >= {tuple(row) for row in np.eye(n_bands)}
    assert len({tuple(row) for row in np.round(grid, 12)}) == len(grid)
    if n_bands == 2:
        assert len(grid) == 11
    for order in (slice(None, None, -1), np.roll(np.arange(n_bands), 1)):
        assert {tuple(row) for row in np.round(grid[:, order], 12)} == {tuple(row) for row in np.round(grid, 12)}
    assert sorted(np.concatenate(permutation_orbits(grid)).tolist()) == list(range(len(grid)))


def test_ties_go_to_equal_weights_and_mirrored_ties_decide_nothing():
    grid = ratio_grid(2, n_ratios=5)  # equal, 2 mirrored at 10 or 100 to 1, 2 single bands
    scores = np.array(
        [
            [-1.0, -1.0, -1.0, -1.0],
            [-1.0, -0.5, -0.5, -0.5],
            [-1.0, -0.5, -0.7, -0.6],
            [-1.0, -0.9, -0.5, -0.4],
            [-1.0, -0.9, -0.9, -0.8],
        ]
    )
    assert choose_candidate(scores, grid).tolist() == [0, 0, 1, 3]


@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_alphas_too_small_for_float32_are_never_chosen(backend):
    (X, _), Y, _ = simulate(10)
    alphas = (1e-12, 1.0, 100.0)
    ridge = BandedRidge(alphas, normalise_kernels=False, solver=Solver(backend)).fit([X], Y)
    assert set(ridge.alphas_.tolist()) <= {1.0, 100.0}
    np.testing.assert_allclose(ridge.cv_scores_, himalaya_fit([X], Y, np.ones((1, 1)), alphas).cv_scores_, atol=1e-4)


def test_given_weights_of_the_same_band_add_up():
    (X, other), Y, _ = simulate(8)
    ratios = np.array([[0.2, 0.5, 0.3], [0.3, 0.5, 0.2]])
    three = BandedRidge(ALPHAS, ratios).fit([X, other, X], Y)
    two = BandedRidge(ALPHAS, np.array([[0.5, 0.5]])).fit([X, other], Y)
    assert len(three.cv_scores_) == 1
    np.testing.assert_allclose(three.predict([X, other, X]), two.predict([X, other]), atol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [{"alphas": ()}, {"alphas": (1.0, -1.0)}, {"ratios": np.ones((1, 3)) / 3}, {"ratios": np.array([[0.5, 0.6]])}],
)
def test_settings_that_make_no_sense_are_refused_in_words(wrong):
    Xs, Y, _ = simulate(5)
    with pytest.raises(RequestError, match="positive regularisation strengths|sum to 1"):
        BandedRidge(**wrong).fit(Xs, Y)
