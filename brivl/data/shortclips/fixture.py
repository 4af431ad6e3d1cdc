"""A folder in the form of shortclips, of any size: noise and a planted signal, no brain.

What is planted is linear in the colours of 16 squares of the frames, through the double-gamma HRF, in half of the
voxels. Written voxel batch by voxel batch, so that memory does not grow with voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from pathlib import Path

import h5py
import numpy as np

from brivl.core.progress import ProgressCallback
from brivl.core.simulation.hrf import ar1_noise, convolve_runs
from brivl.data.phantoms.mark import ATTRIBUTE, TEXT
from brivl.data.phantoms.movie_stimulus import MovieConfig, make_movie
from brivl.data.shortclips.fixture_files import mapper_arrays, two_discs, write_arrays
from brivl.data.shortclips.loader import TR
from brivl.errors import RequestError

MARK = {ATTRIBUTE: TEXT}
BATCH = 1000  # voxels
SQUARES = 4  # by 4, in each frame
PIXELS_PER_VOXEL = 4
N_VERTICES = 327_684  # of fsaverage
AR1 = 0.4
MAX_EXPLAINED = 0.5  # share of the signal in the variance of one repeat, at most
N_RUNS, N_REPEATS = 12, 10  # as published
PUBLISHED_TRAIN, PUBLISHED_TEST = 3600, 270  # TRs


@dataclass(frozen=True)
class ShortclipsSize:
    """How much is simulated; the published data have 5 subjects of about 84,000 voxels and 3,600 training TRs."""

    n_subjects: int = 5
    n_voxels: int = 20_000
    n_train: int = PUBLISHED_TRAIN
    frames_per_tr: int = 2
    frame_side: int = 32  # px
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.n_subjects <= 99 and 20 <= self.n_voxels <= 500_000):
            raise RequestError(
                f"Wanted 1 to 99 subjects of 20 to 500,000 voxels and got {self.n_subjects} of {self.n_voxels}."
            )

    @property
    def movie(self) -> MovieConfig:
        """The film. RequestError where the TRs are no twelve equal runs."""
        n_test = max(20, self.n_train * PUBLISHED_TEST // PUBLISHED_TRAIN)
        return MovieConfig(self.n_train, n_test, N_RUNS, N_REPEATS, self.frames_per_tr, TR, self.frame_side, self.seed)

    @property
    def n_bytes(self) -> int:
        """About what the files take on disk."""
        rows = self.n_train + N_REPEATS * self.movie.n_test
        return self.n_subjects * (rows * self.n_voxels * 4 + 12 * N_VERTICES)


def write_simulated_shortclips(folder: Path, size: ShortclipsSize, progress: ProgressCallback) -> None:
    """Stimuli, responses and mappers below `folder`; progress(done, total, message)."""
    movie = size.movie
    progress(0, size.n_subjects, "Drawing frames")
    onsets = np.arange(N_RUNS) * (movie.n_train // N_RUNS)
    frames = make_movie(movie).frames
    bounds = np.r_[onsets[1:], movie.n_train] * movie.frames_per_tr
    for name, run in zip([*(f"train_{i:02d}" for i in range(N_RUNS)), "test"], np.split(frames, bounds), strict=True):
        write_arrays(folder / "stimuli" / f"{name}.hdf", {"stimuli": run}, attributes=MARK)
    Z = convolve_runs(_colours(frames, movie.frames_per_tr), TR, np.r_[onsets, movie.n_train])
    Z = (Z - Z.mean(0)) / np.maximum(Z.std(0), 1e-6)
    del frames
    for i in range(size.n_subjects):
        subject = f"S{i + 1:02d}"
        flat = two_discs(size.n_voxels, sqrt(PIXELS_PER_VOXEL * size.n_voxels / (2 * pi)), N_VERTICES, i, i % 2 == 1)
        write_arrays(folder / "mappers" / f"{subject}_mappers.hdf", mapper_arrays(flat, legacy=i == 3), attributes=MARK)
        _write_responses(folder / "responses" / f"{subject}_responses.hdf", size, i, Z, onsets)
        progress(i + 1, size.n_subjects, f"{subject} written")


def _colours(frames: np.ndarray, frames_per_tr: int) -> np.ndarray:
    """Mean colour of each square of the frames of each TR, (n_TRs, 16 * 3) float32."""
    side = frames.shape[1] // SQUARES
    cut = frames[:, : SQUARES * side, : SQUARES * side].reshape(-1, frames_per_tr, SQUARES, side, SQUARES, side, 3)
    return cut.mean((1, 3, 5), dtype=np.float32).reshape(len(cut), -1)


def _write_responses(path: Path, size: ShortclipsSize, subject: int, Z: np.ndarray, onsets: np.ndarray) -> None:
    """Y_train and Y_test of one subject; as published, some voxels are NaN."""
    movie, n_voxels = size.movie, size.n_voxels
    path.parent.mkdir(parents=True, exist_ok=True)
    width = min(BATCH, n_voxels)
    with h5py.File(path, "w") as file:
        file.attrs.update(MARK)
        file["run_onsets"] = onsets
        train = file.create_dataset("Y_train", (movie.n_train, n_voxels), "f4", chunks=(movie.n_train // N_RUNS, width))
        test = file.create_dataset("Y_test", (N_REPEATS, movie.n_test, n_voxels), "f4", chunks=(1, movie.n_test, width))
        for start in range(0, n_voxels, BATCH):
            rng = np.random.default_rng([size.seed, subject, start])
            columns = slice(start, min(start + BATCH, n_voxels))
            signal, noise_sd = _signal(rng, Z, columns.stop - columns.start)
            Y = signal[: movie.n_train] + noise_sd * ar1_noise(rng, signal[: movie.n_train].shape, AR1)
            Y[:, 3] = np.nan
            train[:, columns] = Y
            for repeat in range(N_REPEATS):
                part = signal[movie.n_train :]
                test[repeat, :, columns] = part + noise_sd * ar1_noise(rng, part.shape, AR1)


def _signal(rng: np.random.Generator, Z: np.ndarray, n_voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """Signal (n_TRs, n_voxels) of variance e and deviation sqrt(1 - e) of the noise; e is 0 in half of the voxels."""
    signal = Z @ rng.standard_normal((Z.shape[1], n_voxels), dtype=np.float32)
    explained = np.maximum(0, rng.uniform(-MAX_EXPLAINED, MAX_EXPLAINED, n_voxels))
    signal *= np.sqrt(explained) / np.maximum(signal.std(0), 1e-6)
    return signal.astype(np.float32), np.sqrt(1 - explained).astype(np.float32)
