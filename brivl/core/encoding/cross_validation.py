"""Rows that are held out together. A fold is a pair of sorted index arrays (train, test).

scikit-learn is imported inside the functions, since look-ups of stored answers import this module and make no folds.
"""

from __future__ import annotations

import numpy as np

from brivl.core.encoding.delays import run_bounds, run_labels
from brivl.errors import RequestError

Folds = list[tuple[np.ndarray, np.ndarray]]


def leave_one_run_out(run_onsets: np.ndarray, n: int, n_runs_out: int = 1) -> Folds:
    """Hold out each run, or each group of neighbouring runs, in turn.

    Parameters
    ----------
    run_onsets : (n_runs,) array
        First row of each run.
    n : int
        Number of rows.
    n_runs_out : int
        Number of neighbouring runs in a fold; the last fold takes those that remain.

    Returns
    -------
    Folds
        One fold per group of runs, in their order.

    Raises
    ------
    RequestError
        If there would be fewer than two folds.
    """
    n_runs = len(run_bounds(run_onsets, n))
    if n_runs <= n_runs_out:
        raise RequestError(
            f"Expected at least two groups of runs, got {n_runs} runs of which {n_runs_out} are held out; nothing is "
            f"left to train on. Give the run onsets, or a test set."
        )
    groups = run_labels(run_onsets, n) // n_runs_out
    # As LeaveOneGroupOut of scikit-learn, which the page server, where leaks are looked for, does not import.
    return [(np.flatnonzero(groups != group), np.flatnonzero(groups == group)) for group in np.unique(groups)]


def group_folds(groups: np.ndarray, n_splits: int = 5, seed: int = 0) -> Folds:
    """Hold out whole groups, in folds of nearly equal numbers of rows.

    Parameters
    ----------
    groups : (n,) array
        Label of each row, of any type.
    n_splits : int
        Number of folds; where there are fewer groups, each group is a fold.
    seed : int
        Seed of the order in which groups of one size are assigned to folds.

    Returns
    -------
    Folds
        At most n_splits folds.

    Raises
    ------
    RequestError
        If there is a single group.

    Notes
    -----
    scikit-learn's GroupKFold gives other folds, so stored results would change. With shuffle=True it divides the
    shuffled groups into equal numbers of groups whatever their sizes, so that passages of unequal length give unequal
    folds. Without shuffle it balances sizes as this function does, but takes no seed. In a comparison of 2,000 random
    groupings, its folds were those of this function for 34 with and for 83 without shuffling.
    """
    labels, index = np.unique(np.asarray(groups), return_inverse=True)
    if len(labels) < 2:
        raise RequestError(
            f"Expected two groups or more, got the single group {labels.tolist()!r} for all {len(index)} rows. Give a "
            "label for each group of rows that belong together."
        )
    sizes = np.bincount(index)
    order = np.random.default_rng(seed).permutation(len(labels))
    # The largest group first into the smallest fold keeps folds even; the shuffle decides among groups of one size.
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of, filled = np.empty(len(labels), int), np.zeros(min(n_splits, len(labels)), int)
    for group in order:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return [_fold(np.flatnonzero(fold_of[index] == fold), len(index)) for fold in range(len(filled))]


def shuffled_folds(n: int, n_splits: int = 5, seed: int = 1) -> Folds:
    """Hold out rows at random, whatever they belong to.

    Neighbouring rows of a passage or run come to lie in both the training and the test set, so that scores are
    inflated (see `brivl.core.audit.leakage`).

    Parameters
    ----------
    n : int
        Number of rows.
    n_splits : int
        Number of folds.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    Folds
        The folds of KFold(n_splits, shuffle=True, random_state=seed).

    Raises
    ------
    RequestError
        If there are fewer rows than folds.
    """
    return _k_fold(n, n_splits, seed)


def contiguous_folds(n: int, n_splits: int = 5) -> Folds:
    """Hold out consecutive blocks of rows.

    Parameters
    ----------
    n : int
        Number of rows.
    n_splits : int
        Number of folds.

    Returns
    -------
    Folds
        The folds of KFold(n_splits).

    Raises
    ------
    RequestError
        If there are fewer rows than folds.
    """
    return _k_fold(n, n_splits, None)


def _k_fold(n: int, n_splits: int, seed: int | None) -> Folds:
    from sklearn.model_selection import KFold

    if n < n_splits:
        raise RequestError(f"Expected at least {n_splits} rows for as many folds, got {n}. Give more samples.")
    return list(KFold(n_splits, shuffle=seed is not None, random_state=seed).split(np.empty(n)))


def _fold(test: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.setdiff1d(np.arange(n), test), test
