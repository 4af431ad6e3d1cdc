"""Folders of single-trial estimates (betas), as the registry of datasets knows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from brivl.data.dataset_format import DatasetFormat

if TYPE_CHECKING:
    from brivl.data.dataset import Dataset
    from brivl.store.artifacts import Store


def _matches(folder: Path) -> bool:
    return (folder / "betas").is_dir()


def _open(folder: Path, part: str | None, store: Store | None) -> Dataset:
    """Open FOLDER or FOLDER:?column=NAME&trials=kept."""
    from brivl.data.betas.loader import open_betas

    return open_betas(folder, dict(parse_qsl((part or "").partition("?")[2], keep_blank_values=True)))


def _no_parts(folder: Path) -> Sequence[str]:
    return ()


FORMAT = DatasetFormat(
    name="betas",
    layout="single-trial estimates (betas/*, trials.tsv)",
    matches=_matches,
    open=_open,
    parts=_no_parts,
    options=("column", "trials"),
)
