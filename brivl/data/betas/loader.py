"""The user's own single-trial estimates: one row a trial, as GLMsingle and the Natural Scenes Dataset have them.

    betas/SUBJECT.npy       (n_trials, n_voxels); or .tsv; .h5 with an array betas, betasmd or data, also
                            (n_trials, z, y, x); or .nii.gz (x, y, z, n_trials); or a file for each session in
                            betas/SUBJECT/, in the order of the numbers in their names
    betas/SUBJECT_mask.nii.gz   optional: voxels that are kept of images
    trials.tsv              one row a trial: a column that names the item (text or image), optional session;
                            or trials/SUBJECT.tsv where subjects differ
    stimuli/                images, if trials name images
    voxels/SUBJECT.npz, atlases/, rois/, dataset.json   as in a plain folder

Trials of one item are averaged, or kept as rows of their own that are held out together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.columns import LARGE_BYTES, LazyArray
from brivl.core.encoding.explainable_variance import trial_explainable_variance
from brivl.core.records import Design, Responses, Stimulus, StimulusKind, Truth
from brivl.data.anatomy.own_atlases import OwnRegions, add_own_regions, find_own_regions
from brivl.data.betas.files import BetaFiles, Betas, find_betas, open_beta_files
from brivl.data.bids.events import read_table
from brivl.data.bids.stimulus_column import StimulusColumn, choose_column
from brivl.data.bids.stimulus_files import StimulusFiles
from brivl.data.dataset import check_subject
from brivl.data.formats.annex import is_pointer
from brivl.data.formats.content_digest import digest_files
from brivl.data.plain.loader import Description, read_description
from brivl.data.reading import Reading, few_items_warning
from brivl.errors import DataError

LOADER_VERSION = "betas 1"  # part of the digest; count up when what is read changes
SESSION_COLUMNS = ("session", "ses")
BLOCK = 4096  # voxels standardised at a time
OPTIONS = ("column", "trials")


@dataclass(frozen=True)
class Trials:
    """What each trial presents.

    Attributes
    ----------
    column : StimulusColumn
        Column that names the items.
    items : tuple of str
        Distinct items, in the order of their first trial.
    item : np.ndarray
        (n_kept,) position in `items` of each trial that presents one.
    rows : np.ndarray
        (n_kept,) row of each of them among all trials.
    session : np.ndarray
        (n_kept,) session of each of them, from 0.
    n_trials : int
        Number of rows of the table.
    """

    column: StimulusColumn
    items: tuple[str, ...]
    item: np.ndarray
    rows: np.ndarray
    session: np.ndarray
    n_trials: int

    @property
    def counts(self) -> np.ndarray:
        """(n_items,) trials of each item."""
        return np.bincount(self.item, minlength=len(self.items))


@dataclass(frozen=True)
class BetasDataset:
    """A folder of single-trial estimates; fulfils `brivl.data.dataset.Dataset`.

    Attributes
    ----------
    folder : Path
        The folder.
    about : Description
        Content of dataset.json.
    files : mapping of str to BetaFiles
        Estimates of each subject.
    column : str
        Column of trials.tsv that the user names; "" to choose one by its values.
    kept : bool
        Whether trials are rows of their own; else those of one item are averaged.
    """

    folder: Path
    about: Description
    files: Mapping[str, BetaFiles]
    column: str = ""
    kept: bool = False
    models: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def title(self) -> str:
        return self.about.title or self.folder.name

    @property
    def simulated(self) -> bool:
        return self.about.simulated

    @property
    def licence(self) -> str:
        return self.about.licence

    @property
    def citation(self) -> str:
        return self.about.citation

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(self.files)

    @property
    def stimulus_kind(self) -> StimulusKind:
        """Kind of the items of the first subject."""
        return self._trials(self.subjects[0]).column.kind

    @cached_property
    def stimulus_files(self) -> StimulusFiles:
        """Image files of the folder."""
        return StimulusFiles(self.folder)

    def event_columns(self, subject: str) -> tuple[str, ...]:
        """List the columns from which one can be chosen by name.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        tuple of str
            Columns of the table of trials.
        """
        return tuple(read_table(self._table(subject)))

    def design(self, subject: str) -> Design:
        """Return one row for each item or trial; rows of one item are held out together.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Design
            No delays, no test set.
        """
        trials = self._trials(subject)
        groups = trials.item if self.kept else np.arange(len(trials.items))
        return Design(None, len(groups), 0, np.zeros(1, int), groups=groups)

    def stimulus(self, subject: str) -> Stimulus:
        """Return the distinct items, and which of them each row presents.

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
            Images are missing or not fetched.
        """
        trials = self._trials(subject)
        items = [str(path) for path in self._images(trials)] if trials.column.kind == "image" else list(trials.items)
        item = trials.item if self.kept else np.arange(len(items))
        weights = scipy.sparse.csr_matrix(
            (np.ones(len(item), np.float32), (np.arange(len(item)), item)), shape=(len(item), len(items))
        )
        return Stimulus(trials.column.kind, items, weights)

    def responses(self, subject: str) -> Responses:
        """Return the rows, and the fraction of signal in a trial where items were repeated.

        Each voxel is standardised within each session; large responses are read a range of voxels at a time.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Responses
            (n_items, n_voxels) averages, or (n_trials, n_voxels), float32.

        Raises
        ------
        DataError
            Estimates are missing or damaged, or there is not one row for each trial.
        """
        trials, betas = self._trials(subject), self._betas(subject)
        n_rows = len(trials.item) if self.kept else len(trials.items)

        def read(start: int, stop: int) -> np.ndarray:
            parts = []
            for first in range(start, stop, BLOCK):
                values = _standardised(betas.read(first, min(first + BLOCK, stop)), trials)
                parts.append((values if self.kept else _averaged(values, trials)).astype(np.float32))
            return np.concatenate(parts, axis=1) if parts else np.zeros((n_rows, 0), np.float32)

        is_large = 4 * len(trials.item) * betas.n_voxels > LARGE_BYTES
        Y = LazyArray((n_rows, betas.n_voxels), read) if is_large else read(0, betas.n_voxels)
        voxels = add_own_regions(betas.voxels, self.own_regions(subject), self.about.space)[0]
        if trials.counts.max() < 2:
            return Responses(Y, None, voxels)
        ev = np.concatenate(
            [
                _trial_ev(_standardised(betas.read(first, min(first + BLOCK, betas.n_voxels)), trials), trials)
                for first in range(0, betas.n_voxels, BLOCK)
            ]
        )
        return Responses(Y, None, voxels, trial_ev=ev, n_trials_averaged=_harmonic_mean(self.kept, trials))

    def own_regions(self, subject: str) -> OwnRegions:
        """Find the atlases and the masks of ROIs in the folder.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        OwnRegions
            Files in atlases/ and rois/.
        """
        check_subject(self, subject)
        return find_own_regions(self.folder, (), self.about.space)

    def truth(self, subject: str) -> Truth | None:
        """Return None, since what a folder simulates is not recorded.

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
        """Digest all files that results of a subject depend on, and how they are read.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        str
            Digest of names and contents.
        """
        trials, files = self._trials(subject), self.files[subject]
        paths = {*files.paths, self._table(subject), self.folder / "voxels" / f"{subject}.npz"}
        paths |= {self.folder / "dataset.json"} | ({files.mask} if files.mask else set())
        paths |= set(self._images(trials)) if trials.column.kind == "image" else set()
        extra = f"{LOADER_VERSION}; {trials.column.name}; trials {'kept' if self.kept else 'averaged'}"
        extra += self.own_regions(subject).digest
        return digest_files(self.folder, {path for path in paths if path.is_file()}, extra)

    def reading(self, subject: str) -> Reading:
        """Say how the files of a subject are read.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Reading
            Items, trials, sessions, noise ceiling and atlases; and warnings.
        """
        trials, betas = self._trials(subject), self._betas(subject)
        n, counts = len(trials.item), trials.counts
        each = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
        rows = "kept as rows that are held out together" if self.kept else "averaged"
        notes = [
            f"Stimuli: {trials.column.describe(trials.items)}",
            f"Betas: {betas.note}; {n:,} trials of {len(trials.items):,} items, {each} of each, {rows}.",
            f"Each voxel is standardised within each of {len(np.unique(trials.session))} sessions.",
        ]
        if trials.n_trials > n:
            notes.append(f"{trials.n_trials - n:,} trials without an item: left out.")
        if counts.max() > 1:
            notes.append(
                f"Noise ceiling: from the variance over the trials of {int((counts > 1).sum()):,} repeated items "
                "(Allen et al., 2022, doi:10.1038/s41593-021-00962-x)."
            )
        return Reading(
            (*notes, *add_own_regions(betas.voxels, self.own_regions(subject), self.about.space)[1]),
            self.reading_warnings(subject),
        )

    def reading_warnings(self, subject: str) -> tuple[str, ...]:
        """Return the warnings of `reading`, from the table alone.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        tuple of str
            Few distinct items.
        """
        trials = self._trials(subject)
        few = few_items_warning(len(trials.items), trials.column.noun, trials.column.name)
        return (few,) if few else ()

    def _table(self, subject: str) -> Path:
        check_subject(self, subject)
        own, common = self.folder / "trials" / f"{subject}.tsv", self.folder / "trials.tsv"
        path = own if own.is_file() else common
        if not path.is_file():
            raise DataError(
                f"Expected trials.tsv or trials/{subject}.tsv in {str(self.folder)!r}, a row for each trial with a "
                "column that names its item, got neither. Add it."
            )
        return path

    def _trials(self, subject: str) -> Trials:
        path = self._table(subject)
        table = read_table(path)
        column = choose_column([table], self.stimulus_files, f"{self.folder.name}/{path.name}", self.column)
        values = table[column.name]
        rows = np.array([i for i, value in enumerate(values) if column.shows(value)], int)
        items = tuple(dict.fromkeys(values[i] for i in rows))
        position = {item: i for i, item in enumerate(items)}
        names = next((table[name] for name in SESSION_COLUMNS if name in table), ["1"] * len(values))
        sessions = {name: i for i, name in enumerate(dict.fromkeys(names))}
        if len(items) < 2:
            raise DataError(f"Expected at least two items in {str(path)!r}, got {len(items)}. Correct the table.")
        item = np.array([position[values[i]] for i in rows])
        return Trials(column, items, item, rows, np.array([sessions[names[i]] for i in rows]), len(values))

    def _betas(self, subject: str) -> Betas:
        trials = self._trials(subject)
        betas = open_beta_files(self.files[subject], self.folder, subject, self.about.space)
        if sum(betas.n_trials) != trials.n_trials:
            raise DataError(
                f"Expected a row of {self._table(subject).name} for each of {sum(betas.n_trials)} trials of {subject}, "
                f"got {trials.n_trials}. Correct the table."
            )
        return betas

    def _images(self, trials: Trials) -> list[Path]:
        by_name = {name: self.stimulus_files.find(name) for name in trials.items}
        missing = [name for name, path in by_name.items() if path is None]
        if missing:
            raise DataError(
                f"Expected images below {str(self.folder / 'stimuli')!r} as {trials.column.name} names them, got none "
                f"for {missing[0]!r} and {len(missing)} of {len(by_name)}. Add the images, or name another column."
            )
        paths = [path for path in by_name.values() if path is not None]
        unfetched = [path for path in paths if is_pointer(path)]
        if unfetched:
            raise DataError(
                f"Expected the content of {len(paths)} images, got links without content for {len(unfetched)}, such as "
                f"{str(unfetched[0])!r}. Run `datalad get stimuli` in {str(self.folder)!r}."
            )
        return paths


def _standardised(values: np.ndarray, trials: Trials) -> np.ndarray:
    """Trials that present an item, (n_kept, n_voxels), each voxel with mean 0 and variance 1 in each session."""
    with np.errstate(all="ignore"):  # what is not finite is left out and counted later
        kept = values[trials.rows].astype(np.float64)
        for session in np.unique(trials.session):
            rows = trials.session == session
            kept[rows] = (kept[rows] - kept[rows].mean(0)) / kept[rows].std(0)
    constant = ~np.isfinite(kept).all(0)
    kept[:, constant] = np.where(
        np.isfinite(values[trials.rows][:, constant]), 0.0, np.nan
    )  # left out and counted later
    return kept


def _averaged(values: np.ndarray, trials: Trials) -> np.ndarray:
    """Mean over the trials of each item, (n_items, n_voxels)."""
    share = 1.0 / trials.counts[trials.item]
    shape = (len(trials.items), len(trials.item))
    return scipy.sparse.csr_matrix((share, (trials.item, np.arange(len(trials.item)))), shape=shape) @ values


def _trial_ev(values: np.ndarray, trials: Trials) -> np.ndarray:
    varies = np.isfinite(values).all(0) & (values != 0).any(0)
    ev = np.full(values.shape[1], np.nan)
    ev[varies] = trial_explainable_variance(values[:, varies], trials.item) if varies.any() else 0.0
    return ev


def _harmonic_mean(kept: bool, trials: Trials) -> float:
    """Trials that a row is the average of; where items differ their harmonic mean, as in Allen et al. (2022)."""
    return 1.0 if kept else float(1 / np.mean(1 / trials.counts))


def open_betas(folder: Path | str, options: Mapping[str, str] | None = None) -> BetasDataset:
    """Open a folder of single-trial estimates.

    Parameters
    ----------
    folder : Path or str
        The folder.
    options : mapping of str to str, optional
        "column" of the table of trials; "trials", average or kept.

    Returns
    -------
    BetasDataset
        The dataset.

    Raises
    ------
    DataError
        There are no betas, an option is unknown, or dataset.json is wrong.
    """
    folder = Path(os.path.abspath(folder))
    options = dict(options or {})
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown or options.get("trials", "average") not in ("average", "kept"):
        raise DataError(
            f"Expected the options column=NAME and trials=average or trials=kept, got {options!r}. Choose one of them."
        )
    files = find_betas(folder)
    if not files:
        raise DataError(
            f"Expected betas/SUBJECT.npy, .h5, .tsv or .nii.gz in {str(folder)!r}, got none. Add the estimates; "
            "pickled files of GLMsingle are not opened, so save the array betasmd of them."
        )
    about = read_description(folder / "dataset.json")
    return BetasDataset(folder, about, files, options.get("column", ""), options.get("trials") == "kept")
