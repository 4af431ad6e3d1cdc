"""phantom-movie: five simulated subjects watch a drawn movie; voxels on the cortex of pycortex's S1, truth known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from brivl.core.records import Design, Responses, Truth, Voxels
from brivl.core.simulation.hrf import ar1_noise, convolve_runs
from brivl.core.simulation.planting import NO_SIGNAL, Tuning, noise_sd, oracle_scores
from brivl.data.anatomy.cortex import CorticalVoxels
from brivl.data.phantoms.movie_stimulus import MovieConfig
from brivl.data.phantoms.planting import (
    LayerFeatures,
    Planting,
    SimulatedSubject,
    layer_latents,
    planted_components,
    sample_tuning,
)

NAME = "phantom-movie"
SUBJECTS = ("S01", "S02", "S03", "S04", "S05")
MODELS = ("brivl-mini", "vit-mini")
MARGIN_MM = 3.0  # voxels this near to a drawn ROI take part, with a signal that fades with distance
AR1 = 0.4
BASELINE = 100.0  # BOLD units; the signal is in percent of it

# Planted by hand after the paper's account of its Fig. 4: early visual areas by middle layers and the unimodal model,
# areas for faces, bodies and places by deep layers and more by the multimodal model, language and frontal areas most;
# nothing in motor and auditory ones.
TUNING: dict[str, Tuning] = {
    "V1": Tuning(5, 0.10, 0.60),
    "V2": Tuning(5, 0.15, 0.58),
    "V3": Tuning(6, 0.20, 0.56),
    "OPA": Tuning(8, 0.50, 0.56),
    "OFA": Tuning(8, 0.50, 0.56),
    "IPS": Tuning(8, 0.35, 0.45),
    "PPA": Tuning(10, 0.75, 0.62),
    "RSC": Tuning(10, 0.80, 0.50),
    "EBA": Tuning(10, 0.85, 0.62),
    "FFA": Tuning(12, 0.90, 0.65),
    "FEF": Tuning(10, 0.65, 0.38),
    "SEF": Tuning(10, 0.65, 0.32),
    "sPMv": Tuning(10, 0.80, 0.32),
    "PMvh": Tuning(10, 0.75, 0.32),
    "FO": Tuning(12, 0.95, 0.45),
    "Broca": Tuning(12, 0.95, 0.45),
}


@dataclass(frozen=True)
class MoviePhantomConfig:
    """Everything that changes the simulated responses, besides the features."""

    movie: MovieConfig = field(default_factory=MovieConfig)
    planting: Planting = field(default_factory=Planting)
    seed: int = 7
    null: bool = False  # no signal anywhere


@dataclass(frozen=True)
class BrainLayout:
    """Which voxels take part, whose region each belongs to, and how far its signal has faded."""

    voxels: Voxels
    region: np.ndarray  # (n_voxels,) str
    gain: np.ndarray  # (n_voxels,) 1 inside a region, falling to 0.3 at RING_MM


def design(config: MovieConfig) -> Design:
    """Equal runs, one repeated test run."""
    onsets = np.arange(config.n_runs) * (config.n_train // config.n_runs)
    return Design(config.tr, config.n_train, config.n_test, onsets)


def brain_layout(cortex: CorticalVoxels) -> BrainLayout:
    """Voxels inside the drawn ROIs and up to RING_MM around them."""
    names = list(cortex.rois)
    region = np.full(len(cortex.ijk), "", dtype="U8")
    for name in names:
        region[cortex.rois[name]] = name
    inside = region != ""
    distance, nearest = cKDTree(cortex.mm[inside]).query(cortex.mm, distance_upper_bound=MARGIN_MM)
    keep = np.flatnonzero(np.isfinite(distance))
    region = region[inside][nearest[keep]]
    return BrainLayout(cortex.voxels(keep), region, 1 - 0.7 * np.minimum(distance[keep] / MARGIN_MM, 1))


def simulate(
    config: MoviePhantomConfig,
    subject: str,
    layout: BrainLayout,
    features: LayerFeatures,
    models: tuple[str, str] = MODELS,
) -> SimulatedSubject:
    """Responses of one subject: planted parts through the double-gamma HRF, plus AR(1) noise, new in every repeat."""
    movie, planting = config.movie, config.planting
    rng = np.random.default_rng([config.seed, SUBJECTS.index(subject)])
    plan = design(movie)
    onsets = np.r_[plan.run_onsets, plan.n_train]
    tunings = {name: NO_SIGNAL if config.null else TUNING.get(name, NO_SIGNAL) for name in np.unique(layout.region)}
    Z = layer_latents(features, models, {t.layer for t in tunings.values() if t.layer}, planting)
    n_voxels, n_samples = layout.voxels.n_voxels, plan.n_train + plan.n_test
    parts = np.zeros((2, n_samples, n_voxels), np.float32)
    layer, share, ev = np.zeros(n_voxels, int), np.zeros((2, n_voxels)), np.zeros(n_voxels)
    for name, tuning in sorted(tunings.items()):
        here = np.flatnonzero(layout.region == name)
        if not tuning.layer:
            continue
        a, ev[here] = sample_tuning(rng, tuning, len(here), layout.gain[here], planting)
        layer[here], share[:, here] = tuning.layer, np.stack([a, 1 - a])
        parts[:, :, here] = planted_components(
            rng, Z, tuning, a, planting, lambda x: convolve_runs(x, movie.tr, onsets)
        )
    return _with_noise(
        rng, movie, parts, ev, layout.voxels, Truth(layer, share, np.zeros(n_voxels), np.zeros((2, n_voxels)), models)
    )


def _with_noise(
    rng: np.random.Generator, movie: MovieConfig, parts: np.ndarray, ev: np.ndarray, voxels: Voxels, truth: Truth
) -> SimulatedSubject:
    """Add noise in percent of the baseline; work out what the noise-free parts score on the averaged test responses."""
    signal, n_train, n_voxels = parts.sum(0), movie.n_train, voxels.n_voxels
    sd = noise_sd(signal, ev).astype(np.float32)
    length = n_train // movie.n_runs
    noise = np.concatenate([ar1_noise(rng, (length, n_voxels), AR1) for _ in range(movie.n_runs)])
    Y_train = BASELINE + signal[:n_train] + sd * noise
    Y_test = np.stack(
        [
            BASELINE + signal[n_train:] + sd * ar1_noise(rng, (movie.n_test, n_voxels), AR1)
            for _ in range(movie.n_repeats)
        ]
    )
    oracle, ceiling = oracle_scores(parts[:, n_train:].astype(float), Y_test.mean(0).astype(float))
    return SimulatedSubject(
        Responses(np.float32(Y_train), np.float32(Y_test), voxels),
        Truth(truth.layer, truth.variance_fraction, ceiling, oracle, truth.models),
    )
