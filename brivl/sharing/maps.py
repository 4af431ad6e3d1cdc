"""Maps of a bundle: NIfTI, GIfTI and CIFTI files with names and sidecars in the form of BIDS derivatives."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from brivl.core.records import Voxels
from brivl.encoding.fit import fit_key
from brivl.sharing.figure_record import SIMULATED_LABEL
from brivl.sharing.fingerprints import scores_digest
from brivl.store.artifacts import Store
from brivl.store.manifests import versions

if TYPE_CHECKING:
    from brivl.sharing.fit_evidence import FitEvidence

SPACES = {"pycortex-S1": "S1fullhead", "fsaverage5": "MNI152"}
WHAT = {
    "joint": "R2 of both models together on held-out data",
    "a": "Split R2 (product measure) of the first model on held-out data; with that of the second it adds up to joint",
    "b": "Split R2 (product measure) of the second model on held-out data; with that of the first it adds up to joint",
}

PARTS = {
    "unique_a": "Unique R2 of the first model: R2 of both models less R2 of the second alone, on held-out data",
    "unique_b": "Unique R2 of the second model: R2 of both models less R2 of the first alone, on held-out data",
    "shared": "Shared R2: R2 of each model alone, added, less R2 of both models, on held-out data",
}


def map_name(evidence: FitEvidence, subject: str, what: str) -> str:
    """Name the files of a map as BIDS derivatives are.

    Parameters
    ----------
    evidence : FitEvidence
        The fits.
    subject : str
        The subject.
    what : str
        Of WHAT or PARTS.

    Returns
    -------
    str
        "maps/sub-S01/sub-S01_task-phantommovie_space-S1fullhead_stat-r2_desc-simulatedLayer08Joint_statmap".
    """
    voxels = evidence.facts[subject].voxels
    described = f"{'simulated' if evidence.summary.simulated else ''}Layer{evidence.map_layer:02d}{file_word(what)}"
    described = described[0].lower() + described[1:]
    parts = [f"task-{_word(evidence.summary.short_name)}", f"space-{_space(voxels)}", "stat-r2", f"desc-{described}"]
    who = f"sub-{_word(subject.removeprefix('sub-'))}"
    return f"maps/{who}/{'_'.join([who, *parts])}_statmap"


def file_word(what: str) -> str:
    """Name a map within the name of a file.

    Parameters
    ----------
    what : str
        Of WHAT or PARTS.

    Returns
    -------
    str
        Such as "Joint" or "UniqueA".
    """
    return "".join(word.capitalize() for word in what.split("_"))


def why_no_maps(evidence: FitEvidence) -> str:
    """Explain why subjects have no volume.

    Parameters
    ----------
    evidence : FitEvidence
        The fits.

    Returns
    -------
    str
        A sentence; "" where each subject has one.
    """
    voxels = {subject: facts.voxels for subject, facts in evidence.facts.items()}
    without = [subject for subject, one in voxels.items() if one.affine is None and one.surface is None]
    if not without:
        return ""
    space = voxels[without[0]].space
    return f"{', '.join(without)}: the voxels have no coordinates in mm ({space}), so there is no volume"


def map_files(store: Store, evidence: FitEvidence) -> dict[str, bytes]:
    """Write volumes, surfaces and their sidecars.

    Parameters
    ----------
    store : Store
        Where the fits lie.
    evidence : FitEvidence
        The fits.

    Returns
    -------
    dict
        Content by name. There is no volume for subjects whose voxels have no coordinates in mm, and no surface for
        those without a mapping to fsaverage. Data on a surface are written on their own mesh.
    """
    return _volumes(store, evidence) | _surfaces(store, evidence) | _own_meshes(store, evidence)


def _own_meshes(store: Store, evidence: FitEvidence) -> dict[str, bytes]:
    files = {}
    for (subject, what), values in evidence.maps(store).items():
        voxels = evidence.facts[subject].voxels
        if voxels.surface is None:
            continue
        from brivl.data.anatomy.vertex_files import surface_files

        for where, content in surface_files(voxels, values, (WHAT | PARTS)[what]).items():
            space, _, ending = where.partition(".")
            stem = _surface_name(map_name(evidence, subject, what), space)
            files[f"{stem}.{ending}"] = content
            files[f"{stem}.json"] = _sidecar(store, evidence, subject, what)
    return files


def _volumes(store: Store, evidence: FitEvidence) -> dict[str, bytes]:
    from brivl.data.formats.statmap import nifti_bytes

    files = {}
    for (subject, what), values in evidence.maps(store).items():
        voxels = evidence.facts[subject].voxels
        if voxels.affine is not None:
            stem = map_name(evidence, subject, what)
            files[f"{stem}.nii.gz"] = nifti_bytes(voxels, values)
            files[f"{stem}.json"] = _sidecar(store, evidence, subject, what)
    return files


def _surfaces(store: Store, evidence: FitEvidence) -> dict[str, bytes]:
    from brivl.data.formats.gifti import gifti_bytes, hemispheres, mesh_name

    files = {}
    for (subject, what), values in evidence.maps(store).items():
        vertices = _on_fsaverage(evidence, subject, values)
        if vertices is None:
            continue
        for side, part in hemispheres(vertices).items():
            stem = _surface_name(map_name(evidence, subject, what), f"hemi-{side}_space-{mesh_name(len(part))}")
            files[f"{stem}.func.gii"] = gifti_bytes(part, side)
            files[f"{stem}.json"] = _sidecar(store, evidence, subject, what, mesh_name(len(part)))
    return files


def _on_fsaverage(evidence: FitEvidence, subject: str, values: np.ndarray) -> np.ndarray | None:
    """Values on the vertices of fsaverage, left first: of voxels in MNI space, or by the dataset's own mapper."""
    voxels = evidence.facts[subject].voxels
    if voxels.flatmap == "fsaverage5":
        from brivl.data.anatomy.fsaverage5 import project_to_fsaverage5

        return project_to_fsaverage5(voxels, values)
    dataset = getattr(evidence.summary.dataset, "base", evidence.summary.dataset)
    own = getattr(dataset, "on_fsaverage", None)
    return None if own is None else own(subject, values)


def _surface_name(stem: str, space: str) -> str:
    return re.sub(r"_space-[A-Za-z0-9]+_", f"_{space}_", stem)


def _sidecar(store: Store, evidence: FitEvidence, subject: str, what: str, mesh: str = "") -> bytes:
    answer, voxels = evidence.answers[evidence.map_layer, subject], evidence.facts[subject].voxels
    about: dict[str, Any] = {
        "Description": (WHAT | PARTS)[what],
        "Statistic": "R2",
        "Units": "share of variance",
        "SpatialReference": f"{mesh}, sampled from {voxels.space}" if mesh else voxels.space,
        "Simulated": evidence.summary.simulated,
        "Dataset": evidence.summary.short_name,
        "Subject": subject,
        "Layer": evidence.map_layer,
        "Models": dict(zip("ab", answer.request.models, strict=True)),
        "Preset": answer.request.preset,
        "Pooling": answer.request.pooling,
        "VoxelsFitted": int(answer.result.selected.sum()),
        "NotFitted": "NaN",
        "FitKey": fit_key(store, answer.request, evidence.summary.dataset).digest,
        "ScoresSha256": scores_digest(answer.result),
        "GeneratedBy": [{"Name": "BriVL explorer", "Version": versions()["brivl"]}],
    }
    label = {"Label": SIMULATED_LABEL} if evidence.simulated else {}
    return (json.dumps(label | about, indent=1, ensure_ascii=False) + "\n").encode()


def _space(voxels: Voxels) -> str:
    return SPACES.get(voxels.flatmap) or _word(voxels.space)


def _word(text: str) -> str:
    """Letters and digits only, as BIDS wants values to be."""
    return re.sub(r"[^0-9A-Za-z]+", "", text) or "unknown"
