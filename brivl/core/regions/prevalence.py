"""In how many subjects a region shows what the group shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Basis = Literal["tests", "sign"]


@dataclass(frozen=True)
class Prevalence:
    """Per region: k of the n subjects in whom it was fitted. k is 0 where the group's difference is 0 or unknown."""

    k: np.ndarray  # (n_regions,) int
    n: np.ndarray  # (n_regions,) int
    basis: Basis  # "tests": clear by tests within the subject and with the group's sign; "sign": that sign alone


def prevalence(differences: np.ndarray, clear: np.ndarray | None = None) -> Prevalence:
    """Subjects whose difference has the sign of the mean over subjects, and is clear where that is known.

    differences (n_subjects, n_regions), A less B, NaN where a subject lacks a region; clear, likewise bool, by tests
    within each subject. The sign alone is reached by half of the subjects where there is nothing to find.
    """
    differences = np.atleast_2d(np.asarray(differences, float))
    known = np.isfinite(differences)
    n = known.sum(0)
    total = np.where(known, differences, 0).sum(0)
    same = known & (np.sign(differences) == np.sign(total)) & (total != 0)
    if clear is not None:
        same &= np.asarray(clear, bool)
    return Prevalence(same.sum(0), n, "sign" if clear is None else "tests")
