"""phantom-categories: four simulated subjects look at drawn pictures; voxels prefer a category, which is known.

One response per picture, as estimated in large event-related sets; voxels on the cortex of pycortex's S1.
"""

from __future__ import annotations

from dataclasses import dataclass

import joblib
import numpy as np

from brivl.config import n_cores
from brivl.core.records import Design, Responses
from brivl.core.simulation.planting import noise_sd, unit_variance
from brivl.data.phantoms.movie import BrainLayout
from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.scene import Scene, render, sample_scene
from brivl.scenes.things import CATEGORY

NAME = "phantom-categories"
SUBJECTS = ("C01", "C02", "C03", "C04")
CATEGORIES = ("face", "body", "building", "tool", "vehicle", "animal", "object", "word")
LOW_LEVEL = "luminance"

# Planted by hand after the textbook picture of these areas: what drives a region, and how much of the variance of one
# response that is. Others are silent.
SELECTIVITY: dict[str, tuple[str, float]] = {
    "V1": (LOW_LEVEL, 0.40),
    "V2": (LOW_LEVEL, 0.35),
    "V3": (LOW_LEVEL, 0.30),
    "FFA": ("face", 0.50),
    "OFA": ("face", 0.40),
    "EBA": ("body", 0.45),
    "PPA": ("building", 0.50),
    "RSC": ("building", 0.40),
    "OPA": ("building", 0.40),
    "IPS": ("tool", 0.35),
    "FEF": ("vehicle", 0.35),
    "sPMv": ("animal", 0.35),
    "PMvh": ("object", 0.35),
    "Broca": ("word", 0.45),
    "FO": ("word", 0.35),
}
OWN_SHARE = 0.15  # of a voxel's signal is its own mixture of the other categories
N_BANDS = 4  # rows and columns of the patches whose luminance drives early voxels


@dataclass(frozen=True)
class CategoryPhantomConfig:
    """Everything that changes the pictures and the responses to them."""

    n_train: int = 900
    n_test: int = 100
    n_repeats: int = 3
    image_size: int = 64
    seed: int = 41

    def __post_init__(self) -> None:
        if not (50 <= self.n_train <= 20_000 and 20 <= self.n_test <= 5_000):
            raise RequestError(
                "Wanted 50 to 20,000 training and 20 to 5,000 test pictures, as in phantom-categories:900/100, and got "
                f"{self.n_train} and {self.n_test}."
            )


@dataclass(frozen=True)
class CategoryImages:
    """What was shown, training pictures first."""

    images: np.ndarray  # (n, size, size, 3) uint8
    captions: list[str]
    area: np.ndarray  # (n, len(CATEGORIES)) share of the picture that things of a category fill
    luminance: np.ndarray  # (n, N_BANDS ** 2) of patches, 0..1


def image_scene(config: CategoryPhantomConfig, number: int) -> Scene:
    """The scene of a picture."""
    return sample_scene(np.random.default_rng([config.seed, 0, number]))


def draw_images(config: CategoryPhantomConfig) -> CategoryImages:
    """All pictures; each from its own seed, so that the number of cores changes nothing."""
    n = config.n_train + config.n_test
    drawn = joblib.Parallel(n_jobs=min(n_cores(), 8))(joblib.delayed(_picture)(config, i) for i in range(n))
    images, captions, area = zip(*drawn, strict=True)
    stacked = np.stack(images)
    return CategoryImages(stacked, list(captions), np.stack(area), patch_luminance(stacked))


def _picture(config: CategoryPhantomConfig, number: int) -> tuple[np.ndarray, str, np.ndarray]:
    scene = image_scene(config, number)
    rendered = render(scene, config.image_size)
    area = np.zeros(len(CATEGORIES))
    for thing, mask in zip(scene.things, rendered.masks, strict=True):
        if CATEGORY[thing.kind] in CATEGORIES:
            area[CATEGORIES.index(CATEGORY[thing.kind])] += mask.mean()
    return rendered.image, caption(scene), area


def patch_luminance(images: np.ndarray) -> np.ndarray:
    """Mean Rec. 601 luminance of patches in a grid of N_BANDS x N_BANDS."""
    grey = images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    n, size = len(grey), grey.shape[1] // N_BANDS
    cut = grey[:, : size * N_BANDS, : size * N_BANDS].reshape(n, N_BANDS, size, N_BANDS, size)
    return cut.mean(axis=(2, 4)).reshape(n, -1)


def design(config: CategoryPhantomConfig) -> Design:
    """One response per picture, no delays; pictures have nothing to do with one another."""
    return Design(None, config.n_train, config.n_test, np.zeros(1, int))


def preferred_categories(layout: BrainLayout) -> np.ndarray:
    """(n_voxels,) str: the planted category, "" where none is."""
    found = [SELECTIVITY.get(name, ("", 0.0))[0] for name in layout.region]
    return np.array(["" if what == LOW_LEVEL else what for what in found])


def simulate(config: CategoryPhantomConfig, subject: str, layout: BrainLayout, shown: CategoryImages) -> Responses:
    """Responses of one subject: the root of the area of the preferred category, a voxel's own taste, and noise."""
    rng = np.random.default_rng([config.seed, 1, SUBJECTS.index(subject)])
    n_voxels = layout.voxels.n_voxels
    signal, ev = np.zeros((len(shown.images), n_voxels)), np.zeros(n_voxels)
    drive, patches = unit_variance(np.sqrt(shown.area)), unit_variance(shown.luminance)
    for name in sorted(set(layout.region.tolist()) & set(SELECTIVITY)):
        here = np.flatnonzero(layout.region == name)
        what, share = SELECTIVITY[name]
        if what == LOW_LEVEL:
            signal[:, here] = unit_variance(patches @ rng.standard_normal((patches.shape[1], len(here))))
        else:
            own = unit_variance(drive @ rng.standard_normal((len(CATEGORIES), len(here))))
            own = np.sqrt(1 - OWN_SHARE) * drive[:, [CATEGORIES.index(what)]] + np.sqrt(OWN_SHARE) * own
            signal[:, here] = unit_variance(own)
        ev[here] = np.clip(share * layout.gain[here] * np.exp(0.25 * rng.standard_normal(len(here))), 0, 0.8)
    sd = noise_sd(signal, ev)
    train = signal[: config.n_train] + sd * rng.standard_normal((config.n_train, n_voxels))
    tests = [
        signal[config.n_train :] + sd * rng.standard_normal((config.n_test, n_voxels)) for _ in range(config.n_repeats)
    ]
    return Responses(np.float32(train), np.float32(np.stack(tests)), layout.voxels)
