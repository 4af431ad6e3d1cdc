"""Which files of a BIDS folder belong together: runs, events, sidecars and masks, by the entities in their names.

Own code rather than pybids or bids2table: only names of files in func/ are needed, no index of the whole folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from brivl.errors import DataError

NIFTI = (".nii.gz", ".nii")
FILE_ENTITIES = ("desc", "label", "res")  # entities that tell what kind of file it is, not which run it belongs to
# Entities of the form in which a run was written; all others, such as acq and dir, tell runs apart.
FORM_ENTITIES = ("space", "res", "den", "desc", "echo", "part", "hemi", "atlas", "label")
DEFAULT_SPACE = "MNI152NLin2009cAsym"  # of several, fMRIPrep's default


@dataclass(frozen=True)
class Run:
    """Files of one run.

    Attributes
    ----------
    label : str
        Name of the bold file without its ending, as errors name it.
    bold : Path
        Time series.
    events, mask : Path or None
        Events table, and mask in the same folder.
    sidecars : tuple of Path
        From the folder's top to the run's own, so later ones win.
    entities : mapping of str to str
        Entities of the name of the bold file.
    problem : str
        Why the files of the run cannot be told; "" where they can.
    """

    label: str
    bold: Path
    events: Path | None
    mask: Path | None
    sidecars: tuple[Path, ...]
    entities: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.entities.get("task", "")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the run depends on."""
        return (self.bold, *self.sidecars, *(p for p in (self.events, self.mask) if p is not None))

    @property
    def form(self) -> str:
        """Entities of the form in which the run was written, such as "space-T1w_desc-preproc"."""
        return "_".join(f"{key}-{self.entities[key]}" for key in FORM_ENTITIES if key in self.entities)


def entities(path: Path) -> dict[str, str]:
    """Read the entities of a BIDS file name.

    Parameters
    ----------
    path : Path
        File such as sub-01_task-rest_run-02_bold.nii.

    Returns
    -------
    dict of str to str
        Such as {"sub": "01", "task": "rest", "run": "2"}.
    """
    pairs = re.findall(r"(?:^|_)([a-zA-Z]+)-([^_.]+)", path.name)
    return {key: str(int(value)) if key == "run" and value.isdigit() else value for key, value in pairs}


@dataclass(frozen=True)
class _File:
    path: Path
    suffix: str  # "bold.nii.gz"
    entities: Mapping[str, str]


class _Folders:
    """Files of folders, each listed once: every run looks for its events and sidecars in the same ones."""

    def __init__(self) -> None:
        self._files: dict[Path, list[_File]] = {}

    def files(self, folder: Path, suffix: str) -> list[_File]:
        """Files of a folder whose name ends in _SUFFIX or is SUFFIX; none where the folder cannot be listed."""
        if folder not in self._files:
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                names = []
            files = [(Path(folder, name), name.rpartition("_")[2]) for name in names if not name.startswith(".")]
            self._files[folder] = [_File(path, end, entities(path)) for path, end in files]
        return [file for file in self._files[folder] if file.suffix == suffix]


def find_runs(root: Path, form: Mapping[str, str] | None = None) -> dict[str, tuple[Run, ...]]:
    """Find the runs of every subject folder (sub-*), in order of session, task, other entities and run number.

    What tells runs apart is every entity but those of the form in which they were written. Where a run was written in
    several forms, the requested one is taken, else the only one in MNI152NLin2009cAsym; where that does not decide, the
    problem is noted in the run, so that other tasks and subjects can be opened.

    Parameters
    ----------
    root : Path
        Top of the BIDS folder.
    form : mapping of str to str, optional
        Requested entities of the form, such as {"space": "T1w"}.

    Returns
    -------
    dict of str to tuple of Run
        Runs by subject; subjects without runs are absent.
    """
    return dict(_find_runs(root, tuple(sorted((form or {}).items())), _state_of_folders(root)))


def _state_of_folders(root: Path) -> tuple[tuple[str, int], ...]:
    """Folders that are looked into, with their times of change: files that come or go change that of their folder."""
    patterns = ("sub-*", "sub-*/func", "sub-*/ses-*", "sub-*/ses-*/func")
    folders = [root, *(folder for pattern in patterns for folder in root.glob(pattern))]
    return tuple(sorted((str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir()))


@lru_cache(maxsize=8)  # a folder of many tasks is opened once for each of them
def _find_runs(
    root: Path, form: tuple[tuple[str, str], ...], _state: tuple[tuple[str, int], ...]
) -> dict[str, tuple[Run, ...]]:
    folders, runs_of_subject = _Folders(), {}
    for folder in sorted(p for p in root.glob("sub-*") if p.is_dir()):
        places = [folder / "func", *sorted(folder.glob("ses-*/func"))]
        bolds = [file for place in places for ending in NIFTI for file in folders.files(place, f"bold{ending}")]
        runs = tuple(sorted((_run(root, bold, folders) for bold in bolds), key=_order))
        if runs:
            runs_of_subject[folder.name] = _of_one_form(runs, dict(form))
    return runs_of_subject


def _order(run: Run) -> tuple:
    number = run.entities.get("run", "")
    return *_identity(run)[:3], int(number) if number.isdigit() else 0, number, run.label


def _identity(run: Run) -> tuple:
    """Session, task, other entities that tell runs apart, and run."""
    own = run.entities
    others = sorted(pair for pair in own.items() if pair[0] not in (*FORM_ENTITIES, "sub", "ses", "task", "run"))
    return own.get("ses", ""), own.get("task", ""), tuple(others), own.get("run", "")


def _of_one_form(runs: Sequence[Run], requested: Mapping[str, str]) -> tuple[Run, ...]:
    """One bold file for each run of each task."""
    kept: list[Run] = []
    for task in dict.fromkeys(run.task for run in runs):
        of_task = [run for run in runs if run.task == task]
        matching = [run for run in of_task if all(run.entities.get(k) == value for k, value in requested.items())]
        kept += _chosen(of_task, matching or of_task, bool(requested) and not matching)
    return tuple(kept)


def _chosen(of_task: Sequence[Run], candidates: Sequence[Run], is_absent: bool) -> list[Run]:
    by_run: dict[tuple, list[Run]] = {}
    for run in candidates:
        by_run.setdefault(_identity(run), []).append(run)
    firsts = [group[0] for group in by_run.values()]
    forms = ", ".join(sorted({run.form or "no entity of a form" for run in of_task}))
    if is_absent:
        return [
            replace(run, problem=f"Expected runs of the requested form, got {forms}. Choose one.") for run in firsts
        ]
    if all(len(group) == 1 for group in by_run.values()):
        return firsts
    standard = [run for run in candidates if run.entities.get("space") == DEFAULT_SPACE]
    if len({_identity(run) for run in standard}) == len(standard) == len(by_run):
        return standard
    first, second = next(group for group in by_run.values() if len(group) > 1)[:2]
    problem = (
        f"Expected one bold file for each run, got {first.bold.name!r} and {second.bold.name!r} with the same session, "
        f"task and run in the forms {forms}. Choose one by its entities, as in FOLDER:TASK?space=T1w, or keep one file."
    )
    return [replace(run, problem=problem) for run in firsts]


def _run(root: Path, bold: _File, folders: _Folders) -> Run:
    own, problem = bold.entities, ""
    events = _inherited(root, bold, "events.tsv", folders)
    masks = [p for e in NIFTI for p in _inherited(root, bold, f"mask{e}", folders) if p.path.parent == bold.path.parent]
    nearest = {}
    for what, files in (("events", events), ("mask", masks)):
        try:
            nearest[what] = _nearest(files)
        except DataError as error:
            nearest[what], problem = files[-1].path, str(error)
    return Run(
        label=re.sub(r"_bold\.nii(\.gz)?$", "", bold.path.name),
        bold=bold.path,
        events=nearest["events"],
        mask=nearest["mask"],
        sidecars=tuple(file.path for file in _inherited(root, bold, "bold.json", folders)),
        entities=own,
        problem=problem,
    )


def _inherited(root: Path, bold: _File, suffix: str, folders: _Folders) -> list[_File]:
    """Files that apply to a run by BIDS's rule of inheritance, from the most general to the most particular.

    They lie in the run's folder or one above it, up to root, and have no entity that contradicts the run's.
    """
    above = [f for f in (bold.path.parent, *bold.path.parent.parents) if f == root or root in f.parents]
    fitting = [file for f in above for file in folders.files(f, suffix) if _applies(file.entities, bold.entities)]
    return sorted(fitting, key=_particular)


def _particular(file: _File) -> tuple[int, int, str]:
    return len(file.path.parts), len(file.entities), file.path.name


def _applies(theirs: Mapping[str, str], own: Mapping[str, str]) -> bool:
    return all(own.get(key) == value for key, value in theirs.items() if key not in FILE_ENTITIES)


def _nearest(files: Sequence[_File]) -> Path | None:
    """The most particular of files that apply. DataError where two are equally particular."""
    if not files:
        return None
    files = sorted(files, key=_particular)
    duplicates = [file.path for file in files if _particular(file)[:2] == _particular(files[-1])[:2]]
    if len(duplicates) > 1:
        names = ", ".join(path.name for path in duplicates)
        raise DataError(
            f"Expected one file of its kind for the run in {str(duplicates[0].parent)!r}, got {names}. Keep one "
            "of them."
        )
    return files[-1].path


def tasks_with_events(runs: Mapping[str, Iterable[Run]]) -> list[str]:
    """List the tasks of which events are known.

    Parameters
    ----------
    runs : mapping of str to iterable of Run
        Runs by subject.

    Returns
    -------
    list of str
        Names of tasks, sorted.
    """
    return sorted({run.task for each in runs.values() for run in each if run.events is not None})
