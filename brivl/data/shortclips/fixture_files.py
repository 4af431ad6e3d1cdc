"""Files in the form in which shortclips is published, written from arrays for tests and simulated folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse

FLATMAP_WIDTH = 4.4  # in radii of a hemisphere's disc
FLATMAP_HEIGHT = 2.6


@dataclass(frozen=True)
class SimulatedMapper:
    """A flatmap of two discs, and what else a mapper file holds.

    Attributes
    ----------
    operator : (n_pixels, n_voxels) CSR matrix
        From voxels to the pixels of the flatmap.
    mask : (width, height) array of bool
        Pixels of the flatmap.
    curvature : (width, height) array
        Curvature, NaN outside.
    to_left, to_right : (n_vertices / 2, n_voxels) CSR matrix
        From voxels to the vertices of fsaverage.
    rois : dict of str to (n_voxels,) array of bool
        Masks.
    """

    operator: scipy.sparse.csr_matrix
    mask: np.ndarray
    curvature: np.ndarray
    to_left: scipy.sparse.csr_matrix
    to_right: scipy.sparse.csr_matrix
    rois: dict[str, np.ndarray]


def two_discs(n_voxels: int, radius: float, n_vertices: int, seed: int = 0, negative: bool = False) -> SimulatedMapper:
    """Make a mapper whose pixels each show a voxel, which depends on x, and the next one.

    Parameters
    ----------
    n_voxels : int
        Number of voxels.
    radius : float
        Radius of a disc in pixels.
    n_vertices : int
        Number of vertices of fsaverage, both hemispheres.
    seed : int
        Random seed.
    negative : bool
        Whether some coefficients are negative.

    Returns
    -------
    SimulatedMapper
        Mapper; some of its pixels show no voxel, and some are covered only in part.
    """
    rng = np.random.default_rng(seed)
    width, height = ceil(FLATMAP_WIDTH * radius), ceil(FLATMAP_HEIGHT * radius)
    x, y = np.meshgrid(np.arange(width), np.arange(height), indexing="ij")
    mask = np.zeros((width, height), bool)
    for middle in (0.25 * width, 0.75 * width):
        mask |= ((x - middle) / radius) ** 2 + ((y - height / 2 - 1) / radius) ** 2 < 1
    n_pixels = int(mask.sum())
    first = np.arange(n_pixels) * n_voxels // n_pixels
    share = rng.uniform(0.5, 1, n_pixels)
    coverage = np.ones(n_pixels)
    coverage[::17] = 0.5
    coverage[::23] = 0
    coefficients = np.stack([share, (-0.1 if negative else 1) * (1 - share)], axis=1) * coverage[:, None]
    columns = np.stack([first, (first + 1) % n_voxels], axis=1)
    starts = np.arange(n_pixels + 1) * 2
    operator = scipy.sparse.csr_matrix((coefficients.ravel(), columns.ravel(), starts), (n_pixels, n_voxels))
    operator.eliminate_zeros()
    rois = {"V1": np.arange(n_voxels) < n_voxels // 3, "FFA": np.arange(n_voxels) >= n_voxels - n_voxels // 4}
    to_left, to_right = (_to_vertices(rng, n_vertices // 2, n_voxels) for _ in range(2))
    curvature = np.where(mask, rng.random(mask.shape), np.nan)
    return SimulatedMapper(operator, mask, curvature, to_left, to_right, rois)


def _to_vertices(rng: np.random.Generator, n_vertices: int, n_voxels: int) -> scipy.sparse.csr_matrix:
    """Map about two random voxels to each vertex, with coefficients of both signs."""
    rows, columns = np.repeat(np.arange(n_vertices), 2), rng.integers(0, n_voxels, 2 * n_vertices)
    return scipy.sparse.csr_matrix((rng.standard_normal(2 * n_vertices), (rows, columns)), (n_vertices, n_voxels))


def mapper_arrays(mapper: SimulatedMapper, legacy: bool = False) -> dict[str, np.ndarray]:
    """Return the arrays of a mapper file.

    Parameters
    ----------
    mapper : SimulatedMapper
        Operators, masks and curvature.
    legacy : bool
        Whether to use the names of older files, which have neither ROIs nor curvature.

    Returns
    -------
    dict of str to array
        Arrays by name.
    """
    if legacy:
        sides = {"vox_to_fsavg_left": mapper.to_left, "vox_to_fsavg_right": mapper.to_right}
        arrays = sparse_parts("pixmap", mapper.operator) | {"pixmask": mapper.mask}
        return arrays | {k: v for name, side in sides.items() for k, v in sparse_parts(name, side).items()}
    overlay = np.zeros((*mapper.mask.shape, 4))
    both = scipy.sparse.vstack([scipy.sparse.csr_matrix(side) for side in (mapper.to_left, mapper.to_right)])
    return (
        sparse_parts("voxel_to_flatmap", mapper.operator)
        | sparse_parts("voxel_to_fsaverage", both)
        | {"flatmap_mask": mapper.mask, "flatmap_curvature": mapper.curvature, "flatmap_rois": overlay}
        | {f"roi_mask_{name}": inside for name, inside in mapper.rois.items()}
    )


def sparse_parts(name: str, operator: scipy.sparse.csr_matrix | np.ndarray) -> dict[str, np.ndarray]:
    """Return the four arrays as which an operator is stored.

    Parameters
    ----------
    name : str
        Prefix of their names.
    operator : sparse matrix or array
        Operator.

    Returns
    -------
    dict of str to array
        Data, indices, indptr and shape of the CSR matrix.
    """
    csr = scipy.sparse.csr_matrix(operator)
    parts = {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr, "shape": np.array(csr.shape)}
    return {f"{name}_{part}": values for part, values in parts.items()}


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True, attributes: Mapping[str, str] | None = None
) -> Path:
    """Write arrays at the top level of an HDF5 file.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    arrays : mapping of str to array
        Arrays by name.
    compressed : bool
        Gzip in chunks, as the published files, or contiguous.
    attributes : mapping of str to str, optional
        Attributes of the file.

    Returns
    -------
    Path
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes or {})
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip" if compressed and np.size(values) else None)
    return path
