"""Scenes rendered once for training: pixels, captions, and the labels of the classification tasks."""

from __future__ import annotations

from dataclasses import dataclass

import joblib
import numpy as np

from brivl.config import n_cores
from brivl.scenes.backgrounds import BACKGROUNDS
from brivl.scenes.captions import caption
from brivl.scenes.scene import Scene, render, sample_scene
from brivl.scenes.things import COLOURS, KINDS

COLOUR_NAMES = tuple(COLOURS)
HELD_OUT_SEED = 1_000_003  # seeds of training are smaller, so held-out scenes are never trained on


@dataclass(frozen=True)
class ScenePairs:
    """Rendered scenes (n). Classes are counted from 0; in patch labels 0 is background and k + 1 is class k."""

    images: np.ndarray  # (n, size, size, 3) uint8
    captions: list[list[str]]  # n lists of paraphrases, the canonical caption first
    kinds: np.ndarray  # (n, n_kinds) bool
    colours: np.ndarray  # (n, n_colours) bool
    backgrounds: np.ndarray  # (n,) int
    patch_kinds: np.ndarray  # (n, n_patches) int8
    patch_colours: np.ndarray  # (n, n_patches) int8
    scenes: list[Scene]


@dataclass(frozen=True)
class _Pair:
    """One row of ScenePairs."""

    image: np.ndarray
    captions: list[str]
    kinds: np.ndarray
    colours: np.ndarray
    background: int
    patch_kinds: np.ndarray
    patch_colours: np.ndarray
    scene: Scene


def scene_pairs(
    n: int, seed: int, image_size: int, patch_size: int, n_paraphrases: int = 3, n_things: int | None = None
) -> ScenePairs:
    """Sample and render scenes on all cores, each from a random generator of its own.

    Parameters
    ----------
    n
        Number of scenes.
    seed
        Random seed; scene i depends on the seed and i alone.
    image_size
        Side of the images in pixels.
    patch_size
        Side of the patches that are labelled, in pixels.
    n_paraphrases
        Number of captions of a scene besides the canonical one.
    n_things
        Number of things in each scene; None for 1 to 3.

    Returns
    -------
    ScenePairs
        The scenes.
    """
    blocks = np.array_split(np.arange(n), max(1, min(n_cores(), n // 64)))
    pairs_of_blocks = joblib.Parallel(n_jobs=len(blocks))(
        joblib.delayed(_block)(block, seed, image_size, patch_size, n_paraphrases, n_things) for block in blocks
    )
    pairs: list[_Pair] = [pair for block in pairs_of_blocks for pair in block]
    return ScenePairs(
        np.stack([pair.image for pair in pairs]),
        [pair.captions for pair in pairs],
        np.stack([pair.kinds for pair in pairs]),
        np.stack([pair.colours for pair in pairs]),
        np.array([pair.background for pair in pairs]),
        np.stack([pair.patch_kinds for pair in pairs]),
        np.stack([pair.patch_colours for pair in pairs]),
        [pair.scene for pair in pairs],
    )


def _block(
    indices: np.ndarray, seed: int, image_size: int, patch_size: int, n_paraphrases: int, n_things: int | None
) -> list[_Pair]:
    rngs = (np.random.default_rng([seed, int(i)]) for i in indices)
    return [_pair(rng, sample_scene(rng, n_things), image_size, patch_size, n_paraphrases) for rng in rngs]


def _pair(rng: np.random.Generator, scene: Scene, image_size: int, patch_size: int, n_paraphrases: int) -> _Pair:
    rendered = render(scene, image_size)
    captions = [caption(scene)] + [caption(scene, rng) for _ in range(n_paraphrases)]
    kind_of = np.array([0] + [KINDS.index(t.kind) + 1 for t in scene.things], np.int8)
    colour_of = np.array([0] + [COLOUR_NAMES.index(t.colour) + 1 for t in scene.things], np.int8)
    owner = _patch_owner(rendered.masks, patch_size)
    return _Pair(
        rendered.image,
        captions,
        np.isin(KINDS, [t.kind for t in scene.things]),
        np.isin(COLOUR_NAMES, [t.colour for t in scene.things]),
        BACKGROUNDS.index(scene.background),
        kind_of[owner],
        colour_of[owner],
        scene,
    )


def _patch_owner(masks: np.ndarray, patch_size: int) -> np.ndarray:
    """The thing (from 1) that covers most of each patch and at least a quarter: masks (n, H, W) -> (n_patches,).

    0 is the background.
    """
    n, size, _ = masks.shape
    grid = size // patch_size
    by_patch = masks.reshape(n, grid, patch_size, grid, patch_size)
    share = by_patch.mean(axis=(2, 4)).reshape(n, -1)  # (n_things, n_patches)
    return np.where(share.max(0) >= 0.25, share.argmax(0) + 1, 0)
