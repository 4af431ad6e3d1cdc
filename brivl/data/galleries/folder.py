"""Galleries of the user's files: a folder of images, Flickr30k's layout, MSR-VTT's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from brivl.data.formats.image_folder import ImageBatch, ImageFile, image_file, list_images, read_pixels
from brivl.data.formats.images import read_image
from brivl.data.galleries.gallery import (
    N_PREVIEW_FRAMES,
    N_SEGMENTS,
    Captions,
    Gallery,
    GalleryItem,
    segment_shares,
)
from brivl.data.pairs.karpathy import read_karpathy
from brivl.data.pairs.msrvtt import VideoFrames, find_video_list, read_videos
from brivl.errors import DataError
from brivl.store.digests import json_digest

IMAGE_FOLDERS = ("", "flickr30k-images", "flickr30k_images", "images")  # where users put the images of Flickr30k
SPLIT = "test"
READING = "images 2: EXIF orientation applied"  # part of digests, to be changed when pixels are read differently


@dataclass(frozen=True)
class _FileGallery:
    """Implementation of `Gallery` that galleries of files share."""

    name: str
    title: str
    notes: tuple[str, ...]
    kind: Literal["image", "video"]
    simulated: bool = False

    def _captions_by_item(self) -> Sequence[Sequence[str]]:
        raise NotImplementedError

    def _digest(self, rows: range) -> str:
        raise NotImplementedError

    @property
    def captions_digest(self) -> str:
        captions = self._captions_by_item()
        return json_digest(captions) if captions else ""

    def __len__(self) -> int:
        raise NotImplementedError

    def digest(self, rows: range) -> str:
        return self._digest_of_all if len(rows) == len(self) else self._digest(rows)

    @cached_property
    def _digest_of_all(self) -> str:
        return self._digest(range(len(self)))

    def caption(self, row: int) -> str:
        captions = self._captions_by_item()
        return captions[row][0] if captions and captions[row] else ""

    def captions(self) -> Captions | None:
        captions = self._captions_by_item()
        if not captions:
            return None
        owners = np.repeat(np.arange(len(captions)), [len(sentences) for sentences in captions])
        return Captions(tuple(sentence for sentences in captions for sentence in sentences), owners)


@dataclass(frozen=True)
class ImageGallery(_FileGallery):
    """Image files.

    Attributes
    ----------
    files : tuple of ImageFile
        The files.
    sentences : tuple of tuples of str
        Captions of each file; empty where there is no listing.
    """

    notes: tuple[str, ...] = ()
    kind: Literal["image", "video"] = "image"
    files: tuple[ImageFile, ...] = ()
    sentences: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def _captions_by_item(self) -> Sequence[Sequence[str]]:
        return self.sentences

    def _digest(self, rows: range) -> str:
        return _states_digest(self.files[rows.start : rows.stop])

    def pixels(self, rows: range, side: int) -> ImageBatch:
        """Read images.

        Parameters
        ----------
        rows : range
            Numbers of the images.
        side : int
            ImageBatch of a side.

        Returns
        -------
        ImageBatch
            Images (m, side, side, 3) that could be read, and the names of the others.
        """
        return read_pixels([self.files[row].path for row in rows], side)

    def item_name(self, row: int) -> str:
        """Return the file name of an image.

        Parameters
        ----------
        row : int
            Number of the image.

        Returns
        -------
        str
            File name.
        """
        return self.files[row].path.name

    def item(self, row: int, side: int) -> GalleryItem:
        """Read an image as a page shows it.

        Parameters
        ----------
        row : int
            Number of the image.
        side : int
            ImageBatch of the longer side.

        Returns
        -------
        GalleryItem
            File name, first caption (or the name) and image.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        name = self.item_name(row)
        caption = self.sentences[row][0] if self.sentences else name
        return GalleryItem(name, caption, (read_image(self.files[row].path, name, side),))


@dataclass(frozen=True)
class VideoGallery(_FileGallery):
    """Videos as frames in files; a model sees one random frame of each of 16 segments, with a fixed seed."""

    notes: tuple[str, ...] = ()
    kind: Literal["image", "video"] = "video"
    videos: tuple[VideoFrames, ...] = ()

    def __len__(self) -> int:
        return len(self.videos)

    def _captions_by_item(self) -> Sequence[Sequence[str]]:
        return [video.sentences for video in self.videos]

    def _digest(self, rows: range) -> str:
        paths = [path for row in rows for path in self._segment_frames(row)]
        return json_digest([N_SEGMENTS, _states_digest([state for p in paths if (state := image_file(p))])])

    def pixels(self, rows: range, side: int) -> ImageBatch:
        """Read one frame of each segment of videos.

        Parameters
        ----------
        rows : range
            Numbers of the videos.
        side : int
            ImageBatch of a side.

        Returns
        -------
        ImageBatch
            Videos (m, N_SEGMENTS, side, side, 3) with a readable frame, and the names of frames that are not.
        """
        videos, kept, bad = [], [], []
        for position, row in enumerate(rows):
            frames = read_pixels(self._segment_frames(row), side)
            bad += [(f"{self.videos[row].name}/{name}", why) for name, why in frames.bad]
            if len(frames.images):  # readable frames repeat in place of those that are not
                videos.append(frames.images[np.arange(N_SEGMENTS) % len(frames.images)])
                kept.append(position)
        stacked = np.stack(videos) if videos else np.empty((0, N_SEGMENTS, side, side, 3), np.uint8)
        return ImageBatch(stacked, np.array(kept, np.int64), tuple(bad))

    def item_name(self, row: int) -> str:
        """Return the name of a video.

        Parameters
        ----------
        row : int
            Number of the video.

        Returns
        -------
        str
            Name in the list.
        """
        return self.videos[row].name

    def item(self, row: int, side: int) -> GalleryItem:
        """Read frames of a video for a page.

        Parameters
        ----------
        row : int
            Number of the video.
        side : int
            ImageBatch of the longer side.

        Returns
        -------
        GalleryItem
            Name, first caption and evenly spaced frames.

        Raises
        ------
        DataError
            If no frame can be read.
        """
        video = self.videos[row]
        positions = np.linspace(0, len(video.frames) - 1, min(N_PREVIEW_FRAMES, len(video.frames))).astype(int)
        frames = read_pixels([video.frames[i] for i in positions], side).images
        if not len(frames):
            raise DataError(
                f"Expected readable frames of the video {video.name!r}, got none. Extract the frames again."
            )
        return GalleryItem(video.name, video.sentences[0], tuple(frames))

    def _segment_frames(self, row: int) -> list[Path]:
        frames = self.videos[row].frames
        return [frames[int(share * len(frames))] for share in segment_shares(N_SEGMENTS, row)]


def open_folder_gallery(name: str, max_images: int) -> Gallery:
    """Open a folder as a gallery, by its layout.

    Parameters
    ----------
    name : str
        Path of the folder.
    max_images : int
        Largest number of images that are taken, in the order of their names.

    Returns
    -------
    Gallery
        The gallery; no image is read yet.

    Raises
    ------
    DataError
        If the folder is missing, holds no image, or its listing is malformed.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"Expected a gallery ('scenes', 'clips' or a folder of images), got {name[:200]!r}, which is no folder. "
            "Check the path."
        )
    listings = sorted(folder.glob("dataset_*.json"))
    if listings:
        return _open_karpathy(name, listings[0], max_images)
    videos = find_video_list(folder)
    return _open_videos(name, videos) if videos else _open_images(name, folder, max_images)


def _open_images(name: str, folder: Path, max_images: int) -> ImageGallery:
    files = list_images(folder)
    notes: tuple[str, ...] = ()
    if len(files) > max_images:
        notes = (f"The folder holds {len(files):,} images; the first {max_images:,} by name are searched.",)
    title = f"{min(len(files), max_images):,} images of {folder.name}"
    return ImageGallery(name, title, notes, files=tuple(files[:max_images]))


def _open_karpathy(name: str, listing: Path, max_images: int) -> ImageGallery:
    records = read_karpathy(listing, _image_folder(listing), SPLIT)[:max_images]
    with_state = [(record, image_file(record.path)) for record in records]
    present = [(record, state) for record, state in with_state if state]
    missing = [record.path.name for record, state in with_state if not state]
    if not present:
        raise DataError(
            f"Expected the {len(records):,} images of the test split that {listing.name!r} lists, got none beside the "
            f"listing. Put the images into {str(listing.parent / IMAGE_FOLDERS[1])!r}."
        )
    return ImageGallery(
        name,
        f"{len(present):,} test images of {listing.stem}",
        (_missing_note(len(missing), missing, "images"),) if missing else (),
        files=tuple(state for _, state in present),
        sentences=tuple(record.captions for record, _ in present),
    )


def _image_folder(listing: Path) -> Path:
    """Find the folder that holds the first images of the listing."""
    records = read_karpathy(listing, listing.parent)[:200]
    names = [record.path.relative_to(listing.parent) for record in records]
    folders = [listing.parent / name for name in IMAGE_FOLDERS]
    return next((f for f in folders if any((f / path).is_file() for path in names)), listing.parent)


def _open_videos(name: str, listing: Path) -> VideoGallery:
    videos = read_videos(listing)
    notes = (_missing_note(videos.n_missing, videos.missing, "videos"),) if videos.n_missing else ()
    return VideoGallery(name, f"{len(videos.videos):,} videos of {listing.stem}", notes, videos=videos.videos)


def _missing_note(n: int, names: Sequence[str], items: str) -> str:
    return f"{n:,} {items} of the listing are missing and are left out, such as {', '.join(names[:3])}."


def _states_digest(states: Sequence[ImageFile]) -> str:
    return json_digest([READING, [[str(state.path), state.size, state.mtime_ns] for state in states]])
