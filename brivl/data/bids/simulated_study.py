"""Simulated studies in the form of fMRIPrep's output, with one artefact each that cleaning must remove.

All values are simulated: a signal that is planted, autocorrelated noise, and slow drift, motion or volumes before the
steady state.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.signal import lfilter

from brivl.data.bids.confounds import DISPLACEMENT, MOTION, NON_STEADY, TISSUE

Artefact = Literal["drift", "confounds", "non-steady volumes"]
ARTEFACTS: tuple[Artefact, ...] = ("drift", "confounds", "non-steady volumes")
SPACE = "MNI152NLin2009cAsym"
TASK = "read"
VOXEL_MM = 4.0
AUTOCORRELATION = 0.3  # of noise from one volume to the next, at TR 2 s
MOTION_AUTOCORRELATION = 0.9
DRIFT_PERIODS_S = (150.0, 400.0)  # range
N_DRIFTS = 4  # cosines in the drift of a voxel in a run
DRIFT_SD = 2.0  # in units of the noise
RISE = (30.0, 15.0, 7.0)  # of the volumes before the steady state, in units of the noise
BASELINE, NOISE_SD = 1000.0, 10.0
FLOOR = 0.05  # mm of framewise displacement


@dataclass(frozen=True)
class StudySize:
    """Size of a simulated study.

    Attributes
    ----------
    n_runs, n_volumes : int
        Runs, and volumes in each.
    n_voxels : int
        Voxels.
    tr : float
        Repetition time in s.
    item_volumes : int
        Volumes for which each sentence is presented.
    rest_volumes : int
        Volumes of rest after each sentence.
    signal : float
        Variance of the planted signal in units of that of the noise.
    """

    n_runs: int = 5
    n_volumes: int = 200
    n_voxels: int = 60
    tr: float = 2.0
    item_volumes: int = 2
    rest_volumes: int = 1
    signal: float = 0.3

    @property
    def items_in_run(self) -> int:
        """Sentences that are presented in a run."""
        return self.n_volumes // (self.item_volumes + self.rest_volumes)

    @property
    def onsets(self) -> np.ndarray:
        """First row of each run."""
        return np.arange(self.n_runs) * self.n_volumes


@dataclass(frozen=True)
class SimulatedBold:
    """BOLD of a simulated subject, and what was put into it.

    Attributes
    ----------
    Y : np.ndarray
        (n_samples, n_voxels) in units of the noise, artefact included.
    motion : np.ndarray
        (n_samples, 6) motion parameters.
    n_non_steady : int
        Volumes before the steady state at the start of each run.
    """

    Y: np.ndarray
    motion: np.ndarray
    n_non_steady: int


def simulate_bold(signal: np.ndarray, artefact: Artefact, size: StudySize, seed: int = 0) -> SimulatedBold:
    """Add noise and one artefact to a planted signal.

    Parameters
    ----------
    signal : np.ndarray
        (n_samples, n_voxels), with a standard deviation of 1.
    artefact : {"drift", "confounds", "non-steady volumes"}
        Slow drift of twice the noise; six motion parameters with the variance of the noise; or three volumes before the
        steady state.
    size : StudySize
        Size of the study.
    seed : int
        Random seed.

    Returns
    -------
    SimulatedBold
        BOLD.
    """
    rng = np.random.default_rng(seed)
    noise = _autocorrelated(rng, size, size.n_voxels, AUTOCORRELATION)
    Y, motion = np.sqrt(size.signal) * signal + noise, _autocorrelated(rng, size, 6, MOTION_AUTOCORRELATION)
    if artefact == "drift":
        Y += DRIFT_SD * np.concatenate([_drift(rng, size) for _ in range(size.n_runs)])
    elif artefact == "confounds":
        moved = motion @ rng.normal(size=(6, size.n_voxels))
        Y += moved / moved.std(0)
    else:
        for start in size.onsets:
            Y[start : start + len(RISE)] += np.array(RISE)[:, None]
    return SimulatedBold(Y, motion, len(RISE) if artefact == "non-steady volumes" else 0)


def _autocorrelated(rng: np.random.Generator, size: StudySize, n: int, rho: float) -> np.ndarray:
    """(n_samples, n) first-order autoregressive series of each run, with a standard deviation of 1."""
    white = rng.normal(size=(size.n_runs, size.n_volumes, n))
    white[:, 1:] *= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], white, axis=1).reshape(-1, n)


def _drift(rng: np.random.Generator, size: StudySize) -> np.ndarray:
    """(n_volumes, n_voxels) sum of slow cosines, with a standard deviation of 1."""
    t = np.arange(size.n_volumes)[:, None, None] * size.tr
    shape = (1, N_DRIFTS, size.n_voxels)
    periods, phases = rng.uniform(*DRIFT_PERIODS_S, shape), rng.uniform(0, 2 * np.pi, shape)
    drift = (rng.normal(size=shape) * np.cos(2 * np.pi * t / periods + phases)).sum(1)
    return drift / drift.std(0)


def write_raw(folder: Path, sentences: Sequence[str], size: StudySize) -> None:
    """Write the raw BIDS folder: events of sub-01, without BOLD.

    Parameters
    ----------
    folder : Path
        The folder.
    sentences : sequence of str
        At least `size.n_runs * size.items_in_run` sentences.
    size : StudySize
        Size of the study.
    """
    func = folder / "sub-01" / "func"
    func.mkdir(parents=True)
    about = {"Name": "Simulated study for cleaning", "Simulated": True, "License": "CC0", "BIDSVersion": "1.8.0"}
    (folder / "dataset_description.json").write_text(json.dumps(about), encoding="utf-8")
    step = (size.item_volumes + size.rest_volumes) * size.tr
    for run in range(size.n_runs):
        own = sentences[run * size.items_in_run : (run + 1) * size.items_in_run]
        rows = [f"{step * k:g}\t{size.item_volumes * size.tr:g}\t{sentence}" for k, sentence in enumerate(own)]
        table = "\n".join(["onset\tduration\tsentence", *rows]) + "\n"
        (func / f"sub-01_task-{TASK}_run-{run + 1}_events.tsv").write_text(table, encoding="utf-8")


def write_derivatives(folder: Path, bold: SimulatedBold | None, size: StudySize, seed: int = 0) -> None:
    """Write BOLD, masks and confounds as fMRIPrep names them.

    Parameters
    ----------
    folder : Path
        Folder of derivatives.
    bold : SimulatedBold or None
        BOLD; None for noise alone, where only the design is of interest.
    size : StudySize
        Size of the study.
    seed : int
        Random seed of the confounds that have nothing to do with BOLD.
    """
    from nibabel import Nifti1Image, save

    rng, n = np.random.default_rng(seed + 1), size.n_volumes
    if bold is None:
        noise = rng.normal(size=(size.n_runs * n, size.n_voxels))
        bold = SimulatedBold(noise, rng.normal(size=(size.n_runs * n, 6)), 0)
    func, affine = folder / "sub-01" / "func", np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    func.mkdir(parents=True, exist_ok=True)
    about = {"Name": "Simulated derivatives", "DatasetType": "derivative", "Simulated": True}
    (folder / "dataset_description.json").write_text(json.dumps(about), encoding="utf-8")
    for run in range(size.n_runs):
        rows, stem = slice(run * n, (run + 1) * n), func / f"sub-01_task-{TASK}_run-{run + 1}"
        values = BASELINE + NOISE_SD * bold.Y[rows]
        image = Nifti1Image(values.T[:, None, None, :].astype(np.float32), affine)
        image.header.set_zooms((VOXEL_MM, VOXEL_MM, VOXEL_MM, size.tr))
        image.header.set_xyzt_units("mm", "sec")
        save(image, f"{stem}_space-{SPACE}_desc-preproc_bold.nii.gz")
        mask = Nifti1Image(np.ones((size.n_voxels, 1, 1), np.uint8), affine)
        save(mask, f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz")
        columns = _table(rng, bold.motion[rows], bold.n_non_steady)
        lines = ["\t".join(columns), *("\t".join(map(_cell, row)) for row in zip(*columns.values(), strict=True))]
        Path(f"{stem}_desc-confounds_timeseries.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(rng: np.random.Generator, motion: np.ndarray, n_non_steady: int) -> dict[str, np.ndarray]:
    """Columns of confounds; tissue signals and displacement are noise."""
    n = len(motion)
    columns = dict(zip(MOTION, motion.T, strict=True)) | {name: rng.normal(size=n) for name in TISSUE}
    for name, series in list(columns.items()):
        slope = np.r_[np.nan, np.diff(series)]
        columns |= {f"{name}_derivative1": slope, f"{name}_power2": series**2}
        columns[f"{name}_derivative1_power2"] = slope**2
    columns[DISPLACEMENT] = np.r_[np.nan, FLOOR + 0.1 * np.abs(rng.normal(size=n - 1))]
    columns["std_dvars"] = np.r_[np.nan, 1 + 0.1 * rng.normal(size=n - 1)]
    for k in range(n_non_steady):
        columns[f"{NON_STEADY}{k:02d}"] = (np.arange(n) == k).astype(float)
    return columns


def _cell(value: float) -> str:
    return "n/a" if np.isnan(value) else repr(float(value))
