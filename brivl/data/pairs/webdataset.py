"""webdataset shards: tar files whose members 000001.jpg and 000001.txt (or .json) make one pair.

Nothing is unpacked: one pass over the headers notes where each image is within its shard and reads the captions; an
image is later read from there. This takes about half a kilobyte of memory per pair.
"""

from __future__ import annotations

import glob
import itertools
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from brivl.data.formats.json import parse_json
from brivl.data.pairs.records import N_NAMED, ImageLocation, ImageText, PairList
from brivl.errors import DataError

IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "webp", "bmp", "gif")
MAX_TEXT_BYTES = 2**20  # a larger member is no caption
MAX_SHARDS = 1_000_000
_RANGE = re.compile(r"^(\d+)\.\.(\d+)$")
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class _Member:
    """A member of a shard.

    Attributes
    ----------
    key : str
        Path up to the first dot of the file's name, equal for the members of a pair.
    suffix : str
        What follows that dot, in lower case.
    location : ImageLocation
        Where its bytes are.
    text : bytes or None
        Content of a caption.
    """

    key: str
    suffix: str
    location: ImageLocation
    text: bytes | None


def is_shard_pattern(source: str) -> bool:
    """Tell whether a source names tar files, with or without braces and wildcards.

    Parameters
    ----------
    source : str
        Path or pattern.

    Returns
    -------
    bool
        True for an ending of a tar file, compressed or not.
    """
    return source.endswith(".tar") or bool(re.search(r"\.t(ar\.)?(gz|bz2|xz|zst)$", source))


def expand_pattern(pattern: str) -> list[Path]:
    """Expand a pattern of shards: "a-{000..002}.tar" becomes a-000.tar, a-001.tar, a-002.tar.

    Parameters
    ----------
    pattern : str
        Path with ranges {000..002}, alternatives {x,y}, and the wildcards * and ?.

    Returns
    -------
    list of Path
        Shards; only wildcards are checked against the file system.

    Raises
    ------
    DataError
        If the pattern is a URL, names compressed shards, or matches nothing.
    """
    if "://" in pattern:
        raise DataError(f"Expected shards on this machine, got {pattern!r}. Download them first.")
    if not pattern.endswith(".tar"):
        raise DataError(
            f"Expected uncompressed .tar shards, in which images can be read at their offsets, got {pattern!r}. "
            "Decompress them first."
        )
    names = list(itertools.islice(_expand_braces(str(Path(pattern).expanduser())), MAX_SHARDS))
    matches = [
        sorted(glob.glob(name)) if glob.has_magic(name) and not Path(name).exists() else [name] for name in names
    ]
    paths = [Path(name) for names in matches for name in names]
    if not paths:
        raise DataError(f"Expected shards {pattern!r}, got no file that matches. Check the path.")
    return paths


def _expand_braces(pattern: str) -> Iterator[str]:
    braces = _BRACES.search(pattern)
    if not braces:
        yield pattern
        return
    for choice in _choices(braces.group(1)):
        yield from _expand_braces(pattern[: braces.start()] + choice + pattern[braces.end() :])


def _choices(inside: str) -> Iterable[str]:
    numbers = _RANGE.match(inside)
    if not numbers:
        return inside.split(",")
    first, last = (int(number) for number in numbers.groups())
    width = max(map(len, numbers.groups())) if inside.startswith("0") else 0
    return (f"{n:0{width}d}" for n in range(first, last + 1))


def index_shards(shards: Iterable[Path]) -> PairList:
    """List the pairs of shards, in order.

    Parameters
    ----------
    shards : iterable of Path
        Tar files.

    Returns
    -------
    PairList
        Pairs; groups without an image or a caption are counted.

    Raises
    ------
    DataError
        If a shard is missing, is no tar file, or is cut short.
    """
    pairs: list[ImageText] = []
    missing: list[str] = []
    n_missing = n_blank = 0
    for shard in shards:
        for key, group in itertools.groupby(_members(shard), key=lambda member: member.key):
            image, caption = _pair_of(list(group))
            if image is None:
                n_missing += 1
                missing += [f"{shard}::{key}"] if len(missing) < N_NAMED else []
            elif not caption:
                n_blank += 1
            else:
                pairs.append(ImageText(image, caption))
    return PairList(tuple(pairs), n_missing, tuple(missing), n_blank)


def _members(shard: Path) -> Iterator[_Member]:
    try:
        with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                if info.isfile() and not PurePosixPath(info.name).name.startswith("."):
                    yield _member(shard, tar, info)
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile does not report a missing end
                raise tarfile.ReadError("it lacks the zeros that end a tar file")
    except OSError as error:
        raise DataError(f"Could not read the shard {str(shard)!r} ({error.strerror}). Check the path.") from error
    except tarfile.TarError as error:
        raise DataError(
            f"Expected a tar file, got {str(shard)!r}, which is none or is cut short ({error}). Get the file again."
        ) from error


def _member(shard: Path, tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    path = PurePosixPath(info.name)
    stem, _, suffix = path.name.partition(".")
    suffix, text = suffix.lower(), None
    if suffix in ("txt", "json", "caption") and info.size <= MAX_TEXT_BYTES:
        file = tar.extractfile(info)
        text = file.read() if file else None
    location = ImageLocation(shard, info.offset_data, info.size, info.name)
    return _Member(str(path.with_name(stem)), suffix, location, text)


def _pair_of(group: list[_Member]) -> tuple[ImageLocation | None, str]:
    image = next((member.location for member in group if member.suffix in IMAGE_SUFFIXES), None)
    texts = {member.suffix: member.text for member in group if member.text is not None}
    plain = texts.get("txt") or texts.get("caption")
    return image, _plain(plain) if plain else _from_json(texts.get("json") or b"")


def _plain(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())


def _from_json(text: bytes) -> str:
    """Return the caption of a member in the form of img2dataset, {"caption": ...}; "" where there is none."""
    try:
        values = parse_json(text.decode("utf-8-sig"))
    except ValueError:
        return ""
    caption = next((values[k] for k in ("caption", "text") if values.get(k)), "") if isinstance(values, dict) else ""
    return " ".join(caption.split()) if isinstance(caption, str) else ""
