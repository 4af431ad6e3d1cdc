"""phantom-categories: four simulated subjects see drawn images; voxels prefer a category of things.

One response per image, as estimated in large event-related experiments; voxels on the cortex of pycortex's S1.
"""

from __future__ import annotations

from dataclasses import dataclass

import joblib
import numpy as np

from brivl.config import n_cores
from brivl.core.records import Design
from brivl.core.simulation.planting import noise_sd, unit_variance
from brivl.data.phantoms.movie import BrainLayout
from brivl.data.phantoms.names import PHANTOM_CATEGORIES
from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.scene import Scene, render, sample_scene
from brivl.scenes.things import CATEGORY

NAME = PHANTOM_CATEGORIES
SUBJECTS = ("C01", "C02", "C03", "C04")
CATEGORIES = ("face", "body", "building", "tool", "vehicle", "animal", "object", "word")
LOW_LEVEL = "luminance"

# Chosen after the textbook selectivity of these areas: what drives a region, and its explainable variance of one
# response. Other regions have no signal.
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
OWN_SHARE = 0.15  # fraction of a voxel's signal that is its own mixture of all categories
N_BANDS = 4  # rows and columns of the patches whose luminance drives early visual voxels


@dataclass(frozen=True)
class CategoryPhantomConfig:
    """Everything that changes the images and the responses to them.

    Attributes
    ----------
    n_train, n_test : int
        Numbers of training and test images.
    n_repeats : int
        Repeats of the test images.
    image_size : int
        Pixels of a side.
    seed : int
        Random seed.
    """

    n_train: int = 900
    n_test: int = 100
    n_repeats: int = 3
    image_size: int = 64
    seed: int = 41

    def __post_init__(self) -> None:
        if not (50 <= self.n_train <= 20_000 and 20 <= self.n_test <= 5_000):
            raise RequestError(
                f"Expected 50 to 20,000 training and 20 to 5,000 test images, got {self.n_train} and {self.n_test}. "
                f"Use for example {NAME}:900/100."
            )


@dataclass(frozen=True)
class CategoryImages:
    """The images, training images first, and what drives voxels in them.

    Attributes
    ----------
    images : (n, size, size, 3) array of uint8
        Images.
    captions : list of str
        Caption of each image.
    area : (n, len(CATEGORIES)) array
        Fraction of the image that things of each category fill.
    luminance : (n, N_BANDS ** 2) array
        Luminance of patches, 0 to 1.
    """

    images: np.ndarray
    captions: list[str]
    area: np.ndarray
    luminance: np.ndarray


def image_scene(config: CategoryPhantomConfig, number: int) -> Scene:
    """Return the scene that an image shows.

    Parameters
    ----------
    config : CategoryPhantomConfig
        Settings.
    number : int
        Number of the image.

    Returns
    -------
    Scene
        Scene.
    """
    return sample_scene(np.random.default_rng([config.seed, 0, number]))


def draw_images(config: CategoryPhantomConfig) -> CategoryImages:
    """Draw all images.

    Parameters
    ----------
    config : CategoryPhantomConfig
        Settings.

    Returns
    -------
    CategoryImages
        Images, captions, areas and luminance.

    Notes
    -----
    Each image has its own seed, so that the result does not depend on the number of cores.
    """
    n = config.n_train + config.n_test
    drawn = joblib.Parallel(n_jobs=min(n_cores(), 8))(joblib.delayed(_draw_image)(config, i) for i in range(n))
    images, captions, area = zip(*drawn, strict=True)
    stacked = np.stack(images)
    return CategoryImages(stacked, list(captions), np.stack(area), patch_luminance(stacked))


def _draw_image(config: CategoryPhantomConfig, number: int) -> tuple[np.ndarray, str, np.ndarray]:
    scene = image_scene(config, number)
    rendered = render(scene, config.image_size)
    area = np.zeros(len(CATEGORIES))
    for thing, mask in zip(scene.things, rendered.masks, strict=True):
        if CATEGORY[thing.kind] in CATEGORIES:
            area[CATEGORIES.index(CATEGORY[thing.kind])] += mask.mean()
    return rendered.image, caption(scene), area


def patch_luminance(images: np.ndarray) -> np.ndarray:
    """Average the luminance (Rec. 601) of patches in a grid of N_BANDS x N_BANDS.

    Parameters
    ----------
    images : (n, size, size, 3) array of uint8
        Images.

    Returns
    -------
    (n, N_BANDS ** 2) array of float32
        Luminance, 0 to 1.
    """
    grey = images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
    n, size = len(grey), grey.shape[1] // N_BANDS
    cut = grey[:, : size * N_BANDS, : size * N_BANDS].reshape(n, N_BANDS, size, N_BANDS, size)
    return cut.mean(axis=(2, 4)).reshape(n, -1)


def design(config: CategoryPhantomConfig) -> Design:
    """Return one response per image, without delays; images are independent of each other.

    Parameters
    ----------
    config : CategoryPhantomConfig
        Settings.

    Returns
    -------
    Design
        Training and test images.
    """
    return Design(None, config.n_train, config.n_test, np.zeros(1, int))


def preferred_categories(layout: BrainLayout) -> np.ndarray:
    """Return the planted category of each voxel.

    Parameters
    ----------
    layout : BrainLayout
        Voxels and their regions.

    Returns
    -------
    (n_voxels,) array of str
        Category, "" where none is planted.
    """
    drives = [SELECTIVITY.get(name, ("", 0.0))[0] for name in layout.region]
    return np.array(["" if drive == LOW_LEVEL else drive for drive in drives])


def simulate(
    config: CategoryPhantomConfig, subject: str, layout: BrainLayout, images: CategoryImages
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate the responses of one subject.

    Parameters
    ----------
    config : CategoryPhantomConfig
        Settings.
    subject : str
        One of SUBJECTS; part of the seed.
    layout : BrainLayout
        Voxels and their regions.
    images : CategoryImages
        Images and what drives voxels in them.

    Returns
    -------
    Y_train : (n_train, n_voxels) array of float32
        Root of the area of the preferred category, plus a voxel's own mixture of categories, plus noise.
    Y_test : (n_repeats, n_test, n_voxels) array of float32
        The same for test images, with noise that differs between repeats.
    """
    rng = np.random.default_rng([config.seed, 1, SUBJECTS.index(subject)])
    n_voxels = layout.voxels.n_voxels
    signal, ev = np.zeros((len(images.images), n_voxels)), np.zeros(n_voxels)
    drive, patches = unit_variance(np.sqrt(images.area)), unit_variance(images.luminance)
    for name in sorted(set(layout.region.tolist()) & set(SELECTIVITY)):
        members = np.flatnonzero(layout.region == name)
        category, typical_ev = SELECTIVITY[name]
        if category == LOW_LEVEL:
            signal[:, members] = unit_variance(patches @ rng.standard_normal((patches.shape[1], len(members))))
        else:
            own = unit_variance(drive @ rng.standard_normal((len(CATEGORIES), len(members))))
            preferred = drive[:, [CATEGORIES.index(category)]]
            signal[:, members] = unit_variance(np.sqrt(1 - OWN_SHARE) * preferred + np.sqrt(OWN_SHARE) * own)
        spread = np.exp(0.25 * rng.standard_normal(len(members)))
        ev[members] = np.clip(typical_ev * layout.gain[members] * spread, 0, 0.8)
    sd = noise_sd(signal, ev)
    train = signal[: config.n_train] + sd * rng.standard_normal((config.n_train, n_voxels))
    tests = [
        signal[config.n_train :] + sd * rng.standard_normal((config.n_test, n_voxels)) for _ in range(config.n_repeats)
    ]
    return train.astype(np.float32), np.stack(tests).astype(np.float32)
