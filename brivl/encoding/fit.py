"""One encoding fit: how well one layer of two models predicts a subject, from the cache or computed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Self

import numpy as np

from brivl.core.encoding.presets import PRESETS, FitProtocol, preset_settings
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import EncodingResult
from brivl.data.dataset import Dataset, DatasetIdentity, check_subject
from brivl.data.features import check_layer, layer_features, resolve_pooling
from brivl.data.reading import reading_warnings
from brivl.data.registry import open_dataset
from brivl.data.subject_facts import load_facts
from brivl.encoding.checkpoints import FitCheckpoints, delete_completed_checkpoints
from brivl.errors import RequestError, StoreError
from brivl.models.registry import model_digest
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import JSON
from brivl.store.keys import ArtifactKey

ENCODING_VERSION = 2  # raise when the same inputs would give other scores
SINGLE_KIND = "fit-alone"  # of the stored R2 of one model alone


@dataclass(frozen=True)
class FitRequest:
    """Everything that a user chooses for one fit.

    Attributes
    ----------
    dataset : str
        Name of a simulated dataset, or a folder.
    models : tuple[str, str]
        The two models.
    layer : int
        Layer number, counted from 1.
    subject : str
        Name of the subject.
    preset : str
        Protocol: "strict" or "paper".
    pooling : Literal["cls", "mean"] | None
        Token pooling; None for that of the model's own embedding.
    """

    dataset: str
    models: tuple[str, str]
    layer: int
    subject: str
    preset: str = "strict"
    pooling: Literal["cls", "mean"] | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, JSON]) -> Self:
        """Rebuild a request from the JSON of a job, which has a list of models.

        Parameters
        ----------
        fields : Mapping[str, JSON]
            From `dataclasses.asdict`, through JSON.

        Returns
        -------
        FitRequest
            The request.
        """
        return cls(**{**fields, "models": tuple(fields["models"])})


@dataclass(frozen=True)
class FitResult:
    """Scores of a fit and where they come from.

    Attributes
    ----------
    request : FitRequest
        The request, whose order of models the scores have.
    result : EncodingResult
        Scores.
    info : Mapping[str, JSON]
        Stored notes: seconds, n_voxels, simulated, ...
    cache : Literal["hit", "miss"]
        Whether the scores were stored before.
    """

    request: FitRequest
    result: EncodingResult
    info: Mapping[str, JSON]
    cache: Literal["hit", "miss"]


def canonical_order(models: tuple[str, str]) -> tuple[str, str]:
    """Give the order in which two models are fitted, so that both orders share one stored fit.

    Parameters
    ----------
    models : tuple[str, str]
        Names, or folders.

    Returns
    -------
    tuple[str, str]
        Sorted by name; where a folder lies does not matter.
    """
    first, second = sorted(models, key=lambda model: (Path(model).name, model))
    return first, second


def fit_key(store: Store, request: FitRequest, dataset: DatasetIdentity | None = None) -> ArtifactKey:
    """Build the key of a fit.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    ArtifactKey
        Kind "fit".

    Raises
    ------
    RequestError
        For an unknown dataset, subject, model, layer, pooling or preset.
    """
    settings = preset_settings(request.preset)
    dataset = dataset or open_dataset(request.dataset, store)
    check_subject(dataset, request.subject)
    kind = dataset.stimulus_kind
    pooling = resolve_pooling(kind, request.pooling)
    models = canonical_order(request.models)
    names: list[JSON]
    if kind == "features":
        _check_own_models(dataset, request.models)
        names = list(models)
    else:
        for model in request.models:
            check_layer(model, kind, request.layer)
        names = [[Path(model).name, model_digest(model, kind)] for model in models]
    return ArtifactKey(
        "fit",
        {
            "data": dataset.digest(request.subject),
            "models": names,
            "layer": request.layer,
            "pooling": pooling,
            "preset": settings,
            "version": ENCODING_VERSION,
        },
    )


def single_model_key(
    store: Store, request: FitRequest, model: str, dataset: DatasetIdentity | None = None
) -> ArtifactKey:
    """Build the key of the fit of one model alone, which does not depend on the other model.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit of both models.
    model : str
        One of them.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    ArtifactKey
        Kind SINGLE_KIND; RequestError is raised as `fit_key` does.
    """
    both = fit_key(store, replace(request, models=(model, model)), dataset)
    return ArtifactKey(SINGLE_KIND, {**both.ingredients, "models": both.ingredients["models"][:1]})


def put_single_model(
    store: Store, request: FitRequest, dataset: Dataset, model: str, scores: Mapping[str, np.ndarray]
) -> None:
    """Store the fit of one model alone, unless it is stored.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit of both models.
    dataset : Dataset
        Its dataset.
    model : str
        One of the models.
    scores : Mapping[str, np.ndarray]
        "r2" and "selected", each (n_voxels,).
    """
    key = single_model_key(store, request, model, dataset)
    if not store.has(key):
        described = asdict(replace(request, dataset=dataset.name)) | {"models": [model]}
        n_selected = int(scores["selected"].sum())
        store.put(key, scores, {"request": described, "simulated": dataset.simulated, "n_voxels_selected": n_selected})


def _check_own_models(dataset: DatasetIdentity, models: tuple[str, str]) -> None:
    unknown = sorted(set(models) - set(dataset.models))
    if unknown:
        raise RequestError(
            f"Expected two of the features {sorted(dataset.models)} that dataset {dataset.name!r} contains, got "
            f"{unknown}. Choose two of them."
        )


def leakage_warning(dataset: Dataset, subject: str, preset: str) -> str:
    """Describe what training and test data of a fit share, before it starts; the fit is not prevented.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    subject : str
        Name of the subject.
    preset : str
        Protocol of the fit.

    Returns
    -------
    str
        Sentences, also on few or recurring items; empty where nothing is shared.
    """
    from brivl.core.audit.leakage import leak_warning

    warnings = list(reading_warnings(dataset, subject))
    try:
        if preset in PRESETS:
            warnings.insert(0, leak_warning(dataset.design(subject), PRESETS[preset]))
    except RequestError:  # the data cannot be split into folds, which the fit itself reports
        pass
    return " ".join(warning for warning in warnings if warning)


def stored_fit(store: Store, request: FitRequest, dataset: DatasetIdentity | None = None) -> FitResult | None:
    """Read a fit from the cache.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    FitResult | None
        None where it is not stored.
    """
    artifact = store.get(fit_key(store, request, dataset))
    return None if artifact is None else _fit_result(request, artifact, "hit")


def fit(store: Store, request: FitRequest, progress: ProgressCallback = no_progress) -> FitResult:
    """Read a fit from the cache, or compute and store it, and with it the fits of each model alone.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit.
    progress : ProgressCallback
        Called with work done, work in all, and a message; may raise Cancelled.

    Returns
    -------
    FitResult
        Scores in the order of the request's models.
    """
    dataset = open_dataset(request.dataset, store, progress)
    key = fit_key(store, request, dataset)
    computed: list[bool] = []

    def _compute_once() -> tuple[dict[str, np.ndarray], dict[str, JSON]]:
        computed.append(True)
        arrays, info, single = _compute(store, request, dataset, progress, FitCheckpoints(store, key))
        # Before the joint fit, which is thus never without its parts, whatever ends this process.
        for model, r2 in zip(canonical_order(request.models), single, strict=True):
            put_single_model(store, request, dataset, model, {"r2": r2, "selected": arrays["selected"]})
        return arrays, info

    artifact = store.get_or_compute(key, _compute_once)
    if computed:
        delete_completed_checkpoints(store)
    return _fit_result(request, artifact, "miss" if computed else "hit")


def refit(
    store: Store, request: FitRequest, progress: ProgressCallback = no_progress
) -> tuple[EncodingResult, np.ndarray]:
    """Compute a fit again, without reading or writing its stored result. Features may come from the cache.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit.
    progress : ProgressCallback
        As for `fit`.

    Returns
    -------
    result : EncodingResult
        Scores in the order of the request's models.
    single : np.ndarray
        (2, n_voxels) R2 of each model alone, in the same order; NaN where not fitted.

    Raises
    ------
    StoreError
        Where scratch files cannot be written.
    """
    dataset = open_dataset(request.dataset, store, progress)
    jobs = store.root / "jobs"
    try:
        jobs.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=jobs) as folder:  # a cache of its own, without checkpoints of an earlier run
            checkpoints = FitCheckpoints(Store(Path(folder)), fit_key(store, request, dataset))
            arrays, info, single = _compute(store, request, dataset, progress, checkpoints)
            is_swapped = canonical_order(request.models) != request.models
            return _encoding_result(request, arrays, info), single[::-1] if is_swapped else single
    except OSError as error:
        raise StoreError(
            f"Could not write in {str(store.root)!r} ({error.strerror}). Set BRIVL_CACHE to another folder."
        ) from error


def fraction_done(done: float, total: float, message: str) -> float:
    """Convert a progress report of `fit` to the fraction of the fit that is done.

    Parameters
    ----------
    done, total : float
        Work done, and work in all.
    message : str
        The message. Preparations (features, simulation) count as 0.

    Returns
    -------
    float
        0 to 1.
    """
    return min(done / total, 1.0) if total and message.startswith("Fitting layer ") else 0.0


def _compute(
    store: Store, request: FitRequest, dataset: Dataset, progress: ProgressCallback, checkpoints: FitCheckpoints
) -> tuple[dict[str, np.ndarray], dict[str, JSON], np.ndarray]:
    """Arrays and notes of the joint fit, and R2 of each model alone (2, n_voxels), in the canonical order."""
    # Imported here, so that reading a stored fit needs no himalaya.
    from brivl.core.encoding.encode import encode_parts
    from brivl.core.encoding.fold_responses import nuisance_r2

    started = time.monotonic()
    models = canonical_order(request.models)
    stimulus = dataset.stimulus(request.subject)
    responses = dataset.responses(request.subject)
    load_facts(store, dataset, request.subject, responses)
    Xs = [layer_features(store, stimulus, m, request.layer, request.pooling, progress) for m in models]
    message = f"Fitting layer {request.layer}, {request.subject}"
    progress(0, 1, message)
    prepared = time.monotonic()
    result, single = encode_parts(
        Xs,
        responses,
        dataset.design(request.subject),
        PRESETS[request.preset],
        lambda done, total: progress(done, total, message),
        checkpoints,
    )
    protocol = FitProtocol(dataset.design(request.subject), PRESETS[request.preset])
    of_nuisance = nuisance_r2(responses, result.selected, protocol)
    arrays = {
        "r2_joint": result.r2_joint,
        "r2_split": result.r2_split,
        "selected": result.selected,
        "band_weights": result.band_weights,
    }
    if result.explainable_variance is not None:
        arrays["explainable_variance"] = result.explainable_variance
    if of_nuisance is not None:
        arrays["r2_nuisance"] = of_nuisance
    info: dict[str, JSON] = {
        "request": asdict(replace(request, models=models, dataset=dataset.name)),
        "excluded": dict(result.excluded),
        "seconds": round(time.monotonic() - started, 3),
        "fit_seconds": round(time.monotonic() - prepared, 3),  # without what is prepared once for all layers
        "simulated": dataset.simulated,
        "n_voxels": len(result.selected),
        "n_voxels_selected": int(result.selected.sum()),
    }
    return arrays, info, single


def _fit_result(request: FitRequest, artifact: Artifact, cache: Literal["hit", "miss"]) -> FitResult:
    return FitResult(request, _encoding_result(request, artifact.arrays, artifact.info), artifact.info, cache)


def _encoding_result(request: FitRequest, a: Mapping[str, np.ndarray], info: Mapping[str, JSON]) -> EncodingResult:
    """Scores in the order of the request's models."""
    order = slice(None) if request.models == canonical_order(request.models) else slice(None, None, -1)
    return EncodingResult(
        a["r2_joint"],
        a["r2_split"][order],
        a["selected"],
        a.get("explainable_variance"),
        a["band_weights"][order],
        info["excluded"],
        a.get("r2_nuisance"),
    )
