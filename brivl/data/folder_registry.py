"""A folder of the user's own data, whatever its form."""

from __future__ import annotations

from pathlib import Path

from brivl.data.algonauts2023.files import has_algonauts2023_form
from brivl.data.algonauts2023.loader import open_algonauts
from brivl.data.bids.layout import find_runs, has_bids_form, tasks_with_events
from brivl.data.bids.loader import open_bids
from brivl.data.dataset import Dataset
from brivl.data.pereira2018.files import experiments_in, is_pereira
from brivl.data.pereira2018.loader import open_pereira
from brivl.data.plain.loader import open_plain
from brivl.errors import BrivlError, DataError


def open_folder(folder: Path | str, task: str | None = None) -> Dataset:
    """The dataset in a folder: BIDS, plain arrays, Pereira et al. (2018) or Algonauts 2023, by what is in it.

    `task` chooses among the tasks of a BIDS folder, or the experiments of Pereira et al. DataError where the folder
    is missing or has no form of these.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"Wanted a folder with a dataset, but {str(folder)!r} is no folder; check the path.")
    if has_bids_form(folder):
        return open_bids(folder, task)
    if is_pereira(folder):
        return open_pereira(folder, task)
    if has_algonauts2023_form(folder):
        return open_algonauts(folder)
    if (folder / "responses").is_dir() or (folder / "features").is_dir() or (folder / "features.npz").is_file():
        return open_plain(folder)
    found = sorted(path.name for path in folder.iterdir())[:8]
    raise DataError(
        f"{str(folder)!r} should be a BIDS folder (sub-*/func/*_bold.nii.gz with *_events.tsv), a plain folder "
        "(features/*.npy, responses/*.npy, run_onsets.npy), one of pereira2018 (P01/examples_384sentences.mat and so "
        "on) or of Algonauts 2023 (subj01/training_split/training_fmri), but none of these was found; it holds "
        f"{found!r}."
    )


def names_in(folder: Path) -> list[str]:
    """What --dataset takes for a folder: a name for each task or experiment where it has several, else the folder."""
    try:
        if has_bids_form(folder):
            tasks = tasks_with_events(find_runs(folder))
            parts = tasks if len(tasks) > 1 else []
        else:
            parts = experiments_in(folder)
    except (OSError, BrivlError):  # what is wrong is said when the folder is opened
        parts = []
    return [f"{folder}:{part}" for part in parts] or [str(folder)]


def split_name(name: str) -> tuple[Path, str] | None:
    """Folder and task or experiment of a name such as "pereira2018:3"; None where it names no part of a folder."""
    base, colon, part = name.rpartition(":")
    folder = Path(base).expanduser()
    try:
        named = bool(colon) and "@" not in part and folder.is_dir() and (has_bids_form(folder) or is_pereira(folder))
    except OSError:
        named = False
    return (folder, part) if named else None
