"""A folder of the user's own images: which files there are, and their pixels, with what cannot be read left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.data.formats.images import read_images
from brivl.errors import DataError

ENDINGS = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
MAX_LISTED = 2_000_000  # files looked at before a folder is refused: someone has named the root of a disk


@dataclass(frozen=True)
class ImageFile:
    """A file and what changes when it does; digests of a gallery are made of these, not of the bytes."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class ImageBatch:
    """Images (m, side, side, 3) uint8, which of those wanted they are (m,), and (name, reason) of the others."""

    images: np.ndarray
    kept: np.ndarray
    bad: tuple[tuple[str, str], ...]


def list_images(folder: Path) -> list[ImageFile]:
    """Image files of a folder and those within it, by name; hidden ones and links to folders are left out.

    Raises DataError where the folder is missing, may not be read, or holds no image.
    """
    if not folder.is_dir():
        raise DataError(f"Wanted a folder of images, and {str(folder)!r} is no folder; check the path.")
    found, n_seen = [], 0
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        n_seen += len(files)
        if n_seen > MAX_LISTED:
            raise DataError(f"{str(folder)!r} holds more than {MAX_LISTED:,} files; name a folder further down.")
        found += [Path(place, name) for name in files if is_image_name(name)]
    states = [state for path in sorted(found) if (state := image_file(path))]
    if not states:
        raise DataError(
            f"Wanted images in {str(folder)!r} and found none among its {n_seen:,} files; name a folder with "
            f"{', '.join(sorted(ending[1:] for ending in ENDINGS))} files."
        )
    return states


def is_image_name(name: str) -> bool:
    """Whether a file is taken for an image until it is opened."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in ENDINGS


def image_file(path: Path) -> ImageFile | None:
    """The state of a file, None where it has just gone or is a broken link."""
    try:
        state = path.stat()
    except OSError:
        return None
    return ImageFile(path, state.st_size, state.st_mtime_ns)


def read_pixels(paths: Sequence[Path], side: int) -> ImageBatch:
    """As many of the images as can be read, each scaled to a square as a whole."""
    images, kept, bad = [], [], []
    for i, path in enumerate(paths):
        try:
            images.append(read_images([path], side)[0])
            kept.append(i)
        except DataError as error:
            bad.append((path.name, str(error)))
    stacked = np.stack(images) if images else np.empty((0, side, side, 3), np.uint8)
    return ImageBatch(stacked, np.array(kept, np.int64), tuple(bad))


def _refuse(error: OSError) -> None:
    raise DataError(
        f"Could not look into {str(error.filename)!r} ({error.strerror}); change its rights or name another folder."
    ) from error
