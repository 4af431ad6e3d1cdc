"""Fits of each model alone, with the folds and the protocol of the fit of both, for variance partitioning.

`brivl.encoding.fit.fit` computes and stores them with every joint fit, from the same decompositions. Here they are
read, and computed for joint fits that an earlier version has stored without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.regions.variance_partitioning import VariancePartition, partition_variance
from brivl.data.dataset import Dataset, DatasetIdentity
from brivl.data.features import layer_features
from brivl.data.registry import open_dataset
from brivl.encoding.checkpoints import FitCheckpoints, delete_completed_checkpoints
from brivl.encoding.fit import FitRequest, fit, put_single_model, single_model_key
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.digests import JSON

__all__ = [
    "fit_single_models",
    "single_model_key",
    "stored_partition",
    "stored_single_models",
    "variance_partition",
    "variance_partition_job",
    "variance_partition_task",
]
N_FITS = 3  # of one variance partition: both models together, and each alone


def stored_single_models(
    store: Store, request: FitRequest, dataset: DatasetIdentity | None = None
) -> np.ndarray | None:
    """Read the fits of each model alone from the cache.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit of both models.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    np.ndarray | None
        (2, n_voxels) R2, NaN where not fitted; None unless both are stored.
    """
    artifacts = [store.get(single_model_key(store, request, model, dataset)) for model in request.models]
    scores = [artifact.arrays["r2"] for artifact in artifacts if artifact is not None]
    return np.stack(scores) if len(scores) == len(artifacts) else None


def stored_partition(
    store: Store, request: FitRequest, r2_joint: np.ndarray, dataset: DatasetIdentity | None = None
) -> VariancePartition | None:
    """Divide the joint R2 of a stored fit into unique and shared variance, where the fits of each model are stored.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit of both models.
    r2_joint : np.ndarray
        (n_voxels,) joint R2 of that fit.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    VariancePartition | None
        Components of each voxel, in the order of the request's models; None where they are not computed.
    """
    single = stored_single_models(store, request, dataset)
    return None if single is None else partition_variance(r2_joint, single)


def fit_single_models(store: Store, request: FitRequest, progress: ProgressCallback = no_progress) -> np.ndarray:
    """Read the fits of each model alone from the cache, or compute and store them without the joint fit.

    As in `brivl.encoding.fit.fit`, batches of voxels are kept, so that an interrupted fit continues.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit of both models.
    progress : ProgressCallback
        Called with fits done (of 2), 2, and a message.

    Returns
    -------
    np.ndarray
        (2, n_voxels) R2, NaN where not fitted.
    """
    dataset = open_dataset(request.dataset, store, progress)
    scores = []
    for i, model in enumerate(request.models):
        single, key = replace(request, models=(model, model)), single_model_key(store, request, model, dataset)
        stored = store.get(key)
        if stored is None:
            computed = _compute(
                store, single, dataset, partial(_report, progress, single, i), FitCheckpoints(store, key)
            )
            put_single_model(store, request, dataset, model, computed)
            delete_completed_checkpoints(store)
        scores.append(computed["r2"] if stored is None else stored.arrays["r2"])
    return np.stack(scores)


def _report(
    progress: ProgressCallback, single: FitRequest, n_done: int, done: float, total: float, _message: str = ""
) -> None:
    message = f"{Path(single.models[0]).name} alone, layer {single.layer}, {single.subject}"
    progress(n_done + done / max(total, 1e-9), 2, message)


def _compute(
    store: Store, request: FitRequest, dataset: Dataset, progress: ProgressCallback, checkpoints: FitCheckpoints
) -> dict[str, np.ndarray]:
    """R2 of the first model alone, and which voxels were fitted."""
    from brivl.core.encoding.encode import encode_parts  # imported here, since it needs himalaya

    stimulus, responses = dataset.stimulus(request.subject), dataset.responses(request.subject)
    X = layer_features(store, stimulus, request.models[0], request.layer, request.pooling, progress)
    protocol = FitProtocol(dataset.design(request.subject), PRESETS[request.preset])
    # As in the fit of both models: alphas are chosen by exact losses, and not only by mapped ones.
    result, single = encode_parts([X], responses, *protocol, lambda done, total: progress(done, total, ""), checkpoints)
    return {"r2": single[0], "selected": result.selected}


def variance_partition(
    store: Store, request: FitRequest, progress: ProgressCallback = no_progress
) -> VariancePartition:
    """Divide the joint R2 of two models into unique and shared variance; missing fits are computed.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit of both models.
    progress : ProgressCallback
        Called with fits done, N_FITS, and a message.

    Returns
    -------
    VariancePartition
        Components of each voxel, in the order of the request's models.
    """
    joint = fit(store, request, partial(_report_part, progress, 0, 1))
    single = fit_single_models(store, request, partial(_report_part, progress, 1, 2))
    return partition_variance(joint.result.r2_joint, single)


def _report_part(
    progress: ProgressCallback, n_before: int, n_fits: int, done: float, total: float, message: str
) -> None:
    """Report the progress of `n_fits` of the N_FITS fits, after `n_before` of them."""
    progress(n_before + n_fits * done / max(total, 1e-9), N_FITS, message)


def variance_partition_job(store: Store, requests: list[FitRequest]) -> dict[str, JSON]:
    """Build the request of a worker that computes variance partitions.

    Parameters
    ----------
    store : Store
        The cache.
    requests : list[FitRequest]
        Fits of both models.

    Returns
    -------
    dict[str, JSON]
        For `brivl.jobs.queue.JobQueue.submit`.
    """
    return {"task": "parts", "store": str(store.root), "fits": [asdict(request) for request in requests]}


def variance_partition_task(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Compute and store variance partitions in a worker.

    Parameters
    ----------
    request : Mapping[str, JSON]
        From `variance_partition_job`.
    progress : ProgressCallback
        Called with partitions done, partitions in all, and a message.

    Returns
    -------
    dict[str, JSON]
        The number of partitions.

    Raises
    ------
    RequestError
        For a list without fits.
    """
    fits = [FitRequest.from_json(fields) for fields in request["fits"]]
    if not fits:
        raise RequestError("Expected at least one fit for a variance partition, got none. Choose layers and subjects.")
    store = Store(Path(request["store"]))
    for i, one in enumerate(fits):

        def report(done: float, total: float, message: str, n_before: int = i) -> None:
            progress(n_before + done / max(total, 1e-9), len(fits), message)

        variance_partition(store, one, report)
    return {"n_fits": len(fits)}
