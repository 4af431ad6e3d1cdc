"""phantom-stories: the five subjects of phantom-movie hear stories and watch a film; what both share is known.

In multimodal regions a few dimensions of content drive both, with the same weights; in some of visual cortex with the
sign turned round in the stories, as Tang et al. (2023) report of real visual cortex. Beside them every modality has
signals of its own: differences of luminance between left and right, which no word tells, and how a sentence goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

from brivl.core.records import Design
from brivl.core.simulation.hrf import ar1_noise, convolve_runs
from brivl.core.simulation.planting import noise_sd, readout_weights, unit_variance
from brivl.data.phantoms.categories import patch_luminance
from brivl.data.phantoms.movie import AR1, BASELINE, SUBJECTS, BrainLayout
from brivl.data.phantoms.movie_stimulus import MovieConfig
from brivl.data.phantoms.story_stimulus import StoryConfig
from brivl.scenes.content import CONTENT

NAME = "phantom-stories"
Modality = Literal["stories", "movie"]
MODALITIES: tuple[Modality, ...] = ("stories", "movie")

# Planted by hand. Region -> explainable variance of one response to the film, and to a story; 0: it does not respond.
SHARED_REGIONS: MappingProxyType[str, tuple[float, float]] = MappingProxyType(
    {
        "PPA": (0.60, 0.40),
        "RSC": (0.50, 0.40),
        "FFA": (0.60, 0.35),
        "IPS": (0.45, 0.35),
        "FEF": (0.40, 0.30),
        "SEF": (0.35, 0.30),
        "sPMv": (0.35, 0.35),
        "PMvh": (0.35, 0.35),
        "OPA": (0.55, 0.35),
        "OFA": (0.55, 0.35),
        "EBA": (0.60, 0.35),
    }
)
SIGN_FLIPPED_REGIONS = frozenset({"OPA", "OFA", "EBA"})  # of the shared ones: tuned the other way round in stories
UNIMODAL_REGIONS: MappingProxyType[str, tuple[float, float]] = MappingProxyType(
    {
        "V1": (0.60, 0.0),
        "V2": (0.58, 0.0),
        "V3": (0.56, 0.0),
        "Broca": (0.0, 0.50),
        "FO": (0.0, 0.45),
    }
)
# What the two ends of a shared dimension are, as columns of CONTENT.
DIMENSIONS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"animal"}), frozenset({"vehicle"})),
    (frozenset({"face", "body"}), frozenset({"building", "plant"})),
    (
        frozenset({"meadow", "beach", "forest", "desert", "mountains", "sea"}),
        frozenset({"street", "kitchen", "city", "room"}),
    ),
)
# Where nothing is shared, stories follow colours, which are drawn whatever the things and places are.
COLOUR_DIMENSIONS: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"red", "orange", "pink"}), frozenset({"green", "blue", "purple"})),
    (frozenset({"white", "yellow", "pink"}), frozenset({"black", "brown", "purple"})),
    (frozenset({"red", "blue", "white"}), frozenset({"green", "orange", "black"})),
)


@dataclass(frozen=True)
class StoryPhantomConfig:
    """Everything that changes the responses. null: stories are driven by other dimensions than the film."""

    stories: StoryConfig = field(default_factory=StoryConfig)
    movie: MovieConfig = field(default_factory=MovieConfig)
    share: float = 0.7  # of a multimodal voxel's signal that is shared; the rest is the modality's own
    coherence: float = 0.6  # how alike voxels of a region are tuned
    ev_spread: float = 0.35  # SD of log(ev) between voxels of a region
    seed: int = 53
    null: bool = False


@dataclass(frozen=True)
class Latents:
    """What may drive voxels in one modality, (n_samples, n) each, before the haemodynamic response."""

    shared: np.ndarray  # the dimensions of content; in stories of a null those of colour
    own: np.ndarray
    low: np.ndarray  # of regions of this modality alone


@dataclass(frozen=True)
class CrossModalTruth:
    """The truth: shared voxels, sign of their tuning in stories beside that in the film, and their weights."""

    shared: np.ndarray  # (n_voxels,) bool
    sign: np.ndarray  # (n_voxels,) 1, -1, or 0 where nothing is shared
    weights: np.ndarray  # (n_dimensions, n_voxels) in the film
    latents: dict[Modality, np.ndarray]  # (n_samples, n_dimensions)


@dataclass(frozen=True)
class BimodalResponses:
    """Responses of one subject to both, by modality, and the truth about voxels."""

    Y_train: dict[Modality, np.ndarray]
    Y_test: dict[Modality, np.ndarray]
    shared: np.ndarray
    sign: np.ndarray
    weights: np.ndarray


def design(config: StoryConfig) -> Design:
    """Equal stories, one repeated test story."""
    onsets = np.arange(config.n_runs) * (config.n_train // config.n_runs)
    return Design(config.tr, config.n_train, config.n_test, onsets)


def project_content(content: np.ndarray, dimensions: tuple[tuple[frozenset[str], frozenset[str]], ...]) -> np.ndarray:
    """Content (n, len(CONTENT)) along each dimension, one end less the other: (n, n_dimensions)."""
    contrast = np.zeros((len(CONTENT), len(dimensions)))
    for column, (high, low) in enumerate(dimensions):
        contrast[[CONTENT.index(name) for name in high], column] = 1 / len(high)
        contrast[[CONTENT.index(name) for name in low], column] = -1 / len(low)
    return content @ contrast


def movie_latents(content: np.ndarray, frames: np.ndarray, per_tr: int) -> Latents:
    """Content of each TR (n_samples, len(CONTENT)); luminance of patches, and how left and right differ in it."""
    light = patch_luminance(np.asarray(frames)).reshape(len(content), per_tr, -1).mean(1)
    side = round(np.sqrt(light.shape[1]))
    grid = light.reshape(-1, side, side)
    uneven = (grid - grid[:, :, ::-1])[:, :, : side // 2].reshape(len(content), -1)
    return Latents(unit_variance(project_content(content, DIMENSIONS)), unit_variance(uneven), unit_variance(light))


def story_latents(content: np.ndarray, progress: np.ndarray, null: bool) -> Latents:
    """Content of each TR, and (n_samples, n) what a sentence does apart from its content."""
    dimensions = COLOUR_DIMENSIONS if null else DIMENSIONS
    own = unit_variance(progress)
    return Latents(unit_variance(project_content(content, dimensions)), own, own)


def simulate(
    config: StoryPhantomConfig, subject: str, layout: BrainLayout, latents: dict[Modality, Latents]
) -> BimodalResponses:
    """Responses of one subject to both: activity through the double-gamma HRF, AR(1) noise, new in every repeat."""
    rng = np.random.default_rng([config.seed, SUBJECTS.index(subject), 2])
    n_voxels = layout.voxels.n_voxels
    signal = {m: np.zeros((len(latents[m].own), n_voxels), np.float32) for m in MODALITIES}
    ev = {m: np.zeros(n_voxels) for m in MODALITIES}
    shared, sign = np.zeros(n_voxels, bool), np.zeros(n_voxels, int)
    weights = np.zeros((len(DIMENSIONS), n_voxels))
    for name in sorted((set(SHARED_REGIONS) | set(UNIMODAL_REGIONS)) & set(layout.region.tolist())):
        here = np.flatnonzero(layout.region == name)
        W = readout_weights(rng, len(DIMENSIONS), len(here), config.coherence)
        if name in SHARED_REGIONS:
            weights[:, here], shared[here], sign[here] = W, True, -1 if name in SIGN_FLIPPED_REGIONS else 1
        for modality, typical in zip(
            ("movie", "stories"), SHARED_REGIONS.get(name) or UNIMODAL_REGIONS[name], strict=True
        ):
            turned = -W if modality == "stories" and name in SIGN_FLIPPED_REGIONS else W
            activity = _activity(rng, config, latents[modality], turned, name in SHARED_REGIONS)
            signal[modality][:, here] = _bold(config, modality, activity)
            spread = np.exp(config.ev_spread * rng.standard_normal(len(here)))
            ev[modality][here] = np.clip(typical * layout.gain[here] * spread, 0, 0.8)
    if config.null:
        shared, sign, weights = np.zeros_like(shared), np.zeros_like(sign), np.zeros_like(weights)
    noisy = {m: _with_noise(rng, config, m, signal[m], ev[m]) for m in MODALITIES}
    return BimodalResponses(
        {m: noisy[m][0] for m in MODALITIES}, {m: noisy[m][1] for m in MODALITIES}, shared, sign, weights
    )


def _activity(
    rng: np.random.Generator, config: StoryPhantomConfig, latents: Latents, W: np.ndarray, is_shared: bool
) -> np.ndarray:
    """(n_samples, n_voxels) of unit variance."""
    if not is_shared:
        low = readout_weights(rng, latents.low.shape[1], W.shape[1], config.coherence)
        return unit_variance(latents.low @ low)
    own = unit_variance(latents.own @ readout_weights(rng, latents.own.shape[1], W.shape[1], config.coherence))
    return np.sqrt(config.share) * unit_variance(latents.shared @ W) + np.sqrt(1 - config.share) * own


def _bold(config: StoryPhantomConfig, modality: Modality, activity: np.ndarray) -> np.ndarray:
    onsets = np.r_[_onsets(config, modality), _sizes(config, modality)[0]]
    return unit_variance(convolve_runs(activity, config.stories.tr, onsets))


def _sizes(config: StoryPhantomConfig, modality: Modality) -> tuple[int, int, int]:
    """Training TRs, test TRs, repeats."""
    of = config.stories if modality == "stories" else config.movie
    return of.n_train, of.n_test, of.n_repeats


def _onsets(config: StoryPhantomConfig, modality: Modality) -> np.ndarray:
    of = config.stories if modality == "stories" else config.movie
    return np.arange(of.n_runs) * (of.n_train // of.n_runs)


def _with_noise(
    rng: np.random.Generator, config: StoryPhantomConfig, modality: Modality, signal: np.ndarray, ev: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n_train, n_test, n_repeats = _sizes(config, modality)
    signal = np.where(ev > 0, signal, 0).astype(np.float32)  # a region that does not respond is noise alone
    sd = noise_sd(signal, ev).astype(np.float32)
    runs = np.diff(np.r_[_onsets(config, modality), n_train])
    noise = np.concatenate([ar1_noise(rng, (int(n), len(ev)), AR1) for n in runs])
    tests = [BASELINE + signal[n_train:] + sd * ar1_noise(rng, (n_test, len(ev)), AR1) for _ in range(n_repeats)]
    return np.float32(BASELINE + signal[:n_train] + sd * noise), np.float32(np.stack(tests))
