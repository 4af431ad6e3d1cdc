"""A folder in the form of the Algonauts 2023 challenge, any size: drawn scenes, noise and a planted signal, no brain.

What is planted: every second region of a kind follows how much of a picture things of one category fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.core.parallel import one_thread_per_call
from brivl.core.progress import ProgressCallback
from brivl.core.simulation.planting import unit_variance
from brivl.data.algonauts2023.files import HEMISPHERES, N_FSAVERAGE, REGIONS
from brivl.data.algonauts2023.loader import SIMULATED_NOTE
from brivl.data.anatomy.fsaverage5 import load_fsaverage5
from brivl.data.formats.images import write_png
from brivl.data.phantoms.categories import CATEGORIES
from brivl.data.phantoms.mark import TEXT
from brivl.errors import RequestError
from brivl.scenes.scene import render, sample_scene
from brivl.scenes.things import CATEGORY

N_TEST_IMAGES = 10  # images of the test split, whose responses are not given
N_FSAVERAGE5 = 10_242  # vertices of fsaverage5, half of those simulated
EXPLAINED_FRACTION = 0.4  # share of the signal in a response
IMAGE_SIDE = 64


@dataclass(frozen=True)
class AlgonautsSize:
    """How much is simulated; the challenge has 8 subjects of up to 39,548 vertices and 9,841 images."""

    n_subjects: int = 2
    n_voxels: int = 2000  # vertices of both hemispheres
    n_images: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.n_subjects <= 8 and 100 <= self.n_voxels <= 40_000 and 20 <= self.n_images <= 10_000):
            raise RequestError(
                f"Expected 1 to 8 subjects of 100 to 40,000 vertices and 20 to 10,000 images, got {self.n_subjects} of "
                f"{self.n_voxels} and {self.n_images}. Choose other numbers."
            )

    @property
    def n_bytes(self) -> int:
        """About what the files take on disk."""
        return self.n_subjects * (self.n_images * (4 * self.n_voxels + 4000) + 2 * 8 * N_FSAVERAGE)

    def write(self, folder: Path, progress: ProgressCallback) -> None:
        """Write a folder of this size.

        Parameters
        ----------
        folder : Path
            An empty folder.
        progress : callable
            Receives the number of subjects that are written, the total and a message.
        """
        write_simulated_algonauts(folder, self, progress)


@one_thread_per_call()
def write_simulated_algonauts(folder: Path, size: AlgonautsSize, progress: ProgressCallback) -> None:
    """Write simulated subjects in the form of the challenge.

    Parameters
    ----------
    folder : Path
        An empty folder.
    size : AlgonautsSize
        How much is simulated.
    progress : callable
        Receives what is done, the total and a message.
    """
    for i in range(size.n_subjects):
        progress(i, size.n_subjects, f"Writing subj{i + 1:02d}")
        rng = np.random.default_rng([size.seed, i])
        subject = folder / f"subj{i + 1:02d}"
        area = _write_images(subject, size, i)
        sides = (size.n_voxels // 2, size.n_voxels - size.n_voxels // 2)
        for side, n in zip(HEMISPHERES, sides, strict=True):
            _write_side(subject, side, area, n, rng)
        (subject / SIMULATED_NOTE).write_text(f"{TEXT}.\n")
    progress(size.n_subjects, size.n_subjects, "Written")


def _write_images(subject: Path, size: AlgonautsSize, number: int) -> np.ndarray:
    """Training and test images; (n_images, n_categories) share of each training image that a category fills."""
    train = subject / "training_split" / "training_images"
    test = subject / "test_split" / "test_images"
    train.mkdir(parents=True)
    test.mkdir(parents=True)
    area = np.zeros((size.n_images, len(CATEGORIES)))
    for i in range(size.n_images + N_TEST_IMAGES):
        scene = sample_scene(np.random.default_rng([size.seed, 7, number, i]))
        rendered = render(scene, IMAGE_SIDE)
        nsd = number * 9000 + i
        if i >= size.n_images:
            write_png(test / f"test-{i - size.n_images + 1:04d}_nsd-{nsd:05d}.png", rendered.image)
            continue
        write_png(train / f"train-{i + 1:04d}_nsd-{nsd:05d}.png", rendered.image)
        for thing, mask in zip(scene.things, rendered.masks, strict=True):
            if CATEGORY[thing.kind] in CATEGORIES:
                area[i, CATEGORIES.index(CATEGORY[thing.kind])] += mask.mean()
    return area


def _vertices(side: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half of n vertices as far back as there are on fsaverage5, the others anywhere; and their order from low to high.

    Both (n,), vertices rising. The others, whose height is not known, are dealt in between.
    """
    brain = load_fsaverage5()
    places = brain.pia[: brain.n_left] if side == "lh" else brain.pia[brain.n_left :]
    near = np.argsort(places[:, 1], kind="stable")[: min(n // 2, N_FSAVERAGE5)]
    others = rng.choice(N_FSAVERAGE - N_FSAVERAGE5, n - len(near), replace=False) + N_FSAVERAGE5
    height = np.r_[places[near, 2], rng.choice(places[near, 2], len(others))]
    order = np.argsort(np.r_[near, others])
    return np.r_[near, others][order], np.argsort(np.argsort(height[order], kind="stable"), kind="stable")


def _write_side(subject: Path, side: str, area: np.ndarray, n: int, rng: np.random.Generator) -> None:
    vertices, rank = _vertices(side, n, rng)
    everywhere = np.zeros(N_FSAVERAGE, np.float32)
    everywhere[vertices] = 1
    masks = subject / "roi_masks"
    masks.mkdir(exist_ok=True)
    np.save(masks / f"{side}.all-vertices_fsaverage_space.npy", everywhere)
    signal, drive = np.zeros((len(area), n)), unit_variance(np.sqrt(area))
    for kind, names in REGIONS.items():
        labels = (rank * (2 * len(names)) // n) % (len(names) + 1)
        whole = np.zeros(N_FSAVERAGE, np.float32)
        whole[vertices] = labels
        np.save(masks / f"{side}.{kind}_challenge_space.npy", labels.astype(np.float32))
        np.save(masks / f"{side}.{kind}_fsaverage_space.npy", whole)
        if kind == "streams":
            for label in range(1, len(names) + 1, 2):
                signal[:, labels == label] = drive[:, [label % len(CATEGORIES)]]
    noise = rng.standard_normal(signal.shape)
    has_signal = signal.any(0)
    Y = np.where(has_signal, np.sqrt(EXPLAINED_FRACTION) * signal + np.sqrt(1 - EXPLAINED_FRACTION) * noise, noise)
    responses = subject / "training_split" / "training_fmri"
    responses.mkdir(exist_ok=True)
    np.save(responses / f"{side}_training_fmri.npy", Y.astype(np.float32))
