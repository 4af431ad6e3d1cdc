"""What both simulated experiments share: the record of a phantom, and how one region's voxels are driven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from brivl.core.records import Responses, Truth
from brivl.core.simulation.planting import Tuning, distinct_components, mix_signals, readout_weights, unit_variance

# (model, layer 1-based) -> features of every sample (n_samples, n_features), before delays
LayerFeatures = Callable[[str, int], np.ndarray]

LICENCE = "Simulated by this project; BSD-3-Clause like the code."


@dataclass(frozen=True)
class Planting:
    """Settings of the simulated brain, common to its regions."""

    n_pcs: int = 20  # principal components of a layer that voxels may read
    n_latents: int = 3  # directions among them that voxels do read, those in which the two models differ most
    coherence: float = 0.6  # how alike voxels of a region are tuned
    share_jitter: float = 0.05  # SD of the share of the multimodal model between voxels of a region
    ev_spread: float = 0.35  # SD of log(ev) between voxels of a region
    max_ev: float = 0.8


@dataclass(frozen=True)
class SimulatedSubject:
    """Responses of one simulated subject and the truth behind them."""

    responses: Responses
    truth: Truth


def planted_components(
    rng: np.random.Generator,
    features: Mapping[tuple[int, int], np.ndarray],
    tuning: Tuning,
    shares: np.ndarray,
    planting: Planting,
    to_bold: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Noise-free parts (2, n_samples, n_voxels) of the voxels of one region, total variance about 1.

    features: (model 0 or 1, layer) -> latents (n_samples, n_latents); shares (n_voxels,); to_bold turns activity
    into BOLD.
    """
    signals = []
    for model in (0, 1):
        Z = features[model, tuning.layer]
        weights = readout_weights(rng, Z.shape[1], len(shares), planting.coherence)
        signals.append(unit_variance(to_bold(Z @ weights)))
    return mix_signals(*signals, shares)


def layer_latents(
    features: LayerFeatures, models: tuple[str, str], layers: set[int], planting: Planting
) -> dict[tuple[int, int], np.ndarray]:
    """Latents of every planted layer of both models: (0 or 1, layer) -> (n_samples, n_latents)."""
    found = {}
    for layer in layers:
        first, second = (features(name, layer) for name in models)
        found[0, layer] = distinct_components(first, second, planting.n_pcs, planting.n_latents)
        found[1, layer] = distinct_components(second, first, planting.n_pcs, planting.n_latents)
    return found


def sample_tuning(
    rng: np.random.Generator, tuning: Tuning, n_voxels: int, gain: np.ndarray, planting: Planting
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the multimodal model and explainable variance of each voxel: two arrays (n_voxels,).

    gain (n_voxels,) lowers the EV, for example towards the border of a region.
    """
    share = np.clip(tuning.share + planting.share_jitter * rng.standard_normal(n_voxels), 0, 1)
    ev = tuning.ev * gain * np.exp(planting.ev_spread * rng.standard_normal(n_voxels))
    return share, np.clip(ev, 0, planting.max_ev)
