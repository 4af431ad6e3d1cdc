"""The user's own data in BIDS form: sub-*/[ses-*/]func/*_bold.nii.gz with *_events.tsv beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.records import Design, Responses, Stimulus, StimulusKind, Truth, Voxels
from brivl.data.bids.bold import (
    Grid,
    Mask,
    check_same_grid,
    computed_mask,
    detrend_run,
    mask_from_files,
    read_grid,
    read_run,
)
from brivl.data.bids.events import Events, event_weights, read_events, read_table, stimulus_column
from brivl.data.bids.layout import Run, find_runs, tasks_with_events
from brivl.data.dataset import check_subject
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.json import read_json_object
from brivl.data.formats.nifti import header_tr, open_bold, plausible_tr
from brivl.errors import DataError

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
DESCRIPTION = "dataset_description.json"
LOADER_VERSION = "bids 1: linear drift of each run removed"  # part of the digest; count up when answers change


@dataclass(frozen=True)
class BidsDataset:
    """One task of a BIDS folder; fulfils `brivl.data.dataset.Dataset`.

    Rows are the volumes of all runs in order of session and run; there is no test set (scores come from leaving runs
    out). Events are turned into weights of distinct texts or images, by their share of each TR.
    """

    folder: Path
    task: str
    name: str
    title: str
    licence: str
    citation: str
    simulated: bool
    runs: dict[str, tuple[Run, ...]]
    models: tuple[str, ...] = ()
    paired_dataset: str = ""  # what the folder's other task is called, where it has two

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(self.runs)

    def design(self, subject: str) -> Design:
        """TR in s and first row of each run. DataError where runs differ in grid or TR."""
        runs, grids = self._runs(subject), self._grids(subject)
        lengths = [grid.n_volumes for grid in grids]
        return Design(_common_tr(runs), sum(lengths), 0, np.cumsum([0, *lengths[:-1]]))

    def stimulus(self, subject: str) -> Stimulus:
        """Distinct texts, or paths of images, sorted, and their weights (n_samples, n_items)."""
        runs, design = self._runs(subject), self.design(subject)
        column, events = _read_all_events(runs, f"{self.folder.name}/{subject}")
        names = sorted({item for run in events for item in run.item})
        lengths = np.diff([*design.run_onsets, design.n_train])
        blocks = [
            event_weights(one, names, int(n), design.tr, run.label)
            for one, n, run in zip(events, lengths, runs, strict=True)
        ]
        image = column == "stim_file"
        items = [str(self._image_path(name)) for name in names] if image else names
        return Stimulus("image" if image else "text", items, scipy.sparse.vstack(blocks, format="csr"))

    def responses(self, subject: str) -> Responses:
        """BOLD within the mask, (n_samples, n_voxels) float32, the linear drift of each run removed, not z-scored."""
        runs, grid, mask = self._runs(subject), self._grids(subject)[0], self.mask(subject)
        Y = np.concatenate([detrend_run(read_run(run.bold, mask.inside)) for run in runs])
        space = runs[0].entities.get("space", "native")
        voxels = Voxels(f"{subject}, {space} space", np.argwhere(mask.inside), grid.shape, grid.affine)
        return Responses(Y, None, voxels)

    def mask(self, subject: str) -> Mask:
        """Voxels that are kept and where that choice comes from: mask files in func/, else computed from BOLD."""
        runs, grid = self._runs(subject), self._grids(subject)[0]
        files = sorted({run.mask for run in runs if run.mask is not None})
        return mask_from_files(files, grid) if files else computed_mask([run.bold for run in runs])

    def truth(self, subject: str) -> Truth | None:
        check_subject(self, subject)
        return None

    def digest(self, subject: str) -> str:
        files = {path for run in self._runs(subject) for path in run.files}
        files |= {path for path in [self.folder / DESCRIPTION] if path.is_file()}
        stimulus = self.stimulus(subject)
        if stimulus.kind == "image":
            files |= {Path(item) for item in stimulus.items}
        return digest_files(self.folder, files, LOADER_VERSION)

    def _runs(self, subject: str) -> tuple[Run, ...]:
        check_subject(self, subject)
        return self.runs[subject]

    def _grids(self, subject: str) -> list[Grid]:
        paths = [run.bold for run in self._runs(subject)]
        grids = [read_grid(path) for path in paths]
        check_same_grid(paths, grids)
        return grids

    def _image_path(self, name: str) -> Path:
        """File of a stim_file value: below stimuli/ as BIDS says, else below the folder; never outside of it.

        Links are followed, since datalad keeps content elsewhere; the name itself may not lead out.
        """
        places = (self.folder / "stimuli", self.folder)
        paths = [Path(os.path.normpath(base / name)) for base in places]
        inside = [path for path in paths if path.is_relative_to(self.folder) and os.path.isfile(path)]
        found = [path for path in inside if path.suffix.lower() in IMAGE_ENDINGS]
        if not found:
            raise DataError(
                f"stim_file should name an image ({', '.join(IMAGE_ENDINGS)}) below {str(places[0])!r} or "
                f"{str(places[1])!r}, but {name!r} is none; add the image or use a column of text."
            )
        return found[0]


def open_bids(folder: Path | str, task: str | None = None) -> BidsDataset:
    """A BIDS folder as a dataset of one task.

    Without `task`, the only task that has events is taken. DataError where the folder has no runs, or several tasks
    and none is chosen; the message lists them.
    """
    folder = Path(os.path.abspath(folder))
    runs = find_runs(folder)
    task = _choose_task(folder, runs, task)
    others = [other for other in tasks_with_events(runs) if other != task]
    kept = {subject: tuple(run for run in each if run.task == task) for subject, each in runs.items()}
    path = folder / DESCRIPTION
    about = read_json_object(path) if path.is_file() else {}
    return BidsDataset(
        folder=folder,
        task=task,
        name=folder.name,
        title=str(about.get("Name") or folder.name),
        licence=str(about.get("License") or "not stated"),
        citation=_citation(about),
        simulated=about.get("Simulated") is True,
        runs={subject: each for subject, each in kept.items() if each},
        paired_dataset=f"{folder}:{others[0]}" if len(others) == 1 else "",
    )


def _choose_task(folder: Path, runs: dict[str, tuple[Run, ...]], task: str | None) -> str:
    every = [run for each in runs.values() for run in each]
    tasks = sorted({run.task for run in every})
    with_events = tasks_with_events(runs)
    if not tasks:
        raise DataError(f"{str(folder)!r} should hold runs as sub-*/func/*_bold.nii.gz (BIDS), but none was found.")
    if task is None and len(with_events) == 1:
        return with_events[0]
    if task is None and not with_events:
        raise DataError(
            f"The runs in {str(folder)!r} should have *_events.tsv files beside them that say what was shown, but none "
            f"has (tasks found: {tasks!r}); copy them from the raw BIDS folder."
        )
    if task not in tasks:
        wanted = "one task should be chosen" if task is None else f"there is no task {task!r}"
        raise DataError(
            f"In {str(folder)!r} {wanted}; choose one of {(with_events or tasks)!r}, as in {str(folder)!r}:TASK."
        )
    return task


def _citation(about: dict) -> str:
    links = about.get("ReferencesAndLinks")
    parts = [str(about.get("HowToAcknowledge") or "")]
    parts += [str(link) for link in links] if isinstance(links, list) else []
    parts += [f"doi:{about['DatasetDOI']}"] if about.get("DatasetDOI") else []
    return "; ".join(part for part in parts if part) or "not stated"


def _common_tr(runs: Sequence[Run]) -> float:
    """TR in s that all runs share, from the sidecars, else from the header."""
    times = [_run_tr(run) for run in runs]
    for run, tr in zip(runs, times, strict=True):
        if abs(tr - times[0]) > 1e-3:
            raise DataError(
                f"All runs of a subject should have one repetition time, but {run.label} has {tr:g} s where "
                f"{runs[0].label} has {times[0]:g} s; use runs of one TR."
            )
    return times[0]


def _run_tr(run: Run) -> float:
    for sidecar in reversed(run.sidecars):
        about = read_json_object(sidecar)
        if "RepetitionTime" in about:
            return plausible_tr(about["RepetitionTime"], f"RepetitionTime in {str(sidecar)!r}")
    return header_tr(run.bold, open_bold(run.bold))


def _read_all_events(runs: Sequence[Run], source: str) -> tuple[str, list[Events]]:
    """The column that says what was shown, the same in all runs, and the events of each run."""
    for run in runs:
        if run.events is None:
            raise DataError(f"Run {run.label} should have {run.label}_events.tsv beside it, but no events file fits.")
    tables = [read_table(run.events) for run in runs]
    column = stimulus_column(tables, source)
    return column, [read_events(run.events, table, column) for run, table in zip(runs, tables, strict=True)]
