"""The galleries that ship: scenes and clips, drawn when they are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from brivl.data.formats.image_folder import ImageBatch
from brivl.data.galleries.gallery import N_PREVIEW_FRAMES, N_SEGMENTS, Captions, GalleryItem, segment_shares
from brivl.scenes.captions import caption
from brivl.scenes.clips import clip_caption, scene_at
from brivl.scenes.gallery import CLIP_SECONDS, N_CLIPS, N_SCENES, SEED, gallery_clip, gallery_scene
from brivl.scenes.scene import render
from brivl.store.digests import array_digest, json_digest

PROBES = (0, 1, 2)  # drawn to see whether drawing has changed


@dataclass(frozen=True)
class SceneGallery:
    """The shipped scenes, or the first n of them."""

    n: int = N_SCENES
    name: str = "scenes"
    kind: Literal["image", "video"] = "image"
    simulated: bool = True
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.n:,} drawn scenes"

    @property
    def captions_digest(self) -> str:
        return json_digest([caption(gallery_scene(i)) for i in PROBES])

    def __len__(self) -> int:
        return self.n

    def digest(self, rows: range) -> str:
        return json_digest([_drawing_digest(), SEED, rows.start, rows.stop])

    def pixels(self, rows: range, side: int) -> ImageBatch:
        return ImageBatch(np.stack([render(gallery_scene(i), side).image for i in rows]), np.arange(len(rows)), ())

    def captions(self) -> Captions:
        return Captions(tuple(caption(gallery_scene(i)) for i in range(self.n)), np.arange(self.n))

    def item_name(self, row: int) -> str:
        return f"scene {row}"

    def item(self, row: int, side: int) -> GalleryItem:
        scene = gallery_scene(row)
        return GalleryItem(self.item_name(row), caption(scene), (render(scene, side).image,))


@dataclass(frozen=True)
class ClipGallery:
    """The shipped clips, or the first n of them: of each, one random frame of each of 16 segments, seeded."""

    n: int = N_CLIPS
    name: str = "clips"
    kind: Literal["image", "video"] = "video"
    simulated: bool = True
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.n:,} drawn clips"

    @property
    def captions_digest(self) -> str:
        return json_digest([clip_caption(gallery_clip(i)) for i in PROBES])

    def __len__(self) -> int:
        return self.n

    def digest(self, rows: range) -> str:
        return json_digest([_drawing_digest(), SEED, "clips", N_SEGMENTS, CLIP_SECONDS, rows.start, rows.stop])

    def pixels(self, rows: range, side: int) -> ImageBatch:
        images = [[_frame(i, t, side) for t in CLIP_SECONDS * segment_shares(N_SEGMENTS, i)] for i in rows]
        return ImageBatch(np.array(images, np.uint8), np.arange(len(rows)), ())

    def captions(self) -> Captions:
        return Captions(tuple(clip_caption(gallery_clip(i)) for i in range(self.n)), np.arange(self.n))

    def item_name(self, row: int) -> str:
        return f"clip {row}"

    def item(self, row: int, side: int) -> GalleryItem:
        times = np.linspace(0, CLIP_SECONDS, N_PREVIEW_FRAMES)
        frames = tuple(_frame(row, t, side) for t in times)
        return GalleryItem(self.item_name(row), clip_caption(gallery_clip(row)), frames)


def _frame(clip: int, t: float, side: int) -> np.ndarray:
    return render(scene_at(gallery_clip(clip), float(t)), side).image


@lru_cache(maxsize=1)
def _drawing_digest() -> str:
    """Changes when scenes are drawn differently, so that embeddings of what was drawn before are not taken."""
    return array_digest(*(render(gallery_scene(i), 64).image for i in PROBES), *(_frame(i, 1.0, 64) for i in PROBES))
