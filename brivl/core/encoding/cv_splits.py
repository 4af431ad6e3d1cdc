"""Which rows are fitted and which are scored, and the folds within the fitted ones. Light: nothing is fitted here."""

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
    """Rows of the features: those of one fit, and those that it is scored on."""

    train: np.ndarray  # (n_fit,)
    test: np.ndarray  # (n_held_out,)


def cv_splits(design: Design, preset: Preset) -> list[Split]:
    """The test set, or the outer folds."""
    if design.n_test:
        rows = np.arange(design.n_train + design.n_test)
        return [Split(rows[: design.n_train], rows[design.n_train :])]
    return [Split(train, test) for train, test in outer_folds(design, preset)]


def outer_folds(design: Design, preset: Preset) -> Folds:
    """Folds of training rows where there is no test set."""
    if preset.outer == "shuffled":
        return shuffled_folds(design.n_train, preset.n_outer, seed=1)
    if design.groups is not None:
        return group_folds(design.groups, preset.n_outer, preset.seed)
    if len(design.run_onsets) > 1:
        return leave_one_run_out(design.run_onsets, design.n_train)
    # One run and no groups: neighbours at least stay together.
    return contiguous_folds(design.n_train, preset.n_outer)


def inner_folds(train: np.ndarray, design: Design, preset: Preset) -> Folds:
    """Folds of the rows of one fit, as positions in `train`."""
    if preset.inner == "grouped" and design.groups is not None:
        return group_folds(np.asarray(design.groups)[train], preset.n_inner, preset.seed)
    onsets = onsets_of(run_labels(design.run_onsets, design.n_train)[train])
    if preset.inner == "grouped" and len(onsets) > 1:
        return leave_one_run_out(onsets, len(train), -(-len(onsets) // preset.n_inner))
    return contiguous_folds(len(train), preset.n_inner)
