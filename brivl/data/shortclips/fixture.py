"""Simulated files in the form of shortclips, of any size: noise and a planted signal, no measurement.

The signal of half of the voxels is linear in the colours of 16 squares of the frames, through the double-gamma HRF.
Responses are written in batches of voxels, so that memory does not grow with the number of voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from pathlib import Path

import h5py
import numpy as np

from brivl.core.parallel import one_thread_per_call
from brivl.core.progress import ProgressCallback
from brivl.core.simulation.hrf import ar1_noise, convolve_runs
from brivl.data.phantoms.mark import ATTRIBUTE, TEXT
from brivl.data.phantoms.movie_stimulus import MovieConfig, make_movie
from brivl.data.shortclips.fixture_files import mapper_arrays, two_discs, write_arrays
from brivl.data.shortclips.loader import TR
from brivl.errors import RequestError

MARK = {ATTRIBUTE: TEXT}
BATCH_SIZE = 1000  # voxels; part of the seeds, so another size gives other data
SQUARES = 4  # per side of a frame
PIXELS_PER_VOXEL = 4
N_VERTICES = 327_684  # of fsaverage
AR1 = 0.4
MAX_EXPLAINED = 0.5  # largest fraction of the variance of one repeat that is signal
N_RUNS, N_REPEATS = 12, 10  # as published
PUBLISHED_TRAIN, PUBLISHED_TEST = 3600, 270  # TRs


@dataclass(frozen=True)
class ShortclipsSize:
    """Size of the simulated data; the published data have 5 subjects of about 84,000 voxels and 3,600 training TRs.

    Attributes
    ----------
    n_subjects, n_voxels : int
        Numbers of subjects and of voxels of each.
    n_train : int
        Training TRs in 12 equal runs.
    frames_per_tr : int
        Frames in each TR.
    frame_side : int
        Pixels of a side of the square frames.
    seed : int
        Random seed.
    """

    n_subjects: int = 5
    n_voxels: int = 20_000
    n_train: int = PUBLISHED_TRAIN
    frames_per_tr: int = 2
    frame_side: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.n_subjects <= 99 and 20 <= self.n_voxels <= 500_000):
            raise RequestError(
                f"Expected 1 to 99 subjects of 20 to 500,000 voxels, got {self.n_subjects} of {self.n_voxels}. Change "
                "the size."
            )

    @property
    def movie(self) -> MovieConfig:  # numpydoc ignore=RT01
        """Size of the movie; RequestError where the TRs are not twelve equal runs."""
        n_test = max(20, self.n_train * PUBLISHED_TEST // PUBLISHED_TRAIN)
        return MovieConfig(self.n_train, n_test, N_RUNS, N_REPEATS, self.frames_per_tr, TR, self.frame_side, self.seed)

    @property
    def n_bytes(self) -> int:  # numpydoc ignore=RT01
        """Approximate size of the files on disk."""
        rows = self.n_train + N_REPEATS * self.movie.n_test
        return self.n_subjects * (rows * self.n_voxels * 4 + 12 * N_VERTICES)

    def write(self, folder: Path, progress: ProgressCallback) -> None:
        """Write a folder of this size.

        Parameters
        ----------
        folder : Path
            An empty folder.
        progress : callable
            Receives the number of subjects that are written, the total and a message.
        """
        write_simulated_shortclips(folder, self, progress)


@one_thread_per_call()
def write_simulated_shortclips(folder: Path, size: ShortclipsSize, progress: ProgressCallback) -> None:
    """Write stimuli, responses and mappers.

    Parameters
    ----------
    folder : Path
        Folder in which the published folders are made.
    size : ShortclipsSize
        Numbers of subjects, voxels, TRs and frames, and the seed.
    progress : ProgressCallback
        Called with the number of subjects that are written.
    """
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
        mapper = two_discs(size.n_voxels, sqrt(PIXELS_PER_VOXEL * size.n_voxels / (2 * pi)), N_VERTICES, i, i % 2 == 1)
        arrays = mapper_arrays(mapper, legacy=i == 3)
        write_arrays(folder / "mappers" / f"{subject}_mappers.hdf", arrays, attributes=MARK)
        _write_responses(folder / "responses" / f"{subject}_responses.hdf", size, i, Z, onsets)
        progress(i + 1, size.n_subjects, f"{subject} written")


def _colours(frames: np.ndarray, frames_per_tr: int) -> np.ndarray:
    """Average the colour of each square over the frames of each TR: (n_TRs, 16 * 3) float32."""
    side = frames.shape[1] // SQUARES
    cut = frames[:, : SQUARES * side, : SQUARES * side].reshape(-1, frames_per_tr, SQUARES, side, SQUARES, side, 3)
    return cut.mean((1, 3, 5), dtype=np.float32).reshape(len(cut), -1)


def _write_responses(path: Path, size: ShortclipsSize, subject: int, Z: np.ndarray, onsets: np.ndarray) -> None:
    """Write Y_train and Y_test of one subject; some voxels are NaN, as in the published data."""
    movie, n_voxels = size.movie, size.n_voxels
    path.parent.mkdir(parents=True, exist_ok=True)
    width = min(BATCH_SIZE, n_voxels)
    with h5py.File(path, "w") as file:
        file.attrs.update(MARK)
        file["run_onsets"] = onsets
        train = file.create_dataset("Y_train", (movie.n_train, n_voxels), "f4", chunks=(movie.n_train // N_RUNS, width))
        test = file.create_dataset("Y_test", (N_REPEATS, movie.n_test, n_voxels), "f4", chunks=(1, movie.n_test, width))
        for start in range(0, n_voxels, BATCH_SIZE):
            rng = np.random.default_rng([size.seed, subject, start])
            columns = slice(start, min(start + BATCH_SIZE, n_voxels))
            signal, noise_sd = _signal(rng, Z, columns.stop - columns.start)
            train_signal, test_signal = signal[: movie.n_train], signal[movie.n_train :]
            Y = train_signal + noise_sd * ar1_noise(rng, train_signal.shape, AR1)
            Y[:, 3] = np.nan
            train[:, columns] = Y
            for repeat in range(N_REPEATS):
                test[repeat, :, columns] = test_signal + noise_sd * ar1_noise(rng, test_signal.shape, AR1)


def _signal(rng: np.random.Generator, Z: np.ndarray, n_voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulate a signal (n_TRs, n_voxels) of variance e and the SD sqrt(1 - e) of its noise; e is 0 in half of them."""
    signal = Z @ rng.standard_normal((Z.shape[1], n_voxels), dtype=np.float32)
    explained = np.maximum(0, rng.uniform(-MAX_EXPLAINED, MAX_EXPLAINED, n_voxels))
    signal *= np.sqrt(explained) / np.maximum(signal.std(0), 1e-6)
    return signal.astype(np.float32), np.sqrt(1 - explained).astype(np.float32)
