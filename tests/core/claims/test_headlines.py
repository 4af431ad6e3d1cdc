"""Headlines say what the data show, whichever model is ahead, and say so when nothing can be shown."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.claims import headlines
from brivl.core.numbers import number, p_text, probability, signed
from brivl.core.regions.region_stats import RegionComparison, compare_subjects, compare_voxels

NAMES = ("BriVL", "ViT")
REGIONS = [f"R{i}" for i in range(6)]


def comparison(effects: list[float], n_subjects: int = 8, noise: float = 0.002, seed: int = 0) -> RegionComparison:
    rng = np.random.default_rng(seed)
    b = rng.normal(0.05, 0.02, (n_subjects, len(effects)))
    return compare_subjects(
        b + np.array(effects) + rng.normal(0, noise, b.shape), b, [f"R{i}" for i in range(len(effects))]
    )


def test_direction_count_and_size_over_subjects() -> None:
    text = headlines.layer_headline(8, NAMES, comparison([0.02] * 5 + [-0.02]), "8 subjects")
    assert text.startswith("Layer 8: BriVL explains more than ViT in 5 of 6 ROIs, by 0.02")
    assert text.endswith("; ViT in 1 (8 subjects, q < .05)")


def test_swapping_the_models_swaps_the_names() -> None:
    text = headlines.layer_headline(3, NAMES, comparison([-0.02] * 6), "8 subjects", "regions")
    assert text.startswith("Layer 3: ViT explains more than BriVL in 6 of 6 regions")


def test_nothing_is_said_to_differ_when_nothing_does() -> None:
    result = comparison([0.0] * 6, noise=0.02, seed=4)
    assert (result.table["q"] >= 0.05).all()
    text = headlines.layer_headline(8, NAMES, result, "8 subjects")
    assert headlines.NO_DIFFERENCE in text and "explains more" not in text
    assert f"q = {result.table['q'].min():.3f}".replace("0.", ".") in text


def test_only_regions_that_pass_are_counted() -> None:
    result = comparison([0.03, 0.03, 0.0, 0.0], noise=0.004, seed=1)
    passed = int((result.table["q"] < 0.05).sum())
    assert 0 < passed < 4
    assert f"in {passed} of 4 ROIs" in headlines.layer_headline(1, NAMES, result, "8 subjects")


def test_a_clear_difference_between_two_that_predict_nothing_counts_for_nothing() -> None:
    rng = np.random.default_rng(0)
    b = np.array([0.1, -0.1]) + rng.normal(0, 0.001, (8, 2))
    a = b + 0.02 + rng.normal(0, 0.001, b.shape)
    text = headlines.layer_headline(8, NAMES, compare_subjects(a, b, ["V1", "AC"]), "8 subjects")
    assert "in 1 of 2 ROIs" in text
    text = headlines.layer_headline(8, NAMES, compare_subjects(a[:, 1:], b[:, 1:], ["AC"]), "8 subjects")
    assert text == "Layer 8: BriVL and ViT predict none of 1 ROIs (8 subjects; R² not above 0)"


def test_one_subject_is_counted_and_said_not_to_be_tested() -> None:
    result = compare_subjects(np.array([0.3, 0.2, 0.1, np.nan]), np.array([0.1, 0.1, 0.2, 0.1]), list("abcd"))
    text = headlines.layer_headline(8, NAMES, result, "S01")
    assert (
        text
        == "Layer 8: BriVL explains more than ViT in 2 of 3 ROIs, by 0.15 R² on average; ViT in 1 (S01, not tested)"
    )


def test_a_tie_names_no_winner() -> None:
    result = compare_subjects(np.array([0.3, 0.1]), np.array([0.1, 0.2]), list("ab"))
    assert "BriVL and ViT each explain more in 1 of 2 ROIs" in headlines.layer_headline(8, NAMES, result, "S01")


def test_voxels_as_unit_are_named() -> None:
    rng = np.random.default_rng(0)
    b = rng.normal(0, 0.01, 100)
    result = compare_voxels(b + 0.05 + rng.normal(0, 0.01, 100), b, {"V1": np.arange(100) < 50})
    assert "(S01, over voxels, q < .05)" in headlines.layer_headline(8, NAMES, result, "S01")


def test_no_region_with_scores() -> None:
    result = compare_subjects(np.full((1, 2), np.nan), np.ones((1, 2)), list("ab"))
    assert "none of the 2 ROIs has scores" in headlines.layer_headline(8, NAMES, result, "S01")
    assert headlines.largest_difference(NAMES, result) == "No region has scores of both models"


def test_layers_name_the_best_and_where_one_model_leads() -> None:
    layers = [1, 2, 3, 4, 5]
    text = headlines.layers_headline(
        layers, np.array([0.1, 0.2, 0.31, 0.25, 0.2]), NAMES, comparison([-0.02, 0, 0.02, 0.02, 0.02]), "8 subjects"
    )
    assert text.startswith(
        "Joint R² is highest at layer 3 (0.31); BriVL explains more than ViT from layer 3 on, ViT explains"
    )
    assert text.endswith("at layer 1 (8 subjects, q < .05)")


def test_layers_without_any_difference() -> None:
    text = headlines.layers_headline(
        [1, 2], np.array([0.1, np.nan]), NAMES, comparison([0, 0], noise=0.05), "8 subjects"
    )
    assert headlines.NO_DIFFERENCE in text and "layer 1 (0.1)" in text
    assert "No layer" in headlines.layers_headline([1], np.array([np.nan]), NAMES, comparison([0]), "8 subjects")


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ([1, 2, 3, 4, 5, 6], "at every layer"),
        ([4, 5, 6], "from layer 4 on"),
        ([2], "at layer 2"),
        ([6], "at layer 6"),
        ([1, 3, 4, 6], "at layers 1, 3-4 and 6"),
    ],
)
def test_layers_in_words(some: list[int], words: str) -> None:
    assert headlines.layer_span(some, [1, 2, 3, 4, 5, 6]) == words


def test_voxels_and_joint() -> None:
    a, b = np.array([0.3, 0.1, np.nan, 0.2]), np.array([0.1, 0.2, 0.5, 0.1])
    assert headlines.voxel_headline(2, NAMES, a, b, "S01") == (
        "Layer 2: BriVL explains more than ViT in 2 of 3 voxels (S01), +0.067 R² on average"
    )
    assert "ViT explains more than BriVL in 2 of 3" in headlines.voxel_headline(2, NAMES, b, a, "S01")
    assert "no voxel" in headlines.voxel_headline(2, NAMES, a * np.nan, b, "S01")
    joint = np.array([0.2, -0.1, np.nan, 0.2])
    assert headlines.joint_headline(2, joint, "S01").endswith(
        "0.1 R² on average, more than nothing in 2 of 3 voxels (S01)"
    )


def test_largest_difference_carries_p_and_q() -> None:
    result = comparison([0.001, -0.04, 0.02])
    row = result.table.iloc[1]
    text = headlines.largest_difference(NAMES, result)
    assert (
        text.startswith("Largest difference: R1, ViT +0.04")
        and p_text(row["p"]) in text
        and p_text(row["q"], "q") in text
    )
    assert "not tested" in headlines.largest_difference(NAMES, comparison([0.1], n_subjects=1))


def test_what_five_subjects_cannot_show() -> None:
    note = headlines.small_sample_note(comparison([0.1], 5))
    assert note == "With 5 subjects an exact sign-flip test cannot go below p = .0625."
    assert headlines.small_sample_note(comparison([0.1], 8)) == ""


def test_recovery() -> None:
    assert (
        headlines.recovery_headline(0.8437, 5102, "S01")
        == "Planted difference is recovered: r = 0.84 over 5,102 voxels (S01)"
    )
    assert "not recovered" in headlines.recovery_headline(0.31, 10, "S01")
    assert "cannot be compared" in headlines.recovery_headline(float("nan"), 0, "S01")


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
    assert signed(0.02) == "+0.02" and signed(-0.02) == "−0.02" and signed(0.0) == "0"
