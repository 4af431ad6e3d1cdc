"""Split R2 and unique variance in one clause, from numbers whose sentence is known."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.claims.split_and_unique import NOT_COMPUTED, parts_clause, split_and_parts, split_clause
from brivl.core.regions.variance_partitioning import MeanScores, partition_variance

NAMES = ("BriVL-mini", "ViT-mini")


def test_both_are_named() -> None:
    scores = MeanScores(0.48, (0.2, 0.28), (0.006, 0.025), 0.449)
    assert split_and_parts(NAMES, scores) == (
        "ViT-mini carries the larger share of the joint prediction (split R² 0.28 vs 0.20); "
        "94 % of R² is shared (unique to BriVL-mini 0.006, unique to ViT-mini 0.025)"
    )


def test_swapped_models_swap_the_names() -> None:
    scores = MeanScores(0.48, (0.28, 0.2), (0.025, 0.006), 0.449)
    assert split_clause(NAMES[::-1], scores).startswith("ViT-mini carries the larger share")


def test_without_parts_it_says_so() -> None:
    assert parts_clause(NAMES, MeanScores(0.48, (0.2, 0.28))) == NOT_COMPUTED


def test_equal_shares_have_no_winner() -> None:
    text = split_clause(NAMES, MeanScores(0.43, (0.216, 0.219)))
    assert "equal shares" in text and "larger" not in text


@pytest.mark.parametrize(
    ("joint", "unique"), [(0.46, (-0.033, 0.01)), (-0.02, (-0.01, -0.008))], ids=["suppression", "no prediction"]
)
def test_a_percentage_is_said_only_where_it_is_one(joint: float, unique: tuple[float, float]) -> None:
    """FFA: 0.483 of 0.46 is shared, which is no part of it."""
    text = parts_clause(NAMES, MeanScores(joint, (joint / 2, joint / 2), unique, joint - sum(unique)))
    assert "%" not in text and f"unique to BriVL-mini {'−0.033' if joint > 0 else '−0.01'} (none)" in text
    assert ("shared 0.48" if joint > 0 else "shared 0.00") in text


def test_means_of_a_table_are_those_of_its_columns() -> None:
    rng = np.random.default_rng(0)
    single, joint = rng.uniform(0, 0.4, (2, 9)), rng.uniform(0.3, 0.6, 9)
    parts = partition_variance(joint, single).by_name()
    table = {"r2_joint": joint, "r2_split_a": joint * 0.4, "r2_split_b": joint * 0.6, **parts}
    scores = MeanScores.of(table)
    assert scores.joint == pytest.approx(joint.mean()) and scores.split[1] == pytest.approx(0.6 * joint.mean())
    assert scores.unique == pytest.approx((joint.mean() - single[1].mean(), joint.mean() - single[0].mean()))
    assert sum(scores.unique) + scores.shared == pytest.approx(scores.joint)
    assert scores.shared_fraction == pytest.approx(scores.shared / joint.mean())


def test_a_mean_over_some_subjects_is_not_given_as_that_of_all() -> None:
    table = {"r2_joint": np.array([0.4, 0.5]), "r2_split_a": np.zeros(2), "r2_split_b": np.zeros(2)}
    table |= {"unique_a": np.array([0.1, np.nan]), "unique_b": np.zeros(2), "shared": np.array([0.3, np.nan])}
    assert not MeanScores.of(table).has_parts
    without_scores = table | {"r2_joint": np.array([0.4, np.nan])}
    assert MeanScores.of(without_scores).unique[0] == pytest.approx(0.1)
