"""What pages need to know of a subject besides scores: where the voxels lie, how the data were taken, what was planted.

Written once by whoever has the responses in hand, so that a page never opens (or simulates) them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brivl.core.records import Design, Responses, Truth, Voxels
from brivl.data.dataset import Dataset, DatasetIdentity
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

SUBJECT_VERSION = 1


@dataclass(frozen=True)
class Timing:
    """How a subject's data were taken."""

    tr: float | None  # s
    n_train: int
    n_test: int
    n_runs: int
    n_groups: int | None  # passages, where samples are grouped by something other than runs
    n_repeats: int | None  # of the test run


@dataclass(frozen=True)
class SubjectFacts:
    """Voxels, timing and, for simulated data, the planted truth."""

    voxels: Voxels
    timing: Timing
    truth: Truth | None


def facts_key(dataset: DatasetIdentity, subject: str) -> ArtifactKey:
    """Key of a subject's facts."""
    return ArtifactKey("subject", {"data": dataset.digest(subject), "version": SUBJECT_VERSION})


def stored_facts(store: Store, dataset: Dataset, subject: str) -> SubjectFacts | None:
    """The facts if they are in the store, else None; never opens the data."""
    artifact = store.get(facts_key(dataset, subject))
    return None if artifact is None else _facts(artifact)


def load_facts(store: Store, dataset: Dataset, subject: str, responses: Responses | None = None) -> SubjectFacts:
    """The facts, read from the data (which may take long) and stored where they are not there yet."""

    def compute() -> tuple[dict[str, np.ndarray], dict]:
        found = dataset.responses(subject) if responses is None else responses
        arrays, info = _voxel_arrays(found.voxels)
        truth = dataset.truth(subject)
        if truth is not None:
            arrays |= {
                "truth_layer": truth.layer,
                "truth_share": truth.variance_fraction,
                "noise_ceiling": truth.noise_ceiling,
                "oracle_split": truth.oracle_split,
            }
            info["truth_models"] = list(truth.models)
        return arrays, info | {"timing": _timing(dataset.design(subject), found)}

    return _facts(store.get_or_compute(facts_key(dataset, subject), compute))


def _timing(design: Design, responses: Responses) -> dict:
    groups = None if design.groups is None else len(np.unique(design.groups))
    repeats = None if responses.Y_test is None else int(responses.Y_test.shape[0])
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
    arrays |= {name: value for name, value in optional.items() if value is not None}
    return arrays, {
        "roi_names": list(v.rois),
        "shape": [int(n) for n in v.shape],
        "space": v.space,
        "flatmap": v.flatmap,
        "mapper": v.mapper,
    }


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
    )
    truth = None
    if "truth_layer" in a:
        models = tuple(info["truth_models"])
        truth = Truth(a["truth_layer"], a["truth_share"], a["noise_ceiling"], a["oracle_split"], models)
    return SubjectFacts(voxels, Timing(**info["timing"]), truth)
