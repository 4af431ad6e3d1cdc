"""What lies on both sides of a division into rows to fit and rows to score, and ought not to: passages, runs, items."""

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
TrainTestSplits = Iterable[tuple[np.ndarray, np.ndarray]]  # (train, test) rows of each division


@dataclass(frozen=True)
class Leakage:
    """Something that divisions cut through."""

    what: str  # "passages" (groups of any kind), "runs"
    n_split: int  # with rows on both sides of at least one division
    n: int  # of all of them
    where: Where  # "score": rows that are scored; "choice": folds that choose band weights and alpha


def count_split_labels(sides: TrainTestSplits, labels: Sequence | np.ndarray) -> int:
    """How many labels (n_rows,) have rows both in training and in the held-out part of at least one division."""
    labels = np.asarray(labels)
    found: set = set()
    for train, test in sides:
        found |= set(np.intersect1d(labels[train], labels[test]).tolist())
    return len(found)


def count_shared_items(weights: scipy.sparse.csr_matrix, sides: TrainTestSplits) -> int:
    """How many held-out samples show an item (frame, sentence) that a training sample of their division shows too.

    weights (n_samples, n_items), as of `Stimulus`.
    """
    shown = scipy.sparse.csr_matrix(weights != 0)
    found = np.zeros(shown.shape[0], bool)
    for train, test in sides:
        seen = np.asarray(shown[train].sum(0)).ravel() > 0
        found[test] |= np.asarray(shown[test] @ seen.astype(int)).ravel() > 0
    return int(found.sum())


def find_leaks(design: Design, preset: Preset) -> list[Leakage]:
    """What the folds of a fit cut through, worst first; [] where nothing is shared.

    Passages (or whatever the design groups) where there are groups; runs where samples follow one another in time.
    A test set is a run of its own, so that only the folds that choose weights and alpha can cut through runs then.
    """
    rows = cv_splits(design, preset)
    kinds = _labels(design)
    scored = [] if design.n_test else [(part.train, part.test) for part in rows]
    chosen = [
        (part.train[train], part.train[test])
        for part in rows
        for train, test in inner_folds(part.train, design, preset)
    ]
    found = []
    for where, sides in (("score", scored), ("choice", chosen)):
        for what, labels in kinds.items():
            n_split = count_split_labels(sides, labels)
            if n_split:
                found.append(Leakage(what, n_split, len(np.unique(labels)), where))
    return found


def leak_warning(design: Design, preset: Preset) -> str:
    """A sentence or two on what the folds of a fit share, "" where they share nothing. The fit may go on."""
    leaks = find_leaks(design, preset)
    scored = {leak.what for leak in leaks if leak.where == "score"}
    return " ".join(_said(leak, preset) for leak in leaks if leak.where == "score" or leak.what not in scored)


def _labels(design: Design) -> dict[str, np.ndarray]:
    """What rows (n_train,) have in common besides the stimulus."""
    found = {} if design.groups is None else {"passages": np.asarray(design.groups)}
    if design.tr is not None:
        found["runs"] = run_labels(design.run_onsets, design.n_train)
    return found


def _said(leak: Leakage, preset: Preset) -> str:
    count = f"{leak.n_split} of {leak.n} {leak.what if leak.n > 1 else leak.what[:-1]}"
    remedy = "The preset strict keeps them together." if preset.name != "strict" and leak.n > 1 else ""
    if leak.where == "choice":
        said = f"{count} lie on both sides of the folds that choose weights and alpha, so that alpha can be too small."
        return f"{said} {remedy}".strip()
    if not remedy:
        remedy = "Give more runs, or groups.npy where rows belong together." if leak.n == 1 else ""
    lie = "lie" if leak.n_split > 1 else "lies"
    return f"Leakage: {count} {lie} on both sides of a fold, so that R² can be too large. {remedy}".strip()
