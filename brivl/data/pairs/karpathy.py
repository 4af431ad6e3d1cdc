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
    """An image file, which may be missing, its captions in the order of the listing, and its split."""

    path: Path
    captions: tuple[str, ...]
    split: str  # "train", "restval", "val" or "test"


def read_karpathy(listing: Path, images: Path | None = None, split: str | None = None) -> list[CaptionedImage]:
    """All images of a listing, or of one split, in its order. Image files are not opened.

    images: the folder that the listing's paths count from (default: the listing's own).
    Raises DataError where the listing is missing, is of another form (naming the image), or has none of the split.
    """
    folder = listing.parent if images is None else images
    entries = _entries(listing)
    records = [_record(entry, number, folder, listing.name) for number, entry in enumerate(entries)]
    chosen = [record for record in records if split in (None, record.split)]
    if not chosen:
        known = dict(Counter(record.split for record in records))
        raise DataError(f"Wanted images of the split {split!r}, and {listing.name!r} holds {known}; name one of them.")
    return chosen


def _entries(listing: Path) -> list[Any]:
    try:
        if listing.stat().st_size > MAX_BYTES:
            raise DataError(f"Wanted a listing of at most 1 GB, and {str(listing)!r} is larger.")
        value = parse_json(listing.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(
            f"Wanted the listing {str(listing)!r} and could not read it ({error.strerror}); check the path."
        ) from error
    except ValueError as error:
        raise DataError(f"{listing.name!r} should be JSON in UTF-8 and is not ({error}); fetch it again.") from error
    entries = value.get("images") if isinstance(value, dict) else None
    if not isinstance(entries, list) or not entries:
        raise DataError(
            f"{listing.name!r} should hold {{'images': [...]}} as Karpathy's splits do, and does not; "
            "give dataset_coco.json or dataset_flickr30k.json."
        )
    return entries


def _record(entry: Any, number: int, folder: Path, name: str) -> CaptionedImage:
    try:
        captions = tuple(" ".join(sentence["raw"].split()) for sentence in entry["sentences"])
        split, file = entry["split"], folder / entry.get("filepath", "") / entry["filename"]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"Image {number} of {name!r} should have 'filename', 'split' and 'sentences' with 'raw' texts, and does "
            f"not ({type(error).__name__}: {error}); mend the listing."
        ) from error
    said = tuple(caption for caption in captions if caption)
    if not said or not isinstance(split, str):
        raise DataError(f"Image {number} of {name!r} should have a split and a caption and has {split!r}, {said!r}.")
    return CaptionedImage(file, said, split)
