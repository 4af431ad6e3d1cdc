"""Datasets by name or folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from brivl.config import data_dirs
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.algonauts2023.files import has_algonauts2023_form
from brivl.data.dataset import Dataset
from brivl.data.folder_registry import names_in, open_folder, split_name
from brivl.data.null_controls import shift_events, shuffle_events
from brivl.data.pereira2018.files import is_pereira
from brivl.data.phantoms import categories, movie, sentences, stories
from brivl.data.phantoms.category_dataset import PhantomCategories, category_phantom_config
from brivl.data.phantoms.datasets import PhantomMovie, PhantomSentences, phantom_movie_config
from brivl.data.phantoms.story_dataset import open_phantom_stories
from brivl.errors import BrivlError, DataError, RequestError
from brivl.store.artifacts import Store

NULLS = {"shuffled": shuffle_events, "shifted": shift_events}


@dataclass(frozen=True)
class DatasetCard:
    """What may be listed of a dataset; `problem` is a sentence where it cannot be opened."""

    name: str  # what --dataset takes
    title: str
    simulated: bool
    subjects: tuple[str, ...]
    licence: str
    citation: str
    problem: str = ""


def open_dataset(name: str, store: Store, progress: ProgressCallback = no_progress) -> Dataset:
    """A phantom by name, or the user's folder; "NAME@shuffled" and "NAME@shifted" are its null controls.

    Raises RequestError for a name that is neither, DataError for a folder that cannot be read.
    """
    kind, _, size = name.partition(":")
    if kind == movie.NAME and "@" not in size:
        return replace(PhantomMovie(store, phantom_movie_config(size), progress), name=name)
    if kind == categories.NAME and "@" not in size:
        return replace(PhantomCategories(store, category_phantom_config(size), progress), name=name)
    if kind == stories.NAME and "@" not in size:
        return open_phantom_stories(name, store, progress)
    if name == sentences.NAME:
        return PhantomSentences(store, progress=progress)
    folder = Path(name).expanduser()
    if folder.is_dir():  # before nulls, since folders may have an @ in their names
        return _open_folder(folder, store)
    if (named := split_name(name)) is not None:
        return _open_folder(named[0], store, named[1])
    base, _, null = name.rpartition("@")
    if base and null in NULLS:
        return NULLS[null](open_dataset(base, store, progress), seed=0)
    if base and "/" not in null:
        raise RequestError(f"Wanted a null control out of {sorted(NULLS)} after '@' and got {null!r}.")
    raise RequestError(
        f"Wanted a dataset and found none called {name!r}. Choose {movie.NAME!r}, {sentences.NAME!r}, "
        f"{categories.NAME!r}, {stories.NAME!r}, or name a folder in BIDS form, with features/ and "
        "responses/, or of shortclips (see docs/own_data.md)."
    )


def absolute_name(name: str) -> str:
    """The name of a dataset as it can be said in another working folder: the paths of folders made absolute."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.absolute())
    if (named := split_name(name)) is not None:
        return f"{named[0].absolute()}:{named[1]}"
    base, at, null = name.rpartition("@")
    return f"{absolute_name(base)}@{null}" if at else name


def list_datasets(store: Store) -> list[DatasetCard]:
    """The phantoms, and the datasets in the folders of BRIVL_DATA; one that cannot be opened comes with the reason."""
    names = [movie.NAME, sentences.NAME, categories.NAME, stories.NAME]
    for folder in data_dirs():
        names += [name for path in _candidates(folder) for name in names_in(path)]
    return [_card(name, store) for name in names]


def _candidates(folder: Path) -> list[Path]:
    """The folder itself if it is a dataset (or cannot be looked into), else the folders in it."""
    try:
        if (
            any(folder.glob("sub-*"))
            or (folder / "responses").is_dir()
            or is_pereira(folder)
            or has_algonauts2023_form(folder)
        ):
            return [folder]
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return [folder]  # _card says what is wrong with it


def _open_folder(folder: Path, store: Store, part: str | None = None) -> Dataset:
    try:
        if (folder / "responses").is_dir():
            from brivl.data.shortclips.files import is_shortclips

            if is_shortclips(folder):
                from brivl.data.shortclips.loader import open_shortclips

                return open_shortclips(folder, store)
        return open_folder(folder, part)
    except OSError as error:
        raise DataError(
            f"Wanted to read the folder {str(folder)!r} and could not ({error.strerror}); check its path and rights."
        ) from error


def _card(name: str, store: Store) -> DatasetCard:
    try:
        d = open_dataset(name, store)
    except BrivlError as error:
        return DatasetCard(name, Path(name).name, False, (), "", "", str(error))
    return DatasetCard(name, d.title, d.simulated, d.subjects, d.licence, d.citation)
