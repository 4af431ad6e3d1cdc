"""Which rows are held out together. A fold is a pair of sorted index arrays (train, test)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brivl.core.encoding.delays import run_bounds
from brivl.errors import RequestError

Folds = list[tuple[np.ndarray, np.ndarray]]


def leave_one_run_out(run_onsets: np.ndarray, n: int, n_runs_out: int = 1) -> Folds:
    """One fold per run, or per `n_runs_out` neighbouring runs; the last fold takes what is left.

    run_onsets (n_runs,) first row of each run, n rows in all. Raises RequestError if fewer than two folds result.
    """
    bounds = run_bounds(run_onsets, n)
    starts = [start for start, _ in bounds[::n_runs_out]]
    if len(starts) < 2:
        raise RequestError(
            f"Holding out {n_runs_out} of {len(bounds)} runs leaves nothing to train on; at least two runs are wanted. "
            f"Give the run onsets, or a test set."
        )
    return [_fold(np.arange(start, stop), n) for start, stop in zip(starts, [*starts[1:], n], strict=True)]


def group_folds(groups: np.ndarray, n_splits: int = 5, seed: int = 0) -> Folds:
    """Whole groups held out: groups are shuffled by the seed and dealt to folds of nearly equal size.

    groups (n,) labels of any kind. With fewer groups than n_splits, one fold per group. Raises RequestError for a
    single group.
    """
    labels, index = np.unique(np.asarray(groups), return_inverse=True)
    if len(labels) < 2:
        raise RequestError(f"Folds by group need two groups or more; all {len(index)} rows are of {labels.tolist()!r}.")
    sizes = np.bincount(index)
    order = np.random.default_rng(seed).permutation(len(labels))
    # Largest first into the emptiest fold keeps folds even; the shuffle decides among groups of one size.
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of, filled = np.empty(len(labels), int), np.zeros(min(n_splits, len(labels)), int)
    for group in order:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return [_fold(np.flatnonzero(fold_of[index] == fold), len(index)) for fold in range(len(filled))]


def shuffled_folds(n: int, n_splits: int = 5, seed: int = 1) -> Folds:
    """Rows held out at random whatever they belong to: scikit-learn's KFold(n_splits, shuffle=True, random_state=seed).

    Neighbouring rows of a passage or run come to lie on both sides, so scores are flattered (see `leaks`).
    """
    shuffled = np.random.RandomState(seed).permutation(n)
    return [_fold(np.sort(part), n) for part in np.array_split(shuffled, n_splits)]


def contiguous_folds(n: int, n_splits: int = 5) -> Folds:
    """Consecutive blocks of rows held out: scikit-learn's KFold(n_splits)."""
    return [_fold(part, n) for part in np.array_split(np.arange(n), n_splits)]


def leaks(folds: Folds, groups: Sequence | np.ndarray) -> bool:
    """Whether any group (passage, run) has rows both in training and in the held-out part of a fold."""
    groups = np.asarray(groups)
    return any(bool(np.isin(groups[test], groups[train]).any()) for train, test in folds)


def _fold(test: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.setdiff1d(np.arange(n), test), test
