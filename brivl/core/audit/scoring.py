"""Scores of a protocol as it should be and as it should not: by fold, over voxels chosen honestly or by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brivl.core.inference.contributions import Predictions, split_contributions
from brivl.core.records import Truth


def r2_by_fold(predictions: Predictions, parts: np.ndarray) -> np.ndarray:
    """R2 in each part of the held-out samples: (n_parts, 1 + n_bands, n_voxels), joint first, then by band.

    parts (n_samples,) labels; band j of part p: sum_p yhat_j (2y - sum_k yhat_k) / sum_p y^2. Voxels without a score
    in some part are NaN.
    """
    names, index = np.unique(parts, return_inverse=True)
    data = Predictions(predictions.measured, predictions.bands, index)
    found = np.full((len(names), 1 + len(data.bands), data.n_voxels), np.nan)
    for batch, y, bands, usable in data.scaled_batches(1):
        split = split_contributions(y, bands)
        sums = np.stack([split[:, index == i].sum(1, dtype=np.float64) for i in range(len(names))]) * len(names)
        found[:, 1:, batch] = np.where(usable, sums, np.nan)
    found[:, 0] = found[:, 1:].sum(1)
    return found


def halves(n_samples: int) -> np.ndarray:
    """First and second half of a test run: (n_samples,) 0 or 1."""
    return (np.arange(n_samples) >= n_samples // 2).astype(int)


@dataclass(frozen=True)
class SelectedScores:
    """Means over voxels that were kept for R2 > 0."""

    r2: np.ndarray  # (1 + n_bands,) mean over voxels kept and over parts
    n_voxels: float  # kept, mean over parts
    kept: np.ndarray  # (n_parts, n_voxels) bool; in which part each voxel counts


def score_selected_voxels(parts: np.ndarray, by_itself: bool) -> SelectedScores:
    """Mean R2 of voxels kept for a joint R2 above 0, in the same parts (by_itself) or in the other ones.

    parts (n_parts, 1 + n_bands, n_voxels) as of `scores_by_part`, two or more parts. by_itself: noise that happens to
    agree with the prediction decides on a voxel and counts for it. Else every part is scored over voxels that the other
    parts chose. NaN where none is kept.
    """
    joint = parts[:, 0]
    total = joint.sum(0)
    others = np.broadcast_to(total, joint.shape) if by_itself else total - joint
    kept = others > 0  # NaN is not
    means = [part[:, inside].mean(1) for part, inside in zip(parts, kept, strict=True) if inside.any()]
    r2 = np.mean(means, axis=0) if means else np.full(parts.shape[1], np.nan)
    return SelectedScores(r2, float(kept.sum(1).mean()), kept)


def errors_against_truth(r2: np.ndarray, truth: Truth, models: tuple[str, str], sets: Mapping[str, np.ndarray]) -> dict:
    """How far scores (3, n_voxels: joint, A, B) are from what was planted.

    models: order of A and B. sets: "silent", voxels without signal, and "planted", voxels whose planted layer is near,
    (n_voxels,) bool. silent_r2: mean joint R2 where the truth is 0. difference_error: root mean square of A less B
    minus that of the noise-free parts. NaN for an empty set.
    """
    order = slice(None) if models[0] == truth.models[0] else slice(None, None, -1)
    oracle = np.subtract(*truth.oracle_split[order])
    error = (r2[1] - r2[2] - oracle)[sets["planted"]]
    silent = r2[0, sets["silent"]]
    return {"silent_r2": _mean(silent), "difference_error": float(np.sqrt(_mean(np.square(error))))}


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
