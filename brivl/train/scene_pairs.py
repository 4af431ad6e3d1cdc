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
HELD_OUT_SEED = 1_000_003  # training seeds are smaller, so held-out scenes are never seen


@dataclass(frozen=True)
class ScenePairs:
    """n rendered scenes. Classes are 0-based; in patch labels 0 is background and k + 1 is class k."""

    images: np.ndarray  # (n, size, size, 3) uint8
    captions: list[list[str]]  # n lists of paraphrases, the canonical caption first
    kinds: np.ndarray  # (n, n_kinds) bool
    colours: np.ndarray  # (n, n_colours) bool
    places: np.ndarray  # (n,) int
    patch_kinds: np.ndarray  # (n, n_patches) int8
    patch_colours: np.ndarray  # (n, n_patches) int8
    scenes: list[Scene]


def scene_pairs(
    n: int, seed: int, image_size: int, patch_size: int, n_paraphrases: int = 3, n_things: int | None = None
) -> ScenePairs:
    """n scenes, each from its own generator (seed, index), so any part can be made again alone; all cores are used.

    With n_things all scenes hold so many, otherwise 1 to 3.
    """
    blocks = np.array_split(np.arange(n), max(1, min(n_cores(), n // 64)))
    parts = joblib.Parallel(n_jobs=len(blocks))(
        joblib.delayed(_block)(block, seed, image_size, patch_size, n_paraphrases, n_things) for block in blocks
    )
    rows = [row for part in parts for row in part]
    columns = [list(column) for column in zip(*rows, strict=True)]
    images, captions, kinds, colours, places, patch_kinds, patch_colours, scenes = columns
    return ScenePairs(
        np.stack(images),
        captions,
        np.stack(kinds),
        np.stack(colours),
        np.array(places),
        np.stack(patch_kinds),
        np.stack(patch_colours),
        scenes,
    )


def _block(
    indices: np.ndarray, seed: int, image_size: int, patch_size: int, n_paraphrases: int, n_things: int | None
) -> list[tuple]:
    rngs = (np.random.default_rng([seed, int(i)]) for i in indices)
    return [_one(rng, sample_scene(rng, n_things), image_size, patch_size, n_paraphrases) for rng in rngs]


def _one(rng: np.random.Generator, scene: Scene, image_size: int, patch_size: int, n_paraphrases: int) -> tuple:
    drawn = render(scene, image_size)
    captions = [caption(scene)] + [caption(scene, rng) for _ in range(n_paraphrases)]
    kinds = np.isin(KINDS, [t.kind for t in scene.things])
    colours = np.isin(COLOUR_NAMES, [t.colour for t in scene.things])
    kind_of = np.array([0] + [KINDS.index(t.kind) + 1 for t in scene.things], np.int8)
    colour_of = np.array([0] + [COLOUR_NAMES.index(t.colour) + 1 for t in scene.things], np.int8)
    owner = _patch_owner(drawn.masks, patch_size)  # (n_patches,) 0 = background, i + 1 = thing i
    return (
        drawn.image,
        captions,
        kinds,
        colours,
        BACKGROUNDS.index(scene.background),
        kind_of[owner],
        colour_of[owner],
        scene,
    )


def _patch_owner(masks: np.ndarray, patch_size: int) -> np.ndarray:
    """The thing (from 1) that covers most of each patch and at least a quarter: masks (n, H, W) -> (n_patches,)."""
    n, size, _ = masks.shape
    grid = size // patch_size
    share = (
        masks.reshape(n, grid, patch_size, grid, patch_size).mean(axis=(2, 4)).reshape(n, -1)
    )  # (n_things, n_patches)
    return np.where(share.max(0) >= 0.25, share.argmax(0) + 1, 0)
