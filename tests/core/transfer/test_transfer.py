"""Transfer on simulated arrays: maps, transferred fits, signs, components, subspaces."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from sklearn.linear_model import RidgeCV

from brivl.core.encoding.presets import PAPER, STRICT
from brivl.core.inference.blocks import PermutationSettings, blocks_in_runs
from brivl.core.records import Design, Responses, Voxels
from brivl.core.transfer.components import (
    covariance_root,
    extreme_items,
    normalise_columns,
    principal_components,
    subspace_correlation,
)
from brivl.core.transfer.fit import (
    ModalityData,
    fit_and_transfer,
    multimodal_voxels,
    prepare_modality,
    project_through,
    score_both_directions,
)
from brivl.core.transfer.maps import correlation, fit_linear_map, negative_region_p, region_signs, score_regions
from brivl.errors import RequestError

TR, N_TRAIN, N_TEST, N_VOXELS, N_FEATURES = 2.0, 300, 80, 40, 6
DESIGN = Design(TR, N_TRAIN, N_TEST, np.arange(0, N_TRAIN, 60))
DRAWS = 20.0, PermutationSettings(200)
MASKS = {
    "all": np.ones(N_VOXELS, bool),
    "same": np.arange(N_VOXELS) < 10,
    "flipped": (np.arange(N_VOXELS) // 10) == 1,
    "apart": (np.arange(N_VOXELS) // 10) == 2,
    "null": np.arange(N_VOXELS) >= 30,
}


def slow(rng: np.random.Generator, n: int) -> np.ndarray:
    """Features (n_train + n_test, n) that vary slowly, as stimuli do."""
    X = rng.standard_normal((N_TRAIN + N_TEST + 2, n))
    return X[2:] + X[1:-1] + X[:-2]


@pytest.fixture(scope="module")
def two() -> tuple[dict[str, ModalityData], dict[str, np.ndarray]]:
    """Both modalities of one subject with the same weights, the reverse, weights of their own, and nothing."""
    rng = np.random.default_rng(3)
    W, own = rng.standard_normal((N_FEATURES, N_VOXELS)), rng.standard_normal((N_FEATURES, N_VOXELS))
    own[:3], W[3:, 20:30] = 0, 0  # "apart": features of the stories for which the movie's weights are 0
    features = {name: slow(rng, N_FEATURES) for name in ("stories", "movie")}
    signs = np.where(MASKS["flipped"], -1, 1)
    weights = {"movie": W, "stories": np.where(MASKS["apart"], own, W * signs)}
    voxels = Voxels("test", np.zeros((N_VOXELS, 3), int), (1, 1, 1), None)
    sessions = {}
    for name, X in features.items():
        signal = np.where(MASKS["null"], 0, X @ weights[name])
        delayed = np.vstack([np.zeros((2, N_VOXELS)), signal[:-2]])
        noise = rng.standard_normal((1 + 2, len(X), N_VOXELS))
        Y_train, Y_test = (delayed + 2 * noise[0])[:N_TRAIN], (delayed + 2 * noise[1:])[:, N_TRAIN:]
        responses = Responses(np.float32(Y_train), np.float32(Y_test), voxels)
        sessions[name] = prepare_modality(responses, np.arange(N_VOXELS), DESIGN, STRICT)
    return sessions, features


@pytest.fixture(scope="module")
def predictions(two: tuple) -> dict:
    sessions, X = two
    return {
        "stories": fit_and_transfer(sessions["stories"], X["stories"], sessions["movie"], X["movie"]),
        "movie": fit_and_transfer(sessions["movie"], X["movie"], sessions["stories"], X["stories"]),
    }


def test_maps_are_those_of_scikit_learn(rng: np.random.Generator) -> None:
    X, M = rng.standard_normal((200, 7)) + 3, rng.standard_normal((7, 4))
    Z = X @ M + 0.5 * rng.standard_normal((200, 4)) - 1
    fitted, expected = fit_linear_map(X, Z), RidgeCV(np.logspace(-4, 4, 17)).fit(X, Z)
    np.testing.assert_allclose(fitted(X), expected.predict(X), atol=0.05)
    assert 0.9 < fitted.r2 < 1
    np.testing.assert_allclose(fitted(X.mean(0)[None]), Z.mean(0)[None], atol=1e-4)


def test_too_few_or_unequal_pairs_are_refused(rng: np.random.Generator) -> None:
    for X, Z in ((np.ones((5, 2)), np.ones((5, 2))), (np.ones((30, 2)), np.ones((29, 2)))):
        with pytest.raises(RequestError, match="pairs"):
            fit_linear_map(X, Z)


def test_shared_tuning_transfers_and_inverted_tuning_is_corrected(two: tuple, predictions: dict) -> None:
    sessions, _ = two
    scores = score_both_directions(sessions, predictions, MASKS, ("same", "flipped", "apart", "null"), *DRAWS)
    at = {name: i for i, name in enumerate(MASKS)}
    assert scores.sign_flipped == ["flipped"]
    np.testing.assert_array_equal(scores.sign, np.where(MASKS["flipped"], -1, 1))
    for modality in sessions:
        within, raw, across, q = (getattr(scores, w)[modality] for w in ("within", "raw", "across", "q"))
        for region in ("same", "flipped"):
            assert across[at[region]] > 0.7 * within[at[region]] > 0.2 and q[at[region]] < 0.05
        assert raw[at["flipped"]] == pytest.approx(-across[at["flipped"]])
        assert abs(across[at["null"]]) < 0.15 and q[at["null"]] > 0.05
        assert within[at["apart"]] > 0.3 and across[at["apart"]] < 0.5 * within[at["apart"]]
    both = multimodal_voxels(sessions, predictions, scores.sign, *DRAWS)
    assert both[:20].mean() > 0.8 and both[30:].mean() < 0.2


def test_signs_flip_only_where_both_directions_are_negative() -> None:
    masks = {"a": np.array([True, False, False]), "b": np.array([False, True, False])}
    sign, flipped = region_signs([{"a": 0.01, "b": 0.01}, {"a": 0.01, "b": 0.4}], masks)
    assert flipped == ["a"]
    np.testing.assert_array_equal(sign, [-1, 1, 1])


def test_no_sign_is_flipped_outside_visual_cortex(two: tuple, predictions: dict) -> None:
    scores = score_both_directions(two[0], predictions, MASKS, (), *DRAWS)
    assert scores.sign_flipped == [] and (scores.sign == 1).all()
    assert scores.across["movie"][2] < 0


def test_scores_are_correlations_and_p_uniform_without_a_signal(rng: np.random.Generator) -> None:
    Y, P = rng.standard_normal((80, 5)), rng.standard_normal((80, 5))
    P[:, 4] = 7  # does not vary
    r = correlation(Y, P)
    np.testing.assert_allclose(r[:4], [np.corrcoef(Y[:, v], P[:, v])[0, 1] for v in range(4)], atol=1e-6)
    assert r[4] == 0
    blocks = blocks_in_runs(np.zeros(1, int), 80, TR, 20)
    p = []
    for _ in range(60):
        Y, P = rng.standard_normal((2, 80, 3))
        p.append(score_regions(Y, P, {"all": np.ones(3, bool)}, blocks, PermutationSettings(199)).p[0])
    assert np.mean(np.array(p) < 0.2) == pytest.approx(0.2, abs=0.15)
    assert negative_region_p(Y, -Y, {"all": np.ones(3, bool)}, blocks, PermutationSettings(199))["all"] < 0.05


def test_components_are_singular_vectors_and_loadings_those_of_both(rng: np.random.Generator) -> None:
    axes, _ = np.linalg.qr(rng.standard_normal((8, 2)))
    loads = rng.standard_normal((2, 50)) * np.array([[3.0], [1.0]])
    W, V = axes @ loads, axes @ (loads + 0.1 * rng.standard_normal((2, 50)))
    components = principal_components(W, V, 2)
    assert subspace_correlation(
        np.vstack([axes, -axes]), np.vstack([components.axes, -components.axes])
    ) == pytest.approx(1)
    assert (components.agreement > 0.95).all() and components.explained.sum() == pytest.approx(1)
    s = scipy.linalg.svdvals(W)
    np.testing.assert_allclose(components.explained, s[:2] ** 2 / (s**2).sum())
    with pytest.raises(RequestError, match="voxels"):
        principal_components(W[:, :1], V[:, :1], 2)


def test_what_goes_through_all_axes_is_the_prediction(rng: np.random.Generator) -> None:
    Z, W, X = rng.standard_normal((30, 3 * 5)), rng.standard_normal((3 * 5, 4)), rng.standard_normal((90, 5))
    root, inverse = covariance_root(X)
    np.testing.assert_allclose(root @ inverse, np.eye(5), atol=1e-8)
    np.testing.assert_allclose(root @ root, np.cov(X.T, bias=True), atol=1e-8)
    axes, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    total = sum(project_through(Z, W, inverse @ axes[:, k], root @ axes[:, k]) for k in range(5))
    np.testing.assert_allclose(total, Z @ W, atol=1e-8)
    assert np.linalg.norm(normalise_columns(W), axis=0) == pytest.approx(np.ones(4))


def test_subspace_correlation_is_the_cosine_of_scipy(rng: np.random.Generator) -> None:
    A, B = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
    centred = [x - x.mean(0) for x in (A, B)]
    expected = np.cos(scipy.linalg.subspace_angles(*centred)).sum() / 3
    assert subspace_correlation(A, B) == pytest.approx(expected)
    assert subspace_correlation(A, A @ rng.standard_normal((3, 3))) == pytest.approx(1)
    assert subspace_correlation(A, np.zeros((60, 0))) == 0
    high, low = extreme_items(np.array([3.0, -1, 5, 0]), 2)
    assert high.tolist() == [2, 0] and low.tolist() == [1, 3]


def test_a_modality_needs_a_tr_and_without_a_test_run_holds_a_run_out(rng: np.random.Generator) -> None:
    voxels = Voxels("test", np.zeros((2, 3), int), (1, 1, 1), None)
    Y = np.float32(rng.standard_normal((60, 2)))
    responses = Responses(Y, None, voxels)
    with pytest.raises(RequestError, match="TR"):
        prepare_modality(responses, np.arange(2), Design(None, 60, 0, np.zeros(1, int)), STRICT)
    for preset in (STRICT, PAPER):  # rows of time series are not shuffled
        one = prepare_modality(responses, np.arange(2), Design(TR, 60, 0, np.arange(0, 60, 20)), preset)
        rows = one.rows.test
        assert len(rows) == 20 and (np.diff(rows) == 1).all() and rows[0] % 20 == 0
        assert not set(rows) & set(one.rows.train) and len(one.Y_test) == 20 and len(one.Y_train) == 40
        assert one.test_blocks(10.0).n_blocks == 4 and one.training_blocks(10.0).n_blocks == 8
