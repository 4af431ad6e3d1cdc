"""Small folders in exactly the form in which shortclips is published; all of it simulated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from brivl.data.shortclips.fixture_files import SimulatedMapper, mapper_arrays, sparse_parts, two_discs
from brivl.data.shortclips.fixture_files import write_arrays as write

__all__ = ["Toy", "sparse_parts"]  # handed on
Toy = SimulatedMapper
WIDTH, HEIGHT = 44, 26  # px of the flatmap
N_RUNS, RUN, N_TEST, N_REPEATS, PER_TR = 4, 48, 30, 6, 2
ONSETS = np.arange(N_RUNS) * RUN


def toy(n_voxels: int, seed: int = 0, negative: bool = False) -> Toy:
    """A flatmap of two hemispheres whose operators are known in dense form."""
    flat = two_discs(n_voxels, radius=10, n_vertices=24, seed=seed, negative=negative)
    dense = {name: getattr(flat, name).toarray() for name in ("operator", "to_left", "to_right")}
    return replace(flat, **dense)


def frames(seed: int = 0, size: int = 32) -> list[np.ndarray]:
    """Frames (n_TRs * PER_TR, size, size, 3) uint8 of each training run and of the test run: drawn clips."""
    from brivl.data.phantoms.movie_stimulus import MovieConfig, make_movie

    config = MovieConfig(N_RUNS * RUN, N_TEST, N_RUNS, N_REPEATS, PER_TR, image_size=size, seed=seed)
    return np.split(make_movie(config).frames, (ONSETS[1:].tolist() + [N_RUNS * RUN]) * np.array(PER_TR))


def noise_frames(size: int = 16) -> list[np.ndarray]:
    """The same with random pixels, which cost nothing to draw."""
    rng = np.random.default_rng(1)
    lengths = [RUN] * N_RUNS + [N_TEST]
    return [rng.integers(0, 256, (n * PER_TR, size, size, 3), dtype=np.uint8) for n in lengths]


def write_stimuli(folder: Path, movie: list[np.ndarray]) -> None:
    for i, run in enumerate(movie[:-1]):
        write(folder / "stimuli" / f"train_{i:02d}.hdf", {"stimuli": run})
    write(folder / "stimuli" / "test.hdf", {"stimuli": movie[-1]})


def responses_arrays(n_voxels: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Noise, with NaN voxels (number 3 in training, number 5 in one repeat)."""
    rng = np.random.default_rng(seed)
    Y_train = rng.normal(size=(N_RUNS * RUN, n_voxels))
    Y_test = rng.normal(size=(N_REPEATS, N_TEST, n_voxels))
    Y_train[:, 3], Y_test[1, 7, 5] = np.nan, np.nan
    return {"Y_train": Y_train, "Y_test": Y_test, "run_onsets": ONSETS}


def make_shortclips(folder: Path, n_voxels: int = 20) -> Path:
    """S01 with today's mapper, S04 with an old one without ROIs, random responses and pixels."""
    for subject, legacy in (("S01", False), ("S04", True)):
        n = n_voxels + legacy
        write(folder / "responses" / f"{subject}_responses.hdf", responses_arrays(n, seed=n))
        write(folder / "mappers" / f"{subject}_mappers.hdf", mapper_arrays(toy(n, negative=legacy), legacy))
    write_stimuli(folder, noise_frames())
    return folder
