"""A cache as workers would have filled it, made of small made-up numbers: for tests that only look answers up."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from brivl.config import cache_dir
from brivl.core.flatmap.geometry import to_arrays
from brivl.core.records import Voxels
from brivl.data.flatmaps import flatmap_key
from brivl.data.subject_facts import facts_key
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key
from brivl.store.artifacts import Store
from tests.support.figure_samples import flatmap

MOVIE, SENTENCES = "phantom-movie:240/40", "phantom-sentences"
ROIS = ("V1", "FFA", "superior temporal gyrus")


def fill(name: str, layers: list[int], subjects: list[str], seed: int = 0) -> Store:
    """Facts, flatmap and fits of a phantom; the first voxel is not fitted. The store stands in the test's own cache."""
    store = Store(cache_dir())
    known, rng = summarise_dataset(store, name), np.random.default_rng(seed)
    geometry = flatmap()
    voxels = sample_voxels(geometry.pixel_to_voxel.shape[1], known.stimulus_kind)
    store.put(flatmap_key(voxels), to_arrays(geometry), {"space": voxels.space})
    for subject in subjects:
        _put_facts(store, known, subject, voxels, rng)
        for layer in layers:
            put_fit(store, known, FitRequest(name, known.default_pair, layer, subject), voxels.n_voxels, rng)
    return store


def sample_voxels(n: int, kind: str) -> Voxels:
    """Voxels in a line: with three ROIs (image), with AAL labels 1, 2, ... in turn (text), with neither (features)."""
    ijk = np.stack([np.arange(n), np.zeros(n, int), np.zeros(n, int)], axis=1)
    if kind == "features":
        return Voxels("native", ijk, (n, 1, 1), None)
    if kind == "text":
        return Voxels("MNI152, 4 mm", ijk, (n, 1, 1), np.diag([4.0, 4, 4, 1]), aal=np.arange(n) % 110 + 1)
    rois = {roi: np.arange(n) % len(ROIS) == i for i, roi in enumerate(ROIS)}
    return Voxels("S1 (pycortex), fullhead", ijk, (n, 1, 1), np.diag([2.0, 2, 2, 1]), rois)


def _put_facts(store: Store, known: DatasetSummary, subject: str, voxels: Voxels, rng: np.random.Generator) -> None:
    n, movie = voxels.n_voxels, known.stimulus_kind == "image"
    rois = np.stack(list(voxels.rois.values())) if voxels.rois else None
    optional = {"affine": voxels.affine, "aal": voxels.aal, "rois": rois}
    arrays = {"ijk": voxels.ijk} | {name: value for name, value in optional.items() if value is not None}
    timing = {
        "tr": 2.0 if movie else None,
        "n_train": 240,
        "n_test": 40 if movie else 0,
        "n_runs": 12,
        "n_groups": None if movie else 96,
        "n_repeats": 10 if movie else None,
    }
    info = {
        "roi_names": list(voxels.rois),
        "shape": list(voxels.shape),
        "space": voxels.space,
        "flatmap": voxels.flatmap,
        "timing": timing,
    }
    if known.simulated:
        arrays |= {
            "truth_layer": np.arange(n) % 3 * 4,
            "truth_share": np.full((2, n), 0.5),
            "noise_ceiling": np.full(n, 0.4),
            "oracle_split": rng.uniform(0, 0.2, (2, n)),
        }
        info["truth_models"] = list(known.default_pair)
    store.put(facts_key(known, subject), arrays, info)


def put_fit(store: Store, known: DatasetSummary, request: FitRequest, n: int, rng: np.random.Generator) -> None:
    """Scores of one fit, in the order in which pairs are stored; the first model of the pair is the better one."""
    better = 0 if canonical_order(request.models) == request.models else 1
    split = rng.uniform(0, 0.1, (2, n))
    split[better] += 0.05
    split[:, 0] = np.nan
    selected = np.isfinite(split[0])
    arrays = {"r2_joint": split.sum(0), "r2_split": split, "selected": selected, "band_weights": np.full((2, n), 0.5)}
    if known.stimulus_kind == "image":
        arrays["explainable_variance"] = np.where(selected, 0.3, 0.0)
    info = {
        "request": asdict(request) | {"models": list(canonical_order(request.models))},
        "excluded": {},
        "seconds": 12.0,
        "simulated": known.simulated,
        "n_voxels": n,
        "n_voxels_selected": int(selected.sum()),
    }
    store.put(fit_key(store, request, known), arrays, info)
