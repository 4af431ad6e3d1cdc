"""The layout of Karpathy's splits: dataset_coco.json, dataset_flickr30k.json, images in folders beside it.

{"images": [{"filename": ..., "filepath": ..., "split": ..., "sentences": [{"raw": ...}, ...]}, ...]}; Flickr30k has no
filepath.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brivl.data.formats.json import parse_json
from brivl.errors import DataError

MAX_BYTES = 2**30  # dataset_coco.json has 144 MB


@dataclass(frozen=True)
class CaptionedImage:
    """An image of a listing.

    Attributes
    ----------
    path : Path
        Image file, which may be missing.
    captions : tuple of str
        Captions in the order of the listing.
    split : str
        "train", "restval", "val" or "test".
    """

    path: Path
    captions: tuple[str, ...]
    split: str


def read_karpathy(listing: Path, images: Path | None = None, split: str | None = None) -> list[CaptionedImage]:
    """Read the images of a listing, in its order; image files are not opened.

    Parameters
    ----------
    listing : Path
        JSON file.
    images : Path, optional
        Folder to which the listing's paths are relative; default: the folder of the listing.
    split : str, optional
        Only images of this split; default: all.

    Returns
    -------
    list of CaptionedImage
        The images.

    Raises
    ------
    DataError
        If the listing is missing, has another form (the image is named), or has no image of the split.
    """
    folder = listing.parent if images is None else images
    entries = _entries(listing)
    records = [_record(entry, number, folder, listing.name) for number, entry in enumerate(entries)]
    chosen = [record for record in records if split in (None, record.split)]
    if not chosen:
        splits = dict(Counter(record.split for record in records))
        raise DataError(
            f"Expected images of the split {split!r}, got {listing.name!r} with the splits {splits}. Name one of them."
        )
    return chosen


def _entries(listing: Path) -> list[Any]:
    try:
        if listing.stat().st_size > MAX_BYTES:
            raise DataError(
                f"Expected a listing of at most 1 GB, got {str(listing)!r}, which is larger. Give dataset_coco.json or "
                "dataset_flickr30k.json."
            )
        value = parse_json(listing.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(f"Could not read the listing {str(listing)!r} ({error.strerror}). Check the path.") from error
    except ValueError as error:
        raise DataError(f"Expected JSON in UTF-8, got {listing.name!r} ({error}). Get the file again.") from error
    entries = value.get("images") if isinstance(value, dict) else None
    if not isinstance(entries, list) or not entries:
        raise DataError(
            f"Expected {{'images': [...]}} as in Karpathy's splits, got another form in {listing.name!r}. Give "
            "dataset_coco.json or dataset_flickr30k.json."
        )
    return entries


def _record(entry: Any, number: int, folder: Path, name: str) -> CaptionedImage:
    try:
        captions = tuple(" ".join(sentence["raw"].split()) for sentence in entry["sentences"])
        split, file = entry["split"], folder / entry.get("filepath", "") / entry["filename"]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"Expected 'filename', 'split' and 'sentences' with 'raw' texts, got image {number} of {name!r} without "
            f"({type(error).__name__}: {error}). Correct the listing."
        ) from error
    captions = tuple(caption for caption in captions if caption)
    if not captions or not isinstance(split, str):
        raise DataError(
            f"Expected a split and a caption, got {split!r} and {captions!r} for image {number} of {name!r}. Correct "
            "the listing."
        )
    return CaptionedImage(file, captions, split)
