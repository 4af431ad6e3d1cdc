"""shortclips: five subjects watched two hours of short natural movie clips (Huth et al. 2012), as published on GIN."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.records import Design, FlatmapGeometry, Responses, Stimulus, StimulusKind, Truth, Voxels
from brivl.data.dataset import check_subject
from brivl.data.formats.annex import check_fetched
from brivl.data.formats.content_digest import ContentDigest
from brivl.data.phantoms.mark import CITATION as SIMULATED_CITATION
from brivl.data.phantoms.mark import LICENCE as SIMULATED_LICENCE
from brivl.data.phantoms.mark import any_marked
from brivl.data.shortclips.files import (
    PUBLISHED,
    ResponseLayout,
    ShortclipsFiles,
    find_files,
    read_features,
    read_frame_headers,
    read_layout,
    read_responses,
)
from brivl.data.shortclips.flatmap import mapper_flatmap
from brivl.data.shortclips.frames import MovieFrames
from brivl.data.shortclips.mapper import MapperSummary, read_fsaverage, read_mapper_summary, to_vertices
from brivl.errors import DataError
from brivl.store.artifacts import Store

TR = 2.0  # seconds
LOADER_VERSION = "shortclips 1"  # part of the digest; count up when what is read changes


@dataclass(frozen=True)
class ShortclipsDataset:
    """A folder of the published form as a `brivl.data.dataset.Dataset`.

    Stimuli are the frames of the movies or, where no frames are on this machine, the feature spaces in features/.

    Attributes
    ----------
    files : ShortclipsFiles
        Files of the folder.
    subjects : tuple of str
        Subjects whose responses are on this machine.
    content : ContentDigest
        Digests of files.
    """

    files: ShortclipsFiles
    subjects: tuple[str, ...]
    content: ContentDigest
    simulated: bool = False
    title: str = PUBLISHED.title
    licence: str = PUBLISHED.licence
    citation: str = PUBLISHED.citation

    @property
    def name(self) -> str:  # numpydoc ignore=RT01
        """Name of the folder."""
        return self.files.folder.name

    @property
    def stimulus_kind(self) -> StimulusKind:  # numpydoc ignore=RT01
        """Kind of the stimuli, known without opening them."""
        return "features" if self.models else "image"

    @property
    def models(self) -> tuple[str, ...]:  # numpydoc ignore=RT01
        """Feature spaces that replace missing frames; empty where there are frames."""
        if any(self.files.is_fetched(path) for path in self.files.stimuli):
            return ()
        return tuple(name for name, path in self.files.features.items() if self.files.is_fetched(path))

    def design(self, subject: str) -> Design:
        """Return the TR of 2 s, the runs as the responses file lists them, and one test run.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Design
            Runs.
        """
        layout = self._layout(subject)
        return Design(TR, layout.n_train, layout.n_test, layout.run_onsets)

    def stimulus(self, subject: str) -> Stimulus:
        """Return the frames, read on access and equally weighted in each TR, or features that come with the data.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Stimulus
            Frames or features.

        Raises
        ------
        DataError
            If files are missing, not fetched, or do not fit the runs of the responses.
        """
        layout = self._layout(subject)
        n_samples = layout.n_train + layout.n_test
        if self.models:
            features = {name: read_features(self.files.features[name], layout) for name in self.models}
            return Stimulus("features", (), scipy.sparse.csr_matrix((n_samples, 0)), features)
        frames, per_tr = read_frame_headers(self.files, layout)
        n_items = n_samples * per_tr
        starts = np.arange(n_samples + 1) * per_tr
        weights = scipy.sparse.csr_matrix((np.full(n_items, 1 / per_tr), np.arange(n_items), starts))
        return Stimulus("image", MovieFrames(tuple(frames)), weights, digest=self._digest(self.files.stimuli))

    def responses(self, subject: str) -> Responses:
        """Return the responses as they are in the file; voxels with NaN stay and are left out by the encoding.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Responses
            Y_train (n_train, n_voxels) and Y_test (n_repeats, n_test, n_voxels), float32; large ones are read on
            access.
        """
        layout, voxels = self._layout(subject), self.voxels(subject)
        Y_train, Y_test = read_responses(self.files.responses[subject], layout)
        return Responses(Y_train, Y_test, voxels)

    def voxels(self, subject: str) -> Voxels:
        """Return the voxels as columns without positions, as none are published, and the ROIs of the mapper file.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Voxels
            Voxels; without ROIs where there is no mapper file.

        Raises
        ------
        DataError
            If mapper and responses have different numbers of voxels.
        """
        layout, mapper = self._layout(subject), self._mapper_summary(subject)
        ijk = np.zeros((layout.n_voxels, 3), int)
        ijk[:, 0] = np.arange(layout.n_voxels)
        shape = (layout.n_voxels, 1, 1)
        space = f"{subject} of shortclips, native cortex"
        if mapper is None:
            return Voxels(f"{space}, places of voxels not known", ijk, shape, None)
        if mapper.n_voxels != layout.n_voxels:
            raise DataError(
                f"Expected responses and mapper of {subject!r} with the same voxels, got {mapper.n_voxels:,} in "
                f"{str(self._mapper(subject))!r} and {layout.n_voxels:,} in {str(self.files.responses[subject])!r}. "
                "Get both files again."
            )
        if not mapper.has_flatmap:
            return Voxels(f"{space}, places of voxels not known", ijk, shape, None, mapper.rois)
        digest = self.content(self.files.mappers[subject])
        return Voxels(space, ijk, shape, None, mapper.rois, flatmap="mapper", mapper=digest)

    def flatmap(self, subject: str, height: int | None = None) -> FlatmapGeometry:
        """Return the subject's flatmap from the mapper file.

        Parameters
        ----------
        subject : str
            Subject.
        height : int, optional
            Rows of the flatmap, approximately; default: as in the file.

        Returns
        -------
        FlatmapGeometry
            Flatmap.

        Raises
        ------
        DataError
            If there is no mapper file.
        """
        path, mapper = self._mapper(subject), self._mapper_summary(subject)
        if path is None or mapper is None:
            raise DataError(
                f"Expected mappers/{subject}_mappers.hdf for a flatmap of {subject!r}, got none. Get the file with "
                "datalad or git-annex."
            )
        return mapper_flatmap(path, mapper.rois, self.voxels(subject).space, height)

    def on_fsaverage(self, subject: str, values: np.ndarray) -> np.ndarray | None:
        """Project values of voxels to the vertices of fsaverage with the mapper file.

        Parameters
        ----------
        subject : str
            Subject.
        values : (n_voxels,) array
            Values.

        Returns
        -------
        (n_vertices,) array or None
            Values of the vertices, left hemisphere first; None where the mapper file has no such operator.
        """
        path, mapper = self._mapper(subject), self._mapper_summary(subject)
        if path is None or mapper is None or not mapper.has_fsaverage:
            return None
        return to_vertices(read_fsaverage(path), values)

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
        """Return the digest of a subject's responses, mapper and stimuli.

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
            If git-annex has not fetched a file.
        """
        self._check(subject)
        models = self.models
        stimuli = [self.files.features[name] for name in models] if models else list(self.files.stimuli)
        mapper = self._mapper(subject)
        return self._digest([self.files.responses[subject], *([mapper] if mapper else []), *stimuli])

    def _digest(self, paths: Sequence[Path]) -> str:
        total = hashlib.sha256(LOADER_VERSION.encode())
        for path in paths:
            check_fetched(path, self.files.folder)
            total.update(f"{path.relative_to(self.files.folder).as_posix()}\0{self.content(path)}\n".encode())
        return total.hexdigest()

    def _layout(self, subject: str) -> ResponseLayout:
        self._check(subject)
        return read_layout(self.files.responses[subject])

    def _mapper(self, subject: str) -> Path | None:
        """Return the subject's mapper file; None where there is none or git-annex has not fetched it."""
        path = self.files.mappers.get(subject)
        return path if path is not None and self.files.is_fetched(path) else None

    def _mapper_summary(self, subject: str) -> MapperSummary | None:
        path = self._mapper(subject)
        return None if path is None else read_mapper_summary(path)

    def _check(self, subject: str) -> None:
        if subject not in self.subjects and subject in self.files.responses:
            check_fetched(self.files.responses[subject], self.files.folder)
        check_subject(self, subject)


def open_shortclips(folder: Path | str, store: Store | None = None) -> ShortclipsDataset:
    """Open a folder of the published form as a dataset of the subjects whose responses are on this machine.

    Parameters
    ----------
    folder : Path or str
        Folder.
    store : Store, optional
        Keeps the digests of large files.

    Returns
    -------
    ShortclipsDataset
        The dataset.

    Raises
    ------
    DataError
        If no subject's responses are on this machine.
    """
    files = find_files(Path(folder).expanduser().absolute())
    fetched = tuple(subject for subject, path in files.responses.items() if files.is_fetched(path))
    if not fetched:
        for path in files.responses.values():
            check_fetched(path, files.folder)
        raise DataError(
            f"Expected responses/SUBJECT_responses.hdf in {str(files.folder)!r}, got none. Get the dataset with "
            "datalad."
        )
    if any_marked(files.responses[subject] for subject in fetched):
        return ShortclipsDataset(
            files,
            fetched,
            ContentDigest(store),
            simulated=True,
            title="Simulated, in the form of shortclips",
            licence=SIMULATED_LICENCE,
            citation=SIMULATED_CITATION,
        )
    return ShortclipsDataset(files, fetched, ContentDigest(store))
