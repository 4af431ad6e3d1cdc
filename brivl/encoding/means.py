"""Mean scores over subjects, of maps whose voxels are the same and of regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from brivl.core.records import EncodingResult
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, partition_variance
from brivl.encoding.fit import FitRequest, FitResult

COLUMNS = ["layer", "subject", "r2_joint", "r2_split_a", "r2_split_b", "n_voxels"]


def mean_scores(results: Sequence[EncodingResult]) -> np.ndarray:
    """Average scores over results whose voxels are the same.

    Parameters
    ----------
    results : Sequence[EncodingResult]
        Results of several subjects.

    Returns
    -------
    np.ndarray
        (3, n_voxels): joint R2, split R2 of A and of B, each the mean over the results in which the voxel was fitted;
        NaN where it was fitted in none.
    """
    return nan_mean_rows([np.vstack([r.r2_joint[None], r.r2_split]) for r in results])


def nan_mean_rows(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Average arrays of one shape, leaving out NaN.

    Parameters
    ----------
    arrays : Sequence[np.ndarray]
        Each (n_rows, n_voxels).

    Returns
    -------
    np.ndarray
        (n_rows, n_voxels), NaN where all arrays are.
    """
    stacked = np.stack(arrays).astype(float)
    fitted = np.isfinite(stacked)
    total = np.where(fitted, stacked, 0).sum(0)
    return np.divide(total, fitted.sum(0), out=np.full(total.shape, np.nan), where=fitted.any(0))


def mean_explainable_variance(results: Sequence[EncodingResult]) -> np.ndarray | None:
    """Average the explainable variance over results whose voxels are the same.

    Parameters
    ----------
    results : Sequence[EncodingResult]
        Results of several subjects.

    Returns
    -------
    np.ndarray | None
        (n_voxels,); None where one of the results has no explainable variance.
    """
    evs = [r.explainable_variance for r in results if r.explainable_variance is not None]
    return np.mean(evs, axis=0) if len(evs) == len(results) else None


def results_by_layer(fits: Mapping[tuple[int, str], FitResult]) -> dict[int, list[EncodingResult]]:
    """Group fits by layer.

    Parameters
    ----------
    fits : Mapping[tuple[int, str], FitResult]
        (layer, subject) -> fit.

    Returns
    -------
    dict[int, list[EncodingResult]]
        Layer -> results by subject, both in sorted order.
    """
    by_layer: dict[int, list[EncodingResult]] = {}
    for (layer, _), fit in sorted(fits.items()):
        by_layer.setdefault(layer, []).append(fit.result)
    return by_layer


def best_layers(
    fits: Mapping[tuple[int, str], FitResult], average: Callable[[np.ndarray], np.ndarray] | None = None
) -> tuple[np.ndarray, list[int]]:
    """Find the layer with the highest mean joint R2 of each voxel.

    Parameters
    ----------
    fits : Mapping[tuple[int, str], FitResult]
        (layer, subject) -> fit.
    average : Callable[[np.ndarray], np.ndarray] or None
        Replaces the joint R2 of voxels (n_voxels,), for example by the means of their regions.

    Returns
    -------
    best : np.ndarray
        (n_voxels,) position of the best layer in `layers`, counted from 1; 0 where no joint R2 is above 0.
    layers : list[int]
        The layers, sorted.
    """
    by_layer = results_by_layer(fits)
    joint = np.stack([mean_scores(results)[0] for results in by_layer.values()])
    joint = joint if average is None else np.stack([average(row) for row in joint])
    positive = np.where(np.isfinite(joint) & (joint > 0), joint, 0)
    return np.where(positive.max(0) > 0, positive.argmax(0) + 1, 0), list(by_layer)


def _all_voxels(_subject: str) -> None:
    return None


def layer_means(
    fits: Mapping[tuple[int, str], FitResult], inside_of: Callable[[str], np.ndarray | None] = _all_voxels
) -> pd.DataFrame:
    """Average scores over the fitted voxels of a region, by layer and subject.

    Parameters
    ----------
    fits : Mapping[tuple[int, str], FitResult]
        (layer, subject) -> fit.
    inside_of : Callable[[str], np.ndarray | None]
        Gives the region of a subject, (n_voxels,) bool, or None for all voxels.

    Returns
    -------
    pd.DataFrame
        COLUMNS, one row per layer and subject; without rows for subjects that have no fitted voxel in the region.
    """
    rows = []
    for (layer, subject), fit in sorted(fits.items()):
        result, inside = fit.result, inside_of(subject)
        inside = result.selected if inside is None else result.selected & inside
        if not inside.any():
            continue
        joint, (a, b) = result.r2_joint[inside], result.r2_split[:, inside]
        rows.append((layer, subject, *(float(np.mean(v, dtype=np.float64)) for v in (joint, a, b)), int(inside.sum())))
    return pd.DataFrame(rows, columns=COLUMNS)


def layer_parts(
    fits: Mapping[tuple[int, str], FitResult],
    single_models: Callable[[FitRequest], np.ndarray | None],
    inside_of: Callable[[str], np.ndarray | None] = _all_voxels,
) -> pd.DataFrame:
    """Average unique and shared variance over the voxels of `layer_means`, by layer and subject.

    Parameters
    ----------
    fits : Mapping[tuple[int, str], FitResult]
        (layer, subject) -> fit.
    single_models : Callable[[FitRequest], np.ndarray | None]
        Gives R2 of each model alone, (2, n_voxels), or None where it is not stored, as
        `brivl.encoding.single_model.stored_single_models` does.
    inside_of : Callable[[str], np.ndarray | None]
        Gives the region of a subject, (n_voxels,) bool, or None for all voxels.

    Returns
    -------
    pd.DataFrame
        "layer", "subject" and VARIANCE_COMPONENTS, with the rows of `layer_means`; NaN where a fit has no parts.
    """
    rows = []
    for (layer, subject), fit in sorted(fits.items()):
        inside, single = inside_of(subject), single_models(fit.request)
        inside = fit.result.selected if inside is None else fit.result.selected & inside
        if not inside.any():
            continue
        if single is None:
            parts = dict.fromkeys(VARIANCE_COMPONENTS, np.nan)
        else:
            by_name = partition_variance(fit.result.r2_joint[inside], single[:, inside]).by_name()
            parts = {name: float(np.mean(values)) for name, values in by_name.items()}
        rows.append({"layer": layer, "subject": subject} | parts)
    return pd.DataFrame(rows, columns=["layer", "subject", *VARIANCE_COMPONENTS])
