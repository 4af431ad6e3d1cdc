"""R2 of each model alone, with the folds and the preset of a fit of both: what unique and shared parts need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.regions.variance_partitioning import VariancePartition, partition_variance
from brivl.data.dataset import Dataset
from brivl.data.features import layer_features
from brivl.data.registry import open_dataset
from brivl.encoding.checkpoints import FitCheckpoints, delete_completed_checkpoints
from brivl.encoding.fit import FitRequest, fit, fit_key
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND = "fit-alone"
STEPS = 3  # of one question: both models, then each


def single_model_key(store: Store, request: FitRequest, model: str, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of one model of a request by itself; the other model is no part of it. Raises RequestError as `fit_key`."""
    both = fit_key(store, replace(request, models=(model, model)), dataset)
    return ArtifactKey(KIND, {**both.ingredients, "models": both.ingredients["models"][:1]})


def stored_single_models(store: Store, request: FitRequest, dataset: Dataset | None = None) -> np.ndarray | None:
    """(2, n_voxels) R2 of each model of the request alone, NaN where not fitted; None unless both are stored."""
    found = [store.get(single_model_key(store, request, model, dataset)) for model in request.models]
    rows = [one.arrays["r2"] for one in found if one is not None]
    return np.stack(rows) if len(rows) == len(found) else None


def fit_single_models(store: Store, request: FitRequest, progress: ProgressCallback = no_progress) -> np.ndarray:
    """(2, n_voxels), computed where need be; batches of voxels as in `fit`, so that a stopped one goes on."""
    dataset = open_dataset(request.dataset, store, progress)
    rows = []
    for step, model in enumerate(request.models):
        one, key = replace(request, models=(model, model)), single_model_key(store, request, model, dataset)
        if not store.has(key):
            store.get_or_compute(key, partial(_compute, store, one, dataset, partial(_told, progress, one, step)))
            delete_completed_checkpoints(store)
        rows.append(store.get_or_compute(key, partial(_compute, store, one, dataset, no_progress)).arrays["r2"])
    return np.stack(rows)


def _told(progress: ProgressCallback, one: FitRequest, step: int, done: float, total: float, _what: str = "") -> None:
    what = f"{Path(one.models[0]).name} alone, layer {one.layer}, {one.subject}"
    progress(step + done / max(total, 1e-9), 2, what)


def _compute(
    store: Store, request: FitRequest, dataset: Dataset, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict]:
    from brivl.core.encoding.encode import encode  # needs himalaya

    stimulus, responses = dataset.stimulus(request.subject), dataset.responses(request.subject)
    X = layer_features(store, stimulus, request.models[0], request.layer, request.pooling, progress)
    protocol = FitProtocol(dataset.design(request.subject), PRESETS[request.preset])
    parts = FitCheckpoints(store, single_model_key(store, request, request.models[0], dataset))
    result = encode([X], responses, *protocol, lambda done, total: progress(done, total, ""), parts)
    return {"r2": result.r2_joint, "selected": result.selected}, {
        "request": asdict(replace(request, dataset=dataset.name)) | {"models": [request.models[0]]},
        "simulated": dataset.simulated,
        "n_voxels_selected": int(result.selected.sum()),
    }


def variance_partition(
    store: Store, request: FitRequest, progress: ProgressCallback = no_progress
) -> VariancePartition:
    """Unique and shared parts of a request; the fit of both and those of each are computed where need be."""
    joint = fit(store, request, lambda done, total, what: progress(done / max(total, 1e-9), STEPS, what))
    alone = fit_single_models(
        store, request, lambda done, total, what: progress(1 + 2 * done / max(total, 1e-9), STEPS, what)
    )
    return partition_variance(joint.result.r2_joint, alone)


def variance_partition_job(store: Store, requests: list[FitRequest]) -> dict[str, Any]:
    """The task of a worker."""
    return {"task": "parts", "store": str(store.root), "fits": [asdict(request) for request in requests]}


def variance_partition_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute and keep; progress counts requests. Raises RequestError for a list without any."""
    fits = [FitRequest(**{**fields, "models": tuple(fields["models"])}) for fields in request["fits"]]
    if not fits:
        raise RequestError("Wanted at least one fit whose models are fitted alone, and got none.")
    store = Store(Path(request["store"]))
    for at, one in enumerate(fits):
        variance_partition(
            store, one, lambda done, total, what, at=at: progress(at + done / max(total, 1e-9), len(fits), what)
        )
    return {"n_fits": len(fits)}
