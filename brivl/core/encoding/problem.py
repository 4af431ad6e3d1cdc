"""What a search over weights and alphas is given; shared by the searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from brivl.core.encoding.cross_validation import Folds

Array = Any  # of the backend: numpy.ndarray or torch.Tensor


@dataclass(frozen=True)
class Solver:
    """How the search is done.

    method "surface": scores of all candidates and alphas read off a few that are computed (see `surface_search`);
    exact=True computes all of them. method "himalaya": himalaya's random search, fold by fold. The other fields change
    speed and memory, not the answer: arrays of (n_samples, n_voxels_batch) float32, for himalaya n_alphas_batch of
    (n_held_out, n_voxels_batch).
    """

    backend: str = "torch"
    n_voxels_batch: int = 1000
    n_alphas_batch: int = 5
    method: Literal["surface", "himalaya"] = "surface"
    exact: bool = False


@dataclass(frozen=True)
class Problem:
    """The search: minus the mean over folds of the mean squared held-out error, each fold times its weight."""

    kernels: np.ndarray  # (n_kernels, n_rows, n_rows) float32, no two alike
    folds: Folds
    fold_weights: np.ndarray  # (n_folds,)
    candidates: np.ndarray  # (n_candidates, n_kernels) weights of kernels, rows sum to 1
    alphas: np.ndarray  # (n_alphas,)

    def mixed(self, index: int) -> np.ndarray:
        """Kernel of one candidate, (n_rows, n_rows) float32."""
        return np.tensordot(self.candidates[index].astype(np.float32), self.kernels, 1)
