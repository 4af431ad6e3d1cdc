"""Scores on a map: means over subjects whose voxels are the same, for one layer or all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from brivl.core.records import EncodingResult
from brivl.encoding.fit import FitResult


def mean_scores(results: Sequence[EncodingResult]) -> np.ndarray:
    """(3, n_voxels) joint, A, B: mean over the results in which a voxel was fitted, NaN where in none."""
    return nan_mean_rows([np.vstack([r.r2_joint[None], r.r2_split]) for r in results])


def nan_mean_rows(each: Sequence[np.ndarray]) -> np.ndarray:
    """(n_rows, n_voxels): mean over those of the arrays in which a value is known, NaN where in none."""
    stacked = np.stack(each).astype(float)
    fitted = np.isfinite(stacked)
    total = np.where(fitted, stacked, 0).sum(0)
    return np.divide(total, fitted.sum(0), out=np.full(total.shape, np.nan), where=fitted.any(0))


def mean_explainable_variance(results: Sequence[EncodingResult]) -> np.ndarray | None:
    """(n_voxels,) mean explainable variance, or None where one of the results has none."""
    found = [r.explainable_variance for r in results]
    return None if any(part is None for part in found) else np.mean(found, axis=0)


def results_by_layer(answers: Mapping[tuple[int, str], FitResult]) -> dict[int, list[EncodingResult]]:
    """Results of each layer, by (layer, subject)."""
    found: dict[int, list[EncodingResult]] = {}
    for (layer, _), answer in sorted(answers.items()):
        found.setdefault(layer, []).append(answer.result)
    return found


def best_layers(answers: Mapping[tuple[int, str], FitResult]) -> tuple[np.ndarray, list[int]]:
    """(n_voxels,) 1-based place of the layer with the highest positive joint R² (0 where none), and the layers."""
    found = results_by_layer(answers)
    joint = np.stack([mean_scores(results)[0] for results in found.values()])
    best = np.where(np.isfinite(joint) & (joint > 0), joint, 0)
    return np.where(best.max(0) > 0, best.argmax(0) + 1, 0), list(found)


COLUMNS = ["layer", "subject", "r2_joint", "r2_split_a", "r2_split_b", "n_voxels"]


def layer_means(
    answers: Mapping[tuple[int, str], FitResult], inside_of: Callable[[str], np.ndarray | None] = lambda _subject: None
) -> pd.DataFrame:
    """Means over fitted voxels inside a region (None: all), by (layer, subject): COLUMNS; tidy."""
    rows = []
    for (layer, subject), answer in sorted(answers.items()):
        result, inside = answer.result, inside_of(subject)
        inside = result.selected if inside is None else result.selected & inside
        if not inside.any():
            continue
        joint, (a, b) = result.r2_joint[inside], result.r2_split[:, inside]
        rows.append((layer, subject, *(float(np.mean(v, dtype=np.float64)) for v in (joint, a, b)), int(inside.sum())))
    return pd.DataFrame(rows, columns=COLUMNS)
