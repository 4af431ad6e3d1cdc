"""The simulated experiments as datasets: built on first use, part by part, and kept in the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Design, Responses, Stimulus, Truth, Voxels
from brivl.data.anatomy.aal import aal_region_names, mni_grid
from brivl.data.anatomy.cortex import load_cortical_voxels
from brivl.data.dataset import check_subject
from brivl.data.features import layer_features
from brivl.data.pereira2018.passages import load_passages
from brivl.data.phantoms import movie as phantom_movie
from brivl.data.phantoms import sentences
from brivl.data.phantoms.movie import BrainLayout, MoviePhantomConfig, brain_layout
from brivl.data.phantoms.movie_stimulus import MovieConfig, make_movie
from brivl.data.phantoms.planting import LICENCE, LayerFeatures, SimulatedSubject
from brivl.data.phantoms.sentences import SentencePhantomConfig
from brivl.errors import RequestError
from brivl.models.registry import model_digest
from brivl.store.artifacts import Store
from brivl.store.digests import json_digest
from brivl.store.keys import ArtifactKey

PHANTOM_VERSION = 1  # raise when the drawing of scenes or the planting changes
CITATION = "Simulated data of the BriVL explorer; not a measurement of any brain."


def _stored_subject(
    store: Store, key: ArtifactKey, voxels: Voxels, simulate: Callable[[], SimulatedSubject]
) -> tuple[Responses, Truth]:
    """Responses and truth of a subject from the store, simulated first if they are not there."""

    def compute() -> tuple[Mapping[str, np.ndarray], Mapping]:
        made = simulate()
        arrays = {
            "Y_train": made.responses.Y_train,
            "layer": made.truth.layer,
            "share": made.truth.variance_fraction,
            "noise_ceiling": made.truth.noise_ceiling,
            "oracle_split": made.truth.oracle_split,
        }
        if made.responses.Y_test is not None:
            arrays["Y_test"] = made.responses.Y_test
        return arrays, {"models": list(made.truth.models), "simulated": True}

    artifact = store.get_or_compute(key, compute)
    a = artifact.arrays
    truth = Truth(a["layer"], a["share"], a["noise_ceiling"], a["oracle_split"], tuple(artifact.info["models"]))
    return Responses(a["Y_train"], a.get("Y_test"), voxels), truth


def stored_layout(store: Store, progress: ProgressCallback = no_progress) -> BrainLayout:
    """Voxels on the cortex of S1, from the store."""

    def compute() -> tuple[Mapping[str, np.ndarray], Mapping]:
        progress(0, 1, "Placing voxels on the cortex of S1")
        layout = brain_layout(load_cortical_voxels())
        v = layout.voxels
        rois = np.stack(list(v.rois.values()))
        return {"ijk": v.ijk, "affine": v.affine, "rois": rois, "region": layout.region, "gain": layout.gain}, {
            "roi_names": list(v.rois),
            "shape": list(v.shape),
            "space": v.space,
        }

    artifact = store.get_or_compute(ArtifactKey("phantom-layout", {"version": PHANTOM_VERSION}), compute)
    a, info = artifact.arrays, artifact.info
    rois = dict(zip(info["roi_names"], a["rois"], strict=True))
    voxels = Voxels(info["space"], a["ijk"], tuple(info["shape"]), a["affine"], rois, flatmap="pycortex-S1")
    return BrainLayout(voxels, a["region"], a["gain"])


@dataclass(frozen=True)
class PhantomMovie:
    """Five simulated subjects watch a drawn movie."""

    store: Store
    config: MoviePhantomConfig = field(default_factory=MoviePhantomConfig)
    progress: ProgressCallback = no_progress
    name: str = phantom_movie.NAME
    title: str = "Phantom movie (simulated)"
    simulated: bool = True
    licence: str = LICENCE
    citation: str = CITATION
    subjects: tuple[str, ...] = phantom_movie.SUBJECTS
    models: tuple[str, ...] = ()
    stimulus_kind: str = "image"

    @cached_property
    def _movie_digest(self) -> str:
        return json_digest({"movie": asdict(self.config.movie), "version": PHANTOM_VERSION})

    @cached_property
    def _stimulus(self) -> Stimulus:
        def compute() -> tuple[Mapping[str, np.ndarray], Mapping]:
            self.progress(0, 1, "Drawing the simulated movie")
            movie = make_movie(self.config.movie)
            return {"frames": movie.frames, "captions": movie.captions}, {"simulated": True}

        key = ArtifactKey("phantom-stimulus", {"movie": self._movie_digest})
        frames = self.store.get_or_compute(key, compute).arrays["frames"]
        per_tr = self.config.movie.frames_per_tr
        n_samples = len(frames) // per_tr
        average = scipy.sparse.kron(scipy.sparse.identity(n_samples), np.full((1, per_tr), 1 / per_tr), "csr")
        return Stimulus("image", frames, average.astype(np.float32), digest=self._movie_digest)

    @cached_property
    def _layout(self) -> BrainLayout:
        return stored_layout(self.store, self.progress)

    def design(self, subject: str) -> Design:
        return phantom_movie.design(self.config.movie)

    def stimulus(self, subject: str) -> Stimulus:
        return self._stimulus

    def responses(self, subject: str) -> Responses:
        return self._simulated(subject)[0]

    def truth(self, subject: str) -> Truth:
        return self._simulated(subject)[1]

    def digest(self, subject: str) -> str:
        return json_digest(
            {
                "config": asdict(self.config),
                "subject": subject,
                "version": PHANTOM_VERSION,
                "planted": {name: asdict(tuning) for name, tuning in phantom_movie.TUNING.items()},
                "models": [model_digest(m, "image") for m in phantom_movie.MODELS],
            }
        )

    def _simulated(self, subject: str) -> tuple[Responses, Truth]:
        check_subject(self, subject)

        def simulate() -> SimulatedSubject:
            features = self._features()
            self.progress(0, 1, f"Simulating {subject}")
            return phantom_movie.simulate(self.config, subject, self._layout, features)

        key = ArtifactKey("phantom-responses", {"dataset": self.digest(subject)})
        return _stored_subject(self.store, key, self._layout.voxels, simulate)

    def _features(self) -> LayerFeatures:
        return lambda model, layer: layer_features(self.store, self._stimulus, model, layer, progress=self.progress)


@dataclass(frozen=True)
class PhantomSentences:
    """Eight simulated subjects read 384 sentences."""

    store: Store
    config: SentencePhantomConfig = field(default_factory=SentencePhantomConfig)
    progress: ProgressCallback = no_progress
    name: str = sentences.NAME
    title: str = "Phantom sentences (simulated)"
    simulated: bool = True
    licence: str = LICENCE
    citation: str = CITATION
    subjects: tuple[str, ...] = sentences.SUBJECTS
    models: tuple[str, ...] = ()
    stimulus_kind: str = "text"

    @cached_property
    def _voxels(self) -> Voxels:
        return mni_grid(4)

    def design(self, subject: str) -> Design:
        return sentences.design(load_passages())

    def stimulus(self, subject: str) -> Stimulus:
        return sentences.stimulus(load_passages())

    def responses(self, subject: str) -> Responses:
        return self._simulated(subject)[0]

    def truth(self, subject: str) -> Truth:
        return self._simulated(subject)[1]

    def digest(self, subject: str) -> str:
        return json_digest(
            {
                "config": asdict(self.config),
                "subject": subject,
                "version": PHANTOM_VERSION,
                "sentences": list(load_passages().sentences),
                "planted": _planted_in_sentences(),
                "models": [model_digest(m, "text") for m in sentences.MODELS],
            }
        )

    def _simulated(self, subject: str) -> tuple[Responses, Truth]:
        check_subject(self, subject)

        def simulate() -> SimulatedSubject:
            stimulus = self.stimulus(subject)
            self.progress(0, 1, f"Simulating {subject}")
            return sentences.simulate(
                self.config,
                subject,
                load_passages(),
                self._voxels,
                aal_region_names(),
                lambda model, layer: layer_features(self.store, stimulus, model, layer, progress=self.progress),
            )

        key = ArtifactKey("phantom-responses", {"dataset": self.digest(subject)})
        return _stored_subject(self.store, key, self._voxels, simulate)


def _planted_in_sentences() -> dict[str, dict]:
    """What is planted in each AAL1 region, as JSON, so that another planting is another dataset."""
    names = aal_region_names()
    return {str(i): asdict(sentences.tuning_of(i, names[i - 1])) for i in range(1, len(names) + 1)}


def phantom_movie_config(size: str) -> MoviePhantomConfig:
    """Settings from a size such as "720/90" (training and test TRs); "" for the default.

    Raises RequestError for anything else.
    """
    if not size:
        return MoviePhantomConfig()
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", size)
    if found is None:
        raise RequestError(f"Wanted a size such as phantom-movie:720/90 (training/test TRs) and got {size!r}.")
    return MoviePhantomConfig(MovieConfig(n_train=int(found[1]), n_test=int(found[2])))
