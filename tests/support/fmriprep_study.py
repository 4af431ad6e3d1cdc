"""A generated study as labs have it: events in a raw root, and fMRIPrep's output in two volume spaces, on fsaverage5
and as 91k CIFTI, with confounds, dummy volumes and spikes. All BOLD is simulated.

BOLD is there within a slab only, which keeps files and fits small; all else is constant, as the medial wall is. Two
AAL regions follow whether the sentence is about animals or about buildings, the same in every space: by the AAL label
of each voxel or vertex. Nothing else follows it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from nibabel.cifti2.cifti2_axes import BrainModelAxis

from brivl.data.anatomy.aal import aal_region_names, load_aal
from brivl.data.anatomy.fs_lr import N_32K, hcp_file, mid_thickness
from brivl.data.anatomy.fsaverage5 import load_fsaverage5
from tests.support.bids_fixture import write_events, write_nifti
from tests.support.fmriprep_fixture import confounds, write_confounds
from tests.support.surface_files import write_dense, write_series

TASK, TR = "read", 2.0
PLANTED = ("Calcarine_L", "Temporal_Sup_R")
SLAB_MM = (-4.0, 10.0)  # z of the slab
AFFINES = {  # voxel index -> mm; T1w is the same head, moved and turned
    "MNI152NLin2009cAsym_res-2": np.array([[6.0, 0, 0, -87], [0, 6, 0, -123], [0, 0, 6, -69], [0, 0, 0, 1]]),
    "T1w": np.array([[-6.0, 0, 0, 91], [0, 6, 0, -118], [0, 0, 6, -64], [0, 0, 0, 1]]),
}
T1W_SHIFT_MM = np.array([4.0, 5.0, 5.0])  # T1w mm = MNI mm + this
SHAPE = (30, 36, 30)
SURFACE, CIFTI = "fsaverage5", "fsLR_den-91k"
FORMS = (*AFFINES, SURFACE, CIFTI)
ANIMALS = ("cat", "dog", "horse", "cow", "sheep", "rabbit", "lion", "goat")
BUILDINGS = ("house", "church", "castle", "tower", "barn", "school", "hotel", "bridge")
ADJECTIVES = ("old", "small", "brown", "large", "quiet", "white")
HRF = np.array([0.0, 0.2, 0.6, 0.5, 0.2])  # at 0, 2, 4, 6 and 8 s


@dataclass(frozen=True)
class Place:
    """Columns of a space: MNI coordinates (n, 3), whether BOLD is there, and whether it follows the stimulus."""

    mm: np.ndarray
    is_inside: np.ndarray
    is_planted: np.ndarray


def place(mm: np.ndarray, is_brain: np.ndarray) -> Place:
    """Slab and planted regions by MNI coordinates."""
    labels = load_aal().at(mm)
    numbers = [aal_region_names().index(name) + 1 for name in PLANTED]
    is_inside = is_brain & (mm[:, 2] > SLAB_MM[0]) & (mm[:, 2] < SLAB_MM[1])
    return Place(mm, is_inside, is_inside & np.isin(labels, numbers))


@lru_cache(maxsize=1)
def dense_axis() -> BrainModelAxis:
    """The cortex of 91k, and the thalamus (AAL 77, 78) on a grid of 6 mm."""
    grey = np.load(hcp_file("fMRI_vertex_info_32k.npz"))
    axis = BrainModelAxis.from_surface(grey["grayl"], N_32K, "CORTEX_LEFT")
    axis = axis + BrainModelAxis.from_surface(grey["grayr"], N_32K, "CORTEX_RIGHT")
    affine = AFFINES["MNI152NLin2009cAsym_res-2"]
    labels = load_aal().at(_grid(affine)).reshape(SHAPE)
    for number, name in ((77, "THALAMUS_LEFT"), (78, "THALAMUS_RIGHT")):
        axis = axis + BrainModelAxis.from_mask(labels == number, name, affine)
    return axis


def _grid(affine: np.ndarray) -> np.ndarray:
    index = np.stack(np.indices(SHAPE), -1).reshape(-1, 3)
    return index @ affine[:3, :3].T + affine[:3, 3]


@lru_cache(maxsize=8)
def place_of(form: str) -> Place:
    """Columns of one of FORMS; volumes in C order of the grid."""
    if form == SURFACE:
        brain = load_fsaverage5()
        return place((brain.pia + brain.wm) / 2, np.ones(len(brain.pia), bool))
    if form == CIFTI:
        axis = dense_axis()
        mm = np.empty((len(axis), 3))
        right = axis.name == "CIFTI_STRUCTURE_CORTEX_RIGHT"
        cortex = axis.surface_mask
        mm[cortex] = mid_thickness()[(axis.vertex + right * N_32K)[cortex]]
        mm[~cortex] = axis.voxel[~cortex] @ axis.affine[:3, :3].T + axis.affine[:3, 3]
        return place(mm, np.ones(len(axis), bool))
    mm = _grid(AFFINES[form]) - (T1W_SHIFT_MM if form == "T1w" else 0)
    labels = load_aal().at(mm)
    return place(mm, (labels > 0) & (labels <= 90))


def sentences(rng: np.random.Generator, n: int, taken: set[str]) -> list[tuple[str, bool]]:
    """n sentences that no run before had, and whether they are about animals."""
    listed: list[tuple[str, bool]] = []
    while len(listed) < n:
        is_animal = bool(rng.integers(2))
        first, second = rng.choice(ANIMALS if is_animal else BUILDINGS, 2, replace=False)
        one, other = rng.choice(ADJECTIVES, 2, replace=False)
        sentence = f"The {one} {first} is beside the {other} {second}."
        if sentence not in taken:
            taken.add(sentence)
            listed.append((sentence, is_animal))
    return listed


def make_study(
    root: Path,
    forms: Sequence[str] = FORMS,
    subjects: int = 2,
    sessions: int = 2,
    runs: int = 2,
    n: int = 60,
    n_dummy: int = 2,
    spikes: Sequence[int] = (25,),
    noise: float = 1.0,
) -> Path:
    """Write the raw root with derivatives/fmriprep; returns the raw root.

    `n_dummy` first volumes are brighter, and volumes of `spikes` are off everywhere; confounds name both.
    """
    derivatives = root / "derivatives/fmriprep"
    for subject in range(1, subjects + 1):
        taken: set[str] = set()
        for session in range(1, sessions + 1):
            for run in range(1, runs + 1):
                rng = np.random.default_rng([subject, session, run])
                stem = f"sub-{subject:02d}_ses-{session}_task-{TASK}_run-{run}"
                func = Path(f"sub-{subject:02d}/ses-{session}/func")
                (root / func).mkdir(parents=True, exist_ok=True)
                presented = sentences(rng, (n - n_dummy - 4) // 2, taken)
                onsets = TR * (n_dummy + 2 * np.arange(len(presented)))
                rows = [(f"{onset:g}", 2.0, text) for onset, (text, _) in zip(onsets, presented, strict=True)]
                write_events(root / func / f"{stem}_events.tsv", rows, ("onset", "duration", "sentence"))
                table = confounds(rng, n, n_dummy, spikes)
                write_confounds(derivatives / func / f"{stem}_desc-confounds_timeseries.tsv", table)
                signal = _signal(n, n_dummy, [is_animal for _, is_animal in presented])
                for form in forms:
                    bold = _bold(rng, place_of(form), signal, noise, n_dummy, spikes)
                    _write(derivatives / func, stem, form, bold)
    about = {"Name": "Generated study", "Simulated": True, "License": "CC0", "DatasetDOI": "doi:10.1/generated"}
    (root / "dataset_description.json").write_text(json.dumps(about))
    made = {"Name": "fMRIPrep", "DatasetType": "derivative", "SourceDatasets": [{"DOI": "10.1/generated"}]}
    (derivatives / "dataset_description.json").write_text(json.dumps(made))
    return root


def _signal(n: int, n_dummy: int, is_animal: Sequence[bool]) -> np.ndarray:
    train = np.zeros(n)
    train[n_dummy + 2 * np.arange(len(is_animal))] = np.where(is_animal, 1.0, -1.0)
    return np.convolve(train, HRF)[:n] / HRF.max()


def _bold(
    rng: np.random.Generator, at: Place, signal: np.ndarray, noise: float, n_dummy: int, spikes: Sequence[int]
) -> np.ndarray:
    """(n_volumes, n_columns) whole numbers, int8 so that files are small; 0 where there is no BOLD."""
    Y = np.zeros((len(signal), len(at.mm)), np.int8)
    inside = rng.normal(size=(len(signal), int(at.is_inside.sum()))) * noise
    inside += np.where(at.is_planted[at.is_inside], signal[:, None], 0)
    inside[:n_dummy] += 4
    inside[list(spikes)] += 3
    Y[:, at.is_inside] = np.clip(60 + np.rint(10 * inside), 1, 127)
    return Y


def _write(func: Path, stem: str, form: str, Y: np.ndarray) -> None:
    sidecar = json.dumps({"RepetitionTime": TR})
    if form == SURFACE:
        for side, part in zip("LR", np.split(Y, 2, axis=1), strict=True):
            path = write_series(func / f"{stem}_hemi-{side}_space-{form}_bold.func.gii", part, side, TR)
            path.with_name(path.name.replace(".func.gii", ".json")).write_text(sidecar)
    elif form == CIFTI:
        path = write_dense(func / f"{stem}_space-{form}_bold.dtseries.nii", Y, dense_axis(), TR)
        path.with_name(path.name.replace(".dtseries.nii", ".json")).write_text(sidecar)
    else:
        at, name = place_of(form), f"{stem}_space-{form}_desc"
        volume = np.moveaxis(Y.reshape(len(Y), *SHAPE), 0, -1)
        write_nifti(func / f"{name}-preproc_bold.nii.gz", volume.astype(np.int16), TR, affine=AFFINES[form])
        mask = at.is_inside.reshape(SHAPE).astype(np.uint8)
        write_nifti(func / f"{name}-brain_mask.nii.gz", mask, affine=AFFINES[form])
        (func / f"{name}-preproc_bold.json").write_text(sidecar)
