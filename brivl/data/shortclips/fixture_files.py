"""Files in the form in which shortclips is published, from arrays: what tests and simulated folders are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse

GAP = 4.4  # width of the flatmap in radii of a hemisphere's disc
TALL = 2.6  # its height


@dataclass(frozen=True)
class SimulatedMapper:
    """A made-up flatmap of two discs, and what else a mapper file holds."""

    operator: scipy.sparse.csr_matrix  # (n_pixels, n_voxels)
    mask: np.ndarray  # (width, height) bool
    curvature: np.ndarray  # (width, height), NaN outside
    to_left: scipy.sparse.csr_matrix  # (n_vertices / 2, n_voxels)
    to_right: scipy.sparse.csr_matrix
    rois: dict[str, np.ndarray]  # name -> (n_voxels,) bool


def two_discs(n_voxels: int, radius: float, n_vertices: int, seed: int = 0, negative: bool = False) -> SimulatedMapper:
    """Each pixel shows a voxel, by x, and the next one; some pixels show none, and some are covered only in part.

    `radius` of a disc in px; `n_vertices` of fsaverage, both hemispheres; `negative` makes some coefficients so.
    """
    rng = np.random.default_rng(seed)
    width, height = ceil(GAP * radius), ceil(TALL * radius)
    x, y = np.meshgrid(np.arange(width), np.arange(height), indexing="ij")
    mask = np.zeros((width, height), bool)
    for middle in (0.25 * width, 0.75 * width):
        mask |= ((x - middle) / radius) ** 2 + ((y - height / 2 - 1) / radius) ** 2 < 1
    n_pixels = int(mask.sum())
    first = np.arange(n_pixels) * n_voxels // n_pixels
    share = rng.uniform(0.5, 1, n_pixels)
    part = np.ones(n_pixels)
    part[::17] = 0.5
    part[::23] = 0
    coefficients = np.stack([share, (-0.1 if negative else 1) * (1 - share)], axis=1) * part[:, None]
    columns = np.stack([first, (first + 1) % n_voxels], axis=1)
    starts = np.arange(n_pixels + 1) * 2
    operator = scipy.sparse.csr_matrix((coefficients.ravel(), columns.ravel(), starts), (n_pixels, n_voxels))
    operator.eliminate_zeros()
    rois = {"V1": np.arange(n_voxels) < n_voxels // 3, "FFA": np.arange(n_voxels) >= n_voxels - n_voxels // 4}
    sides = [_to_vertices(rng, n_vertices // 2, n_voxels) for _ in range(2)]
    return SimulatedMapper(operator, mask, np.where(mask, rng.random(mask.shape), np.nan), *sides, rois)


def _to_vertices(rng: np.random.Generator, n_vertices: int, n_voxels: int) -> scipy.sparse.csr_matrix:
    """About two random voxels for each vertex, with coefficients of both signs."""
    rows, columns = np.repeat(np.arange(n_vertices), 2), rng.integers(0, n_voxels, 2 * n_vertices)
    return scipy.sparse.csr_matrix((rng.standard_normal(2 * n_vertices), (rows, columns)), (n_vertices, n_voxels))


def mapper_arrays(flat: SimulatedMapper, legacy: bool = False) -> dict[str, np.ndarray]:
    """A mapper file with today's names and everything in it; or with the old names, two sides, and no more."""
    if legacy:
        sides = {"vox_to_fsavg_left": flat.to_left, "vox_to_fsavg_right": flat.to_right}
        arrays = sparse_parts("pixmap", flat.operator) | {"pixmask": flat.mask}
        return arrays | {k: v for name, side in sides.items() for k, v in sparse_parts(name, side).items()}
    overlay = np.zeros((*flat.mask.shape, 4))
    both = scipy.sparse.vstack([scipy.sparse.csr_matrix(side) for side in (flat.to_left, flat.to_right)])
    return (
        sparse_parts("voxel_to_flatmap", flat.operator)
        | sparse_parts("voxel_to_fsaverage", both)
        | {"flatmap_mask": flat.mask, "flatmap_curvature": flat.curvature, "flatmap_rois": overlay}
        | {f"roi_mask_{name}": inside for name, inside in flat.rois.items()}
    )


def sparse_parts(name: str, operator: scipy.sparse.csr_matrix | np.ndarray) -> dict[str, np.ndarray]:
    """The four arrays by which an operator is stored."""
    csr = scipy.sparse.csr_matrix(operator)
    parts = {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr, "shape": np.array(csr.shape)}
    return {f"{name}_{part}": values for part, values in parts.items()}


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True, attributes: Mapping[str, str] | None = None
) -> Path:
    """Top-level arrays, gzipped in chunks as the published ones, or contiguous; attributes of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes or {})
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip" if compressed and np.size(values) else None)
    return path
