"""The rows that are fitted and scored, and the folds within the fitted ones. Nothing is fitted in this module."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.cross_validation import (
    Folds,
    contiguous_folds,
    group_folds,
    leave_one_run_out,
    shuffled_folds,
)
from brivl.core.encoding.delays import onsets_of, run_labels
from brivl.core.encoding.presets import Preset
from brivl.core.records import Design


@dataclass(frozen=True)
class Split:
    """Rows of the features that one fit uses, and those that it is scored on."""

    train: np.ndarray  # (n_fit,)
    test: np.ndarray  # (n_held_out,)


def cv_splits(design: Design, preset: Preset) -> list[Split]:
    """Divide the rows into those to fit and those to score.

    Parameters
    ----------
    design : Design
        Samples of the subject.
    preset : Preset
        Choice of outer folds.

    Returns
    -------
    list of Split
        One split where there is a test set, else one per outer fold; without volumes that cleaning leaves out.
    """
    if design.n_test:
        rows = np.arange(design.n_train + design.n_test)
        splits = [Split(rows[: design.n_train], rows[design.n_train :])]
    else:
        splits = [Split(train, test) for train, test in outer_folds(design, preset)]
    if design.cleaning is None:
        return splits
    kept = design.cleaning.kept
    return [Split(split.train[kept[split.train]], split.test[kept[split.test]]) for split in splits]


def outer_folds(design: Design, preset: Preset) -> Folds:
    """Make the folds of the training rows that give the score where there is no test set.

    Parameters
    ----------
    design : Design
        Samples of the subject.
    preset : Preset
        Choice of outer folds.

    Returns
    -------
    Folds
        Random rows if the preset shuffles; else whole groups, whole runs, or consecutive blocks of a single run.
    """
    if preset.outer == "shuffled":
        return shuffled_folds(design.n_train, preset.n_outer, seed=1)
    if design.groups is not None:
        return group_folds(design.groups, preset.n_outer, preset.seed)
    if len(design.run_onsets) > 1:
        return leave_one_run_out(design.run_onsets, design.n_train)
    # With one run and no groups, blocks at least keep neighbouring samples together.
    return contiguous_folds(design.n_train, preset.n_outer)


def inner_folds(train: np.ndarray, design: Design, preset: Preset) -> Folds:
    """Make the folds of the fitted rows that choose band weights and alpha.

    Parameters
    ----------
    train : (n_fit,) array
        Rows of the fit.
    design : Design
        Samples of the subject.
    preset : Preset
        Choice of inner folds.

    Returns
    -------
    Folds
        Positions in `train`.
    """
    if preset.inner == "grouped" and design.groups is not None:
        return group_folds(np.asarray(design.groups)[train], preset.n_inner, preset.seed)
    onsets = onsets_of(run_labels(design.run_onsets, design.n_train)[train])
    if preset.inner == "grouped" and len(onsets) > 1:
        return leave_one_run_out(onsets, len(train), -(-len(onsets) // preset.n_inner))
    return contiguous_folds(len(train), preset.n_inner)
