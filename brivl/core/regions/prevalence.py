"""Prevalence of the group effect: in how many subjects a region shows the difference of the group mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Basis = Literal["tests", "sign"]


@dataclass(frozen=True)
class Prevalence:
    """Number of subjects in whom each region shows the effect of the group."""

    k: np.ndarray  # (n_regions,) int, subjects with the effect; 0 where the group's difference is 0 or unknown
    n: np.ndarray  # (n_regions,) int, subjects in whom the region was fitted
    basis: Basis  # "tests": significant within the subject and of the group's sign; "sign": of the group's sign


def prevalence(differences: np.ndarray, significant: np.ndarray | None = None) -> Prevalence:
    """Count the subjects whose difference has the sign of the group mean and, if tested, is significant.

    Without an effect half of the subjects have the sign of the group by chance.

    Parameters
    ----------
    differences : (n_subjects, n_regions) array
        Score of model A minus score of model B; NaN where a subject lacks a region.
    significant : (n_subjects, n_regions) bool array, optional
        Results of tests within each subject.

    Returns
    -------
    Prevalence
        Counts for each region.
    """
    differences = np.atleast_2d(np.asarray(differences, float))
    fitted = np.isfinite(differences)
    total = np.where(fitted, differences, 0).sum(0)
    same_sign = fitted & (np.sign(differences) == np.sign(total)) & (total != 0)
    if significant is not None:
        same_sign &= np.asarray(significant, bool)
    return Prevalence(same_sign.sum(0), fitted.sum(0), "sign" if significant is None else "tests")
