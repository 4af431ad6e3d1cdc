"""What pages need to know of a subject besides scores: positions of voxels, acquisition, and simulated ground truth.

Stored once by the fit, which has the responses open, so that a page never opens (or simulates) them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brivl.core.records import Design, Parcellation, Responses, SurfaceVertices, Truth, Voxels
from brivl.data.dataset import Dataset, DatasetIdentity
from brivl.data.reading import Reading, reading_of
from brivl.data.regions import with_mni_anatomy
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

SUBJECT_VERSION = 1


@dataclass(frozen=True)
class Timing:
    """How a subject's data were acquired.

    Attributes
    ----------
    tr : float or None
        Repetition time, s; None for one response per stimulus.
    n_train, n_test : int
        Number of training and of test samples.
    n_runs : int
        Number of training runs.
    n_groups : int or None
        Number of groups, such as passages, where samples are grouped by something other than runs.
    n_repeats : float or None
        Repeats of the test run, or trials that a row is the average of; None without either.
    """

    tr: float | None
    n_train: int
    n_test: int
    n_runs: int
    n_groups: int | None
    n_repeats: float | None


@dataclass(frozen=True)
class SubjectFacts:
    """Voxels, timing and, for simulated data, the ground truth.

    Attributes
    ----------
    voxels : Voxels
        Positions and regions of the voxels.
    timing : Timing
        How the data were acquired.
    truth : Truth or None
        Simulated ground truth; None for measured data.
    reading : Reading
        How the files were read.
    """

    voxels: Voxels
    timing: Timing
    truth: Truth | None
    reading: Reading = Reading()


def facts_key(dataset: DatasetIdentity, subject: str) -> ArtifactKey:
    """Make the key of a subject's facts.

    Parameters
    ----------
    dataset : DatasetIdentity
        The dataset.
    subject : str
        Name of the subject.

    Returns
    -------
    ArtifactKey
        Key in the store.
    """
    return ArtifactKey("subject", {"data": dataset.digest(subject), "version": SUBJECT_VERSION})


def stored_facts(store: Store, dataset: DatasetIdentity, subject: str) -> SubjectFacts | None:
    """Look up the facts in the store; the data are never opened.

    Parameters
    ----------
    store : Store
        Where facts are stored.
    dataset : Dataset
        The dataset.
    subject : str
        Name of the subject.

    Returns
    -------
    SubjectFacts or None
        None where they are not stored.
    """
    artifact = store.get(facts_key(dataset, subject))
    return None if artifact is None else _facts(artifact)


def final_reading(store: Store, dataset: Dataset, subject: str) -> Reading:
    """Say how the files of a subject are read; what only BOLD decides is taken from what a fit stored.

    Parameters
    ----------
    store : Store
        Where facts are stored.
    dataset : Dataset
        The dataset.
    subject : str
        Name of the subject.

    Returns
    -------
    Reading
        Notes and warnings.
    """
    reading = reading_of(dataset, subject)
    facts = stored_facts(store, dataset, subject) if reading.is_provisional else None
    return reading if facts is None else facts.reading


def load_facts(store: Store, dataset: Dataset, subject: str, responses: Responses | None = None) -> SubjectFacts:
    """Look up the facts, or read them from the data, which may take long, and store them.

    Parameters
    ----------
    store : Store
        Where facts are stored.
    dataset : Dataset
        The dataset.
    subject : str
        Name of the subject.
    responses : Responses, optional
        Responses of the subject, where they are open already.

    Returns
    -------
    SubjectFacts
        The facts.
    """

    def compute() -> tuple[dict[str, np.ndarray], dict]:
        loaded = dataset.responses(subject) if responses is None else responses
        arrays, info = _voxel_arrays(with_mni_anatomy(loaded.voxels))
        truth = dataset.truth(subject)
        if truth is not None:
            arrays |= {
                "truth_layer": truth.layer,
                "truth_share": truth.variance_fraction,
                "noise_ceiling": truth.noise_ceiling,
                "oracle_split": truth.oracle_split,
            }
            info["truth_models"] = list(truth.models)
        reading = reading_of(dataset, subject).to_json()
        info |= {"reading": reading} if any(reading.values()) else {}
        return arrays, info | {"timing": _timing(dataset.design(subject), loaded)}

    return _facts(store.get_or_compute(facts_key(dataset, subject), compute))


def _timing(design: Design, responses: Responses) -> dict:
    groups = None if design.groups is None else len(np.unique(design.groups))
    repeats = responses.n_trials_averaged if responses.Y_test is None else int(responses.Y_test.shape[0])
    return {
        "tr": design.tr,
        "n_train": int(design.n_train),
        "n_test": int(design.n_test),
        "n_runs": len(design.run_onsets),
        "n_groups": groups,
        "n_repeats": repeats,
    }


def _voxel_arrays(v: Voxels) -> tuple[dict[str, np.ndarray], dict]:
    arrays = {"ijk": v.ijk}
    optional = {"affine": v.affine, "aal": v.aal, "rois": np.stack(list(v.rois.values())) if v.rois else None}
    optional |= {f"surface_{name}": getattr(v.surface, name) for name in SURFACE_ARRAYS} if v.surface else {}
    arrays |= {name: value for name, value in optional.items() if value is not None}
    arrays |= {f"labels_{key}": one.labels for key, one in v.parcellations.items()}
    own = {
        key: {"names": {str(label): name for label, name in one.names.items()}, "note": one.note}
        for key, one in v.parcellations.items()
    }
    return arrays, _surface_info(v) | ({"parcellations": own} if own else {}) | {
        "roi_names": list(v.rois),
        "shape": [int(n) for n in v.shape],
        "space": v.space,
        "flatmap": v.flatmap,
        "mapper": v.mapper,
    }


# Fields of `SurfaceVertices` that are arrays; the others are stored as JSON.
SURFACE_ARRAYS = ("structure", "vertex", "drawn", "place", "mm", "affine")


def _surface_info(v: Voxels) -> dict:
    surface = v.surface
    if surface is None:
        return {}
    return {
        "surface": {
            "mesh": surface.mesh,
            "n_vertices": list(surface.n_vertices),
            "structures": list(surface.structures),
            "template": surface.template,
            "shape": None if surface.shape is None else [int(n) for n in surface.shape],
        }
    }


def _surface(artifact: Artifact) -> SurfaceVertices | None:
    info = artifact.info.get("surface")
    if info is None:
        return None
    shape = info["shape"]
    arrays = {name: artifact.arrays[key] for name in SURFACE_ARRAYS if (key := f"surface_{name}") in artifact.arrays}
    return SurfaceVertices(
        **arrays,
        mesh=info["mesh"],
        n_vertices=tuple(info["n_vertices"]),
        structures=tuple(info["structures"]),
        template=info["template"],
        shape=None if shape is None else tuple(shape),
    )


def _facts(artifact: Artifact) -> SubjectFacts:
    a, info = artifact.arrays, artifact.info
    rois = dict(zip(info["roi_names"], a.get("rois", ()), strict=True))
    voxels = Voxels(
        info["space"],
        a["ijk"],
        tuple(info["shape"]),
        a.get("affine"),
        rois,
        a.get("aal"),
        info["flatmap"],
        info.get("mapper", ""),
        _surface(artifact),
        parcellations={
            key: Parcellation(a[f"labels_{key}"], {int(n): name for n, name in one["names"].items()}, one["note"])
            for key, one in info.get("parcellations", {}).items()
        },
    )
    truth = None
    if "truth_layer" in a:
        models = tuple(info["truth_models"])
        truth = Truth(a["truth_layer"], a["truth_share"], a["noise_ceiling"], a["oracle_split"], models)
    voxels = with_mni_anatomy(voxels)  # facts that were stored before labels were looked up lack them
    return SubjectFacts(voxels, Timing(**info["timing"]), truth, Reading.from_json(info.get("reading", {})))
