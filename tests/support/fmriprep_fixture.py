"""A small raw BIDS folder with derivatives named as fMRIPrep names them; all values are random, simulated noise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.support.bids_fixture import write_events, write_nifti

TASK = "read"
SPACES = ("MNI152NLin2009cAsym_res-2", "T1w")
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
TISSUE = ("csf", "white_matter", "global_signal")
SHAPE = (5, 4, 3)


def write_confounds(path: Path, columns: Mapping[str, Sequence[float] | np.ndarray]) -> Path:
    """A table of confounds; NaN becomes n/a, as in the first row of derivatives and of framewise displacement."""
    rows = np.column_stack([np.asarray(column, float) for column in columns.values()])
    cells = [["n/a" if np.isnan(value) else repr(float(value)) for value in row] for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("\t".join(row) for row in [list(columns), *cells]) + "\n", encoding="utf-8")
    return path


def confounds(rng: np.random.Generator, n: int, n_dummy: int = 0, spikes: Sequence[int] = ()) -> dict[str, np.ndarray]:
    """Columns as fMRIPrep writes them: 24 of motion, tissue signals, displacement, dummy volumes."""
    columns: dict[str, np.ndarray] = {}
    for name in (*TISSUE, *MOTION):
        series = rng.normal(size=n)
        slope = np.r_[np.nan, np.diff(series)]
        columns |= {name: series, f"{name}_derivative1": slope}
        columns |= {f"{name}_power2": series**2, f"{name}_derivative1_power2": slope**2}
    displacement = np.r_[np.nan, np.full(n - 1, 0.1)]
    displacement[list(spikes)] = 2.0
    columns |= {"framewise_displacement": displacement, "std_dvars": np.r_[np.nan, np.full(n - 1, 1.0)]}
    for k in range(n_dummy):
        columns[f"non_steady_state_outlier{k:02d}"] = (np.arange(n) == k).astype(float)
    return columns


def write_run(root: Path, stem: str, bold: np.ndarray, tr: float = 2.0, spaces: Sequence[str] = SPACES) -> None:
    """BOLD (x, y, z, n_volumes), mask and sidecar of one run in each space, below root."""
    subject = stem.split("_")[0]
    session = next((part for part in stem.split("_") if part.startswith("ses-")), "")
    func = root / subject / session / "func"
    for space in spaces:
        write_nifti(func / f"{stem}_space-{space}_desc-preproc_bold.nii.gz", bold, tr)
        write_nifti(func / f"{stem}_space-{space}_desc-brain_mask.nii.gz", np.ones(bold.shape[:3], np.uint8))
        (func / f"{stem}_space-{space}_desc-preproc_bold.json").write_text(json.dumps({"RepetitionTime": tr}))


def make_fmriprep(raw: Path, derivatives: Path | None = None, n_runs: int = 3, n: int = 40, n_dummy: int = 2) -> Path:
    """Events in the raw folder, BOLD in derivatives/fmriprep or another folder: sub-01, TR 2 s, six sentences a run."""
    rng, derivatives = np.random.default_rng(0), derivatives or raw / "derivatives/fmriprep"
    for run in range(1, n_runs + 1):
        stem = f"sub-01_ses-1_task-{TASK}_run-{run}"
        rows = [(12.0 * k, 4.0, f"sentence {'abcdef'[k]} of run {run}") for k in range(6)]
        func = raw / "sub-01/ses-1/func"
        func.mkdir(parents=True, exist_ok=True)
        write_events(func / f"sub-01_ses-1_task-{TASK}_run-0{run}_events.tsv", rows, ("onset", "duration", "sentence"))
        write_run(derivatives, stem, rng.normal(1000, 10, (*SHAPE, n)).astype(np.float32))
        table = confounds(rng, n, n_dummy)
        write_confounds(derivatives / f"sub-01/ses-1/func/{stem}_desc-confounds_timeseries.tsv", table)
    about = {"Name": "A study", "Simulated": True, "DatasetDOI": "doi:10.1/raw"}
    (raw / "dataset_description.json").write_text(json.dumps(about))
    made = {"Name": "fMRIPrep", "DatasetType": "derivative", "SourceDatasets": [{"DOI": "10.1/raw"}]}
    (derivatives / "dataset_description.json").write_text(json.dumps(made))
    return raw
