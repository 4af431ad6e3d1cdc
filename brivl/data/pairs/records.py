"""The records of image-text pairs, and the bytes of an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from brivl.data.formats.images import MAX_BYTES
from brivl.errors import DataError

N_NAMED = 5  # of what is missing, as many are named


@dataclass(frozen=True, slots=True)
class ImageLocation:
    """Where the bytes of an image are: a whole file, or `size` bytes of a shard from `offset` on."""

    file: Path
    offset: int = 0
    size: int | None = None
    member: str = ""  # its name within the shard

    def __str__(self) -> str:
        return f"{self.file}::{self.member}" if self.member else str(self.file)


@dataclass(frozen=True, slots=True)
class ImageText:
    """One pair; an image with five captions makes five of them."""

    location: ImageLocation
    caption: str


@dataclass(frozen=True)
class ListingRow:
    """A row of a listing: what it calls the image, and its caption."""

    name: str
    caption: str


@dataclass(frozen=True)
class PairList:
    """All pairs of a data set that are on this machine, in the order of the listing."""

    pairs: tuple[ImageText, ...]
    n_missing: int = 0  # rows whose image is no local file: a url, or a file that is not there
    missing: tuple[str, ...] = ()  # the first few of them
    n_blank: int = 0  # rows without a caption

    def __len__(self) -> int:
        return len(self.pairs)


def read_bytes(place: ImageLocation) -> bytes:
    """The encoded image. Raises DataError naming it if it cannot be read, is cut short, or is over 100 MB."""
    try:
        with place.file.open("rb") as file:
            file.seek(place.offset)
            data = file.read(min(MAX_BYTES + 1, MAX_BYTES + 1 if place.size is None else place.size))
    except OSError as error:
        raise DataError(f"Wanted the image {str(place)!r} and could not read it ({error.strerror}).") from error
    if len(data) > MAX_BYTES or (place.size is not None and len(data) < place.size):
        raise DataError(f"Wanted the image {str(place)!r} whole and below 100 MB, and it is cut short or larger.")
    return data


def unique_images(pairs: Iterable[ImageText]) -> Iterator[ImageLocation]:
    """Each image once, in order of its first caption."""
    yield from dict.fromkeys(pair.location for pair in pairs)
