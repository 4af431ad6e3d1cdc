"""Pereira et al. (2018): up to sixteen subjects read 384 or 243 sentences in passages, or looked at 180 concepts.

Rows of the responses are estimates of a linear model for each sentence; they are no mean over anything and no time
series. Voxels outside of the 90 cerebral AAL regions are left out, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.records import Design, Responses, Stimulus, Truth, Voxels
from brivl.core.regions.areas import N_CEREBRAL
from brivl.data.dataset import check_subject
from brivl.data.formats.annex import check_fetched
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.mat import read_mat, texts, whole_numbers
from brivl.data.formats.mat_scan import scan_mat
from brivl.data.pereira2018.files import EXPERIMENTS, find_files
from brivl.data.pereira2018.meta import read_voxel_grid
from brivl.data.phantoms.mark import CITATION as SIMULATED_CITATION
from brivl.data.phantoms.mark import LICENCE as SIMULATED_LICENCE
from brivl.data.phantoms.mark import any_marked
from brivl.errors import DataError

LOADER_VERSION = "pereira2018 1: 90 cerebral AAL regions"  # part of the digest; count up when answers change
RESPONSES = ("examples_passagesentences", "examples")  # generation B's estimates of single sentences, A's
SENTENCES, PASSAGES, CONCEPTS = "keySentences", "labelsPassageForEachSentence", "keyConcept"
SPACE = "grid of the published files (they carry no affine), AAL as labelled there"
LICENCE = "No licence is stated; terms of the authors' page apply: web.mit.edu/evlab/sites/default/files/documents"
CITATION = (
    "Pereira, F., Lou, B., Pritchett, B., Ritter, S., Gershman, S. J., Kanwisher, N., Botvinick, M., & Fedorenko, E. "
    "(2018). Toward a universal decoder of linguistic meaning from brain activation. Nature Communications, 9, 963. "
    "doi:10.1038/s41467-018-03068-4"
)


@dataclass(frozen=True)
class TextStimuli:
    """What was read, row by row of the responses."""

    items: tuple[str, ...]
    groups: np.ndarray  # (n_samples,) int: passage of each sentence; each concept is its own


@dataclass(frozen=True)
class PereiraDataset:
    """One experiment; fulfils `brivl.data.dataset.Dataset`."""

    folder: Path
    experiment: str
    files: dict[str, Path]  # subject -> its file
    stimulus_kind: str = "text"
    simulated: bool = False
    licence: str = LICENCE
    citation: str = CITATION
    models: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.folder.name}:{self.experiment}"

    @property
    def title(self) -> str:
        form = "Simulated, in the form of " if self.simulated else ""
        return f"{form}Pereira et al. 2018, {EXPERIMENTS[self.experiment].title}"

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(self.files)

    def design(self, subject: str) -> Design:
        """One response for each text, no delays, no test set; sentences of a passage are not split between folds."""
        groups = self._texts(subject).groups
        return Design(None, len(groups), 0, np.zeros(1, int), groups=groups)

    def stimulus(self, subject: str) -> Stimulus:
        """Each sample is one sentence, or one concept's word."""
        items = self._texts(subject).items
        return Stimulus("text", list(items), scipy.sparse.identity(len(items), np.float32, "csr"))

    def responses(self, subject: str) -> Responses:
        """Responses (n_samples, n_voxels) float32 of the voxels in the 90 cerebral regions of AAL.

        DataError where rows are not one for each text, or voxels cannot be placed.
        """
        path = self._file(subject)
        n_rows = len(self._texts(subject).items)
        mat = read_mat(path, (_response_name(path), "meta"))
        Y = next((mat[name] for name in RESPONSES if name in mat), np.zeros(0))
        sparse = not isinstance(Y, np.ndarray)
        if sparse or Y.ndim != 2 or Y.dtype.kind not in "iuf" or len(Y) != n_rows or Y.shape[1] < 1:
            raise DataError(
                f"Responses in {str(path)!r} should be numbers (n_samples, n_voxels) with a row for each of {n_rows} "
                f"texts, but are {Y.dtype!r} of shape {Y.shape!r}."
            )
        if "meta" not in mat:
            raise DataError(f"{str(path)!r} should hold meta, which places the voxels, and does not.")
        places = read_voxel_grid(mat["meta"], Y.shape[1], path)
        kept = np.flatnonzero((places.aal > 0) & (places.aal <= N_CEREBRAL))
        if not len(kept):
            raise DataError(f"No voxel of {str(path)!r} lies in a cerebral AAL region; check its labels.")
        voxels = Voxels(SPACE, places.ijk[kept], places.shape, None, aal=places.aal[kept])
        with np.errstate(over="ignore"):
            return Responses(Y.astype(np.float32)[:, kept], None, voxels)

    def truth(self, subject: str) -> Truth | None:
        check_subject(self, subject)
        return None

    def digest(self, subject: str) -> str:
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
            return _read_texts(path)  # which says what is wrong
        return _known_texts(path, stat.st_size, stat.st_mtime_ns)


def open_pereira(folder: Path | str, experiment: str | None = None) -> PereiraDataset:
    """A folder of the published files as a dataset of one experiment; without `experiment` the first that it has.

    Raises RequestError for an experiment that there is not, DataError where the folder has no file of it.
    """
    folder = Path(folder).expanduser().absolute()
    chosen = experiment or next((name for name in EXPERIMENTS if find_files(folder, name)), next(iter(EXPERIMENTS)))
    files = find_files(folder, chosen)
    if not files:
        stem = EXPERIMENTS[chosen].stem
        raise DataError(
            f"{str(folder)!r} should hold SUBJECT/examples_{stem}.mat or SUBJECT/data_{stem}.mat for "
            f"{EXPERIMENTS[chosen].title}, and has none; unpack the subjects' archives there."
        )
    if any_marked(files.values()):
        return PereiraDataset(
            folder, chosen, files, simulated=True, licence=SIMULATED_LICENCE, citation=SIMULATED_CITATION
        )
    return PereiraDataset(folder, chosen, files)


def _response_name(path: Path) -> str:
    found = scan_mat(path)
    name = next((name for name in RESPONSES if name in found), None)
    if name is None:
        raise DataError(f"{str(path)!r} should hold responses as one of {RESPONSES!r}, and holds {sorted(found)!r}.")
    return name


@lru_cache(maxsize=64)
def _known_texts(path: Path, _size: int, _mtime_ns: int) -> TextStimuli:
    """Size and time are arguments so that a changed file is read again."""
    return _read_texts(path)


def _read_texts(path: Path) -> TextStimuli:
    mat = read_mat(path, (SENTENCES, PASSAGES, CONCEPTS))
    key = SENTENCES if SENTENCES in mat else CONCEPTS
    if key not in mat:
        raise DataError(f"{str(path)!r} should hold {SENTENCES} or {CONCEPTS}, what was read, and has neither.")
    items = tuple(texts(mat[key]))
    if len(items) < 2 or not all(items):
        raise DataError(f"{key} in {str(path)!r} should be two texts or more, none empty; {items.count('')} are empty.")
    groups = np.arange(len(items))
    if key == SENTENCES:
        if PASSAGES not in mat:
            raise DataError(f"{str(path)!r} should hold {PASSAGES}, without which sentences cannot be held out fairly.")
        groups = whole_numbers(mat[PASSAGES], PASSAGES, path)
    if len(groups) != len(items):
        raise DataError(
            f"{PASSAGES} in {str(path)!r} should be one number for each of {len(items)} sentences, and is "
            f"{len(groups)}."
        )
    groups.setflags(write=False)
    return TextStimuli(items, groups)
