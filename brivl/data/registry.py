"""The registry of datasets: forms of folders, simulated datasets, and null controls, by name.

A new form of folder is a package `brivl.data.X`, whose `__init__.py` holds its record, and one line in `FORMATS`.
Importing this module imports neither numpy nor any reader of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from brivl.config import data_dirs
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.algonauts2023 import FORMAT as ALGONAUTS2023
from brivl.data.betas import FORMAT as BETAS
from brivl.data.bids import FORMAT as BIDS
from brivl.data.dataset_format import DatasetFormat, Fixture, Published
from brivl.data.pereira2018 import FORMAT as PEREIRA2018
from brivl.data.phantoms.names import PHANTOM_CATEGORIES, PHANTOM_MOVIE, PHANTOM_SENTENCES, PHANTOM_STORIES
from brivl.data.plain import FORMAT as PLAIN
from brivl.data.shortclips import FORMAT as SHORTCLIPS
from brivl.errors import BrivlError, DataError, RequestError

if TYPE_CHECKING:
    from brivl.data.dataset import Dataset
    from brivl.data.null_controls import NullEvents
    from brivl.store.artifacts import Store

# The first form that matches a folder is taken, so the more particular forms stand before the plain one.
FORMATS: tuple[DatasetFormat, ...] = (
    SHORTCLIPS,
    BIDS,
    PEREIRA2018,
    ALGONAUTS2023,
    BETAS,
    PLAIN,
)


def _open_movie(name: str, store: Store, progress: ProgressCallback) -> Dataset:
    from brivl.data.phantoms.datasets import PhantomMovie, phantom_movie_config

    return replace(PhantomMovie(store, phantom_movie_config(_options(name)), progress), name=name)


def _open_sentences(name: str, store: Store, progress: ProgressCallback) -> Dataset:
    from brivl.data.phantoms.datasets import PhantomSentences

    if _options(name):
        raise RequestError(f"Expected {PHANTOM_SENTENCES!r} without a size, got {name!r}. Leave out what follows ':'.")
    return PhantomSentences(store, progress=progress)


def _open_categories(name: str, store: Store, progress: ProgressCallback) -> Dataset:
    from brivl.data.phantoms.category_dataset import PhantomCategories, category_phantom_config

    return replace(PhantomCategories(store, category_phantom_config(_options(name)), progress), name=name)


def _open_stories(name: str, store: Store, progress: ProgressCallback) -> Dataset:
    from brivl.data.phantoms.story_dataset import open_phantom_stories

    return open_phantom_stories(name, store, progress)


def _options(name: str) -> str:
    return name.partition(":")[2]


# Name -> function that opens NAME or NAME:OPTIONS.
SIMULATED: Mapping[str, Callable[[str, Store, ProgressCallback], Dataset]] = {
    PHANTOM_MOVIE: _open_movie,
    PHANTOM_SENTENCES: _open_sentences,
    PHANTOM_CATEGORIES: _open_categories,
    PHANTOM_STORIES: _open_stories,
}


def _shuffle(dataset: Dataset, seed: int) -> NullEvents:
    from brivl.data.null_controls import shuffle_events

    return shuffle_events(dataset, seed)


def _shift(dataset: Dataset, seed: int) -> NullEvents:
    from brivl.data.null_controls import shift_events

    return shift_events(dataset, seed)


NULLS: Mapping[str, Callable[[Dataset, int], NullEvents]] = {"shuffled": _shuffle, "shifted": _shift}


@dataclass(frozen=True)
class DatasetCard:
    """What a list shows of a dataset.

    Attributes
    ----------
    name : str
        Name that `open_dataset` takes.
    title : str
        Title of the dataset.
    simulated : bool
        Whether its responses are simulated.
    subjects : tuple of str
        Names of the subjects.
    licence, citation : str
        Terms of use, and what to cite.
    problem : str
        Why the dataset cannot be opened; "" where it can.
    """

    name: str
    title: str
    simulated: bool
    subjects: tuple[str, ...]
    licence: str
    citation: str
    problem: str = ""


def open_dataset(name: str, store: Store, progress: ProgressCallback = no_progress) -> Dataset:
    """Open a simulated dataset by its name, a dataset in a folder, or a null control of either.

    Parameters
    ----------
    name : str
        Name of a simulated dataset, with options after a colon; path of a folder, with a part of it, such as a task,
        after a colon; or one of these followed by "@shuffled" or "@shifted".
    store : Store
        Store of simulated responses and of digests of large files.
    progress : callable
        Receives the progress of simulations.

    Returns
    -------
    Dataset
        The dataset.

    Raises
    ------
    RequestError
        There is no dataset or null control of this name.
    DataError
        The folder cannot be read.
    """
    simulated = SIMULATED.get(name.partition(":")[0])
    if simulated is not None and "@" not in name:
        return simulated(name, store, progress)
    folder = Path(name).expanduser()
    if folder.is_dir():  # before null controls, since names of folders may contain an @
        return open_folder(folder, store=store)
    if (split := split_name(name)) is not None:
        return open_folder(split[0], split[1], store)
    base, colon, part = name.partition(":")
    if "@" not in name and (named := folder_in_data_dirs(base)) is not None:
        return open_folder(named, part if colon else None, store)
    base, _, null = name.rpartition("@")
    if base and null in NULLS:
        return NULLS[null](open_dataset(base, store, progress), 0)
    if base and "/" not in null:
        raise RequestError(
            f"Expected a null control out of {sorted(NULLS)} after '@', got {null!r}. Choose one of them."
        )
    raise RequestError(
        f"Expected the name of a dataset, got {name!r}. Choose one of {', '.join(map(repr, SIMULATED))}, or name a "
        "folder in one of the forms of docs/own_data.md."
    )


def open_folder(folder: Path | str, part: str | None = None, store: Store | None = None) -> Dataset:
    """Open the dataset in a folder, whatever its form.

    Parameters
    ----------
    folder : Path or str
        Folder of a dataset.
    part : str, optional
        Part of the folder that is the dataset: a task of a BIDS folder, an experiment of Pereira et al. (2018).
    store : Store, optional
        Store for digests of large files.

    Returns
    -------
    Dataset
        The dataset.

    Raises
    ------
    DataError
        The folder is missing, cannot be read, or has none of the forms in `FORMATS`.
    """
    folder = Path(folder).expanduser()
    try:
        if not folder.is_dir():
            raise DataError(
                f"Expected a folder with a dataset, got {str(folder)!r}, which is no folder. Check the path."
            )
        form = format_of(folder)
        if form is not None:
            return form.open(folder, part, store)
        names = sorted(path.name for path in folder.iterdir())[:8]
    except OSError as error:
        raise DataError(
            f"Expected a folder that can be read, got {str(folder)!r} ({error.strerror}). Check its path and rights."
        ) from error
    raise DataError(
        f"Expected {str(folder)!r} to have one of these forms: {_layouts()}; got a folder with {names!r}. "
        "Check the path, or see docs/own_data.md."
    )


def format_of(folder: Path) -> DatasetFormat | None:
    """Find the form of a folder.

    Parameters
    ----------
    folder : Path
        Any folder. OSError is raised where it cannot be read.

    Returns
    -------
    DatasetFormat or None
        The first form in `FORMATS` that matches; None where the folder is no dataset.
    """
    return next((form for form in FORMATS if form.matches(folder)), None)


def _layouts() -> str:
    return ", ".join(form.layout for form in FORMATS)


def names_in(folder: Path) -> list[str]:
    """List the names by which the datasets of a folder are opened.

    Parameters
    ----------
    folder : Path
        Folder of a dataset.

    Returns
    -------
    list of str
        FOLDER:PART for each part of a folder that has parts, else the folder itself.
    """
    try:
        form = format_of(folder)
        parts = () if form is None or form.parts is None else form.parts(folder)
    except (OSError, BrivlError):  # the error is reported when the folder is opened
        parts = ()
    return [f"{folder}:{part}" for part in parts] or [str(folder)]


def split_name(name: str) -> tuple[Path, str] | None:
    """Split a name such as "pereira2018:3" into the folder and its part.

    Parameters
    ----------
    name : str
        Name of a dataset.

    Returns
    -------
    tuple of Path and str, or None
        Folder, and task or experiment; None where the name is not that of a part of a folder.
    """
    base, colon, part = name.rpartition(":")
    folder = Path(base).expanduser()
    try:
        named = bool(colon) and "@" not in part and folder.is_dir()
        named = named and any(form.parts is not None and form.matches(folder) for form in FORMATS)
    except OSError:
        named = False
    return (folder, part) if named else None


def name_with_options(name: str, **options: str) -> str:
    """Add options to the name of a dataset, in place of options of the same name that it has.

    Parameters
    ----------
    name : str
        Name that `open_dataset` takes.
    **options : str
        Options of the form of the folder, such as column="stim_file"; "" removes an option.

    Returns
    -------
    str
        Name such as "FOLDER:TASK?column=stim_file".

    Raises
    ------
    RequestError
        The dataset is no folder of a form that has these options.
    """
    base, at, null = name.rpartition("@")
    if not (at and null in NULLS):
        base, at, null = name, "", ""
    folder, part = (Path(base), "") if Path(base).expanduser().is_dir() else split_name(base) or (Path(base), "")
    form = format_of(folder.expanduser()) if folder.expanduser().is_dir() else None
    unknown = sorted(set(options) - set(form.options if form else ()))
    if unknown:
        raise RequestError(
            f"Expected a BIDS folder for the option {', '.join(unknown)}, got {name!r}. Leave the option out."
        )
    part, _, text = part.partition("?")
    chosen = {key: value for key, value in (dict(parse_qsl(text)) | options).items() if value}
    query = f"?{urlencode(chosen)}" if chosen else ""
    return f"{folder}:{part}{query}{at}{null}" if part or query else f"{folder}{at}{null}"


def options_of(name: str) -> dict[str, str]:
    """Read the options in the name of a dataset.

    Parameters
    ----------
    name : str
        Name that `open_dataset` takes.

    Returns
    -------
    dict of str to str
        Such as {"column": "stim_file"}; empty where there are none.
    """
    base, at, null = name.rpartition("@")
    split = split_name(base if at and null in NULLS else name)
    return dict(parse_qsl(split[1].partition("?")[2])) if split else {}


def absolute_name(name: str) -> str:
    """Make a name of a dataset valid in any working folder.

    Parameters
    ----------
    name : str
        Name that `open_dataset` takes.

    Returns
    -------
    str
        The name with paths of folders made absolute.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.absolute())
    if (split := split_name(name)) is not None:
        return f"{split[0].absolute()}:{split[1]}"
    base, at, null = name.rpartition("@")
    return f"{absolute_name(base)}@{null}" if at else name


def folder_in_data_dirs(name: str) -> Path | None:
    """Find a folder of BRIVL_DATA by its name alone, as links and bundles give it, which hold no paths.

    Parameters
    ----------
    name : str
        Name of the folder of a dataset.

    Returns
    -------
    Path or None
        The first such folder; None where there is none, and for what is no bare name.
    """
    if not name or name in (".", "..") or Path(name).name != name:
        return None
    folders = [path for folder in data_dirs() for path in _dataset_folders(folder)]
    return next((path for path in folders if path.name == name and path.is_dir()), None)


def list_datasets(store: Store) -> list[DatasetCard]:
    """List the simulated datasets and the datasets in the folders of BRIVL_DATA.

    Parameters
    ----------
    store : Store
        Store that datasets are opened with.

    Returns
    -------
    list of DatasetCard
        One card each; a dataset that cannot be opened is listed with the problem.
    """
    names = list(SIMULATED)
    for folder in data_dirs():
        names += [name for path in _dataset_folders(folder) for name in names_in(path)]
    return [_card(name, store) for name in names]


def _dataset_folders(folder: Path) -> list[Path]:
    """The folder itself if it is a dataset or cannot be read, else the folders in it."""
    try:
        if format_of(folder) is not None:
            return [folder]
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return [folder]  # its card states the problem


def _card(name: str, store: Store) -> DatasetCard:
    try:
        d = open_dataset(name, store)
    except BrivlError as error:
        return DatasetCard(name, Path(name).name, False, (), "", "", str(error))
    return DatasetCard(name, d.title, d.simulated, d.subjects, d.licence, d.citation)


def published_datasets() -> dict[str, Published]:
    """List the published datasets.

    Returns
    -------
    dict of str to Published
        Facts on each published dataset, by its name.
    """
    return {form.name: form.published() for form in FORMATS if form.published is not None}


def published_name(folder: Path) -> str | None:
    """Recognise a published dataset by the names of files in a folder.

    Parameters
    ----------
    folder : Path
        Any folder. OSError is raised where it cannot be read.

    Returns
    -------
    str or None
        Name of the published dataset; None for other folders.
    """
    return next((name for name, published in published_datasets().items() if published.recognises(folder)), None)


def fixtures() -> dict[str, Fixture]:
    """List the forms of which simulated folders can be written.

    Returns
    -------
    dict of str to Fixture
        Fixture of each form, by the name of the form.
    """
    return {form.name: form.fixture for form in FORMATS if form.fixture is not None}
