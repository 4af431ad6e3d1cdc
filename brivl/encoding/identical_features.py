"""Whether two models have identical features at a layer, found from the features themselves.

Models that share their first layers give the same features there, whatever the models are called. A fit of both then
divides one prediction by an arbitrary rule, and a comparison of the two says nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.dataset import DatasetIdentity
from brivl.data.features import layer_features
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key
from brivl.store.artifacts import Store
from brivl.store.digests import JSON
from brivl.store.keys import ArtifactKey

KIND, VERSION = "identical-features", 1
INGREDIENTS = ("data", "models", "layer", "pooling")  # of the key of a fit; the preset changes no feature


def identical_features_key(store: Store, request: FitRequest, dataset: DatasetIdentity | None = None) -> ArtifactKey:
    """Build the key of the comparison of the features of two models.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit that uses the features.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    ArtifactKey
        Kind "identical-features"; RequestError is raised as `fit_key` does.
    """
    ingredients = fit_key(store, request, dataset).ingredients
    return ArtifactKey(KIND, {name: ingredients[name] for name in INGREDIENTS} | {"version": VERSION})


def stored_identical_features(store: Store, request: FitRequest, dataset: DatasetIdentity | None = None) -> bool | None:
    """Read from the cache whether the features of two models are identical.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit that uses the features.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    bool | None
        None where they have not been compared.
    """
    artifact = store.get(identical_features_key(store, request, dataset))
    return None if artifact is None else bool(artifact.info["identical"])


def identical_features(store: Store, request: FitRequest, progress: ProgressCallback = no_progress) -> bool:
    """Compare the features of two models, or read the comparison from the cache.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit that uses the features.
    progress : ProgressCallback
        Called where features have to be computed.

    Returns
    -------
    bool
        Whether both models have the same features, equal to the bit, in every sample.
    """
    dataset = open_dataset(request.dataset, store, progress)

    def compare() -> tuple[dict[str, np.ndarray], dict[str, JSON]]:
        ordered = replace(request, models=canonical_order(request.models))
        stimulus = dataset.stimulus(ordered.subject)
        a, b = (layer_features(store, stimulus, m, ordered.layer, ordered.pooling, progress) for m in ordered.models)
        identical = bool(np.array_equal(a, b))
        return {"identical": np.array(identical)}, {"identical": identical, "simulated": dataset.simulated}

    return bool(store.get_or_compute(identical_features_key(store, request, dataset), compare).info["identical"])
