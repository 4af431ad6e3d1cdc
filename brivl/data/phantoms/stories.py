"""phantom-stories: the five subjects of phantom-movie hear stories and watch a movie, and some tuning is shared.

In multimodal regions a few dimensions of content drive the responses to both, with the same weights; in some regions of
visual cortex the sign of the weights is flipped in the stories, as Tang et al. (2023) report of measured visual cortex.
Each modality also has signals of its own: differences of luminance between left and right, which the words do not
describe, and the course of a sentence.
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
from brivl.data.phantoms.names import PHANTOM_STORIES
from brivl.data.phantoms.story_stimulus import StoryConfig
from brivl.scenes.content import CONTENT

NAME = PHANTOM_STORIES
Modality = Literal["stories", "movie"]
MODALITIES: tuple[Modality, ...] = ("stories", "movie")
Dimension = tuple[frozenset[str], frozenset[str]]  # the content at the high and at the low end

# Region -> explainable variance of one response to the movie, and to a story; 0: the region does not respond.
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
SIGN_FLIPPED_REGIONS = frozenset({"OPA", "OFA", "EBA"})  # shared regions whose weights have the other sign in stories
UNIMODAL_REGIONS: MappingProxyType[str, tuple[float, float]] = MappingProxyType(
    {
        "V1": (0.60, 0.0),
        "V2": (0.58, 0.0),
        "V3": (0.56, 0.0),
        "Broca": (0.0, 0.50),
        "FO": (0.0, 0.45),
    }
)
# The two ends of each shared dimension, as columns of CONTENT.
DIMENSIONS: tuple[Dimension, ...] = (
    (frozenset({"animal"}), frozenset({"vehicle"})),
    (frozenset({"face", "body"}), frozenset({"building", "plant"})),
    (
        frozenset({"meadow", "beach", "forest", "desert", "mountains", "sea"}),
        frozenset({"street", "kitchen", "city", "room"}),
    ),
)
# Without shared tuning (null) stories follow colours, which are drawn independently of things and backgrounds.
COLOUR_DIMENSIONS: tuple[Dimension, ...] = (
    (frozenset({"red", "orange", "pink"}), frozenset({"green", "blue", "purple"})),
    (frozenset({"white", "yellow", "pink"}), frozenset({"black", "brown", "purple"})),
    (frozenset({"red", "blue", "white"}), frozenset({"green", "orange", "black"})),
)


@dataclass(frozen=True)
class StoryPhantomConfig:
    """Everything that changes the responses.

    Attributes
    ----------
    stories : StoryConfig
        Size and timing of the stories.
    movie : MovieConfig
        Size of the movie.
    share : float
        Fraction of the variance of a multimodal voxel's signal that is shared; the rest is the modality's own.
    coherence : float
        Fraction of a voxel's squared readout weights that its region has in common.
    ev_spread : float
        SD of log(ev) between voxels of a region.
    seed : int
        Random seed.
    null : bool
        Whether stories are driven by other dimensions than the movie, so that nothing is shared.
    """

    stories: StoryConfig = field(default_factory=StoryConfig)
    movie: MovieConfig = field(default_factory=MovieConfig)
    share: float = 0.7
    coherence: float = 0.6
    ev_spread: float = 0.35
    seed: int = 53
    null: bool = False


@dataclass(frozen=True)
class Latents:
    """What may drive voxels in one modality, before the haemodynamic response.

    Attributes
    ----------
    shared : (n_samples, n_dimensions) array
        Dimensions of content; in stories of a null those of colour.
    own : (n_samples, n_own) array
        Signals of this modality.
    low : (n_samples, n_low) array
        Signals of regions that respond to this modality only.
    """

    shared: np.ndarray
    own: np.ndarray
    low: np.ndarray


@dataclass(frozen=True)
class CrossModalTruth:
    """What the responses to stories and movie have in common.

    Attributes
    ----------
    shared : (n_voxels,) array of bool
        Voxels with a shared tuning.
    sign : (n_voxels,) array of int
        Sign of their weights in stories relative to the movie: 1 or -1; 0 where nothing is shared.
    weights : (n_dimensions, n_voxels) array
        Weights in the movie.
    latents : dict of modality to (n_samples, n_dimensions) array
        Shared dimensions.
    """

    shared: np.ndarray
    sign: np.ndarray
    weights: np.ndarray
    latents: dict[Modality, np.ndarray]


@dataclass(frozen=True)
class BimodalResponses:
    """Responses of one subject to both modalities, and the ground truth.

    Attributes
    ----------
    Y_train : dict of modality to (n_train, n_voxels) array of float32
        Training responses.
    Y_test : dict of modality to (n_repeats, n_test, n_voxels) array of float32
        Test responses.
    shared, sign, weights : array
        As in `CrossModalTruth`.
    """

    Y_train: dict[Modality, np.ndarray]
    Y_test: dict[Modality, np.ndarray]
    shared: np.ndarray
    sign: np.ndarray
    weights: np.ndarray


def design(config: StoryConfig) -> Design:
    """Return equally long training stories and one repeated test story.

    Parameters
    ----------
    config : StoryConfig
        Size of the stories.

    Returns
    -------
    Design
        Runs and test set.
    """
    onsets = np.arange(config.n_runs) * (config.n_train // config.n_runs)
    return Design(config.tr, config.n_train, config.n_test, onsets)


def project_content(content: np.ndarray, dimensions: tuple[Dimension, ...]) -> np.ndarray:
    """Project content on dimensions, each of which is the mean of its high end minus the mean of its low end.

    Parameters
    ----------
    content : (n, len(CONTENT)) array
        Counts of what scenes show or texts name.
    dimensions : tuple of Dimension
        Names of the columns at both ends.

    Returns
    -------
    (n, n_dimensions) array
        Projections.
    """
    contrast = np.zeros((len(CONTENT), len(dimensions)))
    for column, (high, low) in enumerate(dimensions):
        contrast[[CONTENT.index(name) for name in high], column] = 1 / len(high)
        contrast[[CONTENT.index(name) for name in low], column] = -1 / len(low)
    return content @ contrast


def movie_latents(content: np.ndarray, frames: np.ndarray, per_tr: int) -> Latents:
    """Compute what may drive voxels in the movie.

    Parameters
    ----------
    content : (n_samples, len(CONTENT)) array
        Content of each TR.
    frames : (n_samples * per_tr, size, size, 3) array of uint8
        Frames.
    per_tr : int
        Frames in each TR.

    Returns
    -------
    Latents
        Its `low` is the luminance of patches, its `own` the difference of luminance between left and right.
    """
    light = patch_luminance(np.asarray(frames)).reshape(len(content), per_tr, -1).mean(1)
    side = round(np.sqrt(light.shape[1]))
    grid = light.reshape(-1, side, side)
    asymmetry = (grid - grid[:, :, ::-1])[:, :, : side // 2].reshape(len(content), -1)
    return Latents(unit_variance(project_content(content, DIMENSIONS)), unit_variance(asymmetry), unit_variance(light))


def story_latents(content: np.ndarray, progress: np.ndarray, null: bool) -> Latents:
    """Compute what may drive voxels in the stories.

    Parameters
    ----------
    content : (n_samples, len(CONTENT)) array
        Content of the text in each TR.
    progress : (n_samples, n) array
        Course of the sentences apart from their content.
    null : bool
        Whether nothing is shared with the movie.

    Returns
    -------
    Latents
        Its `own` and `low` are the course of the sentences.
    """
    dimensions = COLOUR_DIMENSIONS if null else DIMENSIONS
    own = unit_variance(progress)
    return Latents(unit_variance(project_content(content, dimensions)), own, own)


def simulate(
    config: StoryPhantomConfig, subject: str, layout: BrainLayout, latents: dict[Modality, Latents]
) -> BimodalResponses:
    """Simulate the responses of one subject to both modalities.

    Parameters
    ----------
    config : StoryPhantomConfig
        Settings.
    subject : str
        One of the subjects of phantom-movie; part of the seed.
    layout : BrainLayout
        Voxels and their regions.
    latents : dict of modality to Latents
        What may drive voxels.

    Returns
    -------
    BimodalResponses
        Activity through the double-gamma HRF plus AR(1) noise, which differs between repeats; and the truth.
    """
    rng = np.random.default_rng([config.seed, SUBJECTS.index(subject), 2])
    n_voxels = layout.voxels.n_voxels
    signal = {m: np.zeros((len(latents[m].own), n_voxels), np.float32) for m in MODALITIES}
    ev = {m: np.zeros(n_voxels) for m in MODALITIES}
    shared, sign = np.zeros(n_voxels, bool), np.zeros(n_voxels, int)
    weights = np.zeros((len(DIMENSIONS), n_voxels))
    order: tuple[Modality, ...] = ("movie", "stories")  # of the explainable variances of a region
    for name in sorted((set(SHARED_REGIONS) | set(UNIMODAL_REGIONS)) & set(layout.region.tolist())):
        members = np.flatnonzero(layout.region == name)
        W = readout_weights(rng, len(DIMENSIONS), len(members), config.coherence)
        is_shared, is_flipped = name in SHARED_REGIONS, name in SIGN_FLIPPED_REGIONS
        if is_shared:
            weights[:, members], shared[members], sign[members] = W, True, -1 if is_flipped else 1
        typical_evs = SHARED_REGIONS.get(name) or UNIMODAL_REGIONS[name]
        for modality, typical_ev in zip(order, typical_evs, strict=True):
            signed = -W if modality == "stories" and is_flipped else W
            activity = _activity(rng, config, latents[modality], signed, is_shared)
            signal[modality][:, members] = _bold(config, modality, activity)
            spread = np.exp(config.ev_spread * rng.standard_normal(len(members)))
            ev[modality][members] = np.clip(typical_ev * layout.gain[members] * spread, 0, 0.8)
    if config.null:
        shared, sign, weights = np.zeros_like(shared), np.zeros_like(sign), np.zeros_like(weights)
    noisy = {m: _with_noise(rng, config, m, signal[m], ev[m]) for m in MODALITIES}
    return BimodalResponses(
        {m: noisy[m][0] for m in MODALITIES}, {m: noisy[m][1] for m in MODALITIES}, shared, sign, weights
    )


def _activity(
    rng: np.random.Generator, config: StoryPhantomConfig, latents: Latents, W: np.ndarray, is_shared: bool
) -> np.ndarray:
    """Simulate activity (n_samples, n_voxels) of unit variance."""
    if not is_shared:
        low = readout_weights(rng, latents.low.shape[1], W.shape[1], config.coherence)
        return unit_variance(latents.low @ low)
    own = unit_variance(latents.own @ readout_weights(rng, latents.own.shape[1], W.shape[1], config.coherence))
    return np.sqrt(config.share) * unit_variance(latents.shared @ W) + np.sqrt(1 - config.share) * own


def _bold(config: StoryPhantomConfig, modality: Modality, activity: np.ndarray) -> np.ndarray:
    onsets = np.r_[_onsets(config, modality), _stimulus_config(config, modality).n_train]
    return unit_variance(convolve_runs(activity, config.stories.tr, onsets))


def _stimulus_config(config: StoryPhantomConfig, modality: Modality) -> StoryConfig | MovieConfig:
    return config.stories if modality == "stories" else config.movie


def _onsets(config: StoryPhantomConfig, modality: Modality) -> np.ndarray:
    size = _stimulus_config(config, modality)
    return np.arange(size.n_runs) * (size.n_train // size.n_runs)


def _with_noise(
    rng: np.random.Generator, config: StoryPhantomConfig, modality: Modality, signal: np.ndarray, ev: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    size = _stimulus_config(config, modality)
    signal = np.where(ev > 0, signal, 0).astype(np.float32)  # a region that does not respond has only noise
    sd = noise_sd(signal, ev).astype(np.float32)
    runs = np.diff(np.r_[_onsets(config, modality), size.n_train])
    noise = np.concatenate([ar1_noise(rng, (int(n), len(ev)), AR1) for n in runs])
    tests = [
        BASELINE + signal[size.n_train :] + sd * ar1_noise(rng, (size.n_test, len(ev)), AR1)
        for _ in range(size.n_repeats)
    ]
    train = BASELINE + signal[: size.n_train] + sd * noise
    return train.astype(np.float32), np.stack(tests).astype(np.float32)
