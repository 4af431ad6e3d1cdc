"""Real image-text pairs in the forms in which data sets of them are handed around, as one list.

Known: a folder of images with captions (jsonl, tsv), COCO, Flickr30k and COCO in Karpathy's splits, tables of path or
url and caption (Conceptual Captions, SBU, Visual Genome), webdataset shards.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from brivl.data.pairs.listings import find_listing, read_rows
from brivl.data.pairs.records import N_NAMED, ImageLocation, ImageText, ListingRow, PairList
from brivl.data.pairs.webdataset import expand_pattern, index_shards, is_shard_pattern
from brivl.errors import DataError


def open_pairs(source: str | Path) -> PairList:
    """The pairs of a listing file, a folder with one, or shards ("shard-{000..003}.tar", "*.tar").

    Raises DataError where nothing is found, a listing is malformed, or none of its images is on this machine.
    """
    if is_shard_pattern(str(source)):
        found = index_shards(expand_pattern(str(source)))
    else:
        listing = find_listing(Path(source).expanduser())
        found = index_shards(listing.shards) if listing.shards else resolve_rows(read_rows(listing), listing.roots)
    if not found.pairs:
        raise DataError(
            f"Wanted image-text pairs in {str(source)!r} and found none: {found.n_missing:,} rows name images that are "
            f"not on this machine (such as {list(found.missing)[:2]!r}) and {found.n_blank:,} have no caption. "
            "Download the images first, or correct the paths; they count from the listing's folder."
        )
    return found


def resolve_rows(rows: Iterable[ListingRow], roots: Iterable[Path]) -> PairList:
    """Rows of a listing whose image is a file under one of the roots; the others are counted and the first named."""
    roots, pairs, missing = tuple(roots), [], []
    n_missing = n_blank = 0
    place: tuple[str, Path | None] = ("", None)
    for row in rows:
        if row.name != place[0]:  # the captions of an image mostly follow each other
            place = (row.name, _local_file(row.name, roots))
        if place[1] is None:
            n_missing += 1
            missing += [row.name] if len(missing) < N_NAMED else []
        elif not row.caption:
            n_blank += 1
        else:
            pairs.append(ImageText(ImageLocation(place[1]), row.caption))
    return PairList(tuple(pairs), n_missing, tuple(missing), n_blank)


def _local_file(name: str, roots: Iterable[Path]) -> Path | None:
    if not name or "://" in name or "\0" in name:
        return None
    try:
        return next((root / name for root in roots if (root / name).is_file()), None)
    except OSError:  # a name that is too long, or a folder that may not be read
        return None
