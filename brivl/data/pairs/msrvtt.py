"""MSR-VTT in the form of the 1k-A split: a list of videos and sentences, and frames of each video as image files.

Lists that are read: MSRVTT_JSFUSION_test.csv (columns video_id and sentence among others), a JSON list of {"video_id",
"sentence" or "caption"}, MSRVTT_data.json ({"sentences": [{"video_id", "caption"}, ...]}). Frames are in
frames/<video_id>/ or <video_id>/, in the order of their names. Videos are not decoded here: extract frames first, for
instance with `ffmpeg -i video7010.mp4 -vf fps=3 frames/video7010/%05d.jpg`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from brivl.data.formats.image_folder import is_image_name
from brivl.data.formats.json import parse_json
from brivl.data.pairs.records import N_NAMED
from brivl.errors import DataError


@dataclass(frozen=True)
class VideoFrames:
    """A video: its name, its frames as image files, and its captions."""

    name: str
    frames: tuple[Path, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class VideoList:
    """Videos in the order of the list.

    Attributes
    ----------
    videos : tuple of VideoFrames
        Videos with frames.
    n_missing : int
        Number of videos without frames.
    missing : tuple of str
        Names of the first few of them.
    """

    videos: tuple[VideoFrames, ...]
    n_missing: int
    missing: tuple[str, ...]


def find_video_list(folder: Path) -> Path | None:
    """Find the list of an MSR-VTT folder.

    Parameters
    ----------
    folder : Path
        Folder.

    Returns
    -------
    Path or None
        A CSV or JSON file of that form, None where there is none.
    """
    if not folder.is_dir():
        return None
    return next((path for path in sorted(folder.iterdir()) if _is_list(path)), None)


def read_videos(listing: Path) -> VideoList:
    """Read the videos of a list; no frame is opened.

    Parameters
    ----------
    listing : Path
        CSV or JSON file.

    Returns
    -------
    VideoList
        Videos with frames beside the list.

    Raises
    ------
    DataError
        If the list is malformed, or no video of it has frames.
    """
    sentences: dict[str, list[str]] = {}
    for video, sentence in _rows(listing):
        sentences.setdefault(video, []).append(" ".join(sentence.split()))
    videos: list[VideoFrames] = []
    missing: list[str] = []
    for name, captions in sentences.items():
        frames = _frames(listing.parent, name)
        if frames:
            videos.append(VideoFrames(name, frames, tuple(captions)))
        else:
            missing.append(name)
    if not videos:
        raise DataError(
            f"Expected frames of the {len(missing):,} videos of {listing.name!r}, got none in "
            f"{str(listing.parent / 'frames')!r} (a folder of images for each video, such as "
            f"{(missing or ['video7010'])[0]!r}). Extract the frames first."
        )
    return VideoList(tuple(videos), len(missing), tuple(missing[:N_NAMED]))


def _is_list(path: Path) -> bool:
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig") as file:
                head = next(csv.reader(file), [])
            return {"video_id", "sentence"} <= set(head)
        named = path.suffix == ".json" and "msr" in path.name.lower()  # other JSON files may be large
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
        raise DataError(f"Could not read the list {listing.name!r} ({error}). Get the file again.") from error


def _json_rows(listing: Path) -> Iterator[tuple[str, str]]:
    value = parse_json(listing.read_text("utf-8-sig"))
    entries: Iterable[object] = value.get("sentences", ()) if isinstance(value, dict) else value
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            raise DataError(
                f"Expected objects with 'video_id' and a sentence in {listing.name!r}, got {entry!r}. Correct the list."
            )
        yield _checked(entry.get("video_id"), entry.get("sentence", entry.get("caption")), listing)


def _checked(video: object, sentence: object, listing: Path) -> tuple[str, str]:
    """Check that both are text and that the name cannot lead out of the folder."""
    is_name = isinstance(video, str) and Path(video).name == video and video not in ("", ".", "..")
    if not isinstance(video, str) or not is_name or not isinstance(sentence, str) or not sentence.strip():
        raise DataError(
            f"Expected a video_id (a name) and a sentence in each row of {listing.name!r}, got {video!r} and "
            f"{sentence!r:.60}. Correct that row."
        )
    return video, sentence


def _frames(folder: Path, video: str) -> tuple[Path, ...]:
    for candidate in (folder / "frames" / video, folder / video):
        if candidate.is_dir():
            return tuple(sorted(path for path in candidate.iterdir() if is_image_name(path.name)))
    return ()
