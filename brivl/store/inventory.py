"""What lies in the cache folder, looked at without opening a file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from brivl.store.keys import RESERVED_FOLDERS
from brivl.store.places import FILE_NAME, ArtifactPath


@dataclass(frozen=True)
class Entry:
    """A whole result: bytes of data and manifest, and when it was last used (s since the epoch, to a minute)."""

    place: ArtifactPath
    size: int
    last_use: float


@dataclass(frozen=True)
class Folder:
    """A folder beside the results: logs, locks, what was set aside, databases of other programs."""

    name: str
    n_files: int
    size: int


@dataclass(frozen=True)
class Inventory:
    """Results; files of results that are not whole (being written, or left by a killed writer); other folders."""

    entries: tuple[Entry, ...]
    unfinished: Mapping[Path, int]  # -> bytes
    folders: tuple[Folder, ...]

    @property
    def size(self) -> int:
        """Bytes of results, whole or not."""
        return sum(entry.size for entry in self.entries) + sum(self.unfinished.values())

    def without(self, paths: Collection[Path]) -> Inventory:
        """The same without some of the unfinished files."""
        return replace(self, unfinished={path: n for path, n in self.unfinished.items() if path not in paths})


def scan_cache(root: Path) -> Inventory:
    """Everything under a cache folder; an absent one is empty. Raises OSError where it cannot be listed."""
    entries: list[Entry] = []
    unfinished: dict[Path, int] = {}
    folders: list[Folder] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
        files = {} if folder.name in RESERVED_FOLDERS else _result_files(folder)
        if files:
            _sort_out(Path(root), folder, files, entries, unfinished)
        elif folder.name in RESERVED_FOLDERS or any(folder.iterdir()):
            folders.append(_sized(folder))
    return Inventory(tuple(entries), unfinished, tuple(folders))


def _sort_out(
    root: Path, folder: Path, files: dict[str, os.stat_result], entries: list[Entry], unfinished: dict[Path, int]
) -> None:
    """Pair data with manifests; what has no partner is not whole."""
    for name, status in files.items():
        digest, ending = name.split(".", 1)
        partner = {"npz": "json", "json": "npz"}.get(ending)
        if partner is None or f"{digest}.{partner}" not in files:
            unfinished[folder / name] = status.st_size
        elif ending == "json":
            size = status.st_size + files[f"{digest}.npz"].st_size
            entries.append(Entry(ArtifactPath(root, folder.name, digest), size, status.st_mtime))


def _result_files(folder: Path) -> dict[str, os.stat_result]:
    """Files of results in a folder of one kind; none where it is a folder of something else."""
    found = {}
    with os.scandir(folder) as listed:
        for file in listed:
            if FILE_NAME.fullmatch(file.name):
                with suppress(FileNotFoundError):  # it has just gone
                    found[file.name] = file.stat()
    return found


def _sized(folder: Path) -> Folder:
    sizes = list(_sizes(folder))
    return Folder(folder.name, len(sizes), sum(sizes))


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                yield path.stat().st_size
