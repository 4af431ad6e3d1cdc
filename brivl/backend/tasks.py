"""What worker processes can be asked to do; requests are JSON."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib

from brivl.backend.attention import attend_task
from brivl.backend.captioning import caption_task
from brivl.backend.data_download import download_task
from brivl.backend.datasets import open_dataset
from brivl.backend.features import Progress
from brivl.backend.fit import FitRequest, fit
from brivl.backend.flatmaps import is_flatmap_ready, make_flatmap, own_flatmap
from brivl.backend.generation import imagine_task
from brivl.backend.retrieval import recall_task, retrieve_task
from brivl.backend.subjects import keep_facts, known_facts
from brivl.config import n_cores
from brivl.errors import RequestError
from brivl.store.artifacts import Store

CORES_PER_FIT = 2


def sweep_request(store: Store, requests: list[FitRequest]) -> dict[str, Any]:
    """The JSON request that fits a list, one after the other; each answer is stored as soon as it is there."""
    return {"task": "sweep", "store": str(store.root), "fits": [asdict(r) for r in requests]}


def run_task(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Run one request in this process. Raises RequestError for a task that does not exist."""
    if request.get("task") not in TASKS:
        raise RequestError(f"Wanted a task out of {sorted(TASKS)} and got {request.get('task')!r}.")
    return TASKS[request["task"]](request, progress)


def _sweep(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Fit each request, then prepare what pages show beside the scores; progress counts fits.

    The first fit runs alone, since it also makes what the others share (simulation, features). The others run side by
    side where there are cores for it: two for each, because one fit uses little more.
    """
    store, fits = Store(Path(request["store"])), [_asked(fields) for fields in request["fits"]]
    n_jobs = request.get("n_jobs") or max(1, n_cores() // CORES_PER_FIT)
    hits = 0
    for i, asked in enumerate(fits if n_jobs == 1 else fits[:1]):
        hits += fit(store, asked, _nested(progress, i, len(fits))).cache == "hit"
        progress(i + 1, len(fits), f"Layer {asked.layer}, {asked.subject} done")
    if n_jobs > 1:
        hits += _side_by_side(store, fits[1:], n_jobs, progress)
    for name, subject in dict.fromkeys((asked.dataset, asked.subject) for asked in fits):
        progress(len(fits), len(fits), f"Preparing the flatmap of {subject}")
        _prepare(store, name, subject, progress)
    return {"n_fits": len(fits), "hits": hits}


def _side_by_side(store: Store, fits: list[FitRequest], n_jobs: int, progress: Progress) -> int:
    """Fit all in n_jobs processes, which read features memory-mapped from the store; the number of cache hits."""
    hits, n_threads = 0, max(1, n_cores() // n_jobs)
    with warnings.catch_warnings(), joblib.parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=n_threads):
        # joblib replaces workers whose memory has grown, as it does by a fit's features, and warns of it each time.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        ends = joblib.Parallel(return_as="generator_unordered")(
            joblib.delayed(_fit_one)(store, asked) for asked in fits
        )
        for i, (asked, hit) in enumerate(ends, start=2):
            hits += hit
            progress(i, len(fits) + 1, f"Layer {asked.layer}, {asked.subject} done")
    return hits


def _fit_one(store: Store, asked: FitRequest) -> tuple[FitRequest, bool]:
    return asked, fit(store, asked).cache == "hit"


def _asked(fields: Mapping[str, Any]) -> FitRequest:
    return FitRequest(**{**fields, "models": tuple(fields["models"])})


def _prepare(store: Store, name: str, subject: str, progress: Progress) -> None:
    """Facts and flatmap of a subject, which pages only look up."""
    dataset = open_dataset(name, store, progress)
    voxels = (known_facts(store, dataset, subject) or keep_facts(store, dataset, subject)).voxels
    if not is_flatmap_ready(store, voxels):
        make_flatmap(store, voxels, own_flatmap(dataset, subject))


def _nested(progress: Progress, index: int, total: int) -> Progress:
    """Progress of one step of many. Preparations (features, simulation) have no share of their own: they come once."""

    def report(done: float, of: float, message: str) -> None:
        share = done / of if of and message.startswith("Layer ") else 0.0
        progress(index + min(share, 1.0), total, message)

    return report


def _flatmap(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Prepare the flatmap of a subject, which pages then find in the store."""
    store = Store(Path(request["store"]))
    progress(0, 1, "Preparing the flatmap")
    _prepare(store, request["dataset"], request["subject"], progress)
    return {}


TASKS: dict[str, Callable[[Mapping[str, Any], Progress], dict[str, Any]]] = {
    "sweep": _sweep,
    "flatmap": _flatmap,
    "download": download_task,
    "caption": caption_task,
    "attend": attend_task,
    "imagine": imagine_task,
    "retrieve": retrieve_task,
    "gallery-recall": recall_task,
}
