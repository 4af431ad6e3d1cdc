"""Which files of a BIDS folder belong together: runs, events, sidecars and masks, by the entities in their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from brivl.errors import DataError

NIFTI = (".nii.gz", ".nii")
FILE_ENTITIES = ("desc", "label", "res")  # entities that tell what kind of file it is, not which run it belongs to


@dataclass(frozen=True)
class Run:
    """Files of one run. `sidecars` go from the folder's top to the run's own, so later ones win."""

    label: str  # name of the bold file without its ending, as errors name it
    bold: Path
    events: Path | None
    mask: Path | None
    sidecars: tuple[Path, ...]
    entities: Mapping[str, str] = field(default_factory=dict)

    @property
    def task(self) -> str:
        return self.entities.get("task", "")

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.bold, *self.sidecars, *(p for p in (self.events, self.mask) if p is not None))


def entities(path: Path) -> dict[str, str]:
    """Entities of a BIDS file name: sub-01_task-rest_run-02_bold.nii -> {"sub": "01", "task": "rest", "run": "2"}."""
    pairs = re.findall(r"(?:^|_)([a-zA-Z]+)-([^_.]+)", path.name)
    return {key: str(int(value)) if key == "run" and value.isdigit() else value for key, value in pairs}


def find_runs(root: Path) -> dict[str, tuple[Run, ...]]:
    """Runs of every subject folder (sub-*), in order of session, task and run number. Subjects without runs are absent.

    DataError where one run has several bold files.
    """
    found = {}
    for folder in sorted(p for p in root.glob("sub-*") if p.is_dir()):
        patterns = [f"{where}/*_bold{ending}" for ending in NIFTI for where in ("func", "ses-*/func")]
        bolds = [p for pattern in patterns for p in folder.glob(pattern)]
        runs = tuple(sorted((_run(root, bold) for bold in bolds), key=_order))
        _check_unique(runs)
        if runs:
            found[folder.name] = runs
    return found


def _order(run: Run) -> tuple:
    number = run.entities.get("run", "")
    return run.entities.get("ses", ""), run.task, int(number) if number.isdigit() else 0, number, run.label


def _check_unique(runs: tuple[Run, ...]) -> None:
    for first, second in zip(runs, runs[1:], strict=False):
        if _order(first)[:4] == _order(second)[:4]:
            raise DataError(
                f"Each run should have one bold file, but {str(first.bold)!r} and {str(second.bold)!r} have the same "
                "session, task and run; keep one of them (one space, one echo, one format)."
            )


def _run(root: Path, bold: Path) -> Run:
    own = entities(bold)
    return Run(
        label=re.sub(r"_bold\.nii(\.gz)?$", "", bold.name),
        bold=bold,
        events=_nearest(_inherited(root, bold, own, "events", (".tsv",))),
        mask=_nearest([p for p in _inherited(root, bold, own, "mask", NIFTI) if p.parent == bold.parent]),
        sidecars=tuple(_inherited(root, bold, own, "bold", (".json",))),
        entities=own,
    )


def _inherited(root: Path, bold: Path, own: Mapping[str, str], suffix: str, endings: tuple[str, ...]) -> list[Path]:
    """Files that apply to a run by BIDS's rule of inheritance, from the most general to the most particular.

    They lie in the run's folder or one above it, up to root, and have no entity that contradicts the run's.
    """
    folders = [f for f in (bold.parent, *bold.parent.parents) if f == root or root in f.parents]
    names = [name for ending in endings for name in (f"*_{suffix}{ending}", f"{suffix}{ending}")]
    candidates = [p for folder in folders for name in names for p in folder.glob(name)]
    fitting = [p for p in candidates if _applies(entities(p), own)]
    return sorted(fitting, key=lambda p: (len(p.parts), len(entities(p)), p.name))


def _applies(theirs: Mapping[str, str], own: Mapping[str, str]) -> bool:
    return all(own.get(key) == value for key, value in theirs.items() if key not in FILE_ENTITIES)


def _nearest(paths: list[Path]) -> Path | None:
    """The most particular of files that apply. DataError where two are equally particular."""
    if not paths:
        return None
    rivals = [p for p in paths if p.parent == paths[-1].parent and len(entities(p)) == len(entities(paths[-1]))]
    if len(rivals) > 1:
        names = ", ".join(p.name for p in rivals)
        raise DataError(f"One file should belong to a run, but in {str(rivals[0].parent)!r} all of these do: {names}.")
    return paths[-1]


def tasks_with_events(runs: Mapping[str, tuple[Run, ...]]) -> list[str]:
    """Names of the tasks of which something is said to have been shown."""
    return sorted({run.task for each in runs.values() for run in each if run.events is not None})
