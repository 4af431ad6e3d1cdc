"""Folders of the Algonauts Project 2023 challenge, as the registry of datasets knows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from brivl.data.dataset_format import DatasetFormat, Fixture, FixtureSize, Published

if TYPE_CHECKING:
    from brivl.data.dataset import Dataset
    from brivl.store.artifacts import Store


def _matches(folder: Path) -> bool:
    from brivl.data.algonauts2023.files import subjects_in

    return bool(subjects_in(folder))


def _open(folder: Path, part: str | None, store: Store | None) -> Dataset:
    from brivl.data.algonauts2023.loader import open_algonauts

    return open_algonauts(folder)


def _published() -> Published:
    from brivl.data.algonauts2023.files import PUBLISHED

    return PUBLISHED


def _size(n_subjects: int, n_voxels: int, n_samples: int) -> FixtureSize:
    from brivl.data.algonauts2023.fixture import AlgonautsSize

    return AlgonautsSize(n_subjects, n_voxels, n_samples)


FORMAT = DatasetFormat(
    name="algonauts2023",
    layout="Algonauts 2023 (subj01/training_split/training_fmri/lh_training_fmri.npy)",
    matches=_matches,
    open=_open,
    published=_published,
    fixture=Fixture(n_subjects=2, n_voxels=2000, n_samples=300, samples="images", size=_size),
)
