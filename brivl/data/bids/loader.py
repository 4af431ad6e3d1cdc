"""The user's own data in BIDS form: sub-*/[ses-*/]func/*_bold.nii.gz, with *_events.tsv beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from brivl.data.bids.events import event_weights, read_events, read_table, stimulus_column
from brivl.data.bids.layout import Run, find_runs, tasks_with_events
from brivl.data.dataset import check_subject
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.json import read_json_object
from brivl.data.formats.nifti import header_tr, open_bold, plausible_tr
from brivl.errors import DataError

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
DESCRIPTION = "dataset_description.json"
LOADER_VERSION = "bids 1: linear drift of each run removed"  # part of the digest, to be changed when results change


@dataclass(frozen=True)
class BidsDataset:
    """One task of a BIDS folder.

    Rows are the volumes of all runs in the order of session and run. There is no test set: scores come from leaving
    runs out. Events become weights of distinct texts or images, by the part of each TR that they cover.

    Attributes
    ----------
    folder : Path
        Top of the BIDS folder.
    task : str
        Name of the task.
    name, title, licence, citation : str
        Facts from dataset_description.json.
    simulated : bool
        Whether dataset_description.json says so.
    runs : dict of str to tuple of Run
        Runs of each subject.
    models : tuple of str
        Empty, since models are run on the stimuli.
    paired_dataset : str
        Name of the dataset of the folder's other task, where the folder has two; else "".
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
    paired_dataset: str = ""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names of the subjects with runs of the task."""
        return tuple(self.runs)

    @property
    def stimulus_kind(self) -> StimulusKind:
        """Kind of the stimuli, from the events of the first subject."""
        subject = self.subjects[0]
        column, _ = _read_tables(self._runs(subject), f"{self.folder.name}/{subject}")
        return _kind(column)

    def design(self, subject: str) -> Design:
        """Return the TR and the first row of each run.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Design
            Order of the samples, all of them training samples.

        Raises
        ------
        DataError
            Runs differ in grid or TR.
        """
        design, _ = self._timing(subject)
        return design

    def stimulus(self, subject: str) -> Stimulus:
        """Return the distinct texts or images, sorted, and their weights in every sample.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Stimulus
            Texts, or paths of images.

        Raises
        ------
        DataError
            Events are missing or do not fit the runs, or an image is not found.
        """
        runs, (design, tr) = self._runs(subject), self._timing(subject)
        column, tables = _read_tables(runs, f"{self.folder.name}/{subject}")
        events = [read_events(path, table, column) for path, table in tables]
        names = sorted({item for run in events for item in run.item})
        lengths = np.diff([*design.run_onsets, design.n_train])
        blocks = [
            event_weights(one, names, int(n), tr, run.label) for one, n, run in zip(events, lengths, runs, strict=True)
        ]
        kind = _kind(column)
        items = [str(self._image_path(name)) for name in names] if kind == "image" else names
        return Stimulus(kind, items, scipy.sparse.vstack(blocks, format="csr"))

    def responses(self, subject: str) -> Responses:
        """Return BOLD within the mask, without the linear trend of each run, not z-scored.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Responses
            (n_samples, n_voxels) float32, without test responses.

        Raises
        ------
        DataError
            Images are missing or damaged, or no voxel is left by the mask.
        """
        runs, grid, mask = self._runs(subject), self._grids(subject)[0], self.mask(subject)
        Y = np.concatenate([detrend_run(read_run(run.bold, mask.inside)) for run in runs])
        space = runs[0].entities.get("space", "native")
        voxels = Voxels(f"{subject}, {space} space", np.argwhere(mask.inside), grid.shape, grid.affine)
        return Responses(Y, None, voxels)

    def mask(self, subject: str) -> Mask:
        """Choose the voxels of a subject, from mask files in func/ or else from BOLD.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Mask
            Voxels that are kept, and the source of the mask.

        Raises
        ------
        DataError
            A mask lies on another grid, or no voxel is left.
        """
        runs, grid = self._runs(subject), self._grids(subject)[0]
        files = sorted({run.mask for run in runs if run.mask is not None})
        return mask_from_files(files, grid) if files else computed_mask([run.bold for run in runs])

    def truth(self, subject: str) -> Truth | None:
        """Return None, since the data are measured.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        None
            No ground truth.
        """
        check_subject(self, subject)
        return None

    def digest(self, subject: str) -> str:
        """Return a digest of the runs, the description and the images that are shown.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        str
            Digest of names and contents of files.
        """
        files = {path for run in self._runs(subject) for path in run.files}
        files |= {path for path in [self.folder / DESCRIPTION] if path.is_file()}
        stimulus = self.stimulus(subject)
        if stimulus.kind == "image":
            files |= {Path(item) for item in stimulus.items}
        return digest_files(self.folder, files, LOADER_VERSION)

    def _runs(self, subject: str) -> tuple[Run, ...]:
        check_subject(self, subject)
        return self.runs[subject]

    def _timing(self, subject: str) -> tuple[Design, float]:
        """The design and its TR in s."""
        runs, grids = self._runs(subject), self._grids(subject)
        lengths, tr = [grid.n_volumes for grid in grids], _common_tr(runs)
        return Design(tr, sum(lengths), 0, np.cumsum([0, *lengths[:-1]])), tr

    def _grids(self, subject: str) -> list[Grid]:
        paths = [run.bold for run in self._runs(subject)]
        grids = [read_grid(path) for path in paths]
        check_same_grid(paths, grids)
        return grids

    def _image_path(self, name: str) -> Path:
        """File of a stim_file value: below stimuli/ as BIDS says, else below the folder; never outside of it.

        Links are followed, since datalad keeps contents elsewhere; the name itself must not lead out of the folder.
        """
        bases = (self.folder / "stimuli", self.folder)
        paths = [Path(os.path.normpath(base / name)) for base in bases]
        inside = [path for path in paths if path.is_relative_to(self.folder) and os.path.isfile(path)]
        images = [path for path in inside if path.suffix.lower() in IMAGE_ENDINGS]
        if not images:
            raise DataError(
                f"Expected stim_file to name an image ({', '.join(IMAGE_ENDINGS)}) below {str(bases[0])!r} or "
                f"{str(bases[1])!r}, got {name!r}. Add the image, or use a column of text."
            )
        return images[0]


def _kind(column: str) -> StimulusKind:
    return "image" if column == "stim_file" else "text"


def open_bids(folder: Path | str, task: str | None = None) -> BidsDataset:
    """Open one task of a BIDS folder.

    Parameters
    ----------
    folder : Path or str
        Top of the BIDS folder.
    task : str, optional
        Name of the task; by default the only task that has events.

    Returns
    -------
    BidsDataset
        The dataset.

    Raises
    ------
    DataError
        The folder has no runs, or several tasks of which none is chosen; the message lists them.
    """
    folder = Path(os.path.abspath(folder))
    runs = find_runs(folder)
    task = _choose_task(folder, runs, task)
    others = [other for other in tasks_with_events(runs) if other != task]
    kept = {subject: tuple(run for run in each if run.task == task) for subject, each in runs.items()}
    path = folder / DESCRIPTION
    description = read_json_object(path) if path.is_file() else {}
    return BidsDataset(
        folder=folder,
        task=task,
        name=folder.name,
        title=str(description.get("Name") or folder.name),
        licence=str(description.get("License") or "not stated"),
        citation=_citation(description),
        simulated=description.get("Simulated") is True,
        runs={subject: each for subject, each in kept.items() if each},
        paired_dataset=f"{folder}:{others[0]}" if len(others) == 1 else "",
    )


def _choose_task(folder: Path, runs: dict[str, tuple[Run, ...]], task: str | None) -> str:
    tasks = sorted({run.task for each in runs.values() for run in each})
    with_events = tasks_with_events(runs)
    if not tasks:
        raise DataError(
            f"Expected runs as sub-*/func/*_bold.nii.gz (BIDS) in {str(folder)!r}, got none. Check the folder."
        )
    if task is None and len(with_events) == 1:
        return with_events[0]
    if task is None and not with_events:
        raise DataError(
            f"Expected *_events.tsv files beside the runs in {str(folder)!r}, which list the stimuli, got none (tasks: "
            f"{tasks!r}). Copy them from the raw BIDS folder."
        )
    if task is None or task not in tasks:
        given = "several tasks" if task is None else f"no task {task!r}"
        raise DataError(
            f"Expected one task of {str(folder)!r}, got {given}. Choose one of {(with_events or tasks)!r}, as in "
            f"{str(folder)!r}:TASK."
        )
    return task


def _citation(description: dict[str, Any]) -> str:
    links = description.get("ReferencesAndLinks")
    citations = [str(description.get("HowToAcknowledge") or "")]
    citations += [str(link) for link in links] if isinstance(links, list) else []
    citations += [f"doi:{description['DatasetDOI']}"] if description.get("DatasetDOI") else []
    return "; ".join(citation for citation in citations if citation) or "not stated"


def _common_tr(runs: Sequence[Run]) -> float:
    """TR in s that all runs share, from the sidecars, else from the header."""
    times = [_run_tr(run) for run in runs]
    for run, tr in zip(runs, times, strict=True):
        if abs(tr - times[0]) > 1e-3:
            raise DataError(
                f"Expected one repetition time in all runs of a subject, got {tr:g} s in {run.label} and "
                f"{times[0]:g} s in {runs[0].label}. Use runs of one TR."
            )
    return times[0]


def _run_tr(run: Run) -> float:
    for sidecar in reversed(run.sidecars):
        content = read_json_object(sidecar)
        if "RepetitionTime" in content:
            return plausible_tr(content["RepetitionTime"], f"RepetitionTime in {str(sidecar)!r}")
    return header_tr(run.bold, open_bold(run.bold))


def _read_tables(runs: Sequence[Run], source: str) -> tuple[str, list[tuple[Path, dict[str, list[str]]]]]:
    """The column with the stimuli, the same in all runs, and the events file of each run with its table."""
    paths = []
    for run in runs:
        if run.events is None:
            raise DataError(
                f"Expected {run.label}_events.tsv beside the run {run.label}, got no events file that fits. Add it."
            )
        paths.append(run.events)
    tables = [read_table(path) for path in paths]
    return stimulus_column(tables, source), list(zip(paths, tables, strict=True))
