"""The user's own data in BIDS form: sub-*/[ses-*/]func/*_bold.nii.gz, with *_events.tsv beside them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import scipy.sparse

from brivl.core.records import Design, Responses, Stimulus, StimulusKind, Truth, Voxels
from brivl.data.anatomy.own_atlases import OwnRegions, add_own_regions, find_own_regions, subject_places
from brivl.data.anatomy.own_vertex_atlases import (
    VertexAtlas,
    add_vertex_atlases,
    atlas_digest,
    find_vertex_atlases,
)
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
from brivl.data.bids.cleaning import (
    AUTO,
    BASIC,
    MOST_VOXELS,
    NONE,
    CleaningOfRun,
    CleaningOptions,
    CleaningPlan,
    clean_run,
    cleaning_chip,
    cleaning_notes,
    held_out_r2,
    plan_cleaning,
    run_cleaning,
)
from brivl.data.bids.description import citation_of, one_line
from brivl.data.bids.events import Events, RunEvents, event_notes, event_weights, read_events, read_table
from brivl.data.bids.layout import Run, find_runs, tasks_with_events
from brivl.data.bids.options import CLEANING, OPTIONS
from brivl.data.bids.roots import DESCRIPTION, Roots, find_roots
from brivl.data.bids.selection import ABSENT, SELECTABLE, Selection, choices
from brivl.data.bids.stimulus_column import StimulusColumn, choose_column
from brivl.data.bids.stimulus_files import IMAGE_ENDINGS, StimulusFiles
from brivl.data.bids.surface_bold import (
    check_runs,
    freesurfer_folders,
    read_surface_run,
    registration_files,
    surface_note,
    voxels_of,
)
from brivl.data.bids.timing import common_tr
from brivl.data.dataset import check_subject
from brivl.data.formats.annex import is_pointer
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.json import read_json_object
from brivl.data.reading import Reading, few_items_warning, recurrence_warning, repeats_of_a_run
from brivl.errors import DataError

# Part of the digest, to be changed when results change.
LOADER_VERSION = "bids 2: linear drift of each run removed, column by its values, stimulus on/off regressed out"

_CONFOUNDS_R2: dict[str, float] = {}  # digest of a subject -> R2 of the confounds on held-out runs

ON_OFF_NOTE = (
    "Nuisance: whether a stimulus is presented (on/off, at all delays) is regressed out of responses and features, "
    "since any two models would share it."
)


@dataclass(frozen=True)
class _Presented:
    """Stimuli of all runs of a subject."""

    column: StimulusColumn
    items: tuple[str, ...]  # distinct, sorted
    events: tuple[Events, ...]  # of each run
    placed: tuple[RunEvents, ...]  # of each run
    lengths: tuple[int, ...]  # volumes of each run
    tr: float
    test: tuple[int, ...] = ()  # runs that are the repeats of the test run

    @property
    def train(self) -> tuple[int, ...]:
        """Runs whose rows are training samples."""
        return tuple(run for run in range(len(self.placed)) if run not in self.test)

    @property
    def weights(self) -> scipy.sparse.csr_matrix:
        """Training runs, and the test run once."""
        runs = (*self.train, *self.test[:1])
        return scipy.sparse.vstack([self.placed[run].weights for run in runs], format="csr")

    @property
    def design(self) -> Design:
        """Order of the samples."""
        lengths = [self.lengths[run] for run in self.train]
        n_test = self.lengths[self.test[0]] if self.test else 0
        return Design(self.tr, sum(lengths), n_test, np.cumsum([0, *lengths[:-1]]))

    @property
    def starts(self) -> np.ndarray:
        """First row of each run of `weights`."""
        return np.r_[self.design.run_onsets, self.design.n_train] if self.test else self.design.run_onsets


@dataclass(frozen=True)
class BidsDataset:
    """One task of a BIDS folder.

    Rows are the volumes of all runs in the order of session and run. There is no test set, and scores come from leaving
    runs out, unless runs that repeat one another are chosen as test run. Events become weights of distinct texts or
    images, by the part of each TR that they cover.

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
    column : str
        Column of the events that the user names; "" to choose one by its values.
    roots : Roots
        The raw folder, which is `folder`, and folders of derivatives.
    selection : Selection
        Requested entities of bold files; empty for the default.
    candidates : dict of str to tuple of Run
        Every form of the runs of each subject, of which one can be selected.
    on_off : bool
        Whether stimulus on/off is a nuisance regressor where there is rest.
    test_repeats : bool
        Whether the runs that present the same items at the same times are the repeats of a test run.
    cleaning : CleaningOptions
        What the user chooses of cleaning; the rest is default.
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
    column: str = ""
    roots: Roots = Roots(Path())  # noqa: RUF009
    selection: Selection = Selection()  # noqa: RUF009
    candidates: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    on_off: bool = True
    test_repeats: bool = False
    cleaning: CleaningOptions = CleaningOptions()  # noqa: RUF009

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names of the subjects with runs of the task."""
        return tuple(self.runs)

    @property
    def stimulus_kind(self) -> StimulusKind:
        """Kind of the stimuli, from the events of the first subject whose events can be read."""
        for i, subject in enumerate(self.subjects):
            try:
                return self.stimulus_column(subject).kind
            except DataError:
                if i + 1 == len(self.subjects):
                    raise
        return "text"

    @cached_property
    def stimulus_files(self) -> StimulusFiles:
        """Image files of the folder."""
        return StimulusFiles(self.folder)

    def stimulus_column(self, subject: str) -> StimulusColumn:
        """Choose the column of the events that names the stimuli.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        StimulusColumn
            The column, the same in all runs.

        Raises
        ------
        DataError
            Events are missing, or no column names stimuli.
        """
        tables = [table for _, table in _read_tables(self._runs(subject))]
        return choose_column(tables, self.stimulus_files, f"{self.folder.name}/{subject}", self.column)

    def event_columns(self, subject: str) -> tuple[str, ...]:
        """List the columns of the events from which one can be chosen by name.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        tuple of str
            Columns of all runs, without onset and duration.
        """
        tables = [table for _, table in _read_tables(self._runs(subject))]
        common = [name for name in tables[0] if all(name in table for table in tables)]
        return tuple(name for name in common if name not in ("onset", "duration"))

    def design(self, subject: str) -> Design:
        """Return TR, runs, stimulus on/off as a nuisance regressor where there is rest, and what cleaning does.

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
            Runs differ in grid or TR, or a table of confounds cannot be used.
        """
        presented, plan = self._presented(subject), self.cleaning_plan(subject)
        design = self._with_on_off(presented)
        if plan.is_drift_only:
            return design
        kept = [one.kept for one in self._cleaned_by(subject, plan)]
        make = partial(self._cleaned, subject)
        return replace(design, cleaning=run_cleaning(make, kept, presented.train, presented.test))

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
        presented = self._presented(subject)
        items: Sequence[str] = presented.items
        if presented.column.kind == "image":
            items = [str(path) for path in self._image_paths(presented.column.name, presented.items)]
        return Stimulus(presented.column.kind, list(items), presented.weights)

    def responses(self, subject: str) -> Responses:
        """Return BOLD within the mask, cleaned run by run, not z-scored.

        Runs are read one after the other; repeats of a test run are the test responses.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Responses
            (n_train, n_voxels) and (n_repeats, n_test, n_voxels) or None, float32.

        Raises
        ------
        DataError
            Images are missing or damaged, or no voxel is left by the mask.
        """
        runs, cleaned = self._runs(subject), self._cleaned(subject)
        read, voxels = self._columns(subject)
        Y = [cleaned[i].apply(read(run)) if cleaned else detrend_run(read(run)) for i, run in enumerate(runs)]
        test = self._presented(subject).test if self.test_repeats else ()
        Y_train = np.concatenate([Y[i] for i in range(len(Y)) if i not in test])
        return Responses(Y_train, np.stack([Y[i] for i in test]) if test else None, voxels)

    def _columns(self, subject: str) -> tuple[Callable[[Run], np.ndarray], Voxels]:
        """What reads a run as (n_volumes, n_voxels), and the voxels: those of a mask, or the columns of a surface."""
        runs = self._runs(subject)
        fwhm = self.cleaning_plan(subject).fwhm
        if runs[0].kind != "volume":
            if fwhm:
                raise DataError(
                    f"Expected volumes to smooth, got {runs[0].bold.name!r}. Choose volumes with --space, or leave out "
                    "--smooth."
                )
            voxels = voxels_of(runs, check_runs(runs).where, self.roots, subject)
            return read_surface_run, self._with_regions(subject, voxels)[0]
        grid, mask = self._grids(subject)[0], self.mask(subject)
        space = runs[0].entities.get("space", "native")
        voxels, _ = self._with_regions(subject, _voxels(subject, space, mask, grid))
        return lambda run: read_run(run.bold, mask.inside, fwhm), voxels

    def own_regions(self, subject: str) -> OwnRegions:
        """Find the atlases and the masks of ROIs that lie with the data.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        OwnRegions
            Label images and masks in atlases/, rois/, the folders of the subject and derivatives.
        """
        runs = self._runs(subject)
        inside = sorted(path for path in (self.folder / "derivatives").glob("*") if path.is_dir())
        roots = dict.fromkeys([*self.roots.all, self.folder, *inside])
        places = [*dict.fromkeys(run.bold.parent for run in runs), *subject_places(roots, subject)]
        return find_own_regions(self.folder, places, runs[0].entities.get("space", ""))

    def _with_regions(self, subject: str, voxels: Voxels) -> tuple[Voxels, tuple[str, ...]]:
        """Voxels with the regions that lie with the data, and a sentence on each atlas."""
        space = self._runs(subject)[0].entities.get("space", "")
        voxels, notes = add_own_regions(voxels, self.own_regions(subject), space)
        voxels, more = add_vertex_atlases(voxels, self._vertex_atlases(subject))
        return voxels, (*notes, *more)

    def _vertex_atlases(self, subject: str) -> tuple[VertexAtlas, ...]:
        """Labels of vertices that lie with the data, for data on a surface."""
        run = self._runs(subject)[0]
        if run.kind == "volume":
            return ()
        places = subject_places(dict.fromkeys([*self.roots.all, self.folder]), subject)
        space = run.entities.get("space", "")
        owner = space if space.startswith("fsaverage") else subject
        return find_vertex_atlases(self.folder, places, freesurfer_folders(self.roots, owner))

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
        """Return a digest of the runs, the description, the column of the stimuli and the images.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        str
            Digest of names and contents of files.
        """
        runs = self._runs(subject)
        files = {path for run in runs for path in run.files}
        derived = {path for path in files if runs[0].root != self.folder and runs[0].root in path.parents}
        files = files - derived | {path for path in [self.folder / DESCRIPTION] if path.is_file()}
        presented = self._presented(subject)
        if presented.column.kind == "image":
            files |= set(self._image_paths(presented.column.name, presented.items))
        extra = f"{LOADER_VERSION}; {presented.column.name}{'' if self.on_off else '; on/off not regressed out'}"
        extra += "; repeats are the test run" if self.test_repeats else ""
        extra += f"; derivatives {digest_files(runs[0].root, derived)}" if derived else ""
        extra += self.own_regions(subject).digest + atlas_digest(self._vertex_atlases(subject))
        if runs[0].kind != "volume":
            spheres = registration_files(runs, check_runs(runs).where, self.roots, subject)
            extra += "".join(f"; sphere {digest_files(path.parent, [path])}" for path in spheres)
        plan = self.cleaning_plan(subject)
        if not plan.is_drift_only:
            tables = {path for run in runs if (path := run.confounds) is not None} if plan.uses_confounds else set()
            tables |= {sidecar for path in tables if (sidecar := path.with_suffix(".json")).is_file()}
            extra += f"; {plan.settings}; confounds {digest_files(runs[0].root, tables)}"
        return digest_files(self.folder, files, extra)

    def reading(self, subject: str) -> Reading:
        """Say how the files of a subject are read.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Reading
            Column, events, space, mask and cleaning; warnings, and what pages say in a few words.

        Raises
        ------
        DataError
            Files are missing or damaged.
        """
        runs, presented, plan = self._runs(subject), self._presented(subject), self.cleaning_plan(subject)
        form = runs[0].form
        notes = (
            f"Stimuli: {presented.column.describe(presented.items)}",
            *event_notes(presented.events, presented.placed),
            f"Runs: {len(runs)}, TR {presented.tr:g} s" + (f", form {form}." if form else ", native space."),
            *self._source_notes(subject),
            *_repeat_note(runs, presented),
            f"Voxels: {self._mask_note(subject)}.",
            *self._cleaning_notes(subject, plan),
            *((ON_OFF_NOTE,) if self._with_on_off(presented).nuisance is not None else ()),
            *self._region_notes(subject),
        )
        chips = (form.replace("_", ", ").replace("-", " "),) if form else ()
        is_raw = runs[0].root == self.folder and not {"space", "desc"} & set(runs[0].entities)
        undecided = plan.strategy == AUTO and self.digest(subject) not in _CONFOUNDS_R2
        return Reading(notes, _warnings(presented), (*chips, cleaning_chip(plan, is_raw)), undecided)

    def _cleaning_notes(self, subject: str, plan: CleaningPlan) -> tuple[str, ...]:
        """What cleaning does, and whether confounds were regressed out, once a fit has read BOLD in this process."""
        if plan.is_drift_only:
            return cleaning_notes(plan, ())
        r2 = _CONFOUNDS_R2.get(self.digest(subject)) if plan.strategy == AUTO else None
        return cleaning_notes(plan, self._cleaned_by(subject, plan), r2)

    def _source_notes(self, subject: str) -> tuple[str, ...]:
        """Which folder BOLD comes from, where events and stimuli come from another one, and runs that it lacks."""
        runs = self._runs(subject)
        if runs[0].root == self.folder:
            return ()
        source = f"BOLD: derivatives in {runs[0].root.name}; events and stimuli from {self.folder.name}."
        n_raw = sum(run.root == self.folder for run in self.candidates.get(subject, ()))
        if len(runs) < n_raw and not self.selection.requested:
            return source, f"Derivatives have {len(runs)} of the {n_raw} bold files of {self.folder.name}."
        return (source,)

    def selectable(self, subject: str) -> dict[str, tuple[str, ...]]:
        """List what can be selected among the forms of a subject's runs.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        dict of str to tuple of str
            Option, such as "space" or "derivatives" -> values, where there are several; "none" stands for files without
            the entity, and for raw BOLD. Resolution and so on are those of the space that is read.
        """
        check_subject(self, subject)
        candidates = self.candidates.get(subject, ())
        sources = tuple(dict.fromkeys([*(self.roots.name(run.root) for run in candidates), *self.roots.offered]))
        bolds = [bold.entities for run in candidates for bold in run.bolds]
        offered = choices(bolds)
        spaces = {run.entities.get("space") for run in self.runs[subject] if not run.problem}
        if len(spaces) == 1:
            within = choices([entities for entities in bolds if entities.get("space") in spaces])
            offered = {name: within.get(name, values) for name, values in offered.items() if name in {"space", *within}}
        return {"derivatives": sources, **offered} if len(sources) > 1 else offered

    def selected(self, subject: str) -> dict[str, str]:
        """Say which of the values of `selectable` are read.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        dict of str to str
            Option -> value, the values with commas between them where runs differ; empty where nothing can be read.
        """
        check_subject(self, subject)
        runs = self.runs[subject]
        if any(run.problem for run in runs):
            return {}
        values = {"derivatives": {self.roots.name(run.root) for run in runs}}
        values |= {name: {run.entities.get(name, ABSENT) for run in runs} for name in SELECTABLE}
        return {name: ", ".join(sorted(values[name])) for name in self.selectable(subject)}

    def _mask_note(self, subject: str) -> str:
        """Origin of the mask; without a mask file this is said without reading all images."""
        runs = self._runs(subject)
        if runs[0].kind != "volume":
            return surface_note(runs, self.roots, subject)
        has_files = any(run.mask is not None for run in runs)
        return self.mask(subject).source if has_files else "mask computed from BOLD, no mask file found"

    def _region_notes(self, subject: str) -> tuple[str, ...]:
        """Sentences on atlases and ROIs, for which the mask is read only where there are any."""
        regions, runs = self.own_regions(subject), self._runs(subject)
        if not regions.files and not self._vertex_atlases(subject):
            return ()
        if runs[0].kind != "volume":
            voxels = voxels_of(runs, check_runs(runs).where, self.roots, subject)
            return self._with_regions(subject, voxels)[1]
        if all(run.mask is None for run in runs):  # else all images would be read, only to say so
            names = [*(atlas.name for atlas in regions.atlases), *regions.rois]
            return (f"Regions in the folder: {', '.join(names)}.",)
        space = runs[0].entities.get("space", "native")
        voxels = _voxels(subject, space, self.mask(subject), self._grids(subject)[0])
        return self._with_regions(subject, voxels)[1]

    def reading_warnings(self, subject: str) -> tuple[str, ...]:
        """Return the warnings of `reading`, from the events alone.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        tuple of str
            Few distinct items, items that recur in other runs, codes instead of words.
        """
        return _warnings(self._presented(subject))

    def cleaning_plan(self, subject: str) -> CleaningPlan:
        """Decide how the runs of a subject are cleaned, without reading tables of confounds.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        CleaningPlan
            What the user chooses, and defaults.
        """
        runs = self._runs(subject)
        if self.cleaning == CleaningOptions() and any(run.confounds is None for run in runs):
            return plan_cleaning(self.cleaning, runs, 0.0)  # no duration is needed, and no image opened
        lengths, tr = self._timing(subject)
        return plan_cleaning(self.cleaning, runs, min(lengths) * tr)

    def without_cleaning(self) -> BidsDataset:
        """Return the same runs, from which only the linear drift is removed.

        Returns
        -------
        BidsDataset
            The dataset with the strategy NONE, all volumes, and no smoothing.
        """
        return replace(self, cleaning=CleaningOptions(clean=NONE))

    def _cleaned(self, subject: str) -> list[CleaningOfRun]:
        """Cleaning of each run; empty where only a line is removed, by `detrend_run`, as it always was.

        BOLD is read where the plan leaves it open whether confounds are regressed out.
        """
        plan = self.cleaning_plan(subject)
        if plan.is_drift_only:
            return []
        if plan.strategy == AUTO:
            decided = BASIC if self._confounds_r2(subject) > 0 else NONE
            plan = replace(plan, strategy=decided)
        return self._cleaned_by(subject, plan)

    def _confounds_r2(self, subject: str) -> float:
        """R2 of the confounds on held-out runs, read from BOLD once in a process."""
        key = self.digest(subject)
        if key not in _CONFOUNDS_R2:
            plan, (read, voxels) = self.cleaning_plan(subject), self._columns(subject)
            filters = self._cleaned_by(subject, replace(plan, strategy=NONE))
            tables = [one.confounds for one in self._cleaned_by(subject, plan)]
            every = -(-voxels.n_voxels // MOST_VOXELS)
            series, columns = [], []
            for run, one, table in zip(self._runs(subject), filters, tables, strict=True):
                Y = one.apply(read(run)[:, ::every])[one.kept]
                series.append(Y)
                columns.append(one.apply(table.columns)[one.kept] if table is not None else np.zeros((len(Y), 0)))
            fine = np.all([np.isfinite(Y).all(0) & (Y != 0).any(0) for Y in series], axis=0)
            _CONFOUNDS_R2[key] = held_out_r2([Y[:, fine] for Y in series], columns) if fine.any() else math.inf
        return _CONFOUNDS_R2[key]

    def _cleaned_by(self, subject: str, plan: CleaningPlan) -> list[CleaningOfRun]:
        lengths, tr = self._timing(subject)
        return [clean_run(plan, run, n, tr) for run, n in zip(self._runs(subject), lengths, strict=True)]

    def _runs(self, subject: str) -> tuple[Run, ...]:
        check_subject(self, subject)
        for run in self.runs[subject]:
            if run.problem:
                raise DataError(run.problem)
        return self.runs[subject]

    def _presented(self, subject: str) -> _Presented:
        runs, (lengths, tr) = self._runs(subject), self._timing(subject)
        tables = _read_tables(runs)
        column = self.stimulus_column(subject)
        events = tuple(read_events(path, table, column) for path, table in tables)
        items = tuple(sorted({item for run in events for item in run.item}))
        placed = tuple(
            event_weights(one, items, n, tr, run.label) for one, n, run in zip(events, lengths, runs, strict=True)
        )
        test = repeats_of_a_run([run.weights for run in placed]) if self.test_repeats else ()
        if self.test_repeats and not test:
            raise DataError(
                f"Expected runs of {subject} that present the same items at the same times beside two others, got "
                "none. Leave out test=repeats."
            )
        return _Presented(column, items, events, placed, tuple(lengths), tr, test)

    def _with_on_off(self, presented: _Presented) -> Design:
        on = np.minimum(np.asarray(presented.weights.sum(1), float), 1.0)  # share of the TR with a stimulus
        return replace(presented.design, nuisance=on) if self.on_off and np.ptp(on) > 0.01 else presented.design

    def _timing(self, subject: str) -> tuple[list[int], float]:
        """Number of volumes of each run, and the TR in s."""
        runs = self._runs(subject)
        if runs[0].kind != "volume":
            return list(check_runs(runs).lengths), common_tr(runs)
        return [grid.n_volumes for grid in self._grids(subject)], common_tr(runs)

    def _grids(self, subject: str) -> list[Grid]:
        paths = [run.bold for run in self._runs(subject)]
        grids = [read_grid(path) for path in paths]
        check_same_grid(paths, grids)
        return grids

    def _image_paths(self, column: str, names: Sequence[str]) -> list[Path]:
        """Files of the names in a column; DataError where some are missing or not fetched."""
        paths_by_name = {name: self.stimulus_files.find(name) for name in names}
        missing = [name for name, path in paths_by_name.items() if path is None]
        if missing:
            raise DataError(
                f"Expected {column} to name an image ({', '.join(IMAGE_ENDINGS)}) below "
                f"{str(self.folder / 'stimuli')!r} or {str(self.folder)!r}, got {missing[0]!r} and {len(missing)} of "
                f"{len(names)} that are not there. Add the images, or name a column of text with --column."
            )
        paths = [path for path in paths_by_name.values() if path is not None]
        unfetched = [path for path in paths if is_pointer(path) or not os.path.isfile(path)]
        if unfetched:
            raise DataError(
                f"Expected the content of {len(paths)} images, got links without content for {len(unfetched)}, such as "
                f"{str(unfetched[0])!r}. Run `datalad get stimuli` in {str(self.folder)!r}."
            )
        return paths


def _voxels(subject: str, space: str, mask: Mask, grid: Grid) -> Voxels:
    return Voxels(f"{subject}, {space} space", np.argwhere(mask.inside), grid.shape, grid.affine)


def _repeat_note(runs: Sequence[Run], presented: _Presented) -> tuple[str, ...]:
    if not presented.test:
        return ()
    return (f"Test run: {len(presented.test)} repeats, {', '.join(runs[i].label for i in presented.test)}.",)


def _warnings(presented: _Presented) -> tuple[str, ...]:
    """Few distinct items, items that recur in other runs, codes instead of words."""
    column = presented.column
    warnings = [
        few_items_warning(len(presented.items), column.noun, column.name),
        recurrence_warning(presented.weights, presented.starts, column.noun),
    ]
    repeats = () if presented.test else repeats_of_a_run([run.weights for run in presented.placed])
    if repeats:
        warnings.append(
            f"{len(repeats)} runs present the same items at the same times, and each is predicted from the others. "
            "With ?test=repeats after the task in the name of the dataset they are the repeats of a test run, which "
            "gives explainable variance and a noise ceiling."
        )
    if column.kind == "text" and column.codes:
        warnings.append(
            f"The values of the column {column.name} look like codes ({presented.items[0]!r}), which no model "
            "understands as text. If they are names of images, put these below stimuli/; else name another column."
        )
    return tuple(warning for warning in warnings if warning)


def open_bids(folder: Path | str, task: str | None = None, options: Mapping[str, str] | None = None) -> BidsDataset:
    """Open one task of a BIDS folder.

    Parameters
    ----------
    folder : Path or str
        Top of the BIDS folder.
    task : str, optional
        Name of the task; by default the only task that has events.
    options : mapping of str to str, optional
        "column"; "derivatives", a folder of derivatives, or "none" for raw BOLD; and entities of bold files, such as
        "space".

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
    options = dict(options or {})
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise DataError(f"Expected options out of {', '.join(OPTIONS)}, got {unknown!r}. Choose one of them.")
    selection = Selection.from_options(options)
    roots = find_roots(folder, options.get("derivatives", ""))
    grouped = find_runs(roots, selection)
    runs = grouped.by_subject
    task = _choose_task(roots, runs, task)
    others = [other for other in tasks_with_events(runs) if other != task]
    kept = {subject: tuple(run for run in each if run.task == task) for subject, each in runs.items()}
    descriptions = [read_json_object(path) for root in roots.all if (path := root / DESCRIPTION).is_file()]
    description = descriptions[0] if (roots.raw / DESCRIPTION).is_file() else {}
    return BidsDataset(
        folder=roots.raw,
        task=task,
        name=roots.raw.name,
        title=one_line(description.get("Name")) or roots.raw.name,
        licence=one_line(description.get("License")) or "not stated",
        citation=citation_of(description),
        simulated=any(one.get("Simulated") is True for one in descriptions),
        runs={subject: each for subject, each in kept.items() if each},
        paired_dataset=_paired(folder, others, options),
        column=options.get("column", ""),
        roots=roots,
        selection=selection,
        candidates={
            subject: tuple(run for run in each if run.task == task) for subject, each in grouped.candidates.items()
        },
        on_off=_choice(options, "onoff", ("yes", "no")) == "yes",
        test_repeats=_choice(options, "test", ("no", "repeats")) == "repeats",
        cleaning=CleaningOptions.from_options(options),
    )


def _paired(folder: Path, others: Sequence[str], options: Mapping[str, str]) -> str:
    """Name of the dataset of the only other task, in the same form."""
    kept = {name: value for name, value in options.items() if name in ("derivatives", *CLEANING, *SELECTABLE)}
    return f"{folder}:{others[0]}{'?' + urlencode(kept) if kept else ''}" if len(others) == 1 else ""


def _choice(options: Mapping[str, str], name: str, values: tuple[str, str]) -> str:
    """Value of an option; the first of the values is the default."""
    chosen = options.get(name, values[0])
    if chosen not in values:
        raise DataError(f"Expected {name}={values[0]} or {name}={values[1]}, got {chosen!r}. Choose one of them.")
    return chosen


def _choose_task(roots: Roots, runs: dict[str, tuple[Run, ...]], task: str | None) -> str:
    folder, tasks = roots.raw, sorted({run.task for each in runs.values() for run in each})
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
            f"{tasks!r}). Name the raw folder, which has them: --dataset RAW --derivatives {str(folder)!r}."
        )
    if task is None or task not in tasks:
        given = "several tasks" if task is None else f"no task {task!r}"
        raise DataError(
            f"Expected one task of {str(folder)!r}, got {given}. Choose one of {(with_events or tasks)!r}, as in "
            f"{str(folder)!r}:TASK."
        )
    return task


def _read_tables(runs: Sequence[Run]) -> list[tuple[Path, dict[str, list[str]]]]:
    """The events file of each run with its table."""
    paths = []
    for run in runs:
        if run.events is None:
            raise DataError(
                f"Expected {run.label}_events.tsv beside the run {run.label}, got no events file that fits. Add it."
            )
        paths.append(run.events)
    return [(path, read_table(path)) for path in paths]
