"""State of each dataset on this machine: which files are present, and how to get the others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brivl.config import data_dirs, download_dir
from brivl.data.dataset_format import Published
from brivl.data.download import can_download, commands_to_copy
from brivl.data.folder_check import FolderCheck, describe_states
from brivl.data.formats.file_state import FileState, file_state
from brivl.data.registry import (
    DatasetCard,
    folder_in_data_dirs,
    format_of,
    list_datasets,
    open_folder,
    published_datasets,
    published_name,
    split_name,
)
from brivl.errors import BrivlError, DataError
from brivl.store.artifacts import Store

MAX_FILES_COUNTED = 100_000  # of a folder of the user's own


@dataclass(frozen=True)
class DataReport:
    """State of one dataset.

    Attributes
    ----------
    name, title : str
        Name that --dataset takes, and title.
    kind : str
        "published", "simulated" or "own".
    folder : str
        Folder of the dataset; "" where there is none.
    licence, citation : str
        Terms of use, and what to cite.
    files : tuple of FileState
        Files of a published dataset.
    size : int
        Bytes that are present.
    commands : tuple of str
        Shell lines that get the missing files.
    downloadable : bool
        Whether datalad is installed and can download missing files.
    problem : str
        Why the dataset cannot be opened; "" where it can.
    fetched : str
        What of a folder of the user's own is not fetched; "" where all is.
    """

    name: str
    title: str
    kind: str
    folder: str
    licence: str
    citation: str
    files: tuple[FileState, ...] = ()
    size: int = 0
    commands: tuple[str, ...] = ()
    downloadable: bool = False
    problem: str = ""
    fetched: str = ""

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of files in each state."""
        states = [file.state for file in self.files]
        return {state: states.count(state) for state in dict.fromkeys(states)}

    @property
    def to_fetch(self) -> tuple[str, ...]:
        """Names of the files that are missing or incomplete."""
        return tuple(file.name for file in self.files if file.state != "present")


def data_reports(store: Store) -> list[DataReport]:
    """Report on the published datasets, the simulated ones and the user's own.

    Parameters
    ----------
    store : Store
        Store that datasets are opened with.

    Returns
    -------
    list of DataReport
        Published datasets first, whether they are on this machine or not.
    """
    cards = list_datasets(store)
    simulated = [card.name for card in cards if card.simulated]
    published = published_datasets()
    folders = {name: _folder_of(name, simulated) for name in published}
    others = [card for card in cards if not any(_is_of(card.name, str(folder)) for folder in folders.values())]
    return [
        *(_published_report(name, published[name], folder) for name, folder in folders.items()),
        *(_card_report(card, "simulated") for card in others if card.simulated),
        *(_card_report(card, "own") for card in others if not card.simulated),
    ]


def folder_checks(name: str, subject: str = "") -> list[FolderCheck]:
    """Say what of the datasets in a folder is here and what their owner needs next, from names, sizes and headers.

    Parameters
    ----------
    name : str
        A folder, a folder of folders, or FOLDER:TASK; a bare name is looked for in BRIVL_DATA.
    subject : str
        Name of the subject; "" for the first.

    Returns
    -------
    list of FolderCheck
        One for each task or dataset.

    Raises
    ------
    DataError
        There is no such folder, or it has none of the known forms.
    """
    folder, part = _folder_and_part(name)
    form = format_of(folder)
    if form is None and (inner := [path for path in _folders_in(folder) if format_of(path) is not None]):
        return [check for path in inner for check in folder_checks(str(path), subject)]
    if form is not None and form.check is not None:
        return list(form.check(folder, part, subject))
    if form is None or form.published is None:
        open_folder(folder)  # which says why it cannot be opened
    published_form = published_name(folder) or (form.name if form else "")
    report = _published_report(published_form, published_datasets()[published_form], folder)
    step = f"Fetch {len(report.to_fetch)} files." if report.commands else f"All is here: --dataset {name}"
    return [
        FolderCheck(
            name, report.title, subject, (f"Files: {describe_states(report.files)}.",), (), step,
            "\n".join(report.commands), report.files, report.to_fetch,
        )
    ]  # fmt: skip


def _folder_and_part(name: str) -> tuple[Path, str | None]:
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder, None
    if (split := split_name(name)) is not None:
        return split
    base, colon, part = name.partition(":")
    if (named := folder_in_data_dirs(base)) is not None:
        return named, part if colon else None
    raise DataError(f"Expected a folder, or FOLDER:TASK, got {name!r}, which is none. Check the path.")


def default_folder(name: str) -> Path:
    """Choose the folder into which a published dataset is downloaded.

    Parameters
    ----------
    name : str
        Name of a published dataset.

    Returns
    -------
    Path
        A folder below the first folder of BRIVL_DATA that is no published dataset itself.
    """
    roots = [folder for folder in data_dirs() if _published_name(folder) is None]
    return (roots[0] if roots else download_dir()) / name


def _folder_of(name: str, simulated: Sequence[str]) -> Path:
    """The folder that holds a published dataset, else the default one; never one with simulated data."""
    for root in data_dirs():
        for folder in (root, *_folders_in(root)):
            if _published_name(folder) == name and not any(_is_of(card, str(folder)) for card in simulated):
                return folder
    folder = default_folder(name)
    return folder.with_name(f"{name}-published") if any(_is_of(card, str(folder)) for card in simulated) else folder


def _folders_in(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir())
    except OSError:
        return []


def _published_name(folder: Path) -> str | None:
    try:
        return published_name(folder)
    except OSError:
        return None


def _published_report(name: str, published: Published, folder: Path) -> DataReport:
    files = tuple(file_state(folder, file) for file in published.expected_files(folder))
    missing = [file.name for file in files if file.state != "present"]
    commands = tuple(commands_to_copy(name, folder, missing)) if missing else ()
    return DataReport(
        name,
        published.title,
        "published",
        str(folder),
        published.licence,
        published.citation,
        files,
        sum(file.size for file in files),
        commands,
        bool(missing and published.source and can_download()),
    )


def _is_of(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}:")


def _card_report(card: DatasetCard, kind: str) -> DataReport:
    split = split_name(card.name)
    folder = str(split[0]) if split else card.name if card.problem or Path(card.name).is_dir() else ""
    size = _size(Path(folder)) if folder else 0
    fetched = _fetched(Path(folder), split[1] if split else None) if folder and kind == "own" else ""
    return DataReport(
        card.name,
        card.title,
        kind,
        folder,
        card.licence,
        card.citation,
        (),
        size,
        problem=card.problem,
        fetched=fetched,
    )


def _fetched(folder: Path, part: str | None) -> str:
    try:
        form = format_of(folder)
        return "" if form is None or form.fetched is None else form.fetched(folder, part)
    except (OSError, BrivlError):  # the card states the problem
        return ""


def _size(folder: Path) -> int:
    """Bytes below a folder; files that cannot be read count as empty."""
    total = n_files = 0
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # .git holds other versions of the files
        n_files += len(files)
        if n_files > MAX_FILES_COUNTED:
            break
        for name in files:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total
