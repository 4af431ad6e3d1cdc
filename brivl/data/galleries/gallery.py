"""The interface of a gallery: numbered images or videos, as a model sees them and as a page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from brivl.data.formats.image_folder import ImageBatch
from brivl.data.stimuli.thumbnails import data_uri, webp
from brivl.scenes.gallery import SEED

N_SEGMENTS = 16  # Lu et al. 2022: the embedding of a video is the mean over one random frame of each of 16 segments
N_PREVIEW_FRAMES = 6  # frames of an animated thumbnail


@dataclass(frozen=True)
class Captions:
    """Captions of the items of a gallery.

    Attributes
    ----------
    texts : tuple of str
        Captions.
    owners : (n_texts,) array of int
        Number of the item that each caption describes.
    """

    texts: tuple[str, ...]
    owners: np.ndarray


@dataclass(frozen=True)
class GalleryItem:
    """An item as a page shows it.

    Attributes
    ----------
    name : str
        Name of the item.
    caption : str
        Caption, or the name where there is none.
    frames : tuple of (H, W, 3) arrays of uint8
        One frame of an image, several of a video.
    """

    name: str
    caption: str
    frames: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Thumbnail:
    """Name, caption and thumbnail of an item; the thumbnail is a data URI, animated for a video."""

    name: str
    caption: str
    uri: str


class Gallery(Protocol):
    """Items by number, 0 to len(gallery) - 1."""

    @property
    def name(self) -> str:
        """Name by which the gallery is opened."""

    @property
    def title(self) -> str:
        """Title for a page, with the number of items."""

    @property
    def kind(self) -> Literal["image", "video"]:
        """Whether items are images or videos."""

    @property
    def simulated(self) -> bool:
        """Whether the items are drawn by this project."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about items that are left out."""

    @property
    def captions_digest(self) -> str:
        """Digest of all captions, "" where there are none."""

    def __len__(self) -> int: ...

    def digest(self, rows: range) -> str:
        """Return a digest of what the embeddings of some items depend on.

        Parameters
        ----------
        rows : range
            Item numbers.

        Returns
        -------
        str
            Digest.
        """

    def pixels(self, rows: range, side: int) -> ImageBatch:
        """Read items as a model sees them.

        Parameters
        ----------
        rows : range
            Item numbers.
        side : int
            ImageBatch of a side.

        Returns
        -------
        ImageBatch
            Images (m, side, side, 3), or videos (m, N_SEGMENTS, side, side, 3); items that cannot be read are named.
        """

    def captions(self) -> Captions | None:
        """Return all captions.

        Returns
        -------
        Captions or None
            Captions, None where there are none.
        """

    def caption(self, row: int) -> str:
        """Return the first caption of an item.

        Parameters
        ----------
        row : int
            Item number.

        Returns
        -------
        str
            Caption, "" where there is none.
        """

    def item_name(self, row: int) -> str:
        """Return the name of an item.

        Parameters
        ----------
        row : int
            Item number.

        Returns
        -------
        str
            Name.
        """

    def item(self, row: int, side: int) -> GalleryItem:
        """Read an item as a page shows it.

        Parameters
        ----------
        row : int
            Item number.
        side : int
            ImageBatch of the longer side.

        Returns
        -------
        GalleryItem
            Name, caption and frames.

        Raises
        ------
        DataError
            If the file of the item cannot be read.
        """


def thumbnail(gallery: Gallery, row: int, side: int) -> Thumbnail:
    """Draw the thumbnail of an item.

    Parameters
    ----------
    gallery : Gallery
        Gallery.
    row : int
        Item number.
    side : int
        ImageBatch of the longer side.

    Returns
    -------
    Thumbnail
        Name, caption and image.

    Raises
    ------
    DataError
        If the file of the item cannot be read.
    """
    item = gallery.item(row, side)
    frames = [frame for frame in item.frames if frame.shape == item.frames[0].shape]
    return Thumbnail(item.name, item.caption, data_uri(webp(frames)))


def segment_shares(n_segments: int, seed: int) -> np.ndarray:
    """Draw one random moment in each of n equal segments of a video.

    Parameters
    ----------
    n_segments : int
        Number of segments.
    seed : int
        Random seed, one per video.

    Returns
    -------
    (n_segments,) array
        Moments as fractions of the video's length, in [0, 1).
    """
    within = np.random.default_rng([SEED, 2, seed]).random(n_segments)
    return (np.arange(n_segments) + within) / n_segments
