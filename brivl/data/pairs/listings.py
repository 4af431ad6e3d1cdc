"""Listings of image-text pairs: which file of a folder lists them, and the rows of each form."""

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
PRETRAIN_SPLITS = ("train", "restval")  # of Karpathy: what is neither chosen nor tested on


@dataclass(frozen=True)
class Listing:
    """The files that list the pairs, or the shards that hold them, and the folders that paths count from."""

    files: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    shards: tuple[Path, ...] = ()


def find_listing(path: Path) -> Listing:
    """The listing at a path: a file by its ending, a folder by what it holds. Raises DataError where there is none."""
    if path.is_file():
        return _with_roots([path], path.parent)
    if not path.is_dir():
        raise DataError(f"Wanted image-text pairs at {str(path)!r}, but it does not exist; check the path.")
    if plain := [path / name for name in PLAIN_NAMES if (path / name).is_file()]:
        return _with_roots(plain[:1], path)
    coco = sorted([*path.glob("captions_*.json"), *path.glob("annotations/captions_*.json")])
    if coco:  # of several parts, those to train on
        return _with_roots([file for file in coco if "train" in file.name] or coco, path)
    if karpathy := sorted([*path.glob("dataset*.json"), *path.glob("*karpathy*.json")]):
        return _with_roots(karpathy[:1], path)
    if shards := sorted(path.glob("*.tar")):
        return Listing(shards=tuple(shards))
    if tables := sorted(path.glob("*.tsv")):
        return _with_roots(tables, path)
    found = sorted(file.name for file in path.iterdir())[:8]
    raise DataError(
        f"Wanted image-text pairs in {str(path)!r}: captions.jsonl or captions.tsv beside images, COCO's "
        f"captions_*.json, a dataset_*.json of Karpathy, *.tar shards or *.tsv tables; it holds {found!r}."
    )


def _with_roots(files: list[Path], folder: Path) -> Listing:
    parts = [file.stem.removeprefix("captions_") for file in files if file.name.startswith("captions_")]
    tops = [folder, folder.parent] if folder.name == "annotations" else [folder]
    below = [*IMAGE_FOLDERS, *parts, *(f"images/{part}" for part in parts)]
    return Listing(tuple(files), tuple(top / name for top in tops for name in below))


def read_rows(listing: Listing) -> Iterator[ListingRow]:
    """All rows, in order. Raises DataError naming the file and line that is malformed."""
    for file in listing.files:
        if file.suffix == ".jsonl":
            yield from _jsonl(file)
        elif file.suffix == ".json":
            yield from _json(file)
        elif file.suffix in (".tsv", ".txt"):
            yield from _tsv(file)
        else:
            raise DataError(f"Wanted a listing that ends in .jsonl, .tsv, .json or .tar and got {file.name!r}.")


def _jsonl(file: Path) -> Iterator[ListingRow]:
    for number, line in _lines(file):
        try:
            row = parse_json(line)
        except ValueError as error:
            raise DataError(f"Line {number} of {str(file)!r} is no JSON ({error}); mend or remove it.") from error
        if not isinstance(row, dict):
            raise DataError(f"Line {number} of {str(file)!r} should be an object and is {type(row).__name__!r}.")
        name = next((row[key] for key in FILE_KEYS if isinstance(row.get(key), str)), None)
        if name is None:
            raise DataError(f"Line {number} of {str(file)!r} names no image: wanted one of {FILE_KEYS}.")
        yield from _captioned(name, next((row[key] for key in CAPTION_KEYS if row.get(key)), ""))


def _tsv(file: Path) -> Iterator[ListingRow]:
    """Path or url TAB caption; the other way round, as Conceptual Captions 3M has it, where the second is the place."""
    for number, line in _lines(file):
        cells = line.split("\t")
        if len(cells) < 2:
            raise DataError(f"Line {number} of {str(file)!r} should be: path or url, a tab, the caption; got {line!r}.")
        if number == 1 and {cell.strip().lower() for cell in cells[:2]} <= {*FILE_KEYS, *CAPTION_KEYS}:
            continue
        name, caption = cells[:2] if _is_place(cells[0]) or not _is_place(cells[1]) else cells[1::-1]
        yield ListingRow(name.strip(), " ".join(caption.split()))


def _is_place(cell: str) -> bool:
    return "://" in cell or cell.strip().rpartition(".")[2].lower() in IMAGE_SUFFIXES


def _json(file: Path) -> Iterator[ListingRow]:
    """COCO's captions, or of Karpathy's splits those to train on."""
    values = _object(file)
    if "annotations" in values:
        yield from _coco(file.name, values)
        return
    for image in read_karpathy(file, Path()):
        if image.split in PRETRAIN_SPLITS:
            yield from _captioned(str(image.path), list(image.captions))


def _coco(name: str, values: dict[str, Any]) -> Iterator[ListingRow]:
    try:
        names = {image["id"]: _name(image["file_name"]) for image in values["images"]}
        for row in values["annotations"]:
            yield from _captioned(names[row["image_id"]], row["caption"])
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{name!r} should be captions as COCO has them ('images' with 'id' and 'file_name', 'annotations' with "
            f"'image_id' and 'caption') and is not ({type(error).__name__}: {error}); mend it."
        ) from error


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the file_name {value!r:.60} is no text")
    return value


def _captioned(name: str, captions: Any) -> Iterator[ListingRow]:
    """One row a caption, given as a text or a list of texts; at least one row, maybe blank."""
    for text in captions if isinstance(captions, list) and captions else [captions]:
        yield ListingRow(name, " ".join(text.split()) if isinstance(text, str) else "")


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1 on."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise DataError(f"Wanted to read {str(file)!r}, but it cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{str(file)!r} should be UTF-8 text and is not ({error}); convert it.") from error


def _object(file: Path) -> dict[str, Any]:
    try:
        values = parse_json(file.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(f"Wanted to read {str(file)!r}, but it cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{str(file)!r} should be JSON in UTF-8 but is not ({error}); mend it.") from error
    if not isinstance(values, dict):
        raise DataError(f"{str(file)!r} should hold one JSON object but holds {type(values).__name__!r}.")
    return values
