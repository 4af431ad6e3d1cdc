"""Block permutation and block sign flips against brute force, scipy and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from brivl.core.encoding.split_score import r2_joint, r2_split
from brivl.core.inference import contributions
from brivl.core.inference.block_permutation import permute_blocks, permute_blocks_of_means
from brivl.core.inference.block_sign_flip import flip_blocks, flip_blocks_of_means
from brivl.core.inference.blocks import Blocks, PermutationSettings, blocks_in_runs, blocks_of_groups
from brivl.core.inference.contributions import Predictions
from brivl.core.regions.region_stats import expanded_percentile_levels, sign_flip_p
from brivl.errors import RequestError

N_VOXELS = 6
ALL = PermutationSettings(10_000)


def simulate(n: int, strength: float = 0.2, seed: int = 0, n_bands: int = 2) -> Predictions:
    rng = np.random.default_rng(seed)
    bands = 0.4 * rng.standard_normal((n_bands, n, N_VOXELS))
    return Predictions(strength * bands.sum(0) + rng.standard_normal((n, N_VOXELS)), bands)


def test_blocks_of_runs_are_equal_within_a_run_and_leave_nothing_out() -> None:
    blocks = blocks_in_runs(np.array([0, 47]), 80, tr=2.0, seconds=19.0)
    sizes = [len(rows) for rows in blocks.rows]
    assert sizes == [11] * 4 + [11] * 3 and blocks.stratum.tolist() == [0] * 4 + [1] * 3
    assert np.bincount(blocks.labels).tolist() == [11, 11, 11, 14, 11, 11, 11]
    assert blocks.n_permutations == 24 * 6
    for i, rows in enumerate(blocks.rows):
        assert (blocks.labels[rows] == i).all()


def test_passages_are_permuted_only_among_passages_of_their_length_and_fold() -> None:
    groups = np.repeat(["a", "b", "c", "d", "e"], [3, 3, 4, 3, 3])
    folds = np.repeat([0, 0, 0, 1, 1], [3, 3, 4, 3, 3])
    blocks = blocks_of_groups(groups, folds)
    assert [c.tolist() for c in blocks.classes] == [[0, 1], [3, 4]] and blocks.n_permutations == 4
    with pytest.raises(RequestError, match="held out as a whole.*'c'"):
        blocks_of_groups(groups, np.r_[np.zeros(8, int), np.ones(8, int)])


@pytest.mark.parametrize("seconds", [3.0, np.nan, -20.0])
def test_blocks_shorter_than_the_response_are_refused(seconds: float) -> None:
    with pytest.raises(RequestError, match="10 s or longer"):
        blocks_in_runs(np.zeros(1, int), 100, 2.0, seconds)


def test_too_few_blocks_are_refused() -> None:
    with pytest.raises(RequestError, match="got 2"):
        blocks_in_runs(np.zeros(1, int), 20, 2.0, 20.0)
    with pytest.raises(RequestError, match="19 permutations"):
        PermutationSettings(5)


def permuted(blocks: Blocks, permutation: np.ndarray, y: np.ndarray) -> np.ndarray:
    result = y.copy()
    for position, block in enumerate(permutation):
        result[blocks.rows[position]] = y[blocks.rows[block]]
    return result


@pytest.mark.parametrize("in_folds", [False, True])
def test_permutation_equals_brute_force(in_folds: bool) -> None:
    """All permutations of blocks of responses, scored by himalaya's split R2 of each fold."""
    given = simulate(41)
    folds = np.repeat([0, 1], [21, 20]) if in_folds else None
    data = Predictions(given.measured, given.bands, folds)
    blocks = blocks_in_runs(np.array([0, 21]), 41, 2.0, 10.0)
    tests = permute_blocks(data, blocks, ALL)
    assert tests.exact and tests.n_permutations == 24 * 24 and tests.smallest_p == 1 / 576

    def scores(y: np.ndarray) -> np.ndarray:
        cuts = [slice(None)] if folds is None else [folds == 0, folds == 1]
        split = [r2_split(y[cut], data.bands[:, cut]) for cut in cuts]
        joint = [r2_joint(y[cut], data.bands[:, cut].sum(0)) for cut in cuts]
        return np.concatenate([np.mean(joint, axis=0)[None], np.mean(split, axis=0)])

    halves = itertools.product(itertools.permutations(range(4)), itertools.permutations(range(4, 8)))
    if folds is not None:  # a fold's own sum of squares does not change, since blocks stay within it
        assert set(blocks.stratum.tolist()) == {0, 1}
    null = np.array([scores(permuted(blocks, np.array(a + b), data.measured)) for a, b in halves])
    np.testing.assert_allclose(tests.r2, scores(data.measured), atol=1e-6)
    z = (null - null.mean(0)) / null.std(0)
    observed = z[0] / np.sqrt(2) if in_folds else z[0]
    np.testing.assert_allclose(tests.p, (z >= observed - 1e-9).mean(0), atol=1e-9)
    np.testing.assert_allclose(tests.z, observed, rtol=1e-3, atol=1e-3)
    highest = z.max(2)
    expected = (highest[:, :, None] >= observed[None] - 1e-9).mean(0)
    np.testing.assert_allclose(tests.p_max, expected, atol=2 / 576)
    np.testing.assert_allclose(tests.q[1], stats.false_discovery_control(tests.p[1]))


def test_permutation_agrees_with_scipy() -> None:
    """Blocks as observations: scipy permutes the responses of the blocks."""
    data = simulate(70, seed=3)
    blocks = blocks_in_runs(np.zeros(1, int), 70, 2.0, 10.0)
    y, yhat = (part.reshape(14, 5, N_VOXELS) for part in (data.measured, data.bands.sum(0)))
    tests = permute_blocks(data, blocks, PermutationSettings(4000, seed=1))
    order = np.arange(14)
    for voxel in range(3):
        reference = stats.permutation_test(
            (order,),
            lambda o, v=voxel: float((y[np.asarray(o, int), :, v] * yhat[:, :, v]).sum()),
            permutation_type="pairings",
            n_resamples=4000,
            alternative="greater",
            rng=np.random.default_rng(5),
        )
        assert tests.p[0, voxel] == pytest.approx(reference.pvalue, abs=0.035)


def test_batches_and_seeds_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    data, blocks = simulate(200, seed=1), blocks_in_runs(np.zeros(1, int), 200, 2.0)
    masks = {"all": np.ones(N_VOXELS, bool)}
    calls = (
        lambda: permute_blocks(data, blocks, PermutationSettings(200, 1)),
        lambda: flip_blocks(data, blocks, PermutationSettings(200, 1)),
        lambda: permute_blocks_of_means(data, masks, blocks),
        lambda: flip_blocks_of_means(data, masks, blocks),
    )
    at_once = [call() for call in calls]
    monkeypatch.setattr(contributions, "ROOM", 1)
    for one, call in zip(at_once, calls, strict=True):
        batched = call()
        for name, values in vars(one).items():
            np.testing.assert_allclose(getattr(batched, name), values, rtol=1e-4, atol=1e-5, err_msg=name)
    other = permute_blocks(data, blocks, PermutationSettings(200, 2))
    assert not np.array_equal(other.p, at_once[0].p)


def test_voxels_with_signal_are_detected_and_bands_without_are_not() -> None:
    rng = np.random.default_rng(0)
    bands = 0.5 * rng.standard_normal((2, 400, N_VOXELS))
    bands[1, :, 3:] = 0
    y = bands[0] + rng.standard_normal((400, N_VOXELS))
    y[:, 5] = np.nan
    tests = permute_blocks(Predictions(y, bands), blocks_in_runs(np.zeros(1, int), 400, 2.0))
    assert (tests.p_max[0, :5] < 0.01).all() and np.isnan(tests.p[:, 5]).all() and np.isnan(tests.r2[:, 5]).all()
    assert (tests.p[2, 3:5] == 1).all() and (tests.r2[2, 3:5] == 0).all(), "a band that predicts nothing"
    difference = flip_blocks(Predictions(y, bands), blocks_in_runs(np.zeros(1, int), 400, 2.0))
    assert (difference.p_max[:3] < 0.01).all() and np.isnan(difference.p[5]) and np.isnan(difference.ci_low[5])


# Differences


def test_sign_flips_are_those_of_the_exact_test() -> None:
    data, blocks = simulate(55, seed=4), blocks_in_runs(np.zeros(1, int), 55, 2.0, 10.0)
    tests = flip_blocks(data, blocks, ALL)
    a, b = data.bands
    d = (data.measured - b) ** 2 - (data.measured - a) ** 2
    sums = np.stack([d[blocks.labels == k].sum(0) for k in range(blocks.n_blocks)])
    assert blocks.n_blocks == 11 and tests.exact and tests.smallest_p == 2 / 2**11
    np.testing.assert_allclose(tests.p, [sign_flip_p(sums[:, v]) for v in range(N_VOXELS)], atol=1e-9)
    split = r2_split(data.measured, data.bands)
    np.testing.assert_allclose(tests.difference, split[0] - split[1], atol=1e-6)
    reference = stats.permutation_test(
        (sums[:, 0],), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=5000, vectorized=True
    )
    assert tests.p[0] == pytest.approx(reference.pvalue)


def test_drawn_signs_agree_with_all_signs() -> None:
    data, blocks = simulate(65, 0.3, seed=9), blocks_in_runs(np.zeros(1, int), 65, 2.0, 10.0)
    every, some = flip_blocks(data, blocks, ALL), flip_blocks(data, blocks, PermutationSettings(3000, 2))
    assert every.exact and not some.exact and some.smallest_p == 1 / 3001
    np.testing.assert_allclose(some.p, every.p, atol=0.035)
    np.testing.assert_allclose(some.p_max, every.p_max, atol=0.035)


def test_swapped_models_swap_the_sign_and_identical_ones_differ_nowhere() -> None:
    data, blocks = simulate(200, seed=2), blocks_in_runs(np.zeros(1, int), 200, 2.0)
    one, other = flip_blocks(data, blocks), flip_blocks(Predictions(data.measured, data.bands[::-1]), blocks)
    np.testing.assert_allclose(one.difference, -other.difference, atol=1e-7)
    np.testing.assert_allclose(one.ci_low, -other.ci_high, atol=1e-3)
    np.testing.assert_array_equal(one.p, other.p)
    same = flip_blocks(Predictions(data.measured, data.bands[[0, 0]]), blocks)
    assert (same.p == 1).all() and (same.p_max == 1).all() and (same.difference == 0).all()


def test_means_over_a_region_are_those_of_its_voxels() -> None:
    data, blocks = simulate(300, seed=5), blocks_in_runs(np.zeros(1, int), 300, 2.0)
    masks = {"one": np.arange(N_VOXELS) == 2, "all": np.ones(N_VOXELS, bool), "none": np.zeros(N_VOXELS, bool)}
    voxels, means = permute_blocks(data, blocks), permute_blocks_of_means(data, masks, blocks)
    np.testing.assert_allclose(means.r2[:, 0], voxels.r2[:, 2], atol=1e-6)
    np.testing.assert_allclose(means.r2[:, 1], voxels.r2.mean(1), atol=1e-6)
    np.testing.assert_allclose(means.p[:, 0], voxels.p[:, 2], atol=2e-3)
    assert np.isnan(means.p[:, 2]).all()
    flips, mean_flips = flip_blocks(data, blocks), flip_blocks_of_means(data, masks, blocks)
    np.testing.assert_allclose(mean_flips.difference[:2], [flips.difference[2], flips.difference.mean()], atol=1e-6)
    assert mean_flips.p[0] == pytest.approx(flips.p[2], abs=2e-3) and np.isnan(mean_flips.p[2])


def test_interval_is_that_of_scipy_over_blocks() -> None:
    data, blocks = simulate(400, 1.0, seed=6), blocks_in_runs(np.zeros(1, int), 400, 2.0)
    tests = flip_blocks(data, blocks)
    a, b = data.bands[:, :, 0]
    y = data.measured[:, 0]
    rows = np.stack(blocks.rows)
    d, squares = ((y - b) ** 2 - (y - a) ** 2)[rows].sum(1), (y**2)[rows].sum(1)
    low, high = expanded_percentile_levels(blocks.n_blocks)
    reference = stats.bootstrap(
        (d, squares),
        lambda d, s, axis: d.sum(axis) / s.sum(axis),
        paired=True,
        method="percentile",
        vectorized=True,
        confidence_level=high - low,
        n_resamples=4000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    np.testing.assert_allclose([tests.ci_low[0], tests.ci_high[0]], reference, atol=0.02)


def test_levels_become_the_plain_ones() -> None:
    np.testing.assert_allclose(expanded_percentile_levels(100_000), (0.025, 0.975), atol=1e-5)
    assert expanded_percentile_levels(8)[0] == pytest.approx(stats.norm.cdf(-np.sqrt(8 / 7) * 2.3646242515927844))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RequestError, match=r"\(10, 3\)"):
        Predictions(np.zeros((10, 3)), np.zeros((2, 9, 3)))
    with pytest.raises(RequestError, match="two models, got 3"):
        flip_blocks(simulate(100, n_bands=3), blocks_in_runs(np.zeros(1, int), 100, 2.0))
