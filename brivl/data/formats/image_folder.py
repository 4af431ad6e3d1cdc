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
    """An image file and what changes when it does; digests of a gallery are made of these, not of the bytes.

    Attributes
    ----------
    path : Path
        The file.
    size : int
        Bytes.
    mtime_ns : int
        Time of the last change, nanoseconds.
    """

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class ImageBatch:
    """Images that could be read, and why the others could not.

    Attributes
    ----------
    images : np.ndarray
        (m, side, side, 3) uint8.
    kept : np.ndarray
        (m,) positions of these images among those that were requested.
    bad : tuple of (str, str)
        Name and reason for each of the others.
    """

    images: np.ndarray
    kept: np.ndarray
    bad: tuple[tuple[str, str], ...]


def list_images(folder: Path) -> list[ImageFile]:
    """List the image files of a folder and of folders within it, by name.

    Parameters
    ----------
    folder : Path
        The folder; hidden files and links to folders are left out.

    Returns
    -------
    list of ImageFile
        The images, sorted by path.

    Raises
    ------
    DataError
        The folder is missing, cannot be read, has too many files, or has no image.
    """
    if not folder.is_dir():
        raise DataError(f"Expected a folder of images, got {str(folder)!r}, which is no folder. Check the path.")
    paths, n_seen = [], 0
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        n_seen += len(files)
        if n_seen > MAX_LISTED:
            raise DataError(
                f"Expected a folder of at most {MAX_LISTED:,} files, got more in {str(folder)!r}. Name one below it."
            )
        paths += [Path(place, name) for name in files if is_image_name(name)]
    states = [state for path in sorted(paths) if (state := image_file(path))]
    if not states:
        raise DataError(
            f"Expected images in {str(folder)!r}, got none among its {n_seen:,} files. Name a folder with "
            f"{', '.join(sorted(ending[1:] for ending in ENDINGS))} files."
        )
    return states


def is_image_name(name: str) -> bool:
    """Tell by its name whether a file is taken for an image until it is opened.

    Parameters
    ----------
    name : str
        Name of a file.

    Returns
    -------
    bool
        True for the endings of images, hidden files excepted.
    """
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in ENDINGS


def image_file(path: Path) -> ImageFile | None:
    """Read size and time of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ImageFile or None
        None where the file has just been removed or is a broken link.
    """
    try:
        state = path.stat()
    except OSError:
        return None
    return ImageFile(path, state.st_size, state.st_mtime_ns)


def read_pixels(paths: Sequence[Path], side: int) -> ImageBatch:
    """Read as many of the images as can be read, each scaled to a square.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    side : int
        Width and height in pixels.

    Returns
    -------
    ImageBatch
        Images, and the reasons for those that are left out.
    """
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
        f"Expected a folder that can be read, got {str(error.filename)!r} ({error.strerror}). Change its rights, or "
        "name another folder."
    ) from error
