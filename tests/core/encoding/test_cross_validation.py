"""Folds against scikit-learn's, and that groups stay whole."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold, LeaveOneGroupOut

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


def test_the_authors_shuffle_is_scikit_learns():
    assert_same(shuffled_folds(384), list(KFold(5, shuffle=True, random_state=1).split(np.zeros(384))))


def test_blocks_are_scikit_learns():
    assert_same(contiguous_folds(23, 5), list(KFold(5).split(np.zeros(23))))


def test_leaving_one_run_out_is_scikit_learns():
    onsets = np.array([0, 5, 8, 20])
    labels = run_labels(onsets, 24)
    assert_same(leave_one_run_out(onsets, 24), list(LeaveOneGroupOut().split(np.zeros(24), groups=labels)))


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
def test_groups_stay_whole_and_every_row_is_held_out_once(seed):
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
