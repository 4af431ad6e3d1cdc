"""The galleries that ship with the project: scenes and clips, which are drawn when they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from brivl.data.formats.image_folder import ImageBatch
from brivl.data.galleries.gallery import N_PREVIEW_FRAMES, N_SEGMENTS, Captions, GalleryItem, segment_shares
from brivl.scenes.captions import caption
from brivl.scenes.clips import clip_caption, scene_at
from brivl.scenes.gallery import CLIP_SECONDS, N_CLIPS, N_SCENES, SEED, gallery_clip, gallery_scene
from brivl.scenes.scene import render
from brivl.store.digests import JSON, array_digest, json_digest

PROBES = (0, 1, 2)  # items that are drawn for the digest, so that it follows the drawing code


@dataclass(frozen=True)
class _DrawnGallery:
    """Implementation of `Gallery` that both drawn galleries share."""

    n: int
    name: str
    kind: Literal["image", "video"]
    simulated: bool = True
    notes: tuple[str, ...] = ()
    _noun: ClassVar[str]
    _settings: ClassVar[tuple[JSON, ...]] = ()  # what the digest depends on besides drawing, seed and rows

    def _caption(self, row: int) -> str:
        raise NotImplementedError

    def _frames(self, row: int, side: int) -> tuple[np.ndarray, ...]:
        raise NotImplementedError

    @property
    def title(self) -> str:
        return f"{self.n:,} drawn {self._noun}s"

    @property
    def captions_digest(self) -> str:
        return json_digest([self._caption(row) for row in PROBES])

    def __len__(self) -> int:
        return self.n

    def digest(self, rows: range) -> str:
        return json_digest([_drawing_digest(), SEED, *self._settings, rows.start, rows.stop])

    def captions(self) -> Captions:
        return Captions(tuple(self._caption(row) for row in range(self.n)), np.arange(self.n))

    def caption(self, row: int) -> str:
        return self._caption(row)

    def item_name(self, row: int) -> str:
        return f"{self._noun} {row}"

    def item(self, row: int, side: int) -> GalleryItem:
        return GalleryItem(self.item_name(row), self._caption(row), self._frames(row, side))


@dataclass(frozen=True)
class SceneGallery(_DrawnGallery):
    """The first n of the shipped scenes."""

    n: int = N_SCENES
    name: str = "scenes"
    kind: Literal["image", "video"] = "image"
    _noun: ClassVar[str] = "scene"

    def pixels(self, rows: range, side: int) -> ImageBatch:
        """Draw scenes.

        Parameters
        ----------
        rows : range
            Numbers of the scenes.
        side : int
            ImageBatch of a side.

        Returns
        -------
        ImageBatch
            Images (m, side, side, 3).
        """
        return ImageBatch(np.stack([render(gallery_scene(row), side).image for row in rows]), np.arange(len(rows)), ())

    def _caption(self, row: int) -> str:
        return caption(gallery_scene(row))

    def _frames(self, row: int, side: int) -> tuple[np.ndarray, ...]:
        return (render(gallery_scene(row), side).image,)


@dataclass(frozen=True)
class ClipGallery(_DrawnGallery):
    """The first n of the shipped clips; a model sees one random frame of each of 16 segments, with a fixed seed."""

    n: int = N_CLIPS
    name: str = "clips"
    kind: Literal["image", "video"] = "video"
    _noun: ClassVar[str] = "clip"
    _settings: ClassVar[tuple[JSON, ...]] = ("clips", N_SEGMENTS, CLIP_SECONDS)

    def pixels(self, rows: range, side: int) -> ImageBatch:
        """Draw one frame of each segment of clips.

        Parameters
        ----------
        rows : range
            Numbers of the clips.
        side : int
            ImageBatch of a side.

        Returns
        -------
        ImageBatch
            Videos (m, N_SEGMENTS, side, side, 3).
        """
        videos = [[_clip_frame(row, t, side) for t in CLIP_SECONDS * segment_shares(N_SEGMENTS, row)] for row in rows]
        return ImageBatch(np.array(videos, np.uint8), np.arange(len(rows)), ())

    def _caption(self, row: int) -> str:
        return clip_caption(gallery_clip(row))

    def _frames(self, row: int, side: int) -> tuple[np.ndarray, ...]:
        return tuple(_clip_frame(row, t, side) for t in np.linspace(0, CLIP_SECONDS, N_PREVIEW_FRAMES))


def _clip_frame(clip: int, t: float, side: int) -> np.ndarray:
    return render(scene_at(gallery_clip(clip), float(t)), side).image


@lru_cache(maxsize=1)
def _drawing_digest() -> str:
    """Digest of a few drawings: it changes with the drawing code, and stored embeddings of old drawings expire."""
    scenes = (render(gallery_scene(i), 64).image for i in PROBES)
    return array_digest(*scenes, *(_clip_frame(i, 1.0, 64) for i in PROBES))
