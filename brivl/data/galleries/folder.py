"""Galleries made of the user's files: a folder of images, Flickr30k's layout, MSR-VTT's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from brivl.data.formats.image_folder import ImageBatch, ImageFile, image_file, list_images, read_pixels
from brivl.data.formats.images import read_image
from brivl.data.galleries.gallery import N_PREVIEW_FRAMES, N_SEGMENTS, Captions, Gallery, GalleryItem, segment_shares
from brivl.data.pairs.karpathy import CaptionedImage, read_karpathy
from brivl.data.pairs.msrvtt import VideoFrames, find_video_list, read_videos
from brivl.errors import DataError
from brivl.store.digests import json_digest

IMAGE_FOLDERS = ("", "flickr30k-images", "flickr30k_images", "images")  # where Flickr30k's files are put
SPLIT = "test"


@dataclass(frozen=True)
class ImageGallery:
    """Image files, with captions where a listing gives them (a tuple for each file)."""

    name: str
    title: str
    files: tuple[ImageFile, ...]
    said: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    kind: Literal["image", "video"] = "image"
    simulated: bool = False

    @property
    def captions_digest(self) -> str:
        return json_digest(self.said) if self.said else ""

    def __len__(self) -> int:
        return len(self.files)

    def digest(self, rows: range) -> str:
        return self._whole if len(rows) == len(self) else _states_digest(self.files[rows.start : rows.stop])

    @cached_property
    def _whole(self) -> str:
        return _states_digest(self.files)

    def pixels(self, rows: range, side: int) -> ImageBatch:
        return read_pixels([self.files[i].path for i in rows], side)

    def captions(self) -> Captions | None:
        return _listed(self.said)

    def item_name(self, row: int) -> str:
        return self.files[row].path.name

    def item(self, row: int, side: int) -> GalleryItem:
        said = self.said[row][0] if self.said else self.item_name(row)
        return GalleryItem(self.item_name(row), said, (read_image(self.files[row].path, self.item_name(row), side),))


@dataclass(frozen=True)
class VideoGallery:
    """Videos as frames in files; a model sees one random frame of each of 16 segments."""

    name: str
    title: str
    videos: tuple[VideoFrames, ...]
    notes: tuple[str, ...] = ()
    kind: Literal["image", "video"] = "video"
    simulated: bool = False

    @property
    def captions_digest(self) -> str:
        return json_digest([video.sentences for video in self.videos])

    def __len__(self) -> int:
        return len(self.videos)

    def digest(self, rows: range) -> str:
        return self._whole if len(rows) == len(self) else self._digest(rows)

    @cached_property
    def _whole(self) -> str:
        return self._digest(range(len(self)))

    def _digest(self, rows: range) -> str:
        chosen = [path for i in rows for path in self._chosen(i)]
        return json_digest([N_SEGMENTS, _states_digest([state for p in chosen if (state := image_file(p))])])

    def pixels(self, rows: range, side: int) -> ImageBatch:
        images, kept, bad = [], [], []
        for place, row in enumerate(rows):
            read = read_pixels(self._chosen(row), side)
            bad += [(f"{self.videos[row].name}/{name}", why) for name, why in read.bad]
            if len(read.images):  # a frame that cannot be read is left out of the mean, by another taking its place
                images.append(read.images[np.arange(N_SEGMENTS) % len(read.images)])
                kept.append(place)
        stacked = np.stack(images) if images else np.empty((0, N_SEGMENTS, side, side, 3), np.uint8)
        return ImageBatch(stacked, np.array(kept, np.int64), tuple(bad))

    def captions(self) -> Captions | None:
        return _listed([video.sentences for video in self.videos])

    def item_name(self, row: int) -> str:
        return self.videos[row].name

    def item(self, row: int, side: int) -> GalleryItem:
        video = self.videos[row]
        places = np.linspace(0, len(video.frames) - 1, min(N_PREVIEW_FRAMES, len(video.frames))).astype(int)
        frames = read_pixels([video.frames[i] for i in places], side).images
        if not len(frames):
            raise DataError(f"No frame of {video.name!r} can be read; extract them again.")
        return GalleryItem(video.name, video.sentences[0], tuple(frames))

    def _chosen(self, row: int) -> list[Path]:
        frames = self.videos[row].frames
        return [frames[int(share * len(frames))] for share in segment_shares(N_SEGMENTS, row)]


def open_folder_gallery(name: str, most: int) -> Gallery:
    """A folder by its layout. Raises DataError as brivl.data.galleries.registry.open_gallery says."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"Wanted a gallery, 'scenes', 'clips' or a folder of images, and {name[:200]!r} is no folder; check the "
            "path."
        )
    listings = sorted(folder.glob("dataset_*.json"))
    if listings:
        return _karpathy(name, listings[0], most)
    videos = find_video_list(folder)
    return _videos(name, videos) if videos else _images(name, folder, most)


def _images(name: str, folder: Path, most: int) -> ImageGallery:
    files = list_images(folder)
    notes = ()
    if len(files) > most:
        notes = (f"The folder holds {len(files):,} images; the first {most:,} by name are searched.",)
    return ImageGallery(name, f"{min(len(files), most):,} images of {folder.name}", tuple(files[:most]), notes=notes)


def _karpathy(name: str, listing: Path, most: int) -> ImageGallery:
    records = read_karpathy(listing, _images_of(listing), SPLIT)[:most]
    with_state = [(record, image_file(record.path)) for record in records]
    found = [(record, state) for record, state in with_state if state]
    missing = [record.path.name for record, state in with_state if not state]
    if not found:
        raise DataError(
            f"{listing.name!r} lists {len(records):,} images of the test split, and none is beside it; put them into "
            f"{str(listing.parent / IMAGE_FOLDERS[1])!r}."
        )
    notes = (_missing_note(len(missing), missing, "images"),) if missing else ()
    return ImageGallery(
        name,
        f"{len(found):,} test images of {listing.stem}",
        tuple(state for _, state in found),
        tuple(record.captions for record, _ in found),
        notes,
    )


def _images_of(listing: Path) -> Path:
    """The folder in which the first images of the listing that are there lie."""
    records: Sequence[CaptionedImage] = read_karpathy(listing, listing.parent)[:200]
    names = [record.path.relative_to(listing.parent) for record in records]
    folders = [listing.parent / place for place in IMAGE_FOLDERS]
    return next((f for f in folders if any((f / path).is_file() for path in names)), listing.parent)


def _videos(name: str, listing: Path) -> VideoGallery:
    read = read_videos(listing)
    notes = (_missing_note(read.n_missing, read.missing, "videos"),) if read.n_missing else ()
    return VideoGallery(name, f"{len(read.videos):,} videos of {listing.stem}", read.videos, notes)


def _missing_note(n: int, names: Sequence[str], what: str) -> str:
    return f"{n:,} {what} of the listing are not there and are left out, such as {', '.join(names[:3])}."


def _listed(said: Sequence[Sequence[str]]) -> Captions | None:
    if not said:
        return None
    owners = np.repeat(np.arange(len(said)), [len(sentences) for sentences in said])
    return Captions(tuple(sentence for sentences in said for sentence in sentences), owners)


def _states_digest(states: Sequence[ImageFile]) -> str:
    return json_digest([[str(state.path), state.size, state.mtime_ns] for state in states])
