"""One question, one answer: how well two models' layers predict a subject, from the store or by fitting."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from brivl.core.audit.leakage import leak_warning
from brivl.core.encoding.presets import PRESETS, preset_settings
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import EncodingResult
from brivl.data.dataset import Dataset, check_subject, stimulus_kind
from brivl.data.features import check_layer, layer_features, resolve_pooling
from brivl.data.registry import open_dataset
from brivl.data.subject_facts import load_facts
from brivl.encoding.checkpoints import FitCheckpoints, delete_completed_checkpoints
from brivl.errors import RequestError, StoreError
from brivl.models.registry import model_digest
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

ENCODING_VERSION = 2  # raise when the same inputs would give other scores


@dataclass(frozen=True)
class FitRequest:
    """Everything that a user chooses for one fit."""

    dataset: str
    models: tuple[str, str]
    layer: int
    subject: str
    preset: str = "strict"
    pooling: Literal["cls", "mean"] | None = None  # None: what the stream's own embedding is made from


@dataclass(frozen=True)
class FitResult:
    """Scores in the order of the request's models, and how they were come by."""

    request: FitRequest
    result: EncodingResult
    info: Mapping[str, Any]  # seconds, n_voxels, simulated, ...
    cache: Literal["hit", "miss"]


def canonical_order(models: tuple[str, str]) -> tuple[str, str]:
    """The order in which a pair is fitted, so that swapping the models swaps the scores exactly and costs nothing.

    It does not depend on where a model's folder lies.
    """
    first, second = sorted(models, key=lambda model: (Path(model).name, model))
    return first, second


def fit_key(store: Store, request: FitRequest, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of a fit. Raises RequestError for an unknown preset, subject, model or layer."""
    settings = preset_settings(request.preset)
    dataset = dataset or open_dataset(request.dataset, store)
    check_subject(dataset, request.subject)
    kind = stimulus_kind(dataset, request.subject)
    pooling = resolve_pooling(kind, request.pooling)
    if kind == "features":
        _check_own(dataset, request.models)
        models: list = list(canonical_order(request.models))
    else:
        for model in request.models:
            check_layer(model, kind, request.layer)
        models = [[Path(m).name, model_digest(m, kind)] for m in canonical_order(request.models)]
    return ArtifactKey(
        "fit",
        {
            "data": dataset.digest(request.subject),
            "models": models,
            "layer": request.layer,
            "pooling": pooling,
            "preset": settings,
            "version": ENCODING_VERSION,
        },
    )


def _check_own(dataset: Dataset, models: tuple[str, str]) -> None:
    unknown = sorted(set(models) - set(dataset.models))
    if unknown:
        raise RequestError(
            f"The dataset {dataset.name!r} brings the features {sorted(dataset.models)}, and {unknown} were asked for; "
            "choose two of them."
        )


def stored_fit(store: Store, request: FitRequest, dataset: Dataset | None = None) -> FitResult | None:
    """The answer if it is in the store, else None."""
    artifact = store.get(fit_key(store, request, dataset))
    return None if artifact is None else _answer(request, artifact, "hit")


def is_cached(store: Store, request: FitRequest, dataset: Dataset | None = None) -> bool:
    """Whether the answer is in the store, without reading it."""
    return store.has(fit_key(store, request, dataset))


def fit(store: Store, request: FitRequest, progress: ProgressCallback = no_progress) -> FitResult:
    """The answer, computed if need be; `progress(done, total, message)` may raise Cancelled."""
    dataset = open_dataset(request.dataset, store, progress)
    key = fit_key(store, request, dataset)
    computed: list[bool] = []

    def compute() -> tuple[dict[str, np.ndarray], dict]:
        computed.append(True)
        return _compute(store, request, dataset, progress, FitCheckpoints(store, key))

    artifact = store.get_or_compute(key, compute)
    if computed:
        delete_completed_checkpoints(store)
    return _answer(request, artifact, "miss" if computed else "hit")


def refit(store: Store, request: FitRequest, progress: ProgressCallback = no_progress) -> EncodingResult:
    """Scores fitted now, whatever is stored of them; they are not stored. Features may come from the store."""
    dataset = open_dataset(request.dataset, store, progress)
    jobs = store.root / "jobs"
    try:
        jobs.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=jobs) as aside:  # no part of an earlier run may be taken over
            parts = FitCheckpoints(Store(Path(aside)), fit_key(store, request, dataset))
            return _result(request, *_compute(store, request, dataset, progress, parts))
    except OSError as error:
        raise StoreError(
            f"Could not fit in {str(store.root)!r}: {error.strerror}. Set BRIVL_CACHE elsewhere."
        ) from error


def fraction_done(done: float, total: float, message: str) -> float:
    """How much of one fit is done, 0..1, from what it reports; preparations (features, simulation) have no share."""
    return min(done / total, 1.0) if total and message.startswith("Layer ") else 0.0


def _compute(
    store: Store, request: FitRequest, dataset: Dataset, progress: ProgressCallback, parts: FitCheckpoints
) -> tuple[dict[str, np.ndarray], dict]:
    from brivl.core.encoding.encode import encode  # here: those who only look answers up need no himalaya

    started = time.monotonic()
    stimulus = dataset.stimulus(request.subject)
    responses = dataset.responses(request.subject)
    load_facts(store, dataset, request.subject, responses)
    Xs = [
        layer_features(store, stimulus, m, request.layer, request.pooling, progress)
        for m in canonical_order(request.models)
    ]
    what = f"Layer {request.layer}, {request.subject}"
    progress(0, 1, what)
    prepared = time.monotonic()
    result = encode(
        Xs,
        responses,
        dataset.design(request.subject),
        PRESETS[request.preset],
        lambda done, total: progress(done, total, what),
        parts,
    )
    arrays = {
        "r2_joint": result.r2_joint,
        "r2_split": result.r2_split,
        "selected": result.selected,
        "band_weights": result.band_weights,
    }
    if result.explainable_variance is not None:
        arrays["explainable_variance"] = result.explainable_variance
    return arrays, {
        "request": asdict(replace(request, models=canonical_order(request.models), dataset=dataset.name)),
        "excluded": dict(result.excluded),
        "seconds": round(time.monotonic() - started, 3),
        "fit_seconds": round(time.monotonic() - prepared, 3),  # without what is prepared once for all layers
        "simulated": dataset.simulated,
        "n_voxels": len(result.selected),
        "n_voxels_selected": int(result.selected.sum()),
    }


def _answer(request: FitRequest, artifact: Artifact, cache: Literal["hit", "miss"]) -> FitResult:
    return FitResult(request, _result(request, artifact.arrays, artifact.info), artifact.info, cache)


def _result(request: FitRequest, a: Mapping[str, np.ndarray], info: Mapping[str, Any]) -> EncodingResult:
    """Scores in the order of the request's models."""
    order = slice(None) if request.models == canonical_order(request.models) else slice(None, None, -1)
    return EncodingResult(
        a["r2_joint"],
        a["r2_split"][order],
        a["selected"],
        a.get("explainable_variance"),
        a["band_weights"][order],
        info["excluded"],
    )


def leakage_warning(dataset: Dataset, subject: str, preset: str) -> str:
    """What the folds of a fit share, in a sentence, "" for nothing; said before the fit, which may go on."""
    try:
        return leak_warning(dataset.design(subject), PRESETS[preset]) if preset in PRESETS else ""
    except RequestError:  # no folds can be made: the fit itself says so
        return ""
