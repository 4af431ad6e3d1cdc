"""What a gallery is to whoever searches it: items by number, as a model sees them and as a page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from brivl.data.formats.image_folder import ImageBatch
from brivl.data.stimuli.thumbnails import data_uri, webp
from brivl.scenes.gallery import SEED


@dataclass(frozen=True)
class Thumbnail:
    """Name and caption of an item, and its picture as an address; of a video, a moving one."""

    name: str
    caption: str
    uri: str


def thumbnail(gallery: Gallery, row: int, side: int) -> Thumbnail:
    """The thumbnail of an item, neither side longer than `side`. Raises DataError where its file has gone."""
    shown = gallery.item(row, side)
    frames = [frame for frame in shown.frames if frame.shape == shown.frames[0].shape]
    return Thumbnail(shown.name, shown.caption, data_uri(webp(frames)))


N_SEGMENTS = 16  # paper: a video is the mean of one random frame of each of 16 segments
N_PREVIEW_FRAMES = 6  # frames of a moving thumbnail


@dataclass(frozen=True)
class Captions:
    """Sentences about items of a gallery, and of which item each speaks (n_sentences,)."""

    texts: tuple[str, ...]
    owners: np.ndarray


@dataclass(frozen=True)
class GalleryItem:
    """An item as a page shows it: its name, what is said of it, and frames (H, W, 3) uint8, one of an image."""

    name: str
    caption: str
    frames: tuple[np.ndarray, ...]


class Gallery(Protocol):
    """Items by number. `pixels` are what a model sees: (m, side, side, 3), of videos (m, 16, side, side, 3)."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def kind(self) -> Literal["image", "video"]: ...
    @property
    def simulated(self) -> bool: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def captions_digest(self) -> str: ...  # "" where it has none
    def __len__(self) -> int: ...
    def digest(self, rows: range) -> str: ...
    def pixels(self, rows: range, side: int) -> ImageBatch: ...
    def captions(self) -> Captions | None: ...
    def item_name(self, row: int) -> str: ...
    def item(self, row: int, side: int) -> GalleryItem: ...


def segment_shares(n_segments: int, seed: int) -> np.ndarray:
    """One random moment of each of n equal parts of a video, as shares of its length: (n,) in [0, 1)."""
    within = np.random.default_rng([SEED, 2, seed]).random(n_segments)
    return (np.arange(n_segments) + within) / n_segments
