"""The Algonauts Project 2023 challenge: up to eight subjects of the Natural Scenes Dataset, one response a picture.

Responses are those of the training split, as published: z-scored within sessions, averaged over repeats. Those of the
test split are not published, so that folds of training pictures are held out in turn.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.columns import LARGE_BYTES, LazyArray
from brivl.core.records import Design, FlatmapGeometry, Responses, Stimulus, StimulusKind, Truth, Voxels
from brivl.data.algonauts2023.files import (
    N_FSAVERAGE,
    PUBLISHED,
    ResponseVertices,
    mask_files,
    read_vertices,
    response_files,
    response_sizes,
    training_images,
)
from brivl.data.algonauts2023.files import subjects_in as _subjects_in
from brivl.data.dataset import check_subject
from brivl.data.formats.annex import check_fetched
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.npy import read_float32, response_columns
from brivl.data.phantoms.mark import CITATION as SIMULATED_CITATION
from brivl.data.phantoms.mark import LICENCE as SIMULATED_LICENCE
from brivl.errors import DataError

LOADER_VERSION = "algonauts2023 1"  # part of the digest; count up when answers change
SIMULATED_NOTE = "SIMULATED.txt"  # in the folder of simulated subjects


@dataclass(frozen=True)
class AlgonautsDataset:
    """A folder of the challenge; fulfils `brivl.data.dataset.Dataset`."""

    folder: Path
    subjects: tuple[str, ...]
    simulated: bool = False
    licence: str = PUBLISHED.licence
    citation: str = PUBLISHED.citation
    models: tuple[str, ...] = ()
    stimulus_kind: StimulusKind = "image"

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def title(self) -> str:
        form = "Simulated, in the form of " if self.simulated else ""
        return f"{form}Algonauts 2023 (NSD)"

    def design(self, subject: str) -> Design:
        """Return the design: one response for each image, no delays, no test set.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Design
            Images are held out one by one.
        """
        n, _ = response_sizes(self._folder(subject))
        return Design(None, n, 0, np.zeros(1, int), groups=np.arange(n))

    def stimulus(self, subject: str) -> Stimulus:
        """Return the training images, which are read when features are extracted.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Stimulus
            One image for each row.
        """
        n, _ = response_sizes(self._folder(subject))
        images = training_images(self._folder(subject), n)
        weights = scipy.sparse.identity(n, np.float32, "csr")
        return Stimulus("image", list(images), weights, digest=_images_digest(images))

    def responses(self, subject: str) -> Responses:
        """Return the responses, left hemisphere first; large ones stay in their files.

        Columns with NaN stay so and are left out by the fit.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Responses
            (n_images, n_vertices) float32.

        Raises
        ------
        DataError
            Masks do not fit the responses.
        """
        folder = self._folder(subject)
        n, n_vertices = response_sizes(folder)
        voxels = self.voxels(subject)
        if n * sum(n_vertices) * 4 > LARGE_BYTES:
            return Responses(_both(response_files(folder), n, n_vertices), None, voxels)
        Y = np.concatenate([read_float32(path) for path in response_files(folder)], axis=1)
        return Responses(Y, None, voxels)

    def voxels(self, subject: str) -> Voxels:
        """Return vertices of fsaverage as (vertex, 0, hemisphere), and the regions of the challenge.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        Voxels
            One for each column of the responses.
        """
        places = self._places(subject)
        ijk = np.stack([places.vertex, np.zeros_like(places.vertex), places.right.astype(int)], axis=1)
        space = f"{subject} on fsaverage, challenge vertices"
        return Voxels(
            space,
            ijk,
            (N_FSAVERAGE, 1, 2),
            None,
            places.rois,
            flatmap="mapper",
            mapper=f"fsaverage vertices, {LOADER_VERSION}",
        )

    def flatmap(self, subject: str, height: int | None = None) -> FlatmapGeometry:
        """Make the flattened fsaverage5, whose vertices are the first 10,242 of fsaverage.

        Parameters
        ----------
        subject : str
            Name of the subject.
        height : int, optional
            Height in pixels; by default 512.

        Returns
        -------
        FlatmapGeometry
            The geometry.
        """
        from brivl.data.algonauts2023.flatmap import vertex_flatmap

        places = self._places(subject)
        return vertex_flatmap(places.vertex, places.right, places.rois, self.voxels(subject).space, height or 512)

    def truth(self, subject: str) -> Truth | None:
        """Return None: what the fixture simulates is not recorded as layers of models.

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
        """Digest responses and masks by content, images by name, size and time: hashing them reads gigabytes.

        Parameters
        ----------
        subject : str
            Name of the subject.

        Returns
        -------
        str
            Digest.
        """
        folder = self._folder(subject)
        n, _ = response_sizes(folder)
        paths = [*response_files(folder), *mask_files(folder)]
        for path in paths:
            check_fetched(path, self.folder)
        return digest_files(self.folder, paths, f"{LOADER_VERSION} {_images_digest(training_images(folder, n))}")

    def _folder(self, subject: str) -> Path:
        check_subject(self, subject)
        return self.folder / subject

    def _places(self, subject: str) -> ResponseVertices:
        folder = self._folder(subject)
        return read_vertices(folder, response_sizes(folder)[1])


def open_algonauts(folder: Path | str) -> AlgonautsDataset:
    """Open a folder of the challenge.

    Parameters
    ----------
    folder : Path or str
        Folder of subj01, subj02 and so on.

    Returns
    -------
    AlgonautsDataset
        The dataset.

    Raises
    ------
    DataError
        The folder has no training responses.
    """
    folder = Path(folder).expanduser().absolute()
    subjects = _subjects_in(folder)
    if not subjects:
        raise DataError(
            f"Expected subj01/training_split/training_fmri/lh_training_fmri.npy and so on in {str(folder)!r}, got "
            "none. Unpack the subjects' archives there."
        )
    if any((place / SIMULATED_NOTE).exists() for place in (folder, *(folder / subject for subject in subjects))):
        return AlgonautsDataset(folder, subjects, True, SIMULATED_LICENCE, SIMULATED_CITATION)
    return AlgonautsDataset(folder, subjects)


def _both(paths: tuple[Path, Path], n: int, n_vertices: tuple[int, int]) -> LazyArray:
    """Two files side by side as one array of columns."""
    left, right = (response_columns(path, n, 0)[0] for path in paths)
    n_left = n_vertices[0]

    def read(start: int, stop: int) -> np.ndarray:
        parts = [left[:, start : min(stop, n_left)], right[:, max(0, start - n_left) : max(0, stop - n_left)]]
        return np.concatenate([part for part in parts if part.shape[1]], axis=1)

    return LazyArray((n, sum(n_vertices)), read)


def _images_digest(images: tuple[Path, ...]) -> str:
    """What pictures are here, by names, sizes and times of their files."""
    try:
        states = [(path.name, path.stat()) for path in images]
    except OSError as error:
        raise DataError(
            f"Expected an image that can be read, got {error.filename!r} ({error.strerror}). Unpack the images again."
        ) from error
    return _digest_of(json.dumps([(name, state.st_size, state.st_mtime_ns) for name, state in states]))


@lru_cache(maxsize=32)
def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
