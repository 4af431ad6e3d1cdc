"""The default search against its own full grid, himalaya's random search, and brute force over folds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from brivl.core.encoding import surface_search
from brivl.core.encoding.banded_ridge import BandedRidge, DirichletRatios, Solver
from brivl.core.encoding.cross_validation import contiguous_folds, group_folds
from brivl.core.encoding.leave_out import Eigendecomposition, FoldBlocks, QuadraticLoss, error_rows, held_out_losses
from brivl.core.encoding.problem import Problem
from brivl.core.encoding.ratios import choose_candidate, ratio_grid
from brivl.core.encoding.score_map import learn_map
from brivl.core.encoding.split_score import himalaya_backend
from brivl.core.encoding.surface_search import SurfaceSearch
from brivl.core.progress import ProgressSteps
from brivl.errors import Cancelled

ALPHAS = tuple(np.logspace(-2, 5, 15))
N, N_TEST, N_VOXELS = 160, 60, 1500


def simulate(n_bands: int = 2, n_voxels: int = N_VOXELS, width: int = 60) -> tuple[list[np.ndarray], np.ndarray]:
    """Bands whose dimensions fall off, half of them shared; voxels of all strengths, shares and signals."""
    rng = np.random.default_rng(n_bands)
    falling = np.arange(1.0, 2 * width + 1) ** -0.5
    common = rng.standard_normal((N + N_TEST, width))
    Xs = [
        np.hstack([common, rng.standard_normal(common.shape)])[:, rng.permutation(2 * width)] * falling
        for _ in range(n_bands)
    ]
    shares, strength = rng.dirichlet(np.full(n_bands, 0.5), n_voxels), 2 * rng.uniform(size=n_voxels)
    Y = rng.standard_normal((N + N_TEST, n_voxels))
    for X, share in zip(Xs, shares.T, strict=True):
        part = X @ rng.standard_normal((2 * width, n_voxels))
        Y += strength * np.sqrt(share) * part / part.std(0)
    return [(X - X[:N].mean(0)).astype(np.float32) for X in Xs], ((Y - Y[:N].mean(0)) / Y[:N].std(0)).astype(np.float32)


def problem_of(Xs: list[np.ndarray], candidates: np.ndarray, folds: list | None = None) -> Problem:
    kernels = np.stack([X[:N] @ X[:N].T * (N / np.square(X[:N]).sum()) for X in Xs])
    folds = folds or contiguous_folds(N, 5)
    return Problem(kernels, folds, np.ones(len(folds)), candidates, ALPHAS)


def brute_force(K: np.ndarray, Y: np.ndarray, folds: list, alpha: float) -> np.ndarray:
    K, Y = K.astype(float), Y.astype(float)
    return np.mean(
        [
            np.square(
                Y[test]
                - KernelRidge(alpha=alpha, kernel="precomputed")
                .fit(K[np.ix_(train, train)], Y[train])
                .predict(K[np.ix_(test, train)])
            ).mean(0)
            for train, test in folds
        ],
        axis=0,
    )


@pytest.mark.parametrize("folds", [contiguous_folds(N, 5), group_folds(np.arange(N) // 7, 4)], ids=["blocks", "groups"])
@pytest.mark.parametrize("backend", ["torch", "numpy"])
@pytest.mark.parametrize("alpha", [1e-2, 1.0, 1e3])
def test_held_out_losses_are_those_of_refitting_each_fold(folds, backend, alpha):
    Xs, Y = simulate(n_voxels=20)
    problem = problem_of(Xs, np.array([[0.3, 0.7]]), folds)
    expected = brute_force(problem.mixed_kernel(0), Y[:N], folds, alpha)
    with himalaya_backend(backend) as on_backend:
        blocks = FoldBlocks.of([test for _, test in folds], problem.fold_weights)
        eigen = Eigendecomposition.of(problem.mixed_kernel(0), blocks.order, on_backend)
        in_order = Y[:N][blocks.order]
        few = held_out_losses(eigen, blocks, alpha, eigen.rotate(in_order, on_backend), on_backend)
        np.testing.assert_allclose(few, expected, atol=2e-5)
        for n_voxels in (1, 10**6):  # the errors themselves, and the triangular factor of their squares
            loss = QuadraticLoss(error_rows(eigen, blocks, alpha, on_backend), n_voxels, on_backend)
            many = loss(on_backend.asarray(in_order), np.square(in_order).sum(0))
            np.testing.assert_allclose(many, expected, atol=1e-4, rtol=1e-4)
        assert loss.added > 0


@pytest.fixture(scope="module")
def searched() -> tuple[np.ndarray, SurfaceSearch, tuple[np.ndarray, np.ndarray]]:
    """All scores (n_combinations, n_voxels), the mapped search, and its result."""
    Xs, Y = simulate()
    problem = problem_of(Xs, ratio_grid(2))
    with himalaya_backend("torch") as backend:
        exact = SurfaceSearch(problem, Solver(exact=True), backend)
        scores = exact.all_scores(Y[:N], ProgressSteps(None, 0))
        search = SurfaceSearch(problem, Solver(), backend)
        result = search.search(Y[:N], ProgressSteps(None, 2 * search.n_combinations))
    return scores, search, result


def test_the_choice_is_as_good_as_that_of_the_full_grid(searched):
    scores, search, (mapped, alphas) = searched
    best = choose_candidate(mapped, search.problem.candidates)
    chosen_alpha = alphas[best, np.arange(N_VOXELS)]
    a = np.abs(np.log(search.alphas)[:, None] - np.log(chosen_alpha)).argmin(0)
    chosen = scores[best * len(ALPHAS) + a, np.arange(N_VOXELS)]
    regret = scores.max(0) - chosen  # variances are 1
    assert len(search.map.pivots) < len(scores) / 4
    assert np.quantile(regret, 0.99) < 1e-3 and regret.mean() < 1e-4
    assert np.abs(mapped.max(0) - scores.max(0)).mean() < 1e-3


def test_the_full_grid_is_himalayas():
    Xs, Y = simulate(n_voxels=200)
    train = [X[:N] for X in Xs]
    solvers = (Solver(exact=True), Solver(method="himalaya"))
    ours, theirs = (BandedRidge(ALPHAS, solver=solver).fit(train, Y[:N]) for solver in solvers)
    np.testing.assert_allclose(ours.cv_scores_, theirs.cv_scores_, atol=2e-5)
    same = (ours.band_weights_ == theirs.band_weights_).all(0) & np.isclose(ours.alphas_, theirs.alphas_, rtol=1e-4)
    assert same.mean() > 0.95
    test = [X[N:] for X in Xs]
    np.testing.assert_allclose(ours.predict(test)[:, same], theirs.predict(test)[:, same], atol=2e-3)


@pytest.mark.parametrize("n_bands", [1, 2, 3])
def test_held_out_scores_are_not_lower_than_himalayas(n_bands):
    Xs, Y = simulate(n_bands, 900)
    train, test = [X[:N] for X in Xs], [X[N:] for X in Xs]
    ours = BandedRidge(ALPHAS).fit(train, Y[:N])
    theirs = BandedRidge(ALPHAS, DirichletRatios(20), solver=Solver(method="himalaya")).fit(train, Y[:N])
    split, joint = ours.score(test, Y[N:], split=True), ours.score(test, Y[N:])
    np.testing.assert_allclose(split.sum(0), joint, atol=1e-5)
    assert joint.mean() > theirs.score(test, Y[N:]).mean() - 5e-4


def test_two_runs_and_swapped_bands_agree_to_the_bit():
    Xs, Y = simulate(n_voxels=600)
    train, test = [X[:N] for X in Xs], [X[N:] for X in Xs]
    first, again = (BandedRidge(ALPHAS).fit(train, Y[:N]) for _ in range(2))
    np.testing.assert_array_equal(first.dual_coef_, again.dual_coef_)
    np.testing.assert_array_equal(first.cv_scores_, again.cv_scores_)
    swapped = BandedRidge(ALPHAS).fit(train[::-1], Y[:N])
    np.testing.assert_array_equal(first.predict(test, split=True), swapped.predict(test[::-1], split=True)[::-1])
    assert np.abs(first.band_weights_[0] - first.band_weights_[1]).max() > 0.5


def test_batches_and_groups_of_operators_change_nothing_but_rounding(monkeypatch):
    Xs, Y = simulate(n_voxels=600)
    train = [X[:N] for X in Xs]
    at_once = BandedRidge(ALPHAS).fit(train, Y[:N])
    monkeypatch.setattr(surface_search, "OPERATOR_BYTES", 4 * N * N * 3)
    batched = BandedRidge(ALPHAS, solver=Solver(n_voxels_batch=170)).fit(train, Y[:N])
    np.testing.assert_allclose(batched.cv_scores_, at_once.cv_scores_, atol=1e-5)


def test_voxels_of_zeros_are_finite():
    Xs, Y = simulate(n_voxels=500)
    Y[:, :20] = 0
    ridge = BandedRidge(ALPHAS).fit([X[:N] for X in Xs], Y[:N])
    assert np.isfinite(ridge.cv_scores_).all() and not ridge.dual_coef_[:, :20].any()


def test_folds_that_are_no_partition_are_searched_by_himalaya():
    Xs, Y = simulate(n_voxels=30)
    folds = [(train[5:], test) for train, test in contiguous_folds(N, 4)]
    ours, theirs = (
        BandedRidge(ALPHAS, cv=folds, solver=solver).fit([X[:N] for X in Xs], Y[:N])
        for solver in (Solver(), Solver(method="himalaya"))
    )
    np.testing.assert_array_equal(ours.cv_scores_, theirs.cv_scores_)


def test_progress_of_the_mapped_search_is_reported_in_whole_steps_and_can_stop_it():
    Xs, Y = simulate(n_voxels=500)
    reported: list[tuple[int, int]] = []
    BandedRidge(ALPHAS).fit([X[:N] for X in Xs], Y[:N], lambda done, total: reported.append((done, total)))
    assert [done for done, _ in reported] == list(range(1, len(reported) + 1)) and {total for _, total in reported} == {
        len(reported)
    }

    def stop(done: int, total: int) -> None:
        if done == int(0.9 * total):
            raise Cancelled("stopped by the user")

    with pytest.raises(Cancelled):
        BandedRidge(ALPHAS).fit([X[:N] for X in Xs], Y[:N], stop)


def test_a_map_of_few_dimensions_needs_few_pivots_and_measures_its_regret():
    rng = np.random.default_rng(0)
    surfaces = np.sin(np.linspace(0, 3, 40)[None] * rng.uniform(0.5, 1.5, (5, 1)))
    gains = rng.uniform(0, 0.1, (200, 5)) @ surfaces
    gains[:, 7] = -np.inf
    easy = learn_map(gains)
    computed = np.arange(40) != 7
    assert len(easy.pivots) <= 8 and not easy.relevant[7]
    np.testing.assert_allclose(gains[:, easy.pivots] @ easy.factors[:, computed], gains[:, computed], atol=1e-4)
    hard = learn_map(rng.uniform(0, 0.1, (60, 40)))
    assert len(hard.pivots) >= 28 and hard.largest_regret > easy.largest_regret
