"""Augmentation of training images: random crop, flip, graying and blur, then RandAugment (Cubuk et al. 2020)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from brivl.models.brivl.configs import AugmentConfig
from brivl.models.torchvision_schemas import declare_torchvision_schemas

ASPECT = (3 / 4, 4 / 3)  # of a crop, as of torchvision's RandomResizedCrop
BLUR_SIGMA = (0.1, 2.0)  # as in MoCo v2


def augment(image: np.ndarray, config: AugmentConfig, size: int, rng: np.random.Generator) -> np.ndarray:
    """Augment an image; the result depends on the image and the random generator alone.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The image.
    config
        Kinds and strength of augmentation.
    size
        Side of the result in pixels.
    rng
        Random generator.

    Returns
    -------
    np.ndarray
        (size, size, 3) uint8.
    """
    result = Image.fromarray(image)
    result = result.resize((size, size), Image.Resampling.BICUBIC, box=crop_box(result.size, config, rng))
    if rng.random() < config.flip:
        result = result.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < config.gray:
        result = result.convert("L").convert("RGB")
    if rng.random() < config.blur:
        result = result.filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR_SIGMA) * size / 224))
    with seeded(int(rng.integers(2**32))):
        result = _policy(config.policy, size)(result)
    return np.asarray(result)


def crop_box(
    size: tuple[int, int], config: AugmentConfig, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Draw the box of a crop whose share of the area is uniform in `crop_scale`, as far as it fits.

    Parameters
    ----------
    size
        Width and height of the image in pixels.
    config
        Range of the share of the area.
    rng
        Random generator.

    Returns
    -------
    tuple of float
        Left, top, right and bottom in pixels.
    """
    width, height = size
    area = rng.uniform(*config.crop_scale) * width * height
    aspect = np.exp(rng.uniform(*np.log(ASPECT)))
    w, h = min(width, float(np.sqrt(area * aspect))), min(height, float(np.sqrt(area / aspect)))
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return left, top, left + w, top + h


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python and numpy for a while, and restore them afterwards.

    timm draws from both; nothing else here does.

    Parameters
    ----------
    seed
        Random seed.
    """
    python, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)


@lru_cache(maxsize=8)
def _policy(policy: str, size: int) -> Callable[[Image.Image], Image.Image]:
    declare_torchvision_schemas()
    from timm.data.auto_augment import rand_augment_transform

    return rand_augment_transform(policy, {"translate_const": int(size * 0.45), "img_mean": (124, 116, 104)})
