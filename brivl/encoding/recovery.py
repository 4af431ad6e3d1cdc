"""Comparison of a fit with the ground truth of a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from brivl.core.records import EncodingResult, Truth
from brivl.errors import RequestError

MIN_VOXELS = 5  # fitted voxels with signal that a region needs


@dataclass(frozen=True)
class Recovery:
    """Agreement of estimate and ground truth over the fitted voxels that have a signal.

    Attributes
    ----------
    n_voxels : int
        Number of these voxels.
    difference_r : float
        Pearson r over voxels of the estimated and the true difference of split R2 (model 1 - model 2).
    region_rho : float
        Spearman rho over regions of the mean differences; NaN for fewer than 3 regions.
    ceiling_fraction : float
        Mean joint R2 over mean noise ceiling.
    null_mean_r2 : float
        Mean joint R2 over fitted voxels without signal; NaN where none was fitted.
    estimated, oracle : np.ndarray
        (n_voxels,) difference of the fit, and of the noise-free prediction.
    regions : Mapping[str, tuple[float, float]]
        Region -> mean (true, estimated) difference.
    """

    n_voxels: int
    difference_r: float
    region_rho: float
    ceiling_fraction: float
    null_mean_r2: float
    estimated: np.ndarray
    oracle: np.ndarray
    regions: Mapping[str, tuple[float, float]]


def compare_with_truth(
    result: EncodingResult, truth: Truth, models: tuple[str, str], regions: Mapping[str, np.ndarray]
) -> Recovery:
    """Compare a fit with the ground truth.

    Parameters
    ----------
    result : EncodingResult
        Scores of the fit.
    truth : Truth
        Ground truth of the subject.
    models : tuple[str, str]
        Order of the models in `result`, to which the truth is adapted.
    regions : Mapping[str, np.ndarray]
        Region -> (n_voxels,) bool.

    Returns
    -------
    Recovery
        Agreement of both.

    Raises
    ------
    RequestError
        Where the models are not the two whose features the simulation used.
    """
    if sorted(models) != sorted(truth.models):
        raise RequestError(
            f"Expected a fit of {truth.models[0]!r} and {truth.models[1]!r}, whose features made the simulated "
            f"responses, got {list(models)!r}, which cannot be compared with the ground truth. Fit those two."
        )
    order = slice(None) if models[0] == truth.models[0] else slice(None, None, -1)
    oracle_split = truth.oracle_split[order]
    fitted = result.selected & (truth.layer > 0)
    null = result.selected & (truth.layer == 0)
    estimated = result.r2_split[0] - result.r2_split[1]
    oracle = oracle_split[0] - oracle_split[1]
    means = {
        name: (float(oracle[inside & fitted].mean()), float(estimated[inside & fitted].mean()))
        for name, inside in regions.items()
        if (inside & fitted).sum() >= MIN_VOXELS
    }
    nan = float("nan")
    ceiling = truth.noise_ceiling[fitted]
    return Recovery(
        n_voxels=int(fitted.sum()),
        difference_r=float(np.corrcoef(estimated[fitted], oracle[fitted])[0, 1]) if fitted.sum() > 2 else nan,
        region_rho=float(spearmanr(*zip(*means.values(), strict=True)).statistic) if len(means) > 2 else nan,
        ceiling_fraction=float(result.r2_joint[fitted].mean() / ceiling.mean()) if fitted.any() else nan,
        null_mean_r2=float(result.r2_joint[null].mean()) if null.any() else nan,
        estimated=estimated[fitted],
        oracle=oracle[fitted],
        regions=means,
    )


def difference_maps(result: EncodingResult, truth: Truth, models: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Give the true and the estimated difference of split R2 on the same voxels.

    Parameters
    ----------
    result : EncodingResult
        Scores of the fit.
    truth : Truth
        Ground truth of the subject.
    models : tuple[str, str]
        Order of the models in `result`; the two whose features the simulation used.

    Returns
    -------
    planted, estimated : np.ndarray
        (n_voxels,) difference of the noise-free prediction and of the fit, model 1 - model 2; NaN for voxels that were
        not fitted and for those without signal.
    """
    order = slice(None) if models[0] == truth.models[0] else slice(None, None, -1)
    shown = result.selected & (truth.layer > 0)
    planted, estimated = (
        np.where(shown, split[0] - split[1], np.nan) for split in (truth.oracle_split[order], result.r2_split)
    )
    return planted, estimated


def at_true_layer(results: Sequence[EncodingResult], truth: Truth) -> EncodingResult:
    """Take the scores of each voxel at the layer of its ground truth.

    Parameters
    ----------
    results : Sequence[EncodingResult]
        Results of all layers, from layer 1.
    truth : Truth
        Ground truth; layer 1 is taken for voxels without signal.

    Returns
    -------
    EncodingResult
        The first result, with these scores.
    """
    joint, split = np.stack([r.r2_joint for r in results]), np.stack([r.r2_split for r in results])
    layer, voxels = np.maximum(truth.layer, 1) - 1, np.arange(joint.shape[1])
    return replace(results[0], r2_joint=joint[layer, voxels], r2_split=split[layer, :, voxels].T)


def best_layer(r2_joint: np.ndarray) -> np.ndarray:
    """Find the layer with the highest joint R2 of each voxel.

    Parameters
    ----------
    r2_joint : np.ndarray
        (n_layers, n_voxels), NaN where not fitted.

    Returns
    -------
    np.ndarray
        (n_voxels,) int, layers counted from 1; 0 where no layer was fitted.
    """
    filled = np.where(np.isnan(r2_joint), -np.inf, r2_joint)
    return np.where(np.isneginf(filled).all(0), 0, filled.argmax(0) + 1)


def layer_recovery(best: np.ndarray, true: np.ndarray, tolerance: int = 2) -> float:
    """Compute the fraction of voxels whose best layer is close to the true one.

    Parameters
    ----------
    best, true : np.ndarray
        (n_voxels,) int, layers counted from 1, 0 for none.
    tolerance : int
        Largest difference that counts as close.

    Returns
    -------
    float
        Fraction of the voxels that have both layers; NaN where none has.
    """
    both = (true > 0) & (best > 0)
    return float((np.abs(best - true)[both] <= tolerance).mean()) if both.any() else float("nan")
