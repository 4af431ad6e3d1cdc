"""Small BIDS folders made by tests, in the form of the user's own data; all values are random, simulated noise."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np

HAXBY = Path(__file__).resolve().parents[3] / "shared/data/haxby2001_1slice"
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def write_nifti(path: Path, data: np.ndarray, tr: float = 2.5, unit: str = "sec", affine: np.ndarray = AFFINE) -> Path:
    """A NIfTI file of `data` (x, y, z[, n_volumes]); `tr` goes into the header of 4-D data."""
    image = nibabel.Nifti1Image(data, affine)
    if data.ndim == 4:
        image.header.set_zooms((3.0, 3.0, 3.0, tr))
        image.header.set_xyzt_units("mm", unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def write_events(path: Path, rows: list[tuple], columns: tuple[str, ...] = ("onset", "duration", "trial_type")) -> Path:
    """A tab-separated events table."""
    lines = ["\t".join(map(str, row)) for row in (columns, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def noise(rng: np.random.Generator, shape: tuple[int, ...] = (5, 4, 2, 20)) -> np.ndarray:
    """BOLD-like whole numbers around 1000."""
    return rng.normal(1000, 10, shape).round().astype(np.int16)


def make_bids(root: Path, n_runs: int = 3, mask: bool = True, sidecar: bool = True) -> Path:
    """A folder with sub-01, `n_runs` runs of 20 volumes, TR 2.5 s, two events and one rest a run."""
    rng = np.random.default_rng(0)
    func = root / "sub-01" / "func"
    for run in range(1, n_runs + 1):
        stem = f"sub-01_task-view_run-{run:02d}"
        write_nifti(func / f"{stem}_bold.nii.gz", noise(rng))
        events = [(5.0, 10.0, "face"), (15.0, 5.0, "rest"), (25.0, 5.0, f"house{run}")]
        write_events(func / f"{stem}_events.tsv", events)
    if mask:
        inside = np.zeros((5, 4, 2), np.uint8)
        inside[1:4, 1:3] = 1
        write_nifti(func / "sub-01_task-view_mask.nii.gz", inside)
    if sidecar:
        (func / "sub-01_task-view_bold.json").write_text(json.dumps({"RepetitionTime": 2.5}))
    return root
