"""Where pre-training takes its pairs from: drawn scenes, or image files; by number, so that order is the sampler's.

`read(i, rng)` is a function of i and of the generator alone, wherever and whenever it is called.
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


class PairSource(Protocol):
    """Pairs by number."""

    def __len__(self) -> int: ...

    def read(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """Image (H, W, 3) uint8 and caption. Raises DataError where the image is corrupt."""

    def name(self, index: int) -> str:
        """What to call this pair in a message."""


@dataclass(frozen=True)
class ScenePairSource:
    """Scenes drawn when they are asked for; each time in other words, or in the canonical ones."""

    n_scenes: int
    seed: int
    image_size: int
    paraphrased: bool = True

    def __len__(self) -> int:
        return self.n_scenes

    def read(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        scene = sample_scene(np.random.default_rng([self.seed, index]))
        text = caption(scene, rng) if self.paraphrased else caption(scene)
        return render(scene, self.image_size).image, text

    def name(self, index: int) -> str:
        return f"scene {self.seed}/{index}"


@dataclass(frozen=True)
class FilePairSource:
    """Pairs on disk."""

    pairs: tuple[ImageText, ...]
    image_size: int

    def __len__(self) -> int:
        return len(self.pairs)

    def read(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        pair = self.pairs[index]
        image = read_image(read_bytes(pair.location), str(pair.location), OVERSIZE * self.image_size)
        return image, pair.caption

    def name(self, index: int) -> str:
        return str(self.pairs[index].location)


def split_scenes(n_scenes: int, n_held_out: int, seed: int, image_size: int) -> tuple[PairSource, PairSource]:
    """Scenes to train on, and others with canonical captions to test on."""
    if seed >= HELD_OUT_SEED:
        raise RequestError(f"Wanted a seed below {HELD_OUT_SEED:,}, which held-out scenes have, and got {seed}.")
    return (
        ScenePairSource(n_scenes, seed, image_size),
        ScenePairSource(n_held_out, HELD_OUT_SEED, image_size, paraphrased=False),
    )


def split_files(
    pairs: tuple[ImageText, ...], n_held_out: int, seed: int, image_size: int
) -> tuple[PairSource, PairSource]:
    """Pairs to train on, and one pair each of n_held_out images, none of whose captions is trained on."""
    images = list(unique_images(pairs))
    if n_held_out >= len(images):
        raise RequestError(
            f"Wanted to hold out {n_held_out} images and there are {len(images)}; hold out fewer with --held-out."
        )
    chosen = np.random.default_rng([seed, 3]).choice(len(images), n_held_out, replace=False)
    held_out = {images[i] for i in chosen}
    first = {pair.location: pair for pair in reversed(pairs) if pair.location in held_out}
    train = tuple(pair for pair in pairs if pair.location not in held_out)
    return FilePairSource(train, image_size), FilePairSource(tuple(first[place] for place in first), image_size)


@dataclass(frozen=True)
class PairRead:
    """One pair, and the numbers and complaints of those that it stands in for."""

    image: np.ndarray  # (H, W, 3) uint8
    caption: str
    skipped: tuple[tuple[int, str], ...] = ()


def read_or_next(source: PairSource, index: int, seed: tuple[int, ...]) -> PairRead:
    """A pair, or the next one that can be read.

    Who stands in does not depend on what is read beside it, so ranks and resumed runs agree. Raises DataError after
    100 in a row.
    """
    skipped: list[tuple[int, str]] = []
    for step in range(100):
        i = (index + step) % len(source)
        try:
            return PairRead(*source.read(i, np.random.default_rng([*seed, i])), tuple(skipped))
        except DataError as error:
            skipped.append((i, str(error)))
    raise DataError(f"100 images in a row cannot be read, the last one because: {skipped[-1][1]}")
