"""Datasets by name or folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from brivl.backend.features import Progress, silent
from brivl.backend.phantoms import PhantomMovie, PhantomSentences, phantom_movie_config
from brivl.config import data_dirs
from brivl.data import phantom_movie, phantom_sentences
from brivl.data.dataset import Dataset
from brivl.data.folders import open_folder
from brivl.data.shuffled import shift_events, shuffle_events
from brivl.errors import BrivlError, RequestError
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


def open_dataset(name: str, store: Store, progress: Progress = silent) -> Dataset:
    """A phantom by name, or the user's folder; "NAME@shuffled" and "NAME@shifted" are its null controls.

    Raises RequestError for a name that is neither, DataError for a folder that cannot be read.
    """
    base, _, null = name.partition("@")
    if null:
        if null not in NULLS:
            raise RequestError(f"Wanted a null control out of {sorted(NULLS)} after '@' and got {null!r}.")
        return NULLS[null](open_dataset(base, store, progress), seed=0)
    kind, _, size = base.partition(":")
    if kind == phantom_movie.NAME:
        return replace(PhantomMovie(store, phantom_movie_config(size), progress), name=base)
    if base == phantom_sentences.NAME:
        return PhantomSentences(store, progress=progress)
    folder = Path(base).expanduser()
    if folder.is_dir():
        return open_folder(folder)
    raise RequestError(
        f"Wanted a dataset and found none called {base!r}. Choose {phantom_movie.NAME!r}, {phantom_sentences.NAME!r}, or name a folder "
        "in BIDS form or with features/ and responses/ (see README, Your own data)."
    )


def list_datasets(store: Store) -> list[DatasetCard]:
    """Both phantoms and every dataset in the folders of BRIVL_DATA; those that cannot be opened come with the reason."""
    names = [phantom_movie.NAME, phantom_sentences.NAME]
    for folder in data_dirs():
        inside = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
        names += [str(p) for p in ([folder] if _is_dataset(folder) else inside)]
    return [_card(name, store) for name in names]


def _is_dataset(folder: Path) -> bool:
    return any(folder.glob("sub-*")) or (folder / "responses").is_dir() or not folder.is_dir()


def _card(name: str, store: Store) -> DatasetCard:
    try:
        d = open_dataset(name, store)
    except BrivlError as error:
        return DatasetCard(name, Path(name).name, False, (), "", "", str(error))
    return DatasetCard(name, d.title, d.simulated, d.subjects, d.licence, d.citation)
