"""Which files of a dataset belong together: runs, events, masks, confounds and so on, by the entities in their names.

`find_runs` takes one raw folder and its folders of derivatives (`roots`), groups all bold files into runs (`Run.bolds`:
one volume, one dense time series, or the two hemispheres of a surface), and keeps one form of each run (`selection`).
Own code rather than pybids or bids2table: these index whole folders, and know neither names from before fMRIPrep 1.2
nor which hemispheres, events and confounds of two folders make one run, which is what this module is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from brivl.data.anatomy.own_atlases import is_roi
from brivl.data.bids.file_names import ENDINGS, VOLUME_ENDINGS, BidsFile, BoldFile
from brivl.data.bids.roots import Roots
from brivl.data.bids.selection import DEFAULT_SPACE, FORM_ENTITIES, Selection
from brivl.errors import DataError

FILE_ENTITIES = ("desc", "label", "res")  # entities that tell what kind of file it is, not which run it belongs to
CONFOUNDS = ("timeseries.tsv", "regressors.tsv")  # fMRIPrep since 20.2, and 1.2 to 20.1


@dataclass(frozen=True)
class Run:
    """Files of one run.

    Attributes
    ----------
    label : str
        Name of the bold file without its ending, as errors name it.
    bolds : tuple of BoldFile
        One file; of a surface the files of the left and of the right hemisphere, in this order.
    events, mask : Path or None
        Events table, and mask in the same folder.
    sidecars : tuple of Path
        From the folder's top to the run's own, so later ones win.
    entities : mapping of str to str
        Entities of the name of the bold file; of a surface with both hemispheres without `hemi`.
    problem : str
        Why the files of the run cannot be told; "" where they can.
    confounds : Path or None
        fMRIPrep's table of confounds, which has the same name in every version here: see `file_names`.
    """

    label: str
    bolds: tuple[BoldFile, ...]
    events: Path | None
    mask: Path | None
    sidecars: tuple[Path, ...]
    entities: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    confounds: Path | None = None

    @property
    def bold(self) -> Path:
        """The bold file, or its first one."""
        return self.bolds[0].path

    @property
    def root(self) -> Path:
        """Top of the folder, raw or of derivatives, that the bold file lies in."""
        return self.bolds[0].root

    @property
    def kind(self) -> str:
        """Form of the data: "volume", "surface" or "cifti"."""
        return self.bolds[0].kind

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.entities.get("task", "")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the run depends on, without the confounds, which cleaning adds where it uses them."""
        bolds = tuple(bold.path for bold in self.bolds)
        return (*bolds, *self.sidecars, *(p for p in (self.events, self.mask) if p is not None))

    @property
    def form(self) -> str:
        """Entities of the form in which the run was written, such as "space-T1w_desc-preproc"."""
        return "_".join(f"{key}-{self.entities[key]}" for key in FORM_ENTITIES if key in self.entities)


class _Folders:
    """Files of folders, each listed once: every run looks for its events and sidecars in the same ones."""

    def __init__(self) -> None:
        self._files: dict[Path, list[BidsFile]] = {}

    def files(self, folder: Path, suffix: str) -> list[BidsFile]:
        """Files of a folder whose name ends in _SUFFIX or is SUFFIX; none where the folder cannot be listed."""
        if folder not in self._files:
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                names = []
            self._files[folder] = [BidsFile.of(Path(folder, name)) for name in names if not name.startswith(".")]
        return [file for file in self._files[folder] if file.suffix == suffix]


@dataclass(frozen=True)
class Runs:
    """Runs of a dataset, and the other forms in which they were written.

    Attributes
    ----------
    by_subject : dict of str to tuple of Run
        The chosen form of each run of every subject, in order of session, task, other entities and run number.
    candidates : dict of str to tuple of Run
        Every form of each run.
    """

    by_subject: dict[str, tuple[Run, ...]]
    candidates: dict[str, tuple[Run, ...]]


def find_runs(roots: Roots, selection: Selection = Selection()) -> Runs:  # noqa: B008
    """Find the runs of every subject folder (sub-*), in order of session, task, other entities and run number.

    What tells runs apart is every entity but those of the form in which they were written. Where a run was written in
    several forms, the requested one is taken, else derivatives rather than raw BOLD, and of these the only volume in
    MNI152NLin2009cAsym; where that does not decide, the problem is noted in the run, so that other tasks and subjects
    can be opened.

    Parameters
    ----------
    roots : Roots
        Folders of the dataset.
    selection : Selection
        Requested entities.

    Returns
    -------
    Runs
        Runs by subject; subjects without runs are absent.
    """
    return _find_runs(roots, selection, _state_of_folders(roots))


def _state_of_folders(roots: Roots) -> tuple[tuple[str, int], ...]:
    """Folders that are looked into, with their times of change: files that come or go change that of their folder."""
    patterns = ("sub-*", "sub-*/func", "sub-*/ses-*", "sub-*/ses-*/func")
    folders = [*roots.all, *(folder for root in roots.all for pattern in patterns for folder in root.glob(pattern))]
    return tuple(sorted((str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir()))


@lru_cache(maxsize=8)  # a folder of many tasks is opened once for each of them
def _find_runs(roots: Roots, selection: Selection, _state: tuple[tuple[str, int], ...]) -> Runs:
    folders = _Folders()
    by_subject: dict[str, tuple[Run, ...]] = {}
    candidates: dict[str, tuple[Run, ...]] = {}
    for subject in sorted({p.name for root in roots.all for p in root.glob("sub-*") if p.is_dir()}):
        bolds = [bold for root in roots.all for bold in _bold_files(root, subject, folders)]
        runs = tuple(
            sorted((_run(roots, group, selection, folders) for group in _hemispheres(bolds, selection)), key=_order)
        )
        if runs:
            candidates[subject], by_subject[subject] = runs, _of_one_form(runs, selection, roots)
    return Runs(by_subject, candidates)


def _bold_files(root: Path, subject: str, folders: _Folders) -> list[BoldFile]:
    places = [root / subject / "func", *sorted((root / subject).glob("ses-*/func"))]
    return [
        BoldFile(file.path, root, file.entities, ending)
        for place in places
        for ending in ENDINGS
        for file in folders.files(place, f"bold{ending}")
    ]


def _hemispheres(bolds: Sequence[BoldFile], selection: Selection) -> list[tuple[BoldFile, ...]]:
    """Files of each run in each form: the two hemispheres of a surface together, unless one of them is requested."""
    groups: dict[tuple, list[BoldFile]] = {}
    for bold in bolds:
        own = dict(bold.entities)
        side = own.pop("hemi", "") if bold.kind == "surface" else ""
        if selection.hemi and side and side != selection.hemi:
            continue
        groups.setdefault((bold.root, tuple(sorted(own.items())), "" if side else bold.path), []).append(bold)
    return [tuple(sorted(group, key=lambda bold: bold.entities.get("hemi", ""))) for group in groups.values()]


def _order(run: Run) -> tuple:
    number = run.entities.get("run", "")
    return *_identity(run)[:3], int(number) if number.isdigit() else 0, number, run.label


def _identity(run: Run) -> tuple:
    """Session, task, other entities that tell runs apart, and run."""
    own = run.entities
    others = sorted(pair for pair in own.items() if pair[0] not in (*FORM_ENTITIES, "sub", "ses", "task", "run"))
    return own.get("ses", ""), own.get("task", ""), tuple(others), own.get("run", "")


def _by_identity(runs: Iterable[Run]) -> dict[tuple, list[Run]]:
    """Forms of each run."""
    by_run: dict[tuple, list[Run]] = {}
    for run in runs:
        by_run.setdefault(_identity(run), []).append(run)
    return by_run


def _of_one_form(runs: Sequence[Run], selection: Selection, roots: Roots) -> tuple[Run, ...]:
    """One form of each run of each task."""
    kept: list[Run] = []
    for task in dict.fromkeys(run.task for run in runs):
        of_task = [run for run in runs if run.task == task]
        matching = [run for run in of_task if selection.admits(run.bolds[0].entities)]
        kept += _chosen(of_task, matching, selection, roots) if matching else _absent(of_task, selection)
    return tuple(kept)


def _absent(of_task: Sequence[Run], selection: Selection) -> list[Run]:
    """The runs, with the problem that no file is of the requested form."""
    request = ", ".join(f"{name}={value}" for name, value in selection.requested.items())
    problem = (
        f"Expected runs of {of_task[0].task or 'the subject'} with {request}, got {_forms(of_task)}. Choose one of "
        "these, as in FOLDER:TASK?space=T1w or --space T1w."
    )
    return [replace(group[0], problem=problem) for group in _by_identity(of_task).values()]


def _chosen(of_task: Sequence[Run], candidates: Sequence[Run], selection: Selection, roots: Roots) -> list[Run]:
    """One form of each run: derivatives rather than raw BOLD, then fMRIPrep's default volume."""
    rules: list[Callable[[Run], bool]] = [
        lambda run: run.root != roots.raw,
        lambda run: run.entities.get("space") == DEFAULT_SPACE and run.kind == "volume",
        lambda run: run.entities.get("desc") in (None, "preproc") and "echo" not in run.entities,
    ]
    if selection.space:  # a dense time series has both hemispheres of fsLR, and the subcortex
        rules.append(lambda run: run.kind == "cifti")
    for i, rule in enumerate(rules):
        by_run = _by_identity(candidates)
        kept = [run for run in candidates if rule(run)]
        # Runs that were never preprocessed are left out, rather than fitted beside those that were.
        if max(map(len, by_run.values())) > 1 and kept and (i == 0 or len(_by_identity(kept)) == len(by_run)):
            candidates = kept
    by_run = _by_identity(candidates)
    firsts = [group[0] for group in by_run.values()]
    if all(len(group) == 1 for group in by_run.values()):
        return firsts
    first, second = next(group for group in by_run.values() if len(group) > 1)[:2]
    names, remedy = f"{first.bold.name!r} and {second.bold.name!r}", "--space T1w"
    if first.root != second.root:
        names += f" (in {first.root.name!r} and {second.root.name!r})"
        remedy = f"--derivatives {first.root.name}"
    problem = (
        f"Expected one bold file for each run, got {names} with the same session, task and run in the forms "
        f"{_forms(of_task)}. Choose one by its entities, as in FOLDER:TASK?space=T1w or {remedy}, or keep one file."
    )
    return [replace(run, problem=problem) for run in firsts]


def _forms(runs: Sequence[Run]) -> str:
    return ", ".join(sorted({run.form or "no entity of a form" for run in runs}))


def _run(roots: Roots, bolds: tuple[BoldFile, ...], selection: Selection, folders: _Folders) -> Run:
    first, problem = bolds[0], ""
    own = dict(first.entities)
    if len(bolds) > 1:
        own.pop("hemi")
        if [bold.entities["hemi"] for bold in bolds] != ["L", "R"]:
            problem = f"Expected one file of each hemisphere, got {', '.join(bold.path.name for bold in bolds)}."
            problem += " Keep one of each."
    elif first.kind == "surface" and not selection.hemi:
        side = own.get("hemi", "L")
        problem = f"Expected files of both hemispheres, got {first.path.name!r} alone. Add the other one, or choose "
        problem += f"--hemi {side}."
    nearest: dict[str, Path | None] = {}
    for what, files in (
        ("events", _inherited(roots, first, own, "events.tsv", folders)),
        ("mask", _masks(roots, first, own, folders) if first.kind == "volume" else []),
        ("confounds", [f for end in CONFOUNDS for f in _beside(roots, first, own, end, folders) if _is_confounds(f)]),
    ):
        try:
            nearest[what] = _nearest(files, roots)
        except DataError as error:
            nearest[what], problem = files[-1].path, problem or str(error)
    return Run(
        label=first.label,
        bolds=bolds,
        events=nearest["events"],
        mask=nearest["mask"],
        sidecars=tuple(file.path for file in _inherited(roots, first, dict(first.entities), "bold.json", folders)),
        entities=own,
        problem=problem,
        confounds=nearest["confounds"],
    )


def _masks(roots: Roots, bold: BoldFile, own: Mapping[str, str], folders: _Folders) -> list[BidsFile]:
    """Masks in the folder of a run; of several the whole brain on the run's own resolution, not regions."""
    masks = [file for end in VOLUME_ENDINGS for file in _beside(roots, bold, own, f"mask{end}", folders)]
    masks = [file for file in masks if not is_roi(file.entities.get("label", ""))]
    for preferred in (
        [file for file in masks if file.entities.get("res") == own.get("res")],
        [file for file in masks if file.entities.get("desc") == "brain"],
    ):
        masks = [file for file in masks if file in preferred] or masks
    return masks


def _is_confounds(file: BidsFile) -> bool:
    return file.entities.get("desc") == "confounds"


def _beside(roots: Roots, bold: BoldFile, own: Mapping[str, str], suffix: str, folders: _Folders) -> list[BidsFile]:
    return [f for f in _inherited(roots, bold, own, suffix, folders) if f.path.parent == bold.path.parent]


def _inherited(roots: Roots, bold: BoldFile, own: Mapping[str, str], suffix: str, folders: _Folders) -> list[BidsFile]:
    """Files that apply to a run by BIDS's rule of inheritance, from the most general to the most particular.

    They lie in the run's folder or one above it, up to its root, and have no entity that contradicts the run's. For a
    run of derivatives the same folders of the raw root come first, as more general.
    """
    below = bold.path.parent.relative_to(bold.root)
    places = [root / part for root in dict.fromkeys((roots.raw, bold.root)) for part in (below, *below.parents)]
    fitting = [file for place in places for file in folders.files(place, suffix) if _applies(file.entities, own)]
    return sorted(fitting, key=lambda file: _particular(file, roots))


def _particular(file: BidsFile, roots: Roots) -> tuple[bool, int, int, str]:
    is_derivative = any(root in file.path.parents for root in roots.derivatives)
    return is_derivative, len(file.path.parts), len(file.entities), file.path.name


def _applies(theirs: Mapping[str, str], own: Mapping[str, str]) -> bool:
    return all(own.get(key) == value for key, value in theirs.items() if key not in FILE_ENTITIES)


def _nearest(files: Sequence[BidsFile], roots: Roots) -> Path | None:
    """The most particular of files that apply. DataError where two are equally particular."""
    if not files:
        return None
    files = sorted(files, key=lambda file: _particular(file, roots))
    last = _particular(files[-1], roots)[:3]
    duplicates = [file.path for file in files if _particular(file, roots)[:3] == last]
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
