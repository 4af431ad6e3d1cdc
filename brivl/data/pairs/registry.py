"""Image-text datasets in the formats in which they are distributed, read as one list of pairs.

Formats: a folder of images with captions (jsonl, tsv), COCO, Flickr30k and COCO in Karpathy's splits, tables of path or
URL and caption (Conceptual Captions, SBU, Visual Genome), webdataset shards.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from brivl.data.pairs.listings import find_listing, read_rows
from brivl.data.pairs.records import N_NAMED, ImageLocation, ImageText, ListingRow, PairList
from brivl.data.pairs.webdataset import expand_pattern, index_shards, is_shard_pattern
from brivl.errors import DataError


def open_pairs(source: str | Path) -> PairList:
    """List the pairs of a dataset; no image is opened.

    Parameters
    ----------
    source : str or Path
        A listing file, a folder with one, or shards ("shard-{000..003}.tar", "*.tar").

    Returns
    -------
    PairList
        Pairs whose images are on this machine.

    Raises
    ------
    DataError
        If there is no listing, it is malformed, or none of its images is on this machine.
    """
    if is_shard_pattern(str(source)):
        listed = index_shards(expand_pattern(str(source)))
    else:
        listing = find_listing(Path(source).expanduser())
        listed = index_shards(listing.shards) if listing.shards else resolve_rows(read_rows(listing), listing.roots)
    if not listed.pairs:
        raise DataError(
            f"Expected image-text pairs in {str(source)!r}, got none: {listed.n_missing:,} rows name images that are "
            f"not on this machine (such as {list(listed.missing)[:2]!r}) and {listed.n_blank:,} rows have no caption. "
            "Download the images first, or correct the paths, which are relative to the folder of the listing."
        )
    return listed


def resolve_rows(rows: Iterable[ListingRow], roots: Iterable[Path]) -> PairList:
    """Find the images of the rows of a listing.

    Parameters
    ----------
    rows : iterable of ListingRow
        Rows of a listing.
    roots : iterable of Path
        Folders in which an image may be, tried in order.

    Returns
    -------
    PairList
        Rows whose image is a file; the others are counted and the first of them named.
    """
    roots = tuple(roots)
    pairs: list[ImageText] = []
    missing: list[str] = []
    n_missing = n_blank = 0
    name, path = "", None
    for row in rows:
        if row.name != name:  # captions of one image mostly follow each other, so the last look-up is kept
            name, path = row.name, _local_file(row.name, roots)
        if path is None:
            n_missing += 1
            missing += [row.name] if len(missing) < N_NAMED else []
        elif not row.caption:
            n_blank += 1
        else:
            pairs.append(ImageText(ImageLocation(path), row.caption))
    return PairList(tuple(pairs), n_missing, tuple(missing), n_blank)


def _local_file(name: str, roots: Iterable[Path]) -> Path | None:
    if not name or "://" in name or "\0" in name:
        return None
    try:
        return next((root / name for root in roots if (root / name).is_file()), None)
    except OSError:  # the name is too long, or a folder is not readable
        return None
