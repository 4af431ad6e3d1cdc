"""Plain folders of arrays, as the registry of datasets knows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.data.dataset_format import DatasetFormat

if TYPE_CHECKING:
    from brivl.data.dataset import Dataset
    from brivl.data.folder_check import FolderCheck
    from brivl.store.artifacts import Store


def _matches(folder: Path) -> bool:
    responses = folder / "responses"
    return responses.is_dir() and not any(responses.glob("*.hdf"))  # those are shortclips'


def _open(folder: Path, part: str | None, store: Store | None) -> Dataset:
    from brivl.data.plain.loader import open_plain

    return open_plain(folder)


def _check(folder: Path, part: str | None, subject: str) -> Sequence[FolderCheck]:
    from brivl.data.plain.check import check_plain

    return [check_plain(folder, subject)]


FORMAT = DatasetFormat(
    name="plain",
    layout="plain arrays (features/*.npy, responses/*.npy, run_onsets.npy)",
    matches=_matches,
    open=_open,
    check=_check,
)
