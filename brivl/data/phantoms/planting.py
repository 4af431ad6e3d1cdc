"""What phantom-movie and phantom-sentences share: how layers of two models drive the voxels of a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from brivl.core.records import Responses, Truth
from brivl.core.simulation.planting import Tuning, distinct_components, mix_signals, readout_weights, unit_variance

# (model, layer counted from 1) -> features of every sample (n_samples, n_features), before delays
LayerFeatures = Callable[[str, int], np.ndarray]

Region = TypeVar("Region", str, int)

LICENCE = "Simulated by this project; BSD-3-Clause like the code."


@dataclass(frozen=True)
class Planting:
    """Settings of the simulated brain that all regions share.

    Attributes
    ----------
    n_pcs : int
        Principal components of a layer from which voxels may read.
    n_latents : int
        Directions among them from which voxels do read: those in which the two models differ most.
    coherence : float
        Fraction of a voxel's squared readout weights that its region has in common.
    share_jitter : float
        SD of the multimodal model's variance fraction between voxels of a region.
    ev_spread : float
        SD of log(ev) between voxels of a region.
    max_ev : float
        Largest explainable variance of a voxel.
    """

    n_pcs: int = 20
    n_latents: int = 3
    coherence: float = 0.6
    share_jitter: float = 0.05
    ev_spread: float = 0.35
    max_ev: float = 0.8


@dataclass(frozen=True)
class SimulatedSubject:
    """Responses of one simulated subject and the ground truth behind them."""

    responses: Responses
    truth: Truth


def _unchanged(activity: np.ndarray) -> np.ndarray:
    return activity


def layer_latents(
    features: LayerFeatures, models: tuple[str, str], layers: set[int], planting: Planting
) -> dict[tuple[int, int], np.ndarray]:
    """Compute the latents of every planted layer of both models.

    Parameters
    ----------
    features : LayerFeatures
        Features by model and layer.
    models : (str, str)
        Multimodal and unimodal model.
    layers : set of int
        Layers, counted from 1.
    planting : Planting
        Settings.

    Returns
    -------
    dict of (model, layer) to (n_samples, n_latents) array
        Latents; model is 0 or 1.
    """
    latents = {}
    for layer in layers:
        first, second = (features(name, layer) for name in models)
        latents[0, layer] = distinct_components(first, second, planting.n_pcs, planting.n_latents)
        latents[1, layer] = distinct_components(second, first, planting.n_pcs, planting.n_latents)
    return latents


@dataclass(frozen=True)
class PlantedSignals:
    """Noise-free signals of all voxels, and how they were made.

    Attributes
    ----------
    components : (2, n_samples, n_voxels) array of float32
        Signals from the multimodal and from the unimodal model; 0 for voxels without a signal.
    layer : (n_voxels,) array of int
        Layer that drives each voxel, counted from 1; 0 for none.
    variance_fraction : (2, n_voxels) array
        Fraction of the signal's variance from each model.
    ev : (n_voxels,) array
        Explainable variance of one response.
    """

    components: np.ndarray
    layer: np.ndarray
    variance_fraction: np.ndarray
    ev: np.ndarray


def plant_signals(
    rng: np.random.Generator,
    tunings: Mapping[Region, Tuning],
    regions: np.ndarray,
    gain: np.ndarray,
    latents: Mapping[tuple[int, int], np.ndarray],
    planting: Planting,
    n_samples: int,
    to_bold: Callable[[np.ndarray], np.ndarray] = _unchanged,
) -> PlantedSignals:
    """Simulate the noise-free signals of all voxels, region by region in sorted order.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    tunings : mapping of region to Tuning
        What drives each region.
    regions : (n_voxels,) array
        Region of each voxel.
    gain : (n_voxels,) array
        Factor of the explainable variance, for example towards the border of a region.
    latents : mapping of (model, layer) to (n_samples, n_latents) array
        As `layer_latents` returns them.
    planting : Planting
        Settings.
    n_samples : int
        Number of samples.
    to_bold : callable
        Turns activity (n_samples, n_voxels) into BOLD; default: no change.

    Returns
    -------
    PlantedSignals
        Signals, and the ground truth behind them; the variance of a voxel's signal is about 1.
    """
    n_voxels = len(regions)
    components = np.zeros((2, n_samples, n_voxels), np.float32)
    layer, fraction, ev = np.zeros(n_voxels, int), np.zeros((2, n_voxels)), np.zeros(n_voxels)
    for region, tuning in sorted(tunings.items()):
        if not tuning.layer:
            continue
        members = np.flatnonzero(regions == region)
        share, ev[members] = _sample_tuning(rng, tuning, gain[members], planting)
        layer[members], fraction[:, members] = tuning.layer, np.stack([share, 1 - share])
        components[:, :, members] = _components(rng, latents, tuning, share, planting, to_bold)
    return PlantedSignals(components, layer, fraction, ev)


def _components(
    rng: np.random.Generator,
    latents: Mapping[tuple[int, int], np.ndarray],
    tuning: Tuning,
    share: np.ndarray,
    planting: Planting,
    to_bold: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Simulate the signals (2, n_samples, n_voxels) of the voxels of one region from both models."""
    signals = []
    for model in (0, 1):
        Z = latents[model, tuning.layer]
        weights = readout_weights(rng, Z.shape[1], len(share), planting.coherence)
        signals.append(unit_variance(to_bold(Z @ weights)))
    multimodal, unimodal = signals
    return mix_signals(multimodal, unimodal, share)


def _sample_tuning(
    rng: np.random.Generator, tuning: Tuning, gain: np.ndarray, planting: Planting
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the multimodal model's variance fraction and the explainable variance of the voxels of one region."""
    n_voxels = len(gain)
    share = np.clip(tuning.share + planting.share_jitter * rng.standard_normal(n_voxels), 0, 1)
    ev = tuning.ev * gain * np.exp(planting.ev_spread * rng.standard_normal(n_voxels))
    return share, np.clip(ev, 0, planting.max_ev)
