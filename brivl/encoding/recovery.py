"""Was the planted truth recovered? Compares a fit with what the simulation planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from brivl.core.records import EncodingResult, Truth
from brivl.errors import RequestError


@dataclass(frozen=True)
class Recovery:
    """Agreement of estimate and truth over the fitted voxels that carry a planted signal."""

    n_voxels: int
    difference_r: float  # Pearson r over voxels of estimated and oracle split R2 difference (model 1 - model 2)
    region_rho: float  # Spearman rho over regions of the mean difference, NaN with fewer than 3 regions
    ceiling_share: float  # mean joint R2 over mean noise ceiling
    silent_mean_r2: float  # mean joint R2 over fitted voxels without signal, NaN if none was fitted
    estimated: np.ndarray  # (n_voxels,) difference by the fit
    oracle: np.ndarray  # (n_voxels,) difference of the noise-free oracle
    regions: Mapping[str, tuple[float, float]]  # name -> mean (oracle, estimated) difference


def compare_with_truth(
    result: EncodingResult, truth: Truth, models: tuple[str, str], regions: Mapping[str, np.ndarray]
) -> Recovery:
    """regions: name -> (n_voxels,) bool. `models` is the order of result.r2_split; truth is brought into it.

    Raises RequestError unless they are the two models whose features were planted.
    """
    if sorted(models) != sorted(truth.models):
        raise RequestError(
            f"What was planted comes from {truth.models[0]!r} and {truth.models[1]!r}, and a fit of {list(models)!r} "
            "cannot be compared with it; fit those two."
        )
    order = slice(None) if models[0] == truth.models[0] else slice(None, None, -1)
    oracle_split = truth.oracle_split[order]
    fitted = result.selected & (truth.layer > 0)
    silent = result.selected & (truth.layer == 0)
    estimated = result.r2_split[0] - result.r2_split[1]
    oracle = oracle_split[0] - oracle_split[1]
    means = {
        name: (float(oracle[inside & fitted].mean()), float(estimated[inside & fitted].mean()))
        for name, inside in regions.items()
        if (inside & fitted).sum() >= 5
    }
    return Recovery(
        n_voxels=int(fitted.sum()),
        difference_r=float(np.corrcoef(estimated[fitted], oracle[fitted])[0, 1]) if fitted.sum() > 2 else float("nan"),
        region_rho=float(spearmanr(*zip(*means.values(), strict=True)).statistic) if len(means) > 2 else float("nan"),
        ceiling_share=float(result.r2_joint[fitted].mean() / truth.noise_ceiling[fitted].mean())
        if fitted.any()
        else float("nan"),
        silent_mean_r2=float(result.r2_joint[silent].mean()) if silent.any() else float("nan"),
        estimated=estimated[fitted],
        oracle=oracle[fitted],
        regions=means,
    )


def at_true_layer(results: Sequence[EncodingResult], truth: Truth) -> EncodingResult:
    """Scores of each voxel at the layer planted in it (layer 1 where none was); `results` by layer, the first first."""
    joint, split = np.stack([r.r2_joint for r in results]), np.stack([r.r2_split for r in results])
    layer, voxels = np.maximum(truth.layer, 1) - 1, np.arange(joint.shape[1])
    return replace(results[0], r2_joint=joint[layer, voxels], r2_split=split[layer, :, voxels].T)


def best_layer(r2_joint: np.ndarray) -> np.ndarray:
    """Layer (1-based) with the highest joint R2 of each voxel, 0 where no layer was fitted.

    r2_joint (n_layers, n_voxels) -> (n_voxels,) int.
    """
    filled = np.where(np.isnan(r2_joint), -np.inf, r2_joint)
    return np.where(np.isneginf(filled).all(0), 0, filled.argmax(0) + 1)


def layer_recovery(best: np.ndarray, planted: np.ndarray, tolerance: int = 2) -> float:
    """Share of voxels with a planted layer whose best layer lies within `tolerance` of it."""
    both = (planted > 0) & (best > 0)
    return float((np.abs(best - planted)[both] <= tolerance).mean()) if both.any() else float("nan")
