"""Listing of the cache folder by names, sizes and times; no file is opened."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from brivl.store.keys import FILE_NAME, RESERVED_FOLDERS, ArtifactPath


@dataclass(frozen=True)
class Entry:
    """A complete result.

    Attributes
    ----------
    path : ArtifactPath
        Its files.
    size : int
        Bytes of data and manifest.
    last_use : float
        Seconds since the epoch, to a minute.
    """

    path: ArtifactPath
    size: int
    last_use: float


@dataclass(frozen=True)
class Folder:
    """A folder beside the results: logs, locks, quarantine, databases of other programs.

    Attributes
    ----------
    name : str
        Name in the cache folder.
    n_files : int
        Number of files at any depth.
    size : int
        Their bytes.
    """

    name: str
    n_files: int
    size: int


@dataclass(frozen=True)
class Inventory:
    """Everything in the cache folder.

    Attributes
    ----------
    entries : tuple[Entry, ...]
        Complete results.
    incomplete : Mapping[Path, int]
        Files of results that are being written, or were left by a killed writer -> bytes.
    folders : tuple[Folder, ...]
        Folders without results.
    """

    entries: tuple[Entry, ...]
    incomplete: Mapping[Path, int]
    folders: tuple[Folder, ...]

    @property
    def size(self) -> int:  # numpydoc ignore=RT01
        """Bytes of results, complete or not."""
        return sum(entry.size for entry in self.entries) + sum(self.incomplete.values())

    def without(self, paths: Collection[Path]) -> Inventory:
        """Leave out some of the incomplete files.

        Parameters
        ----------
        paths : Collection[Path]
            Files to leave out.

        Returns
        -------
        Inventory
            All others.
        """
        return replace(self, incomplete={path: n for path, n in self.incomplete.items() if path not in paths})


def scan_cache(root: Path) -> Inventory:
    """List everything in a cache folder.

    Parameters
    ----------
    root : Path
        The folder. One that does not exist is empty.

    Returns
    -------
    Inventory
        Results, incomplete files and other folders.

    Raises
    ------
    OSError
        Where it cannot be listed.
    """
    entries: list[Entry] = []
    incomplete: dict[Path, int] = {}
    folders: list[Folder] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
        files = {} if folder.name in RESERVED_FOLDERS else _result_files(folder)
        if files:
            _pair_files(Path(root), folder, files, entries, incomplete)
        elif folder.name in RESERVED_FOLDERS or any(folder.iterdir()):
            folders.append(_measure(folder))
    return Inventory(tuple(entries), incomplete, tuple(folders))


def _pair_files(
    root: Path, folder: Path, files: dict[str, os.stat_result], entries: list[Entry], incomplete: dict[Path, int]
) -> None:
    """Pair data files with manifests; a file without its partner is incomplete."""
    for name, status in files.items():
        digest, suffix = name.split(".", 1)
        partner = {"npz": "json", "json": "npz"}.get(suffix)
        if partner is None or f"{digest}.{partner}" not in files:
            incomplete[folder / name] = status.st_size
        elif suffix == "json":
            size = status.st_size + files[f"{digest}.npz"].st_size
            entries.append(Entry(ArtifactPath(root, folder.name, digest), size, status.st_mtime))


def _result_files(folder: Path) -> dict[str, os.stat_result]:
    """Files of results in a folder of one kind; none in a folder of anything else."""
    states = {}
    with os.scandir(folder) as files:
        for file in files:
            if FILE_NAME.fullmatch(file.name):
                with suppress(FileNotFoundError):  # deleted since it was listed
                    states[file.name] = file.stat()
    return states


def _measure(folder: Path) -> Folder:
    sizes = list(_sizes(folder))
    return Folder(folder.name, len(sizes), sum(sizes))


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                yield path.stat().st_size
