"""shortclips: five subjects watched two hours of short natural movie clips (Huth et al. 2012), as published on GIN."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.records import Design, FlatmapGeometry, Responses, Stimulus, Truth, Voxels
from brivl.data.dataset import check_subject
from brivl.data.formats.annex import check_fetched
from brivl.data.formats.content_digest import ContentDigest
from brivl.data.phantoms.mark import CITATION as SIMULATED_CITATION
from brivl.data.phantoms.mark import LICENCE as SIMULATED_LICENCE
from brivl.data.phantoms.mark import any_marked
from brivl.data.shortclips.files import (
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

TR = 2.0  # s
LOADER_VERSION = "shortclips 1"  # part of the digest; count up when answers change
CITATION = (
    "Huth, A. G., Nishimoto, S., Vu, A. T., Dupré la Tour, T., & Gallant, J. L. (2022). Gallant Lab Natural Short "
    "Clips 3T fMRI Data. doi:10.12751/g-node.vy1zjd; Huth, A. G., Nishimoto, S., Vu, A. T., & Gallant, J. L. (2012). "
    "Neuron, 76(6), 1210-1224. doi:10.1016/j.neuron.2012.10.014"
)
LICENCE = "Terms of the dataset's own page: doi:10.12751/g-node.vy1zjd"


@dataclass(frozen=True)
class ShortclipsDataset:
    """A folder of the published form; fulfils `brivl.data.dataset.Dataset`.

    Stimuli are the frames of the movies or, where no frames are here, the feature spaces in features/.
    """

    files: ShortclipsFiles
    subjects: tuple[str, ...]  # those whose responses are here
    content: ContentDigest
    simulated: bool = False
    title: str = "shortclips (Huth et al. 2012)"
    licence: str = LICENCE
    citation: str = CITATION

    @property
    def name(self) -> str:
        return self.files.folder.name

    @property
    def stimulus_kind(self) -> str:
        """What stimuli are, without opening them."""
        return "features" if self.models else "image"

    @property
    def models(self) -> tuple[str, ...]:
        """Feature spaces, where they stand in for frames that are not here."""
        if any(self.files.is_here(path) for path in self.files.stimuli):
            return ()
        return tuple(name for name, path in self.files.features.items() if self.files.is_here(path))

    def design(self, subject: str) -> Design:
        """TR of 2 s, runs as the responses file lists them, one test run."""
        layout = self._layout(subject)
        return Design(TR, layout.n_train, layout.n_test, layout.run_onsets)

    def stimulus(self, subject: str) -> Stimulus:
        """Frames, read when they are looked at, and their equal shares in each TR; or features that come with the data.

        DataError where files are missing, not fetched, or do not fit the runs of the responses.
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
        """Responses as they are in the file, float32; voxels with NaN stay so and are left out by the encoding."""
        layout, voxels = self._layout(subject), self.voxels(subject)
        return Responses(*read_responses(self.files.responses[subject], layout), voxels)

    def voxels(self, subject: str) -> Voxels:
        """Voxels as columns without places (none are published), and the ROIs of the mapper file, if there is one."""
        layout, facts = self._layout(subject), self._facts(subject)
        ijk = np.zeros((layout.n_voxels, 3), int)
        ijk[:, 0] = np.arange(layout.n_voxels)
        shape = (layout.n_voxels, 1, 1)
        space = f"{subject} of shortclips, native cortex"
        if facts is None:
            return Voxels(f"{space}, places of voxels not known", ijk, shape, None)
        if facts.n_voxels != layout.n_voxels:
            raise DataError(
                f"Responses and mapper of {subject!r} should be of the same voxels, but {str(self._mapper(subject))!r} "
                f"is for {facts.n_voxels:,} and {str(self.files.responses[subject])!r} has {layout.n_voxels:,}; get "
                "both again."
            )
        if not facts.has_flatmap:
            return Voxels(f"{space}, places of voxels not known", ijk, shape, None, facts.rois)
        mapper = self.content(self.files.mappers[subject])
        return Voxels(space, ijk, shape, None, facts.rois, flatmap="mapper", mapper=mapper)

    def flatmap(self, subject: str, height: int | None = None) -> FlatmapGeometry:
        """The subject's flatmap from the mapper file, of about `height` rows. DataError where there is none."""
        path, facts = self._mapper(subject), self._facts(subject)
        if path is None or facts is None:
            raise DataError(f"{subject!r} should have mappers/{subject}_mappers.hdf for a flatmap, but has none.")
        return mapper_flatmap(path, facts.rois, self.voxels(subject).space, height)

    def on_fsaverage(self, subject: str, values: np.ndarray) -> np.ndarray | None:
        """Values (n_voxels,) on the vertices of fsaverage, left first, by the mapper file; None where it has none."""
        path, facts = self._mapper(subject), self._facts(subject)
        if path is None or facts is None or not facts.has_fsaverage:
            return None
        return to_vertices(read_fsaverage(path), values)

    def truth(self, subject: str) -> Truth | None:
        check_subject(self, subject)
        return None

    def digest(self, subject: str) -> str:
        self._check(subject)
        models = self.models
        shown = [self.files.features[name] for name in models] if models else list(self.files.stimuli)
        mapper = self._mapper(subject)
        return self._digest([self.files.responses[subject], *([mapper] if mapper else []), *shown])

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
        """The subject's mapper file; None where there is none or git-annex has not fetched it."""
        path = self.files.mappers.get(subject)
        return path if path is not None and self.files.is_here(path) else None

    def _facts(self, subject: str) -> MapperSummary | None:
        path = self._mapper(subject)
        return None if path is None else read_mapper_summary(path)

    def _check(self, subject: str) -> None:
        if subject not in self.subjects and subject in self.files.responses:
            check_fetched(self.files.responses[subject], self.files.folder)
        check_subject(self, subject)


def open_shortclips(folder: Path | str, store: Store | None = None) -> ShortclipsDataset:
    """A folder of the published form as a dataset of those subjects whose responses are here.

    With a `store`, digests of large files are kept there. DataError where no subject's responses are here.
    """
    files = find_files(Path(folder).expanduser().absolute())
    here = tuple(subject for subject, path in files.responses.items() if files.is_here(path))
    if not here:
        for path in files.responses.values():
            check_fetched(path, files.folder)
        raise DataError(f"{str(files.folder)!r} should have responses/SUBJECT_responses.hdf, but none was found.")
    if any_marked(files.responses[subject] for subject in here):
        about = {
            "title": "Simulated, in the form of shortclips",
            "licence": SIMULATED_LICENCE,
            "citation": SIMULATED_CITATION,
        }
        return ShortclipsDataset(files, here, ContentDigest(store), simulated=True, **about)
    return ShortclipsDataset(files, here, ContentDigest(store))
