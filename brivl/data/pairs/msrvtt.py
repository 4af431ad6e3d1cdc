"""MSR-VTT as the 1k-A split hands it around: a list of video and sentence, and frames of each video as image files.

Known lists: MSRVTT_JSFUSION_test.csv (columns video_id and sentence among others), a JSON list of {"video_id",
"sentence" or "caption"}, MSRVTT_data.json ({"sentences": [{"video_id", "caption"}, ...]}). Frames lie in
frames/<video_id>/ or <video_id>/, in the order of their names. Videos themselves are not decoded here: extract frames
first, for instance with `ffmpeg -i video7010.mp4 -vf fps=3 frames/video7010/%05d.jpg`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brivl.data.formats.image_folder import is_image_name
from brivl.data.formats.json import parse_json
from brivl.errors import DataError

N_NAMED = 5


@dataclass(frozen=True)
class VideoFrames:
    """A video by its frames, and what is said of it."""

    name: str
    frames: tuple[Path, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class VideoList:
    """Videos in the order of the list; those without frames are counted, and the first named."""

    videos: tuple[VideoFrames, ...]
    n_missing: int
    missing: tuple[str, ...]


def find_video_list(folder: Path) -> Path | None:
    """The list of an MSR-VTT folder, None where there is none: a csv or json of that form beside frames."""
    if not folder.is_dir():
        return None
    return next((path for path in sorted(folder.iterdir()) if _is_list(path)), None)


def read_videos(listing: Path) -> VideoList:
    """All videos of a list. Raises DataError where it is malformed, or no video of it has frames."""
    sentences: dict[str, list[str]] = {}
    for video, sentence in _rows(listing):
        sentences.setdefault(video, []).append(" ".join(sentence.split()))
    found, missing = [], []
    for name, said in sentences.items():
        frames = _frames(listing.parent, name)
        if frames:
            found.append(VideoFrames(name, frames, tuple(said)))
        else:
            missing.append(name)
    if not found:
        raise DataError(
            f"{listing.name!r} lists {len(missing):,} videos, and none has frames in {str(listing.parent / 'frames')!r}"
            f" (a folder of images for each, such as {(missing or ['video7010'])[0]!r}); extract them first."
        )
    return VideoList(tuple(found), len(missing), tuple(missing[:N_NAMED]))


def _is_list(path: Path) -> bool:
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig") as file:
                head = next(csv.reader(file), [])
            return {"video_id", "sentence"} <= set(head)
        named = path.suffix == ".json" and "msr" in path.name.lower()  # other JSON may be large
        return named and next(_json_rows(path), None) is not None
    except (OSError, ValueError, csv.Error, DataError):
        return False


def _rows(listing: Path) -> Iterator[tuple[str, str]]:
    try:
        if listing.suffix == ".csv":
            with listing.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    yield _checked(row.get("video_id"), row.get("sentence"), listing)
        else:
            yield from _json_rows(listing)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"Wanted the list {listing.name!r} and could not read it ({error}); fetch it again.") from error


def _json_rows(listing: Path) -> Iterator[tuple[str, str]]:
    value = parse_json(listing.read_text("utf-8-sig"))
    entries: Iterable[Any] = value.get("sentences", ()) if isinstance(value, dict) else value
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            raise DataError(f"{listing.name!r} should list objects with 'video_id' and a sentence; it has {entry!r}.")
        yield _checked(entry.get("video_id"), entry.get("sentence", entry.get("caption")), listing)


def _checked(video: Any, sentence: Any, listing: Path) -> tuple[str, str]:
    """Raises DataError unless both are text, and the name stays within its folder."""
    plain = isinstance(video, str) and video and Path(video).name == video and video not in (".", "..")
    if not plain or not isinstance(sentence, str) or not sentence.strip():
        raise DataError(
            f"{listing.name!r} should give each row a video_id (a name) and a sentence, and has {video!r}, "
            f"{sentence!r:.60}; mend that row."
        )
    return video, sentence


def _frames(folder: Path, video: str) -> tuple[Path, ...]:
    for place in (folder / "frames" / video, folder / video):
        if place.is_dir():
            return tuple(sorted(path for path in place.iterdir() if is_image_name(path.name)))
    return ()
