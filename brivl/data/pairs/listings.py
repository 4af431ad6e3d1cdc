"""Listings of image-text pairs: the file of a folder that lists them, and the rows of each format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brivl.data.formats.json import parse_json
from brivl.data.pairs.karpathy import read_karpathy
from brivl.data.pairs.records import ListingRow
from brivl.data.pairs.webdataset import IMAGE_SUFFIXES
from brivl.errors import DataError

PLAIN_NAMES = ("captions.jsonl", "captions.tsv", "metadata.jsonl")
FILE_KEYS = ("file", "image", "path", "filename", "file_name", "filepath", "url")
CAPTION_KEYS = ("caption", "captions", "text", "sentences")
IMAGE_FOLDERS = (".", "images", "flickr30k-images", "flickr30k_images")
PRETRAIN_SPLITS = ("train", "restval")  # Karpathy's splits that serve neither model selection nor testing


@dataclass(frozen=True)
class Listing:
    """Where the pairs of a dataset are listed.

    Attributes
    ----------
    files : tuple of Path
        Listing files.
    roots : tuple of Path
        Folders to which the paths of the images may be relative.
    shards : tuple of Path
        webdataset shards, which hold the pairs themselves; then there are no listing files.
    """

    files: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    shards: tuple[Path, ...] = ()


def find_listing(path: Path) -> Listing:
    """Find the listing at a path: a file by its ending, a folder by what it holds.

    Parameters
    ----------
    path : Path
        Listing file or folder.

    Returns
    -------
    Listing
        Files, or shards.

    Raises
    ------
    DataError
        If the path does not exist or holds no listing.
    """
    if path.is_file():
        return _with_roots([path], path.parent)
    if not path.is_dir():
        raise DataError(f"Expected image-text pairs at {str(path)!r}, got a path that does not exist. Check the path.")
    if plain := [path / name for name in PLAIN_NAMES if (path / name).is_file()]:
        return _with_roots(plain[:1], path)
    coco = sorted([*path.glob("captions_*.json"), *path.glob("annotations/captions_*.json")])
    if coco:  # of several splits only the training ones
        return _with_roots([file for file in coco if "train" in file.name] or coco, path)
    if karpathy := sorted([*path.glob("dataset*.json"), *path.glob("*karpathy*.json")]):
        return _with_roots(karpathy[:1], path)
    if shards := sorted(path.glob("*.tar")):
        return Listing(shards=tuple(shards))
    if tables := sorted(path.glob("*.tsv")):
        return _with_roots(tables, path)
    names = sorted(file.name for file in path.iterdir())[:8]
    raise DataError(
        f"Expected image-text pairs in {str(path)!r}: captions.jsonl or captions.tsv beside images, COCO's "
        f"captions_*.json, a dataset_*.json of Karpathy, *.tar shards or *.tsv tables; got {names!r}. Add a listing or "
        "name another folder."
    )


def _with_roots(files: list[Path], folder: Path) -> Listing:
    splits = [file.stem.removeprefix("captions_") for file in files if file.name.startswith("captions_")]
    tops = [folder, folder.parent] if folder.name == "annotations" else [folder]
    below = [*IMAGE_FOLDERS, *splits, *(f"images/{split}" for split in splits)]
    return Listing(tuple(files), tuple(top / name for top in tops for name in below))


def read_rows(listing: Listing) -> Iterator[ListingRow]:
    """Yield all rows of the listing files, in order.

    Parameters
    ----------
    listing : Listing
        Listing files.

    Yields
    ------
    ListingRow
        Image and caption.

    Raises
    ------
    DataError
        If a file cannot be read or is malformed; file and line are named.
    """
    for file in listing.files:
        if file.suffix == ".jsonl":
            yield from _jsonl(file)
        elif file.suffix == ".json":
            yield from _json(file)
        elif file.suffix in (".tsv", ".txt"):
            yield from _tsv(file)
        else:
            raise DataError(
                f"Expected a listing that ends in .jsonl, .tsv, .json or .tar, got {file.name!r}. Convert it or name "
                "another file."
            )


def _jsonl(file: Path) -> Iterator[ListingRow]:
    for number, line in _lines(file):
        try:
            row = parse_json(line)
        except ValueError as error:
            raise DataError(
                f"Expected JSON in line {number} of {str(file)!r}, got another text ({error}). Correct or remove the "
                "line."
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"Expected an object in line {number} of {str(file)!r}, got {type(row).__name__!r}. Correct the line."
            )
        name = next((row[key] for key in FILE_KEYS if isinstance(row.get(key), str)), None)
        if name is None:
            raise DataError(
                f"Expected an image in line {number} of {str(file)!r}, got none of the keys {FILE_KEYS}. Add one."
            )
        yield from _captioned(name, next((row[key] for key in CAPTION_KEYS if row.get(key)), ""))


def _tsv(file: Path) -> Iterator[ListingRow]:
    """Yield rows of path or URL TAB caption, or of the reverse order, which Conceptual Captions 3M has."""
    for number, line in _lines(file):
        cells = line.split("\t")
        if len(cells) < 2:
            raise DataError(
                f"Expected path or URL, a tab, and the caption in line {number} of {str(file)!r}, got {line!r}. "
                "Correct the line."
            )
        if number == 1 and {cell.strip().lower() for cell in cells[:2]} <= {*FILE_KEYS, *CAPTION_KEYS}:
            continue
        image_first = _is_path_or_url(cells[0]) or not _is_path_or_url(cells[1])
        name, caption = cells[:2] if image_first else cells[1::-1]
        yield ListingRow(name.strip(), " ".join(caption.split()))


def _is_path_or_url(cell: str) -> bool:
    return "://" in cell or cell.strip().rpartition(".")[2].lower() in IMAGE_SUFFIXES


def _json(file: Path) -> Iterator[ListingRow]:
    """Yield COCO's captions, or the training images of Karpathy's splits."""
    values = _object(file)
    if "annotations" in values:
        yield from _coco(file.name, values)
        return
    for image in read_karpathy(file, Path()):
        if image.split in PRETRAIN_SPLITS:
            yield from _captioned(str(image.path), list(image.captions))


def _coco(name: str, values: dict[str, Any]) -> Iterator[ListingRow]:
    try:
        names = {image["id"]: _file_name(image["file_name"]) for image in values["images"]}
        for row in values["annotations"]:
            yield from _captioned(names[row["image_id"]], row["caption"])
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "Expected captions as COCO has them ('images' with 'id' and 'file_name', 'annotations' with 'image_id' and "
            f"'caption'), got another form in {name!r} ({type(error).__name__}: {error}). Correct the file."
        ) from error


def _file_name(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the file_name {value!r:.60} is no text")
    return value


def _captioned(name: str, captions: object) -> Iterator[ListingRow]:
    """Yield one row per caption, given as a text or a list of texts; at least one row, which may be blank."""
    for text in captions if isinstance(captions, list) and captions else [captions]:
        yield ListingRow(name, " ".join(text.split()) if isinstance(text, str) else "")


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers counted from 1."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise DataError(f"Could not read {str(file)!r} ({error.strerror}). Check its permissions.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"Expected text in UTF-8, got {str(file)!r} in another encoding ({error}). Convert it."
        ) from error


def _object(file: Path) -> dict[str, Any]:
    try:
        values = parse_json(file.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(f"Could not read {str(file)!r} ({error.strerror}). Check its permissions.") from error
    except ValueError as error:
        raise DataError(f"Expected JSON in UTF-8, got {str(file)!r} ({error}). Correct the file.") from error
    if not isinstance(values, dict):
        raise DataError(f"Expected one JSON object in {str(file)!r}, got {type(values).__name__!r}. Correct the file.")
    return values
