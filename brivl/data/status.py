"""What there is of each dataset here: present, missing, not fetched or cut short, and how to get the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brivl.config import data_dirs, download_dir
from brivl.data.download import can_download, commands_to_copy
from brivl.data.folder_registry import split_name
from brivl.data.formats.file_state import FileState, file_state
from brivl.data.published import PUBLISHED, Published, expected_files, recognised
from brivl.data.registry import DatasetCard, list_datasets
from brivl.store.artifacts import Store

MAX_FILES_COUNTED = 100_000  # counted of a folder of the user's own


@dataclass(frozen=True)
class DataReport:
    """One dataset as it stands."""

    name: str
    title: str
    kind: str  # "published", "simulated" or "own"
    folder: str  # "" where there is none
    licence: str
    citation: str
    files: tuple[FileState, ...] = ()
    size: int = 0  # bytes that are here
    commands: tuple[str, ...] = ()  # to copy, for what is not here
    downloadable: bool = False  # datalad is installed and the source is one that it reads
    problem: str = ""

    @property
    def counts(self) -> Mapping[str, int]:
        """State -> number of files."""
        states = [file.state for file in self.files]
        return {state: states.count(state) for state in dict.fromkeys(states)}

    @property
    def to_fetch(self) -> tuple[str, ...]:
        """Files that are not here or not whole."""
        return tuple(file.name for file in self.files if file.state != "present")


def data_reports(store: Store) -> list[DataReport]:
    """Published datasets (found in BRIVL_DATA or not), the simulated ones, and the user's own."""
    cards = list_datasets(store)
    simulated = [card.name for card in cards if card.simulated]
    places = {name: _folder_of(name, simulated) for name in PUBLISHED}
    taken = [str(folder) for folder in places.values()]
    others = [card for card in cards if not any(_is_of(card.name, folder) for folder in taken)]
    return [
        *(_published(PUBLISHED[name], folder) for name, folder in places.items()),
        *(_card(card, "simulated") for card in others if card.simulated),
        *(_card(card, "own") for card in others if not card.simulated),
    ]


def default_folder(name: str) -> Path:
    """Where a published dataset would be put: below the first folder of BRIVL_DATA that is no dataset itself."""
    roots = [folder for folder in data_dirs() if _recognised(folder) is None]
    return (roots[0] if roots else download_dir()) / name


def _folder_of(name: str, simulated: Sequence[str]) -> Path:
    """The folder of a published dataset: one that holds it, else where it would be put; never a simulated one."""
    for root in data_dirs():
        for folder in (root, *_folders_in(root)):
            if _recognised(folder) == name and not any(_is_of(card, str(folder)) for card in simulated):
                return folder
    folder = default_folder(name)
    return folder.with_name(f"{name}-published") if any(_is_of(card, str(folder)) for card in simulated) else folder


def _folders_in(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir())
    except OSError:
        return []


def _recognised(folder: Path) -> str | None:
    try:
        return recognised(folder)
    except OSError:
        return None


def _published(about: Published, folder: Path) -> DataReport:
    files = tuple(file_state(folder, name) for name in expected_files(about.name, folder))
    lacking = [file.name for file in files if file.state != "present"]
    commands = tuple(commands_to_copy(about.name, folder, lacking)) if lacking else ()
    return DataReport(
        about.name,
        about.title,
        "published",
        str(folder),
        about.licence,
        about.citation,
        files,
        sum(file.size for file in files),
        commands,
        bool(lacking and about.source and can_download()),
    )


def _is_of(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}:")


def _card(card: DatasetCard, kind: str) -> DataReport:
    named = split_name(card.name)
    folder = str(named[0]) if named else card.name if card.problem or Path(card.name).is_dir() else ""
    size = _size(Path(folder)) if folder else 0
    return DataReport(card.name, card.title, kind, folder, card.licence, card.citation, (), size, problem=card.problem)


def _size(folder: Path) -> int:
    """Bytes below a folder; what cannot be looked at counts nothing."""
    total = 0
    for i, path in enumerate(folder.rglob("*")):
        if i >= MAX_FILES_COUNTED:
            break
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
