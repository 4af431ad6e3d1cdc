"""A cache as workers would have filled it, with random numbers for any number of voxels, for benchmarks and tests."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import scipy.sparse

from brivl.core.flatmap.geometry import normalise_rows, to_arrays
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.data.flatmaps import flatmap_key
from brivl.data.subject_facts import facts_key
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key
from brivl.store.artifacts import Store

DATASET, SUBJECT = "phantom-movie:240/40", "S01"
HEIGHT, WIDTH = 512, 980  # of pycortex S1's flatmap in the app
N_LAYERS = 12
N_REGIONS = 26
SIDES = (0.26, 0.74)  # centres of the two hemispheres as fractions of the width


def fill_store(store: Store, n_voxels: int, seed: int = 0) -> DatasetSummary:
    """Store facts, flatmap and twelve fits of one subject.

    Parameters
    ----------
    store : Store
        The cache.
    n_voxels : int
        Voxels of the subject.
    seed : int
        Random seed.

    Returns
    -------
    DatasetSummary
        The dataset of the subject.
    """
    dataset, rng = summarise_dataset(store, DATASET), np.random.default_rng(seed)
    geometry = ellipses(n_voxels)
    voxels = _voxels(n_voxels, rng)
    store.put(flatmap_key(voxels), to_arrays(geometry), {"space": voxels.space})
    _put_facts(store, dataset, voxels, rng)
    for layer in range(1, N_LAYERS + 1):
        _put_fit(store, dataset, FitRequest(DATASET, dataset.default_pair, layer, SUBJECT), n_voxels, rng)
    return dataset


def ellipses(n_voxels: int) -> FlatmapGeometry:
    """Draw two ellipses of about 278,000 pixels, each pixel a mixture of up to three voxels.

    Parameters
    ----------
    n_voxels : int
        Number of voxels.

    Returns
    -------
    FlatmapGeometry
        The flatmap.
    """
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.any([((x - c * WIDTH) / (0.22 * WIDTH)) ** 2 + ((y - 256) / 205) ** 2 < 1 for c in SIDES], axis=0)
    step = np.sqrt(mask.sum() / n_voxels)
    cells = [_cell(x + dx, y + dy, step)[mask] for dx, dy in ((0, 0), (1, 0), (0, 1))]
    _, voxel = np.unique(np.concatenate(cells), return_inverse=True)
    voxel = np.minimum(voxel.reshape(3, -1), n_voxels - 1)
    rows = np.tile(np.arange(voxel.shape[1]), 3)
    fractions = np.repeat([0.5, 0.25, 0.25], voxel.shape[1])
    weights = scipy.sparse.csr_matrix((fractions, (rows, voxel.ravel())), shape=(voxel.shape[1], n_voxels))
    background = np.where(mask, 0.5 + 0.5 * np.sin(x / 13) * np.cos(y / 17), np.nan)
    outlines = {f"R{i:02d}": [_ring(i)] for i in range(N_REGIONS)}
    labels = {name: tuple(polygons[0].mean(0)) for name, polygons in outlines.items()}
    marks = {"L": (16.0, 16.0), "R": (WIDTH - 16.0, 16.0)}
    return FlatmapGeometry(normalise_rows(weights), mask, background, outlines, labels, marks, "made-up, two ellipses")


def _cell(x: np.ndarray, y: np.ndarray, step: float) -> np.ndarray:
    return (y / step).astype(int) * WIDTH + (x / step).astype(int)


def _ring(i: int) -> np.ndarray:
    """An outline of 130 points, as many as drawn outlines have."""
    angle = np.linspace(0, 2 * np.pi, 130, endpoint=False)
    centre = WIDTH * SIDES[i % 2] + 60 * np.cos(i), HEIGHT / 2 + 130 * np.sin(i)
    return np.stack([centre[0] + 28 * np.cos(angle), centre[1] + 22 * np.sin(angle)], axis=1)


def _voxels(n: int, rng: np.random.Generator) -> Voxels:
    side = int(np.ceil(n ** (1 / 3)))
    ijk = np.stack(np.unravel_index(np.arange(n), (side,) * 3), axis=1)
    rois = {f"R{i:02d}": rng.random(n) < 0.01 for i in range(N_REGIONS)}
    return Voxels("made-up", ijk, (side,) * 3, np.diag([2.0, 2, 2, 1]), rois)


def _put_facts(store: Store, dataset: DatasetSummary, voxels: Voxels, rng: np.random.Generator) -> None:
    n = voxels.n_voxels
    assert voxels.affine is not None  # `_voxels` makes one
    arrays = {
        "ijk": voxels.ijk,
        "affine": voxels.affine,
        "rois": np.stack(list(voxels.rois.values())),
        "truth_layer": rng.integers(0, N_LAYERS, n),
        "truth_share": np.full((2, n), 0.5),
        "noise_ceiling": np.full(n, 0.4),
        "oracle_split": rng.uniform(0, 0.2, (2, n)),
    }
    timing = {"tr": 2.0, "n_train": 240, "n_test": 40, "n_runs": 12, "n_groups": None, "n_repeats": 10}
    info = {
        "roi_names": list(voxels.rois),
        "shape": list(voxels.shape),
        "space": voxels.space,
        "flatmap": voxels.flatmap,
        "timing": timing,
        "truth_models": list(dataset.default_pair),
    }
    store.put(facts_key(dataset, SUBJECT), arrays, info)


def _put_fit(store: Store, dataset: DatasetSummary, request: FitRequest, n: int, rng: np.random.Generator) -> None:
    split = rng.gamma(2.0, 0.03, (2, n)).astype(np.float32) - 0.02
    arrays = {
        "r2_joint": split.sum(0),
        "r2_split": split,
        "selected": np.ones(n, bool),
        "band_weights": np.full((2, n), 0.5, np.float32),
        "explainable_variance": rng.uniform(0.1, 0.6, n),
    }
    info = {
        "request": asdict(request) | {"models": list(canonical_order(request.models))},
        "excluded": {},
        "seconds": 1.0,
        "simulated": True,
        "n_voxels": n,
        "n_voxels_selected": n,
    }
    store.put(fit_key(store, request, dataset), arrays, info)
