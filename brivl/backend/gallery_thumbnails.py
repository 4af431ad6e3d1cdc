"""Items of a gallery as small pictures that a page can show at once."""

from __future__ import annotations

from dataclasses import dataclass

from brivl.backend.gallery_items import Gallery
from brivl.data.thumbnails import data_uri, webp


@dataclass(frozen=True)
class Thumbnail:
    """Name and caption of an item, and its picture as an address; of a video, a moving one."""

    name: str
    caption: str
    address: str


def thumbnail(gallery: Gallery, row: int, side: int) -> Thumbnail:
    """The thumbnail of an item, neither side longer than `side`. Raises DataError where its file has gone."""
    shown = gallery.show(row, side)
    frames = [frame for frame in shown.frames if frame.shape == shown.frames[0].shape]
    return Thumbnail(shown.name, shown.caption, data_uri(webp(frames)))
