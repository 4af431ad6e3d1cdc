"""Folds written out, and groups that stay in one fold."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.audit.leakage import count_split_labels
from brivl.core.encoding.cross_validation import (
    contiguous_folds,
    group_folds,
    leave_one_run_out,
    shuffled_folds,
)
from brivl.core.encoding.delays import run_labels
from brivl.errors import RequestError


def assert_same(folds, expected):
    assert len(folds) == len(expected)
    for (train, test), (train_expected, test_expected) in zip(folds, expected, strict=True):
        np.testing.assert_array_equal(train, train_expected)
        np.testing.assert_array_equal(test, test_expected)


def folds_of(tests: list[np.ndarray], n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.setdiff1d(np.arange(n), test), np.sort(test)) for test in tests]


# Stored results depend on these folds, so they are written out here without scikit-learn's splitters.


@pytest.mark.parametrize("n, n_splits, seed", [(384, 5, 1), (240, 5, 0), (97, 6, 3), (7, 7, 2)])
def test_shuffled_folds_are_consecutive_parts_of_a_permutation(n: int, n_splits: int, seed: int) -> None:
    permutation = np.random.RandomState(seed).permutation(n)
    assert_same(shuffled_folds(n, n_splits, seed), folds_of(np.array_split(permutation, n_splits), n))


@pytest.mark.parametrize("n, n_splits", [(23, 5), (384, 5), (6, 6), (100, 7)])
def test_contiguous_folds_are_consecutive_rows(n: int, n_splits: int) -> None:
    assert_same(contiguous_folds(n, n_splits), folds_of(np.array_split(np.arange(n), n_splits), n))


def test_each_run_is_held_out_once() -> None:
    bounds = [(0, 5), (5, 8), (8, 20), (20, 24)]
    expected = folds_of([np.arange(start, stop) for start, stop in bounds], 24)
    assert_same(leave_one_run_out(np.array([0, 5, 8, 20]), 24), expected)


@pytest.mark.parametrize("folds", [contiguous_folds, shuffled_folds])
def test_fewer_rows_than_folds_are_refused(folds) -> None:
    with pytest.raises(RequestError, match="at least 5 rows"):
        folds(4)


def test_two_runs_at_a_time_take_all_runs_once():
    onsets = np.arange(0, 50, 10)
    folds = leave_one_run_out(onsets, 50, n_runs_out=2)
    assert [test.tolist() for _, test in folds] == [list(range(20)), list(range(20, 40)), list(range(40, 50))]
    assert count_split_labels(folds, run_labels(onsets, 50)) == 0


@pytest.mark.parametrize("onsets, n_runs_out", [([0], 1), ([0, 10], 2)])
def test_nothing_left_to_train_on_is_refused(onsets, n_runs_out):
    with pytest.raises(RequestError, match="nothing is left to train on"):
        leave_one_run_out(np.array(onsets), 20, n_runs_out)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_groups_stay_in_one_fold_and_every_row_is_held_out_once(seed):
    groups = np.repeat(np.arange(96), 4)
    folds = group_folds(groups, 5, seed)
    assert count_split_labels(folds, groups) == 0
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(384))
    assert {len(test) for _, test in folds} <= {76, 80}


def test_group_folds_follow_the_seed():
    groups = np.repeat(np.arange(30), 2)
    assert_same(group_folds(groups, 5, 3), group_folds(groups, 5, 3))
    assert any((a[1] != b[1]).any() for a, b in zip(group_folds(groups, 5, 3), group_folds(groups, 5, 4), strict=True))


def test_groups_of_uneven_size_and_any_label():
    groups = np.array(["b"] * 7 + ["a"] * 2 + ["c"] * 1 + ["b"] * 1)
    folds = group_folds(groups, 5)
    assert len(folds) == 3 and count_split_labels(folds, groups) == 0


def test_one_group_is_refused():
    with pytest.raises(RequestError, match="two groups"):
        group_folds(np.zeros(5))


def test_shuffled_rows_of_passages_are_on_both_sides():
    groups = np.repeat(np.arange(96), 4)
    assert count_split_labels(shuffled_folds(384), groups) > 0
    assert count_split_labels(shuffled_folds(384), np.arange(384)) == 0
