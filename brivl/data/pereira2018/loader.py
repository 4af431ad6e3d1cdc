"""Pereira et al. (2018): up to sixteen subjects read 384 or 243 sentences in passages, or saw 180 concepts.

Rows of the responses are estimates of a general linear model, one for each sentence: neither averages nor a time
series. Voxels outside of the 90 cerebral AAL regions are left out, as in Lu et al. (2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.records import Design, Responses, Stimulus, StimulusKind, Truth, Voxels
from brivl.core.regions.areas import N_CEREBRAL
from brivl.data.dataset import check_subject
from brivl.data.formats.annex import check_fetched
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.mat import read_mat, texts, whole_numbers
from brivl.data.formats.mat_scan import scan_mat
from brivl.data.pereira2018.files import EXPERIMENTS, PUBLISHED, find_files
from brivl.data.pereira2018.meta import read_voxel_grid
from brivl.data.phantoms.mark import CITATION as SIMULATED_CITATION
from brivl.data.phantoms.mark import LICENCE as SIMULATED_LICENCE
from brivl.data.phantoms.mark import any_marked
from brivl.errors import DataError

LOADER_VERSION = "pereira2018 1: 90 cerebral AAL regions"  # part of the digest; count up when what is read changes
RESPONSES = ("examples_passagesentences", "examples")  # estimates of single sentences in generation B and in A
SENTENCES, PASSAGES, CONCEPTS = "keySentences", "labelsPassageForEachSentence", "keyConcept"
SPACE = "grid of the published files (they carry no affine), AAL as labelled there"


@dataclass(frozen=True)
class TextStimuli:
    """The texts of an experiment, in the order of the rows of the responses.

    Attributes
    ----------
    items : tuple of str
        Sentences, or words for concepts.
    groups : (n_samples,) array of int
        Passage of each sentence; each concept is its own group.
    """

    items: tuple[str, ...]
    groups: np.ndarray


@dataclass(frozen=True)
class PereiraDataset:
    """One experiment as a `brivl.data.dataset.Dataset`.

    Attributes
    ----------
    folder : Path
        Folder of the published files.
    experiment : str
        A key of EXPERIMENTS.
    files : dict of str to Path
        File of each subject.
    """

    folder: Path
    experiment: str
    files: dict[str, Path]
    stimulus_kind: StimulusKind = "text"
    simulated: bool = False
    licence: str = PUBLISHED.licence
    citation: str = PUBLISHED.citation
    models: tuple[str, ...] = ()

    @property
    def name(self) -> str:  # numpydoc ignore=RT01
        """Name of the folder and of the experiment."""
        return f"{self.folder.name}:{self.experiment}"

    @property
    def title(self) -> str:  # numpydoc ignore=RT01
        """Title for a page."""
        form = "Simulated, in the form of " if self.simulated else ""
        return f"{form}Pereira et al. 2018, {EXPERIMENTS[self.experiment].title}"

    @property
    def subjects(self) -> tuple[str, ...]:  # numpydoc ignore=RT01
        """Subjects with a file, in the order of the paper."""
        return tuple(self.files)

    def design(self, subject: str) -> Design:
        """Return one response per text, without delays and without a test set.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Design
            Its groups are the passages, which are not split between folds.
        """
        groups = self._texts(subject).groups
        return Design(None, len(groups), 0, np.zeros(1, int), groups=groups)

    def stimulus(self, subject: str) -> Stimulus:
        """Return the texts; each sample is one sentence, or the word of one concept.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Stimulus
            Texts.
        """
        items = self._texts(subject).items
        return Stimulus("text", list(items), scipy.sparse.identity(len(items), np.float32, "csr"))

    def responses(self, subject: str) -> Responses:
        """Read the responses of the voxels in the 90 cerebral regions of AAL.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Responses
            Y_train (n_samples, n_voxels) float32; no test set.

        Raises
        ------
        DataError
            If there is not one row for each text, or the voxels' positions or labels are missing or contradictory.
        """
        path = self._file(subject)
        n_rows = len(self._texts(subject).items)
        mat = read_mat(path, (_response_name(path), "meta"))
        Y = next((mat[name] for name in RESPONSES if name in mat), np.zeros(0))
        is_sparse = not isinstance(Y, np.ndarray)
        if is_sparse or Y.ndim != 2 or Y.dtype.kind not in "iuf" or len(Y) != n_rows or Y.shape[1] < 1:
            raise DataError(
                f"Expected responses (n_samples, n_voxels) with a row for each of {n_rows} texts in {str(path)!r}, got "
                f"{Y.dtype!r} of shape {Y.shape!r}. Get the file again."
            )
        if "meta" not in mat:
            raise DataError(
                f"Expected the struct meta, which holds the positions of the voxels, in {str(path)!r}, got none. Get "
                "the file again."
            )
        grid = read_voxel_grid(mat["meta"], Y.shape[1], path)
        kept = np.flatnonzero((grid.aal > 0) & (grid.aal <= N_CEREBRAL))
        if not len(kept):
            raise DataError(
                f"Expected voxels in cerebral AAL regions in {str(path)!r}, got none. Check the labels in its meta."
            )
        voxels = Voxels(SPACE, grid.ijk[kept], grid.shape, None, aal=grid.aal[kept])
        with np.errstate(over="ignore"):
            return Responses(Y.astype(np.float32)[:, kept], None, voxels)

    def truth(self, subject: str) -> Truth | None:
        """Return None: no layers of models are planted in these data.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        None
            Always.
        """
        check_subject(self, subject)
        return None

    def digest(self, subject: str) -> str:
        """Return the digest of a subject's file.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        str
            Digest, which also changes with the version of this loader.

        Raises
        ------
        DataError
            If git-annex has not fetched the file.
        """
        path = self._file(subject)
        check_fetched(path, self.folder)
        return digest_files(self.folder, [path], LOADER_VERSION)

    def _file(self, subject: str) -> Path:
        check_subject(self, subject)
        return self.files[subject]

    def _texts(self, subject: str) -> TextStimuli:
        path = self._file(subject)
        try:
            stat = path.stat()
        except OSError:
            return _read_texts(path)  # which raises the error that explains it
        return _cached_texts(path, stat.st_size, stat.st_mtime_ns)


def open_pereira(folder: Path | str, experiment: str | None = None) -> PereiraDataset:
    """Open a folder of the published files as a dataset of one experiment.

    Parameters
    ----------
    folder : Path or str
        Folder.
    experiment : str, optional
        A key of EXPERIMENTS; default: the first that the folder has.

    Returns
    -------
    PereiraDataset
        The dataset.

    Raises
    ------
    RequestError
        If there is no such experiment.
    DataError
        If the folder has no file of it.
    """
    folder = Path(folder).expanduser().absolute()
    chosen = experiment or next((name for name in EXPERIMENTS if find_files(folder, name)), next(iter(EXPERIMENTS)))
    files = find_files(folder, chosen)
    if not files:
        stem = EXPERIMENTS[chosen].stem
        raise DataError(
            f"Expected SUBJECT/examples_{stem}.mat or SUBJECT/data_{stem}.mat for {EXPERIMENTS[chosen].title} in "
            f"{str(folder)!r}, got neither. Unpack the archives of the subjects there."
        )
    if any_marked(files.values()):
        return PereiraDataset(
            folder, chosen, files, simulated=True, licence=SIMULATED_LICENCE, citation=SIMULATED_CITATION
        )
    return PereiraDataset(folder, chosen, files)


def _response_name(path: Path) -> str:
    shapes = scan_mat(path)
    name = next((name for name in RESPONSES if name in shapes), None)
    if name is None:
        raise DataError(
            f"Expected responses as one of {RESPONSES!r} in {str(path)!r}, got the variables {sorted(shapes)!r}. Get "
            "the file again."
        )
    return name


@lru_cache(maxsize=64)
def _cached_texts(path: Path, _size: int, _mtime_ns: int) -> TextStimuli:
    """Read the texts; size and time are arguments so that a changed file is read again."""
    return _read_texts(path)


def _read_texts(path: Path) -> TextStimuli:
    mat = read_mat(path, (SENTENCES, PASSAGES, CONCEPTS))
    key = SENTENCES if SENTENCES in mat else CONCEPTS
    if key not in mat:
        raise DataError(
            f"Expected the texts as {SENTENCES} or {CONCEPTS} in {str(path)!r}, got neither. Get the file again."
        )
    items = tuple(texts(mat[key]))
    if len(items) < 2 or not all(items):
        raise DataError(
            f"Expected at least two texts, none empty, as {key} in {str(path)!r}, got {len(items)}, of which "
            f"{items.count('')} are empty. Get the file again."
        )
    groups = np.arange(len(items))
    if key == SENTENCES:
        if PASSAGES not in mat:
            raise DataError(
                f"Expected {PASSAGES} in {str(path)!r}, got none; without it sentences of a passage would be in "
                "training and test sets. Get the file again."
            )
        groups = whole_numbers(mat[PASSAGES], PASSAGES, path)
    if len(groups) != len(items):
        raise DataError(
            f"Expected a number for each of {len(items)} sentences as {PASSAGES} in {str(path)!r}, got {len(groups)}. "
            "Get the file again."
        )
    groups.setflags(write=False)
    return TextStimuli(items, groups)
