"""phantom-movie: five simulated subjects watch a drawn movie; voxels on the cortex of pycortex's S1."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from brivl.core.records import Design, Responses, Truth, Voxels
from brivl.core.simulation.hrf import ar1_noise, convolve_runs
from brivl.core.simulation.planting import NO_SIGNAL, Tuning, noise_sd, oracle_scores
from brivl.data.anatomy.cortex import CorticalVoxels
from brivl.data.phantoms.movie_stimulus import MovieConfig
from brivl.data.phantoms.names import PHANTOM_MOVIE
from brivl.data.phantoms.planting import LayerFeatures, Planting, SimulatedSubject, layer_latents, plant_signals

NAME = PHANTOM_MOVIE
SUBJECTS = ("S01", "S02", "S03", "S04", "S05")
MODELS = ("brivl-mini", "vit-mini")
MARGIN_MM = 3.0  # voxels this near to a drawn ROI have its signal, which fades with distance
AR1 = 0.4
BASELINE = 100.0  # BOLD units; the signal is in percent of it

# Chosen after Fig. 4 of Lu et al. (2022): early visual areas are driven by middle layers and the unimodal model; areas
# for faces, bodies and scenes by deep layers and more by the multimodal model; language and frontal areas most by the
# multimodal model; motor and auditory areas have no signal.
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
    """Everything that changes the simulated responses, besides the features.

    Attributes
    ----------
    movie : MovieConfig
        Size of the movie.
    planting : Planting
        Settings of the simulated brain.
    seed : int
        Random seed.
    null : bool
        Whether no voxel has a signal.
    """

    movie: MovieConfig = field(default_factory=MovieConfig)
    planting: Planting = field(default_factory=Planting)
    seed: int = 7
    null: bool = False


@dataclass(frozen=True)
class BrainLayout:
    """The voxels that are simulated.

    Attributes
    ----------
    voxels : Voxels
        Positions and ROIs.
    region : (n_voxels,) array of str
        Region whose signal each voxel has.
    gain : (n_voxels,) array
        Factor of the explainable variance: 1 inside a region, falling to 0.3 at MARGIN_MM.
    """

    voxels: Voxels
    region: np.ndarray
    gain: np.ndarray


def design(config: MovieConfig) -> Design:
    """Return equal training runs and one repeated test run.

    Parameters
    ----------
    config : MovieConfig
        Size of the movie.

    Returns
    -------
    Design
        Runs and test set.
    """
    onsets = np.arange(config.n_runs) * (config.n_train // config.n_runs)
    return Design(config.tr, config.n_train, config.n_test, onsets)


def brain_layout(cortex: CorticalVoxels) -> BrainLayout:
    """Choose the voxels inside the drawn ROIs and up to MARGIN_MM around them.

    Parameters
    ----------
    cortex : CorticalVoxels
        All voxels of the cortex.

    Returns
    -------
    BrainLayout
        Voxels, and the region of each.
    """
    region = np.full(len(cortex.ijk), "", dtype="U8")
    for name, members in cortex.rois.items():
        region[members] = name
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
    """Simulate the responses of one subject.

    Parameters
    ----------
    config : MoviePhantomConfig
        Settings.
    subject : str
        One of SUBJECTS; part of the seed.
    layout : BrainLayout
        Voxels and their regions.
    features : LayerFeatures
        Features by model and layer.
    models : (str, str)
        Multimodal and unimodal model.

    Returns
    -------
    SimulatedSubject
        Planted signals through the double-gamma HRF plus AR(1) noise, which differs between repeats; and the truth.
    """
    movie = config.movie
    rng = np.random.default_rng([config.seed, SUBJECTS.index(subject)])
    plan = design(movie)
    onsets = np.r_[plan.run_onsets, plan.n_train]
    tunings = {
        str(name): NO_SIGNAL if config.null else TUNING.get(str(name), NO_SIGNAL) for name in np.unique(layout.region)
    }
    latents = layer_latents(features, models, {t.layer for t in tunings.values() if t.layer}, config.planting)
    planted = plant_signals(
        rng,
        tunings,
        layout.region,
        layout.gain,
        latents,
        config.planting,
        plan.n_train + plan.n_test,
        lambda activity: convolve_runs(activity, movie.tr, onsets),
    )
    Y_train, Y_test = _with_noise(rng, movie, planted.components.sum(0), planted.ev)
    test_components = planted.components[:, movie.n_train :].astype(float)
    oracle, ceiling = oracle_scores(test_components, Y_test.mean(0).astype(float))
    return SimulatedSubject(
        Responses(Y_train.astype(np.float32), Y_test.astype(np.float32), layout.voxels),
        Truth(planted.layer, planted.variance_fraction, ceiling, oracle, models),
    )


def _with_noise(
    rng: np.random.Generator, movie: MovieConfig, signal: np.ndarray, ev: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add noise to the signal, both in percent of the baseline: training responses, and all repeats of the test run."""
    n_train, n_voxels = movie.n_train, len(ev)
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
    return Y_train, Y_test
