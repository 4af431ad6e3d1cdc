"""Image files that events name: below stimuli/ as BIDS says, else below the folder; never outside of it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MAX_FILES = 500_000  # below stimuli/; more are not listed


@dataclass(frozen=True)
class StimulusFiles:
    """Image files of a BIDS folder by the names that events give them.

    Names may be written with backslashes or other Unicode forms of letters, as other systems write them, and without
    the ending of the file. Links are followed, since datalad keeps contents elsewhere; names that lead out of
    the folder find nothing.

    Attributes
    ----------
    folder : Path
        Top of the BIDS folder, absolute.
    """

    folder: Path

    def find(self, name: str) -> Path | None:
        """Find the file of a name.

        Parameters
        ----------
        name : str
            Path below stimuli/ or below the folder, as written in the events.

        Returns
        -------
        Path or None
            An image file, or a link to one that is not fetched; None where there is none.
        """
        key = _key(name)
        if not key or key.startswith("/") or ".." in key.split("/"):
            return None
        path = self._below_stimuli.get(key.removeprefix("stimuli/"))
        if path is not None:
            return path
        path = self.folder / key
        try:
            there = path.suffix.lower() in IMAGE_ENDINGS and os.path.lexists(path)
        except (OSError, ValueError):  # a name that no file system takes
            there = False
        return path if there else None

    @cached_property
    def _below_stimuli(self) -> dict[str, Path]:
        """Files by their path below stimuli/ with and without ending, and by their name where no other has it."""
        top = self.folder / "stimuli"
        files = list(_images_below(top))
        keys: dict[str, list[Path]] = {}
        for path in files:
            relative = _key(path.relative_to(top).as_posix())
            for key in {relative, os.path.splitext(relative)[0], os.path.basename(relative)}:
                keys.setdefault(key, []).append(path)
        exact = {_key(path.relative_to(top).as_posix()): path for path in files}
        return {key: paths[0] for key, paths in keys.items() if len(paths) == 1} | exact


def _key(name: str) -> str:
    """A name as it is looked up: slashes, composed letters, nothing that stands for the same folder."""
    text = unicodedata.normalize("NFC", name.strip().replace("\\", "/"))
    return os.path.normpath(text).replace("\\", "/") if text and "\0" not in text else ""


def _images_below(top: Path) -> Iterator[Path]:
    n = 0
    for place, folders, files in os.walk(top):
        folders.sort()
        for name in sorted(files):
            n += 1
            if n > MAX_FILES:
                return
            if os.path.splitext(name)[1].lower() in IMAGE_ENDINGS:
                yield Path(place, name)
