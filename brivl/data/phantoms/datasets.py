"""phantom-movie and phantom-sentences as datasets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse

from brivl.core.records import Design, Stimulus, StimulusKind, Voxels
from brivl.data.anatomy.aal import aal_region_names, mni_grid
from brivl.data.features import layer_features
from brivl.data.pereira2018.passages import load_passages
from brivl.data.phantoms import base, sentences
from brivl.data.phantoms import movie as phantom_movie
from brivl.data.phantoms.base import LayerDataset, StoredResult, parse_size
from brivl.data.phantoms.movie import MoviePhantomConfig
from brivl.data.phantoms.movie_stimulus import MovieConfig, make_movie
from brivl.data.phantoms.planting import SimulatedSubject
from brivl.data.phantoms.sentences import SentencePhantomConfig
from brivl.errors import RequestError
from brivl.models.registry import model_digest
from brivl.store.digests import JSON, json_digest
from brivl.store.keys import ArtifactKey


@dataclass(frozen=True)
class PhantomMovie(LayerDataset[MoviePhantomConfig]):
    """Five simulated subjects watch a drawn movie."""

    config: MoviePhantomConfig = field(default_factory=MoviePhantomConfig)
    name: str = phantom_movie.NAME
    title: str = "Simulated movie"
    subjects: tuple[str, ...] = phantom_movie.SUBJECTS

    @cached_property
    def _movie_digest(self) -> str:
        return json_digest({"movie": asdict(self.config.movie), "version": base.PHANTOM_VERSION})

    @cached_property
    def _stimulus(self) -> Stimulus:
        key = ArtifactKey("phantom-stimulus", {"movie": self._movie_digest})
        frames = self.store.get_or_compute(key, self._draw).arrays["frames"]
        per_tr = self.config.movie.frames_per_tr
        n_samples = len(frames) // per_tr
        average = scipy.sparse.kron(scipy.sparse.identity(n_samples), np.full((1, per_tr), 1 / per_tr), "csr")
        return Stimulus("image", frames, average.astype(np.float32), digest=self._movie_digest)

    def _draw(self) -> StoredResult:
        self.progress(0, 1, "Drawing the simulated movie")
        movie = make_movie(self.config.movie)
        return {"frames": movie.frames, "captions": movie.captions}, {"simulated": True}

    def _design(self) -> Design:
        return phantom_movie.design(self.config.movie)

    def _planted(self) -> dict[str, JSON]:
        return {
            "planted": {name: asdict(tuning) for name, tuning in phantom_movie.TUNING.items()},
            "models": [model_digest(m, "image") for m in phantom_movie.MODELS],
        }

    def _simulate_subject(self, subject: str) -> SimulatedSubject:
        self.progress(0, 1, f"Simulating {subject}")
        return phantom_movie.simulate(self.config, subject, self._layout, self._features)

    def _features(self, model: str, layer: int) -> np.ndarray:
        return layer_features(self.store, self._stimulus, model, layer, progress=self.progress)


@dataclass(frozen=True)
class PhantomSentences(LayerDataset[SentencePhantomConfig]):
    """Eight simulated subjects read 384 sentences."""

    config: SentencePhantomConfig = field(default_factory=SentencePhantomConfig)
    name: str = sentences.NAME
    title: str = "Simulated sentences"
    subjects: tuple[str, ...] = sentences.SUBJECTS
    stimulus_kind: StimulusKind = "text"

    @cached_property
    def _voxels(self) -> Voxels:
        return mni_grid(4)

    @cached_property
    def _stimulus(self) -> Stimulus:
        return sentences.stimulus(load_passages())

    def _design(self) -> Design:
        return sentences.design(load_passages())

    def _planted(self) -> dict[str, JSON]:
        names = aal_region_names()
        return {
            "sentences": list(load_passages().sentences),
            "planted": {str(i): asdict(sentences.tuning_of(i, names[i - 1])) for i in range(1, len(names) + 1)},
            "models": [model_digest(m, "text") for m in sentences.MODELS],
        }

    def _simulate_subject(self, subject: str) -> SimulatedSubject:
        self.progress(0, 1, f"Simulating {subject}")
        return sentences.simulate(
            self.config, subject, load_passages(), self._voxels, aal_region_names(), self._features
        )

    def _features(self, model: str, layer: int) -> np.ndarray:
        return layer_features(self.store, self._stimulus, model, layer, progress=self.progress)


def phantom_movie_config(size: str) -> MoviePhantomConfig:
    """Return the settings of phantom-movie for a size.

    Parameters
    ----------
    size : str
        Numbers of training and test TRs, such as "720/90"; "" for the default.

    Returns
    -------
    MoviePhantomConfig
        Settings.

    Raises
    ------
    RequestError
        If the size has another form or is out of range.
    """
    if not size:
        return MoviePhantomConfig()
    numbers = parse_size(size)
    if numbers is None:
        raise RequestError(
            f"Expected a size such as {phantom_movie.NAME}:720/90 (training/test TRs), got {size!r}. Correct the size."
        )
    return MoviePhantomConfig(MovieConfig(n_train=numbers[0], n_test=numbers[1]))
