"""Small folders in exactly the form in which shortclips is published; all of it simulated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse

WIDTH, HEIGHT = 44, 26  # px of the flatmap
N_RUNS, RUN, N_TEST, N_REPEATS, PER_TR = 4, 48, 30, 6, 2
ONSETS = np.arange(N_RUNS) * RUN


@dataclass(frozen=True)
class Toy:
    """A flatmap of two hemispheres whose operator is known in dense form."""

    operator: np.ndarray  # (n_pixels, n_voxels)
    mask: np.ndarray  # (width, height) bool
    curvature: np.ndarray  # (width, height), NaN outside
    to_left: np.ndarray  # (n_vertices / 2, n_voxels)
    to_right: np.ndarray
    rois: dict[str, np.ndarray]


def toy(n_voxels: int, seed: int = 0, negative: bool = False) -> Toy:
    """Each pixel shows a voxel, by x, and the next one; some pixels show none, and some are covered only in part."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT), indexing="ij")
    mask = np.zeros((WIDTH, HEIGHT), bool)
    for middle in (0.25 * WIDTH, 0.75 * WIDTH):
        mask |= ((x - middle) / 10) ** 2 + ((y - HEIGHT / 2 - 1) / 10) ** 2 < 1
    pixels = np.argwhere(mask)
    operator = np.zeros((len(pixels), n_voxels))
    voxel = pixels[:, 0] * n_voxels // WIDTH
    share = rng.uniform(0.5, 1, len(pixels))
    operator[np.arange(len(pixels)), voxel] = share
    operator[np.arange(len(pixels)), (voxel + 1) % n_voxels] += (-0.1 if negative else 1) * (1 - share)
    operator[::17] *= 0.5
    operator[::23] = 0
    sides = rng.normal(size=(2, 12, n_voxels)) * (rng.random((2, 12, n_voxels)) < 0.2)
    rois = {"V1": np.arange(n_voxels) < n_voxels // 3, "FFA": np.arange(n_voxels) >= n_voxels - n_voxels // 4}
    return Toy(operator, mask, np.where(mask, rng.random(mask.shape), np.nan), sides[0], sides[1], rois)


def write(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True) -> Path:
    """Top-level arrays, gzipped in chunks as the published ones, or contiguous."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip" if compressed and np.size(values) else None)
    return path


def sparse_parts(name: str, operator: np.ndarray) -> dict[str, np.ndarray]:
    csr = scipy.sparse.csr_matrix(operator)
    parts = {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr, "shape": np.array(csr.shape)}
    return {f"{name}_{part}": values for part, values in parts.items()}


def mapper_arrays(t: Toy, legacy: bool = False) -> dict[str, np.ndarray]:
    """A mapper file with today's names and everything in it; or with the old names, two sides, and no more."""
    if legacy:
        sides = {"vox_to_fsavg_left": t.to_left, "vox_to_fsavg_right": t.to_right}
        arrays = sparse_parts("pixmap", t.operator) | {"pixmask": t.mask}
        return arrays | {k: v for name, side in sides.items() for k, v in sparse_parts(name, side).items()}
    overlay = np.zeros((*t.mask.shape, 4))
    return (
        sparse_parts("voxel_to_flatmap", t.operator)
        | sparse_parts("voxel_to_fsaverage", np.vstack([t.to_left, t.to_right]))
        | {"flatmap_mask": t.mask, "flatmap_curvature": t.curvature, "flatmap_rois": overlay}
        | {f"roi_mask_{name}": inside for name, inside in t.rois.items()}
    )


def frames(seed: int = 0, size: int = 32) -> list[np.ndarray]:
    """Frames (n_TRs * PER_TR, size, size, 3) uint8 of each training run and of the test run: drawn clips."""
    from brivl.data.movie_stimulus import MovieConfig, make_movie

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
