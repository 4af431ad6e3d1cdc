"""Region statistics against scipy, statsmodels and numbers computed by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from brivl.core.regions.region_stats import (
    bh_q,
    compare_subjects,
    compare_voxels,
    expanded_percentile_levels,
    mask_means,
    sign_flip_p,
)
from brivl.errors import RequestError

REGIONS = ["front", "middle", "back"]


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    b = rng.normal(0.05, 0.02, (8, 3))
    return b + np.array([0.02, 0.0, -0.01]) + rng.normal(0, 0.008, b.shape), b


def test_region_means_leave_nan_out() -> None:
    values, labels = np.array([1.0, 3.0, np.nan, 10.0, np.nan]), np.array([4, 4, 4, 7, 9])
    means = mask_means(values, {str(label): labels == label for label in (7, 4, 9, 2)})
    np.testing.assert_array_equal(means, [10.0, 2.0, np.nan, np.nan])


def test_masks_may_overlap() -> None:
    masks = {"a": np.array([True, True, False]), "b": np.array([False, True, True])}
    np.testing.assert_array_equal(mask_means(np.array([1.0, 3.0, 5.0]), masks), [2.0, 4.0])


def test_masks_of_another_subject_are_refused() -> None:
    with pytest.raises(RequestError, match=r"\(4,\).*\(3,\).*same subject"):
        mask_means(np.ones(3), {"all": np.ones(4, bool)})


def test_t_interval_and_effect_size_agree_with_scipy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    table = compare_subjects(a, b, REGIONS).table
    expected = stats.ttest_rel(a, b)
    np.testing.assert_allclose(table["t"], expected.statistic)
    np.testing.assert_allclose(table["p"], expected.pvalue)
    difference = a - b
    half = stats.t.ppf(0.975, 7) * stats.sem(difference, axis=0)
    np.testing.assert_allclose(table["ci_low"], difference.mean(0) - half)
    np.testing.assert_allclose(table["ci_high"], difference.mean(0) + half)
    np.testing.assert_allclose(table["d_z"], expected.statistic / np.sqrt(8))
    np.testing.assert_allclose(table["difference"], table["mean_a"] - table["mean_b"])
    assert list(table["n_a_higher"]) == list((difference > 0).sum(0))
    assert list(table["region"]) == REGIONS and set(table["n"]) == {8}


def test_bh_agrees_with_statsmodels_and_skips_nan() -> None:
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.9, 0.0002])
    tested = np.isfinite(p)
    np.testing.assert_allclose(bh_q(p)[tested], multipletests(p[tested], method="fdr_bh")[1])
    assert np.isnan(bh_q(p)[1])
    assert np.isnan(bh_q(np.full(3, np.nan))).all()


def test_q_of_the_table_is_bh_of_its_p(pair: tuple[np.ndarray, np.ndarray]) -> None:
    table = compare_subjects(*pair, REGIONS).table
    np.testing.assert_allclose(table["q"], multipletests(table["p"], method="fdr_bh")[1])


def test_sign_flip_by_hand() -> None:
    """Sums of (+-1, +-2, +-3) are 6, 4, 2, 0, 0, -2, -4, -6: all eight reach +1+2-3 = 0, and six reach 1-2+3 = 2."""
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == 2 / 8
    assert sign_flip_p(np.array([-1.0, 2.0, 3.0])) == 4 / 8
    assert sign_flip_p(np.array([1.0, -2.0, 3.0])) == 6 / 8
    assert sign_flip_p(np.array([1.0, 2.0, -3.0])) == 1.0


def test_sign_flip_agrees_with_scipy_permutation_test() -> None:
    difference = np.random.default_rng(5).normal(0.4, 1, 7)
    expected = stats.permutation_test(
        (difference,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flip_p(difference) == pytest.approx(expected.pvalue)
    brute = [abs(np.dot(s, difference)) for s in itertools.product((1, -1), repeat=7)]
    assert sign_flip_p(difference) == np.mean(np.array(brute) >= abs(difference.sum()) - 1e-9)


@pytest.mark.parametrize(("n", "smallest"), [(2, 0.5), (5, 0.0625), (8, 0.0078125)])
def test_smallest_reachable_p(n: int, smallest: float) -> None:
    a = np.arange(1.0, n + 1)[:, None]
    row = compare_subjects(a, np.zeros_like(a), ["all"]).table.iloc[0]
    assert row["p_signflip_min"] == row["p_signflip"] == smallest


def test_bootstrap_interval_is_seeded_and_lies_within_the_data(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, again, other = (compare_subjects(*pair, REGIONS, seed=seed).table for seed in (1, 1, 2))
    assert first.equals(again) and not first["boot_low"].equals(other["boot_low"])
    difference = pair[0] - pair[1]
    assert (first["boot_low"] > difference.min(0)).all() and (first["boot_high"] < difference.max(0)).all()
    low, high = expanded_percentile_levels(len(difference))
    expected = stats.bootstrap(
        (difference[:, 0],), np.mean, method="percentile", confidence_level=high - low, rng=np.random.default_rng(0)
    )
    np.testing.assert_allclose(
        first.loc[0, ["boot_low", "boot_high"]].astype(float), expected.confidence_interval, atol=6e-4
    )


def test_one_subject_is_not_tested_and_the_reason_is_given() -> None:
    table = compare_subjects(np.array([0.3, 0.1, np.nan]), np.array([0.1, 0.2, 0.2]), REGIONS).table
    assert table[["p", "q", "t", "d_z", "ci_low", "boot_high", "p_signflip"]].isna().all(axis=None)
    np.testing.assert_allclose(table["difference"], [0.2, -0.1, np.nan])
    assert list(table["n_a_higher"]) == [1, 0, 0]
    assert "only 1 subject;" in table["reason"][0] and "only 0 subjects" in table["reason"][2]


def test_no_variance_gives_a_reason_and_no_p() -> None:
    b = np.random.default_rng(0).normal(size=(5, 2))
    a = b + np.array([0.25, 0.0])
    a[:, 1] += np.linspace(0, 1, 5)
    table = compare_subjects(a, b, ["constant", "varied"]).table
    assert np.isnan(table["p"][0]) and "same in every subject" in table["reason"][0]
    assert table["q"][1] == table["p"][1] < 1 and table["reason"][1] == ""
    assert table["p_signflip"][0] == 2 / 2**5


def test_subject_without_a_region_is_left_out_there(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    a = a.copy()
    a[2, 1] = np.nan
    table = compare_subjects(a, b, REGIONS).table
    assert list(table["n"]) == [8, 7, 8]
    keep = np.arange(8) != 2
    assert table["p"][1] == pytest.approx(stats.ttest_rel(a[keep, 1], b[keep, 1]).pvalue)
    assert table["mean_b"][1] == pytest.approx(b[keep, 1].mean())


def test_voxels_as_unit_are_warned_about() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.02, 0.1, 60), rng.normal(0, 0.1, 60)
    a[3] = np.nan
    masks = {"one": np.arange(60) < 40, "two": np.arange(60) >= 30}
    result = compare_voxels(a, b, masks)
    assert result.unit == "voxel" and "voxels" in result.warning and "anti-conservative" in result.warning
    assert list(result.table["n"]) == [39, 30]
    assert result.table["p"][1] == pytest.approx(stats.ttest_rel(a[30:], b[30:]).pvalue)
    assert result.table["p_signflip"].isna().all()
    assert compare_subjects(np.ones((2, 1)), np.zeros((2, 1)), ["x"]).warning == ""


def test_swapping_the_models_swaps_the_signs(pair: tuple[np.ndarray, np.ndarray]) -> None:
    ab, ba = compare_subjects(*pair, REGIONS).table, compare_subjects(*pair[::-1], REGIONS).table
    np.testing.assert_allclose(ab[["difference", "t", "d_z"]], -ba[["difference", "t", "d_z"]])
    np.testing.assert_allclose(ab[["p", "q", "p_signflip"]], ba[["p", "q", "p_signflip"]])
    assert list(ab["n_a_higher"] + ba["n_a_higher"]) == [8, 8, 8]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RequestError, match="same subjects and regions"):
        compare_subjects(np.ones((8, 3)), np.ones((7, 3)), REGIONS)
    with pytest.raises(RequestError, match=r"\(n_subjects, 2\)"):
        compare_subjects(np.ones((8, 3)), np.ones((8, 3)), REGIONS[:2])
