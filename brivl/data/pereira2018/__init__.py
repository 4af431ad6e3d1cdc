"""Folders of Pereira et al. (2018), as the registry of datasets knows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from brivl.data.dataset_format import DatasetFormat, Fixture, FixtureSize, Published

if TYPE_CHECKING:
    from brivl.data.dataset import Dataset
    from brivl.store.artifacts import Store


def _matches(folder: Path) -> bool:
    from brivl.data.pereira2018.files import is_pereira

    return is_pereira(folder)


def _open(folder: Path, experiment: str | None, store: Store | None) -> Dataset:
    from brivl.data.pereira2018.loader import open_pereira

    return open_pereira(folder, experiment)


def _experiments(folder: Path) -> tuple[str, ...]:
    from brivl.data.pereira2018.files import experiments_in

    return experiments_in(folder)


def _published() -> Published:
    from brivl.data.pereira2018.files import PUBLISHED

    return PUBLISHED


def _size(n_subjects: int, n_voxels: int, n_samples: int) -> FixtureSize:
    from brivl.data.pereira2018.fixture import PereiraSize

    return PereiraSize(n_subjects, n_voxels, n_samples)


FORMAT = DatasetFormat(
    name="pereira2018",
    layout="Pereira et al. 2018 (P01/examples_384sentences.mat)",
    matches=_matches,
    open=_open,
    parts=_experiments,
    published=_published,
    fixture=Fixture(n_subjects=8, n_voxels=50_000, n_samples=384, samples="sentences", size=_size),
)
