"""The records of image-text pairs, and reading the bytes of an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from brivl.data.formats.images import MAX_BYTES
from brivl.errors import DataError

N_NAMED = 5  # missing images that are named; all are counted


@dataclass(frozen=True, slots=True)
class ImageLocation:
    """Where the bytes of an image are: a whole file, or part of a shard.

    Attributes
    ----------
    file : Path
        Image file or shard.
    offset : int
        First byte of the image in the file.
    size : int or None
        Number of bytes; None for a whole file.
    member : str
        Name of the image within the shard.
    """

    file: Path
    offset: int = 0
    size: int | None = None
    member: str = ""

    def __str__(self) -> str:
        return f"{self.file}::{self.member}" if self.member else str(self.file)


@dataclass(frozen=True, slots=True)
class ImageText:
    """One pair; an image with five captions makes five pairs."""

    location: ImageLocation
    caption: str


@dataclass(frozen=True)
class ListingRow:
    """A row of a listing: the name of the image there, and its caption."""

    name: str
    caption: str


@dataclass(frozen=True)
class PairList:
    """All pairs of a dataset that are on this machine, in the order of the listing.

    Attributes
    ----------
    pairs : tuple of ImageText
        The pairs.
    n_missing : int
        Rows whose image is no local file: a URL, or a file that does not exist.
    missing : tuple of str
        Names of the first few of them.
    n_blank : int
        Rows without a caption.
    """

    pairs: tuple[ImageText, ...]
    n_missing: int = 0
    missing: tuple[str, ...] = ()
    n_blank: int = 0

    def __len__(self) -> int:
        return len(self.pairs)


def read_bytes(location: ImageLocation) -> bytes:
    """Read the encoded image.

    Parameters
    ----------
    location : ImageLocation
        Where the image is.

    Returns
    -------
    bytes
        Content of the image file.

    Raises
    ------
    DataError
        If the image cannot be read, is cut short, or is larger than 100 MB.
    """
    try:
        with location.file.open("rb") as file:
            file.seek(location.offset)
            data = file.read(min(MAX_BYTES + 1, MAX_BYTES + 1 if location.size is None else location.size))
    except OSError as error:
        raise DataError(
            f"Could not read the image {str(location)!r} ({error.strerror}). Check that the file exists."
        ) from error
    if len(data) > MAX_BYTES or (location.size is not None and len(data) < location.size):
        raise DataError(
            f"Expected a complete image of at most 100 MB, got {str(location)!r}, which is cut short or larger. Get "
            "the file again."
        )
    return data


def unique_images(pairs: Iterable[ImageText]) -> Iterator[ImageLocation]:
    """Yield each image once, in the order of its first caption.

    Parameters
    ----------
    pairs : iterable of ImageText
        Pairs.

    Yields
    ------
    ImageLocation
        Image.
    """
    yield from dict.fromkeys(pair.location for pair in pairs)
