"""Groups of rows (passages, runs, items) that are divided between the training and the test set of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse

from brivl.core.encoding.cv_splits import cv_splits, inner_folds
from brivl.core.encoding.delays import run_labels
from brivl.core.encoding.presets import Preset
from brivl.core.records import Design

Where = Literal["score", "choice"]
TrainTestSplits = Iterable[tuple[np.ndarray, np.ndarray]]  # (train, test) rows of each split


@dataclass(frozen=True)
class Leakage:
    """Groups of one kind that splits divide."""

    kind: str  # "passages" (groups of any kind), "runs"
    n_divided: int  # groups with rows in both the training and the test set of at least one split
    n_groups: int
    where: Where  # "score": rows that are scored; "choice": folds that choose band weights and alpha


def count_split_labels(splits: TrainTestSplits, labels: Sequence | np.ndarray) -> int:
    """Count labels with rows in both the training and the test set of at least one split.

    Parameters
    ----------
    splits : Iterable of tuple
        Training and test rows of each split.
    labels : (n_rows,) sequence
        Label of each row.

    Returns
    -------
    int
        Number of labels.
    """
    labels = np.asarray(labels)
    divided: set = set()
    for train, test in splits:
        divided |= set(np.intersect1d(labels[train], labels[test]).tolist())
    return len(divided)


def count_shared_items(weights: scipy.sparse.csr_matrix, splits: TrainTestSplits) -> int:
    """Count held-out samples that show an item (frame, sentence) which a training sample of their split shows too.

    Parameters
    ----------
    weights : (n_samples, n_items) sparse matrix
        Weight of each item in each sample, as of `Stimulus`.
    splits : Iterable of tuple
        Training and test rows of each split.

    Returns
    -------
    int
        Number of samples.
    """
    items = scipy.sparse.csr_matrix(weights != 0)
    shared = np.zeros(items.shape[0], bool)
    for train, test in splits:
        in_training = np.asarray(items[train].sum(0)).ravel() > 0
        shared[test] |= np.asarray(items[test] @ in_training.astype(int)).ravel() > 0
    return int(shared.sum())


def find_leaks(design: Design, preset: Preset) -> list[Leakage]:
    """List the groups that the folds of a fit divide.

    Groups are passages (or whatever the design groups), and runs where samples are a time series. A test set is a run
    of its own, so that then only the folds that choose weights and alpha can divide runs.

    Parameters
    ----------
    design : Design
        Samples of the subject.
    preset : Preset
        Choice of folds.

    Returns
    -------
    list of Leakage
        Leakage into the score first; empty where no group is divided.
    """
    splits = cv_splits(design, preset)
    scored = [] if design.n_test else [(split.train, split.test) for split in splits]
    chosen = [
        (split.train[train], split.train[test])
        for split in splits
        for train, test in inner_folds(split.train, design, preset)
    ]
    stages: tuple[tuple[Where, list], ...] = (("score", scored), ("choice", chosen))
    leaks = []
    for where, rows in stages:
        for kind, labels in _labels(design).items():
            n_divided = count_split_labels(rows, labels)
            if n_divided:
                leaks.append(Leakage(kind, n_divided, len(np.unique(labels)), where))
    return leaks


def leak_warning(design: Design, preset: Preset) -> str:
    """Describe what the training and test sets of a fit share; the fit is possible all the same.

    Parameters
    ----------
    design : Design
        Samples of the subject.
    preset : Preset
        Choice of folds.

    Returns
    -------
    str
        One or two sentences, "" where no group is divided.
    """
    leaks = find_leaks(design, preset)
    scored = {leak.kind for leak in leaks if leak.where == "score"}
    return " ".join(_describe(leak, preset) for leak in leaks if leak.where == "score" or leak.kind not in scored)


def _labels(design: Design) -> dict[str, np.ndarray]:
    """Groups (n_train,) of rows that are similar for reasons other than the stimulus, by kind."""
    labels = {} if design.groups is None else {"passages": np.asarray(design.groups)}
    if design.tr is not None:
        labels["runs"] = run_labels(design.run_onsets, design.n_train)
    return labels


def _describe(leak: Leakage, preset: Preset) -> str:
    count = f"{leak.n_divided} of {leak.n_groups} {leak.kind if leak.n_groups > 1 else leak.kind[:-1]}"
    remedy = "The preset strict keeps them together." if preset.outer != "grouped" and leak.n_groups > 1 else ""
    appear = "appear" if leak.n_divided > 1 else "appears"
    if leak.where == "choice":
        return (
            f"{count} {appear} in both the training and the test sets of the folds that choose weights and alpha, so "
            f"that alpha can be too small. {remedy}"
        ).strip()
    if not remedy:
        remedy = "Give more runs, or groups.npy where rows belong together." if leak.n_groups == 1 else ""
    return (
        f"Leakage: {count} {appear} in both the training and the test set of a fold, so that R² can be too large. "
        f"{remedy}"
    ).strip()
