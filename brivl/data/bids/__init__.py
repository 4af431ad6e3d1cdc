"""BIDS folders of the user's own data, as the registry of datasets knows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from brivl.data.bids.options import OPTIONS
from brivl.data.dataset_format import DatasetFormat

if TYPE_CHECKING:
    from brivl.data.dataset import Dataset
    from brivl.data.folder_check import FolderCheck
    from brivl.store.artifacts import Store


def _matches(folder: Path) -> bool:
    return any(path.is_dir() for path in folder.glob("sub-*"))


def _open(folder: Path, part: str | None, store: Store | None) -> Dataset:
    """Open FOLDER:TASK?column=NAME&space=T1w, of which the task and all options may be left out."""
    from brivl.data.bids.loader import open_bids

    task, _, options = (part or "").partition("?")
    return open_bids(folder, task or None, dict(parse_qsl(options, keep_blank_values=True)))


def _tasks(folder: Path) -> Sequence[str]:
    from brivl.data.bids.layout import find_runs, tasks_with_events
    from brivl.data.bids.roots import find_roots

    tasks = tasks_with_events(find_runs(find_roots(folder)).by_subject)
    return tasks if len(tasks) > 1 else ()


def _check(folder: Path, part: str | None, subject: str) -> Sequence[FolderCheck]:
    from brivl.data.bids.check import check_bids

    task, _, options = (part or "").partition("?")
    return check_bids(folder, task, dict(parse_qsl(options, keep_blank_values=True)), subject)


def _fetched(folder: Path, part: str | None) -> str:
    from brivl.data.bids.layout import find_runs
    from brivl.data.bids.roots import find_roots
    from brivl.data.formats.annex import is_pointer

    task = (part or "").partition("?")[0]
    runs_of_subject = find_runs(find_roots(folder)).by_subject
    bold = [run.bold for runs in runs_of_subject.values() for run in runs if task in ("", run.task)]
    n = sum(path.is_symlink() and is_pointer(path) for path in bold)
    return f"{n:,} of {len(bold):,} runs not fetched" if n else ""


FORMAT = DatasetFormat(
    name="bids",
    layout="BIDS (sub-*/func/*_bold.nii.gz with *_events.tsv)",
    matches=_matches,
    open=_open,
    parts=_tasks,
    check=_check,
    fetched=_fetched,
    options=OPTIONS,
)
