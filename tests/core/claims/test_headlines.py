"""Headlines say what the data show, whichever model is ahead, and say so when nothing can be shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from brivl.core.claims.coverage import NO_DIFFERENCE, Coverage, Facts, layer_span
from brivl.core.claims.layer_headlines import LayerMeans, layers_headline
from brivl.core.claims.map_headlines import joint_headline, recovery_headline, voxel_headline
from brivl.core.claims.region_headlines import largest_difference, layer_headline, small_sample_note
from brivl.core.numbers import fixed, number, p_text, probability, signed, signed_fixed
from brivl.core.regions.region_stats import RegionComparison, compare_subjects, compare_voxels, with_block_tests
from brivl.core.regions.variance_partitioning import MeanScores

NAMES = ("BriVL", "ViT")
REGIONS = [f"R{i}" for i in range(6)]


def comparison(effects: list[float], n_subjects: int = 8, noise: float = 0.002, seed: int = 0) -> RegionComparison:
    rng = np.random.default_rng(seed)
    b = rng.normal(0.05, 0.02, (n_subjects, len(effects)))
    return compare_subjects(
        b + np.array(effects) + rng.normal(0, noise, b.shape), b, [f"R{i}" for i in range(len(effects))]
    )


def said(layer: int, result: RegionComparison, who: str = "8 subjects", **facts: object) -> str:
    """The headline of a comparison of regions."""
    return layer_headline(layer, NAMES, result, Facts(who, **facts))


def test_direction_count_and_size_over_subjects() -> None:
    text = said(8, comparison([0.02] * 5 + [-0.02]))
    assert text.startswith("Layer 8: BriVL has the larger split R² in 5 of 6 ROIs, by 0.02")
    assert text.endswith(" on average, ViT in 1 (8 subjects, q < .05)")


def test_swapping_the_models_swaps_the_names() -> None:
    text = said(3, comparison([-0.02] * 6), noun="regions")
    assert text.startswith("Layer 3: ViT has the larger split R² in 6 of 6 regions")


def test_nothing_is_said_to_differ_when_nothing_does() -> None:
    result = comparison([0.0] * 6, noise=0.02, seed=4)
    assert (result.table["q"] >= 0.05).all()
    text = said(8, result)
    assert NO_DIFFERENCE in text and "larger" not in text
    assert f"q = {result.table['q'].min():.3f}".replace("0.", ".") in text


def test_only_regions_that_pass_are_counted() -> None:
    result = comparison([0.03, 0.03, 0.0, 0.0], noise=0.004, seed=1)
    passed = int((result.table["q"] < 0.05).sum())
    assert 0 < passed < 4
    assert f"in {passed} of 4 ROIs" in said(1, result)


def test_a_clear_difference_between_two_that_predict_nothing_counts_for_nothing() -> None:
    rng = np.random.default_rng(0)
    b = np.array([0.1, -0.1]) + rng.normal(0, 0.001, (8, 2))
    a = b + 0.02 + rng.normal(0, 0.001, b.shape)
    assert "in 1 of 2 ROIs" in said(8, compare_subjects(a, b, ["V1", "AC"]))
    text = said(8, compare_subjects(a[:, 1:], b[:, 1:], ["AC"]))
    assert text == "Layer 8: BriVL and ViT predict none of 1 ROIs (8 subjects; R² not above 0)"


def test_one_subject_is_counted_and_said_not_to_be_tested() -> None:
    result = compare_subjects(np.array([0.3, 0.2, 0.1, np.nan]), np.array([0.1, 0.1, 0.2, 0.1]), list("abcd"))
    assert said(8, result, "S01") == (
        "Layer 8: BriVL has the larger split R² in 2 of 3 ROIs, by 0.150 on average, ViT in 1 (S01, not tested)"
    )


def test_one_of_two_subjects_with_regions_is_the_reason_for_no_test() -> None:
    """The headline said "2 subjects, not tested" and not why."""
    a = np.array([[0.3, 0.2], [np.nan, np.nan]])
    result = compare_subjects(a, a - 0.1, ["V1", "V2"])
    assert said(8, result, "2 subjects").endswith("(1 of 2 subjects has these ROIs, not tested)")


def test_a_tie_names_no_winner() -> None:
    result = compare_subjects(np.array([0.3, 0.1]), np.array([0.1, 0.2]), list("ab"))
    assert "BriVL and ViT each have the larger split R² in 1 of 2 ROIs" in said(8, result, "S01")


def voxelwise(seed: int = 0) -> RegionComparison:
    """One subject, whose voxels differ so clearly that p over voxels is next to nothing."""
    rng = np.random.default_rng(seed)
    b = 0.1 + rng.normal(0, 0.01, 100)
    return compare_voxels(
        b + 0.05 + rng.normal(0, 0.01, 100), b, {"V1": np.arange(100) < 50, "FFA": np.arange(100) > 49}
    )


def test_p_over_voxels_of_one_subject_never_enters_a_headline() -> None:
    result = voxelwise()
    assert (result.table["q"] < 1e-10).all()
    text = said(8, result, "S01")
    assert "q" not in text.replace("quantity", "") and text.endswith("(S01, not tested)")
    assert largest_difference(NAMES, result).endswith("(not tested)")


def test_tests_over_blocks_lead_for_one_subject() -> None:
    """Also R2 must be above chance: of two models that predict only noise one is worse."""
    columns = {"ci_low": 0.04, "ci_high": 0.06, "p_difference": 0.001, "q_difference": 0.002, "p_max_difference": 0.004}
    tests = pd.DataFrame({"region": ["FFA", "V1"], **columns, "q_joint": [0.5, 0.01]})
    result = with_block_tests(voxelwise(), tests, 9)
    assert result.unit == "block" and result.table["q"].tolist() == [0.002, 0.002]
    assert result.table[["t", "boot_low", "p_signflip"]].isna().all(axis=None)
    text = said(8, result, "S01")
    assert "BriVL has the larger split R² in 1 of 2 ROIs" in text and text.endswith("(S01, blocks of stimuli, q < .05)")
    missing = with_block_tests(voxelwise(), pd.DataFrame(), 0)
    assert missing.table[["p", "q", "ci_low"]].isna().all(axis=None) and "not tested" in said(8, missing, "S01")


def test_no_region_with_scores() -> None:
    result = compare_subjects(np.full((1, 2), np.nan), np.ones((1, 2)), list("ab"))
    assert "none of the 2 ROIs has scores" in said(8, result, "S01")
    assert largest_difference(NAMES, result) == "No region has scores of both models"


def test_two_of_five_subjects_are_not_compared() -> None:
    result = comparison([0.03] * 6, n_subjects=2)
    text = said(8, result, "2 of 5 subjects", missing=3)
    assert text == "Layer 8: 2 of 5 subjects fitted; BriVL and ViT are compared in 6 ROIs once the other 3 subjects are"


def test_identical_features_are_said_and_nothing_is_compared() -> None:
    text = said(2, comparison([0.02] * 6), identical=True)
    assert text.startswith("Layer 2: the two models have identical features at this layer") and "larger" not in text


def test_unique_variance_stands_beside_split() -> None:
    scores = MeanScores(0.484, (0.2, 0.284), (0.006, 0.025), 0.453)
    text = said(8, comparison([-0.02] * 6), scores=scores)
    assert "ViT has the larger split R²" in text
    assert text.endswith("94 % of R² is shared (unique to BriVL 0.006, unique to ViT 0.025)")


# Layers


def by_layer(
    differences: dict[int, float], coverage: Coverage, joint: dict[int, float] | None = None, noise: float = 0.002
) -> str:
    """The headline of layers with these differences."""
    n = coverage.n_subjects
    result = comparison(list(differences.values()), n, noise)
    means = LayerMeans(joint or {layer: 0.1 * layer for layer in differences}, result, list(differences))
    return layers_headline(means, NAMES, coverage)


def fits(layers: range | list[int], subjects: int = 8) -> set[tuple[int, str]]:
    """Fits of these layers of all subjects."""
    return {(layer, f"S{i}") for layer in layers for i in range(subjects)}


def test_layers_name_the_best_and_where_each_model_leads() -> None:
    joint = {1: 0.1, 2: 0.2, 3: 0.31, 4: 0.25, 5: 0.2}
    text = by_layer({1: -0.02, 2: 0, 3: 0.02, 4: 0.02, 5: 0.02}, Coverage.of(fits(range(1, 6))), joint)
    assert text.startswith(
        "Joint R² is highest at layer 3 (0.310); BriVL has the larger split R² from layer 3 on, ViT has the larger"
    )
    assert text.endswith("at layer 1 (8 subjects, q < .05)")


def test_two_of_twelve_layers_are_not_every_layer() -> None:
    """The headline said "at every layer" and named the best of two."""
    coverage = Coverage.of(fits([5, 8], 1), fits([*range(1, 5), 6, 7, *range(9, 13)], 1))
    text = by_layer({5: -0.05, 8: -0.06}, coverage, {5: 0.3, 8: 0.484})
    assert text == (
        "Joint R² is 0.300 to 0.484 at 2 of 12 layers fitted (5 and 8); ViT has the larger split R² at both layers "
        "compared (5 and 8) (S0, not tested)"
    )


def test_the_best_layer_is_named_only_when_all_are_there() -> None:
    coverage = Coverage.of(fits([1, 4, 8, 12]), fits([2, 3, 5, 6, 7, 9, 10, 11]))
    text = by_layer(dict.fromkeys((1, 4, 8, 12), 0.02), coverage)
    assert "highest" not in text and "every layer" not in text and "at 4 of 12 layers fitted (1, 4, 8 and 12)" in text
    assert "at all 4 layers compared" in text


def test_one_layer_of_twelve() -> None:
    coverage = Coverage.of(fits([8], 1), fits([*range(1, 8), *range(9, 13)], 1))
    text = by_layer({8: -0.08}, coverage, {8: 0.484})
    assert (
        text
        == "Layer 8 (1 of 12 layers fitted): joint R² 0.484; ViT has the larger split R² at layer 8 (S0, not tested)"
    )


def test_unique_parts_of_some_layers_are_counted() -> None:
    """Layers with parts beside layers without: neither a mean over some of them nor "not computed"."""
    result = comparison([-0.02, -0.02], 8)
    scores = {7: MeanScores(0.4, (0.1, 0.3)), 8: MeanScores(0.484, (0.2, 0.284), (0.006, 0.025), 0.453)}
    means = LayerMeans({7: 0.4, 8: 0.484}, result, [7, 8], scores)
    coverage = Coverage.of(fits([7, 8]))
    assert layers_headline(means, NAMES, coverage).endswith("; unique parts computed at 1 of 2 layers")


def test_layers_that_lack_subjects_are_named_and_not_compared() -> None:
    fitted = fits([3, 4]) | {(1, "S0"), (1, "S1"), (2, "S0")}
    coverage = Coverage.of(fitted, fits(range(1, 5)) - fitted)
    assert coverage.complete_layers == [3, 4] and [coverage.n_at(k) for k in (1, 2, 3)] == [2, 1, 8]
    text = by_layer({3: 0.02, 4: 0.02}, coverage)
    assert "at both layers compared (3–4)" in text
    assert text.endswith("at layers 1–2 1 to 2 of 8 subjects are fitted, so models are not compared there yet")


def test_identical_layers_are_left_out_and_said() -> None:
    coverage = Coverage.of(fits(range(1, 6)), identical=[1, 2, 3])
    text = by_layer({4: 0.02, 5: 0.02}, coverage, dict.fromkeys(range(1, 6), 0.2))
    assert "at both layers compared (4–5)" in text and "every layer" not in text
    assert text.endswith("the two models have identical features at layers 1–3")


def test_shares_that_are_equal_have_no_winner() -> None:
    """0.219 against 0.216 led the sentence."""
    coverage = Coverage.of(fits(range(1, 4), 1))
    text = by_layer({1: -0.05, 2: 0.003, 3: -0.003}, coverage, noise=0)
    assert "ViT has the larger split R² at layer 1, equal within 0.01 at layers 2–3 (S0, not tested)" in text
    equal = by_layer({1: 0.003, 2: 0.001, 3: 0}, coverage, noise=0)
    assert "split R² of BriVL and ViT is equal within 0.01 at every layer (S0, not tested)" in equal


def test_layers_without_any_difference() -> None:
    text = by_layer({1: 0, 2: 0}, Coverage.of(fits([1, 2])), {1: 0.1, 2: 0.05}, noise=0.05)
    assert NO_DIFFERENCE in text and "highest at layer 1 (0.100)" in text
    assert "No layer" in by_layer({1: 0}, Coverage.of(fits([1])), {1: np.nan})


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ([1, 2, 3, 4, 5, 6], "at every layer"),
        ([4, 5, 6], "from layer 4 on"),
        ([2], "at layer 2"),
        ([6], "at layer 6"),
        ([1, 3, 4, 6], "at layers 1, 3–4 and 6"),
    ],
)
def test_layers_in_words(some: list[int], words: str) -> None:
    assert layer_span(some, [1, 2, 3, 4, 5, 6]) == words


def test_who_is_k_of_n() -> None:
    assert Coverage.of(fits([8], 2), fits([8], 5) - fits([8], 2)).who == "2 of 5 subjects"
    assert Coverage.of(fits([8], 5)).who == "5 subjects" and Coverage.of(fits([8], 5)).fits == ""
    one = Coverage.of(fits([8], 1), fits([7], 1))
    assert one.who == "S0" and one.fits == "1 of 2 fits"


def test_voxels_and_joint() -> None:
    a, b = np.array([0.3, 0.1, np.nan, 0.2]), np.array([0.1, 0.2, 0.5, 0.1])
    assert voxel_headline(2, NAMES, a, b, Facts("S01")) == (
        "Layer 2: BriVL has the larger split R² in 2 of 3 voxels (S01, not tested), by 0.067 on average over voxels"
    )
    assert "ViT has the larger split R² in 2 of 3" in voxel_headline(2, NAMES, b, a, Facts("S01"))
    assert "no voxel" in voxel_headline(2, NAMES, a * np.nan, b, Facts("S01"))
    joint = np.array([0.2, -0.1, np.nan, 0.2])
    assert joint_headline(2, joint, "S01").endswith("= 0.100; R² > 0 in 2 of 3 voxels (67 %) (S01)")


def test_largest_difference_carries_p_and_q() -> None:
    result = comparison([0.001, -0.04, 0.02])
    row = result.table.iloc[1]
    text = largest_difference(NAMES, result)
    assert (
        text.startswith("Largest difference in split R²: R1, ViT +0.04")
        and p_text(row["p"]) in text
        and p_text(row["q"], "q") in text
    )
    assert "not tested" in largest_difference(NAMES, comparison([0.1], n_subjects=1))


def test_what_five_subjects_cannot_show() -> None:
    note = small_sample_note(comparison([0.1], 5))
    assert note == "With 5 subjects an exact sign-flip test cannot go below p = .0625."
    assert small_sample_note(comparison([0.1], 8)) == ""


def test_recovery() -> None:
    assert recovery_headline(0.8437, 5102, "S01") == "Planted difference is recovered: r = 0.84 over 5,102 voxels (S01)"
    assert "not recovered" in recovery_headline(0.31, 10, "S01")
    assert "cannot be compared" in recovery_headline(float("nan"), 0, "S01")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"),
        (-0.5, "−0.5"),
        (0, "0"),
        (6214, "6,210"),
        (1234567, "1,230,000"),
        (float("nan"), "–"),
        (0.00012, "0.00012"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_probabilities() -> None:
    assert [probability(p) for p in (0.0123, 0.0004, 0.9999, 1.0, 0.5, np.nan)] == [
        ".012",
        "< .001",
        "> .999",
        "> .999",
        ".500",
        "–",
    ]
    assert p_text(0.0123) == "p = .012" and p_text(0.0001, "q") == "q < .001" and p_text(np.nan) == "p not defined"
    assert [fixed(x) for x in (0.25, -0.0331, -0.0001, np.nan, None)] == ["0.250", "−0.033", "0.000", "–", "–"]
    assert [signed_fixed(x) for x in (0.25, -0.0331, -0.0001)] == ["+0.250", "−0.033", "0.000"]
    assert signed(0.02) == "+0.02" and signed(-0.02) == "−0.02" and signed(0.0) == "0"
