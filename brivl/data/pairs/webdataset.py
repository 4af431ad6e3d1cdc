"""webdataset shards: tar files whose members 000001.jpg and 000001.txt (or .json) make one pair.

Nothing is unpacked: one pass over the headers notes where each image lies within its shard, captions are read on the
way, and an image is later read from there. About half a kilobyte of memory a pair.
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
MAX_TEXT = 2**20  # bytes of a caption's member; anything larger is none
MOST_SHARDS = 1_000_000
_RANGE = re.compile(r"^(\d+)\.\.(\d+)$")
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class _Member:
    key: str  # path up to the first dot of the file's name: what belongs together
    suffix: str
    place: ImageLocation
    text: bytes | None  # of captions


def is_shard_pattern(source: str) -> bool:
    """Whether this names tar files, by their ending or by braces or wildcards before it."""
    return source.endswith(".tar") or bool(re.search(r"\.t(ar\.)?(gz|bz2|xz|zst)$", source))


def expand_pattern(pattern: str) -> list[Path]:
    """ "a-{000..002}.tar" -> a-000.tar, a-001.tar, a-002.tar; also {x,y}, several braces, * and ?.

    Raises DataError for urls, for compressed shards, and where nothing matches.
    """
    if "://" in pattern:
        raise DataError(f"Wanted shards on this machine and got {pattern!r}; download them first.")
    if not pattern.endswith(".tar"):
        raise DataError(f"Wanted plain .tar shards and got {pattern!r}; a compressed one has no places to jump to.")
    names = list(itertools.islice(_unbraced(str(Path(pattern).expanduser())), MOST_SHARDS))
    wild = [sorted(glob.glob(name)) if glob.has_magic(name) and not Path(name).exists() else [name] for name in names]
    found = [Path(name) for names in wild for name in names]
    if not found:
        raise DataError(f"Wanted shards {pattern!r} and nothing matches; check the path.")
    return found


def _unbraced(pattern: str) -> Iterator[str]:
    braces = _BRACES.search(pattern)
    if not braces:
        yield pattern
        return
    for choice in _choices(braces.group(1)):
        yield from _unbraced(pattern[: braces.start()] + choice + pattern[braces.end() :])


def _choices(inside: str) -> Iterable[str]:
    numbers = _RANGE.match(inside)
    if not numbers:
        return inside.split(",")
    first, last = (int(number) for number in numbers.groups())
    width = max(map(len, numbers.groups())) if inside.startswith("0") else 0
    return (f"{n:0{width}d}" for n in range(first, last + 1))


def index_shards(shards: Iterable[Path]) -> PairList:
    """The pairs of these shards, in order. Groups without an image or a caption are counted.

    Raises DataError for a shard that is missing, no tar file, or cut short.
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
        with tarfile.open(shard, "r:") as tar:
            for info in tar:
                if info.isfile() and not PurePosixPath(info.name).name.startswith("."):
                    yield _member(shard, tar, info)
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # of this tarfile itself says nothing
                raise tarfile.ReadError("it lacks the zeros that end a tar file")
    except OSError as error:
        raise DataError(f"Wanted the shard {str(shard)!r} and could not read it ({error.strerror}).") from error
    except tarfile.TarError as error:
        raise DataError(f"The shard {str(shard)!r} is no tar file or cut short ({error}); fetch it again.") from error


def _member(shard: Path, tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    path = PurePosixPath(info.name)
    stem, _, suffix = path.name.partition(".")
    suffix, text = suffix.lower(), None
    if suffix in ("txt", "json", "caption") and info.size <= MAX_TEXT:
        file = tar.extractfile(info)
        text = file.read() if file else None
    place = ImageLocation(shard, info.offset_data, info.size, info.name)
    return _Member(str(path.with_name(stem)), suffix, place, text)


def _pair_of(group: list[_Member]) -> tuple[ImageLocation | None, str]:
    image = next((member.place for member in group if member.suffix in IMAGE_SUFFIXES), None)
    texts = {member.suffix: member.text for member in group if member.text is not None}
    plain = texts.get("txt") or texts.get("caption")
    return image, _plain(plain) if plain else _from_json(texts.get("json") or b"")


def _plain(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())


def _from_json(text: bytes) -> str:
    """The caption of a member in the form of img2dataset: {"caption": ...}; "" where there is none."""
    try:
        values = parse_json(text.decode("utf-8-sig"))
    except ValueError:
        return ""
    caption = next((values[k] for k in ("caption", "text") if values.get(k)), "") if isinstance(values, dict) else ""
    return " ".join(caption.split()) if isinstance(caption, str) else ""
