"""What the simulated datasets have in common: they are computed on first use and kept in the store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from brivl.core.columns import LazyArray
from brivl.core.parallel import one_thread_per_call
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Design, Responses, Stimulus, StimulusKind, Truth, Voxels
from brivl.data.anatomy.cortex import load_cortical_voxels
from brivl.data.dataset import check_subject
from brivl.data.phantoms.movie import BrainLayout, brain_layout
from brivl.data.phantoms.planting import LICENCE, SimulatedSubject
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import JSON, json_digest
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PHANTOM_VERSION = 1  # count up when the drawing of scenes or the planting changes
CITATION = "Simulated data of the BriVL explorer; not a measurement of any brain."
SIZE = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")

Config = TypeVar("Config", bound="DataclassInstance")
StoredResult = tuple[Mapping[str, np.ndarray], Mapping[str, JSON]]  # arrays and info, as the store takes them


def parse_size(text: str) -> tuple[int, int] | None:
    """Read a size such as "720/90".

    Parameters
    ----------
    text : str
        Numbers of training and test samples, separated by a slash.

    Returns
    -------
    (int, int) or None
        The numbers, None where the text has another form.
    """
    match = SIZE.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2]))


def stored_layout(store: Store, progress: ProgressCallback = no_progress) -> BrainLayout:
    """Return the simulated voxels on the cortex of pycortex's S1, computed once.

    Parameters
    ----------
    store : Store
        Holds the layout.
    progress : ProgressCallback
        Called when the layout is computed.

    Returns
    -------
    BrainLayout
        Voxels, and the region of each.
    """

    def _compute() -> StoredResult:
        progress(0, 1, "Placing voxels on the cortex of S1")
        layout = brain_layout(load_cortical_voxels())
        v = layout.voxels
        arrays = {"ijk": v.ijk, "affine": np.asarray(v.affine), "rois": np.stack(list(v.rois.values()))}
        info = {"roi_names": list(v.rois), "shape": list(v.shape), "space": v.space}
        return arrays | {"region": layout.region, "gain": layout.gain}, info

    artifact = store.get_or_compute(ArtifactKey("phantom-layout", {"version": PHANTOM_VERSION}), _compute)
    a, info = artifact.arrays, artifact.info
    rois = dict(zip(info["roi_names"], a["rois"], strict=True))
    x, y, z = info["shape"]
    voxels = Voxels(info["space"], a["ijk"], (x, y, z), a["affine"], rois, flatmap="pycortex-S1")
    return BrainLayout(voxels, a["region"], a["gain"])


@dataclass(frozen=True)
class SimulatedDataset(Generic[Config]):
    """A simulated experiment as a `brivl.data.dataset.Dataset`.

    Attributes
    ----------
    store : Store
        Holds stimuli and responses once they were computed.
    config : dataclass
        All settings that change stimuli or responses; part of the digest.
    progress : ProgressCallback
        Called while something is computed.
    """

    store: Store
    config: Config
    progress: ProgressCallback = no_progress
    name: str = ""
    title: str = ""
    simulated: bool = True
    licence: str = LICENCE
    citation: str = CITATION
    subjects: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    stimulus_kind: StimulusKind = "image"

    def design(self, subject: str) -> Design:
        """Return the design, which is the same for all subjects.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Design
            Runs and test set.
        """
        return self._design()

    def stimulus(self, subject: str) -> Stimulus:
        """Return the stimulus, which is the same for all subjects.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Stimulus
            Images or texts.
        """
        return self._stimulus

    def responses(self, subject: str) -> Responses:
        """Return the simulated responses of a subject.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Responses
            Training and, where the experiment has them, repeated test responses.

        Raises
        ------
        RequestError
            If there is no such subject.
        """
        arrays = self._simulated(subject).arrays
        return Responses(*self._measured(arrays), self._voxels)

    def truth(self, subject: str) -> Truth | None:
        """Return the ground truth of an experiment in which layers of models drive the voxels.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Truth or None
            Layer and variance fractions of each voxel, None where other properties of the stimuli drive the voxels.
        """
        return None

    def digest(self, subject: str) -> str:
        """Return the digest of everything that the responses depend on.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        str
            Digest.
        """
        return self._subject_digest(subject)

    def _subject_digest(self, subject: str) -> str:
        return json_digest(
            {"config": asdict(self.config), "subject": subject, "version": PHANTOM_VERSION, **self._planted()}
        )

    def _simulated(self, subject: str) -> Artifact:
        check_subject(self, subject)
        key = ArtifactKey("phantom-responses", {"dataset": self._subject_digest(subject)})

        def _compute() -> StoredResult:
            with one_thread_per_call():  # the key says nothing of threads
                return self._simulate(subject)

        return self.store.get_or_compute(key, _compute)

    def _measured(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """Take training and test responses out of the arrays that `_simulate` made."""
        return arrays["Y_train"], arrays.get("Y_test")

    @cached_property
    def _layout(self) -> BrainLayout:
        return stored_layout(self.store, self.progress)

    @cached_property
    def _voxels(self) -> Voxels:
        return self._layout.voxels

    @cached_property
    def _stimulus(self) -> Stimulus:
        raise NotImplementedError

    def _design(self) -> Design:
        raise NotImplementedError

    def _planted(self) -> dict[str, JSON]:
        """Return what the digest covers besides settings, subject and version: the planted effects and their models."""
        raise NotImplementedError

    def _simulate(self, subject: str) -> StoredResult:
        """Simulate the responses of a subject."""
        raise NotImplementedError


@dataclass(frozen=True)
class LayerDataset(SimulatedDataset[Config]):
    """A simulated experiment in which layers of two models drive the voxels."""

    def truth(self, subject: str) -> Truth:
        """Return the ground truth.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        Truth
            Layer and variance fractions of each voxel, and the scores that the noise-free signals reach.

        Raises
        ------
        RequestError
            If there is no such subject.
        """
        artifact = self._simulated(subject)
        a = artifact.arrays
        first, second = artifact.info["models"]
        return Truth(a["layer"], a["share"], a["noise_ceiling"], a["oracle_split"], (first, second))

    def _simulate(self, subject: str) -> StoredResult:
        simulated = self._simulate_subject(subject)
        responses, truth = simulated.responses, simulated.truth
        arrays = {
            "Y_train": _in_memory(responses.Y_train),
            "layer": truth.layer,
            "share": truth.variance_fraction,
            "noise_ceiling": truth.noise_ceiling,
            "oracle_split": truth.oracle_split,
        }
        if responses.Y_test is not None:
            arrays["Y_test"] = _in_memory(responses.Y_test)
        return arrays, {"models": list(truth.models), "simulated": True}

    def _simulate_subject(self, subject: str) -> SimulatedSubject:
        raise NotImplementedError


def _in_memory(Y: np.ndarray | LazyArray) -> np.ndarray:
    return np.asarray(Y)
