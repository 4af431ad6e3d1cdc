"""Pairs of pre-training by number: drawn scenes, or image files; their order is the sampler's.

`read(i, rng)` depends on i and the random generator alone, wherever and whenever it is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from brivl.data.formats.images import read_image
from brivl.data.pairs.records import ImageText, read_bytes, unique_images
from brivl.errors import DataError, RequestError
from brivl.scenes.captions import caption
from brivl.scenes.scene import render, sample_scene
from brivl.train.scene_pairs import HELD_OUT_SEED

OVERSIZE = 2  # files are decoded at up to this many times the encoder's side, so that crops stay sharp
MAX_TRIES = 100  # images that are read in place of one that cannot be


class PairSource(Protocol):
    """Pairs by number."""

    def __len__(self) -> int: ...

    def read(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """Read a pair: image (H, W, 3) uint8 and caption; raise DataError where the image is corrupt.

        Parameters
        ----------
        index
            Number of the pair.
        rng
            Random generator.
        """

    def name(self, index: int) -> str:
        """Name a pair in a message.

        Parameters
        ----------
        index
            Number of the pair.
        """


@dataclass(frozen=True)
class ScenePairSource:
    """Scenes that are drawn when they are read, with another caption each time or with the canonical one."""

    n_scenes: int
    seed: int
    image_size: int
    paraphrased: bool = True

    def __len__(self) -> int:
        return self.n_scenes

    def read(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """Draw a scene.

        Parameters
        ----------
        index
            Number of the scene.
        rng
            Random generator of the caption.

        Returns
        -------
        image : (H, W, 3) uint8 array
            The image.
        caption : str
            Its caption.
        """
        scene = sample_scene(np.random.default_rng([self.seed, index]))
        text = caption(scene, rng) if self.paraphrased else caption(scene)
        return render(scene, self.image_size).image, text

    def name(self, index: int) -> str:
        """Name a scene in a message.

        Parameters
        ----------
        index
            Number of the scene.

        Returns
        -------
        str
            Seed and number.
        """
        return f"scene {self.seed}/{index}"


@dataclass(frozen=True)
class FilePairSource:
    """Pairs on disk."""

    pairs: tuple[ImageText, ...]
    image_size: int

    def __len__(self) -> int:
        return len(self.pairs)

    def read(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """Read a pair from its file.

        Parameters
        ----------
        index
            Number of the pair.
        rng
            Not used; a pair has one caption.

        Returns
        -------
        image : (H, W, 3) uint8 array
            The image.
        caption : str
            Its caption.

        Raises
        ------
        DataError
            If the image is corrupt.
        """
        pair = self.pairs[index]
        image = read_image(read_bytes(pair.location), str(pair.location), OVERSIZE * self.image_size)
        return image, pair.caption

    def name(self, index: int) -> str:
        """Name a pair in a message.

        Parameters
        ----------
        index
            Number of the pair.

        Returns
        -------
        str
            Where the image is stored.
        """
        return str(self.pairs[index].location)


def split_scenes(n_scenes: int, n_held_out: int, seed: int, image_size: int) -> tuple[PairSource, PairSource]:
    """Make scenes to train on, and held-out scenes with canonical captions.

    Parameters
    ----------
    n_scenes
        Number of scenes to train on.
    n_held_out
        Number of held-out scenes.
    seed
        Random seed of the run.
    image_size
        Side of the images in pixels.

    Returns
    -------
    train : PairSource
        Scenes to train on.
    held_out : PairSource
        Held-out scenes.

    Raises
    ------
    RequestError
        If the seed is that of held-out scenes.
    """
    if seed >= HELD_OUT_SEED:
        raise RequestError(
            f"Expected a seed below {HELD_OUT_SEED:,}, which held-out scenes have, got {seed}. Choose a smaller one."
        )
    return (
        ScenePairSource(n_scenes, seed, image_size),
        ScenePairSource(n_held_out, HELD_OUT_SEED, image_size, paraphrased=False),
    )


def split_files(
    pairs: tuple[ImageText, ...], n_held_out: int, seed: int, image_size: int
) -> tuple[PairSource, PairSource]:
    """Split pairs into those to train on, and one pair of each held-out image, whose other captions are left out.

    Parameters
    ----------
    pairs
        All pairs.
    n_held_out
        Number of held-out images.
    seed
        Random seed of the run.
    image_size
        Side of the encoder's input in pixels.

    Returns
    -------
    train : PairSource
        Pairs to train on.
    held_out : PairSource
        Held-out pairs.

    Raises
    ------
    RequestError
        If there are too few images.
    """
    images = list(unique_images(pairs))
    if n_held_out >= len(images):
        raise RequestError(
            f"Expected more than {n_held_out} images, so that as many can be held out, got {len(images)}. Hold out "
            "fewer with --held-out."
        )
    chosen = np.random.default_rng([seed, 3]).choice(len(images), n_held_out, replace=False)
    held_out = {images[i] for i in chosen}
    first = {pair.location: pair for pair in reversed(pairs) if pair.location in held_out}
    train = tuple(pair for pair in pairs if pair.location not in held_out)
    return FilePairSource(train, image_size), FilePairSource(tuple(first.values()), image_size)


@dataclass(frozen=True)
class PairRead:
    """One pair, and number and error of each pair that was skipped before it."""

    image: np.ndarray  # (H, W, 3) uint8
    caption: str
    skipped: tuple[tuple[int, str], ...] = ()


def read_or_next(source: PairSource, index: int, seed: tuple[int, ...]) -> PairRead:
    """Read a pair, or the next one that can be read.

    The replacement does not depend on other reads, so ranks and resumed runs agree.

    Parameters
    ----------
    source
        Pairs.
    index
        Number of the pair.
    seed
        Random seed.

    Returns
    -------
    PairRead
        The pair.

    Raises
    ------
    DataError
        If 100 pairs in a row cannot be read.
    """
    skipped: list[tuple[int, str]] = []
    for step in range(MAX_TRIES):
        i = (index + step) % len(source)
        try:
            return PairRead(*source.read(i, np.random.default_rng([*seed, i])), tuple(skipped))
        except DataError as error:
            skipped.append((i, str(error)))
    raise DataError(
        f"Expected an image that can be read, got {MAX_TRIES} images in a row that cannot; the last error is: "
        f"{skipped[-1][1]} Fetch the images again."
    )
