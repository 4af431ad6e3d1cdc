"""Folders in the form of shortclips, as the registry of datasets knows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from brivl.data.dataset_format import DatasetFormat, Fixture, FixtureSize, Published

if TYPE_CHECKING:
    from brivl.data.dataset import Dataset
    from brivl.store.artifacts import Store


def _matches(folder: Path) -> bool:
    if not (folder / "responses").is_dir():  # most folders are of another form, and need no import of h5py to say so
        return False
    from brivl.data.shortclips.files import is_shortclips

    return is_shortclips(folder)


def _open(folder: Path, part: str | None, store: Store | None) -> Dataset:
    from brivl.data.shortclips.loader import open_shortclips

    return open_shortclips(folder, store)


def _published() -> Published:
    from brivl.data.shortclips.files import PUBLISHED

    return PUBLISHED


def _size(n_subjects: int, n_voxels: int, n_samples: int) -> FixtureSize:
    from brivl.data.shortclips.fixture import ShortclipsSize

    size = ShortclipsSize(n_subjects, n_voxels, n_samples)
    _ = size.movie  # raises RequestError for a number of samples that the runs cannot share
    return size


FORMAT = DatasetFormat(
    name="shortclips",
    layout="shortclips (responses/S01_responses.hdf and stimuli/train_00.hdf)",
    matches=_matches,
    open=_open,
    published=_published,
    fixture=Fixture(n_subjects=5, n_voxels=20_000, n_samples=3600, samples="training TRs", size=_size),
)
