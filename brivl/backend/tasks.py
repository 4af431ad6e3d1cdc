"""What worker processes can be asked to do; requests are JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brivl.backend.datasets import open_dataset
from brivl.backend.features import Progress
from brivl.backend.fit import FitRequest, fit
from brivl.backend.flatmaps import is_flatmap_ready, make_flatmap
from brivl.backend.subjects import keep_facts, known_facts
from brivl.errors import RequestError
from brivl.store.artifacts import Store


def sweep_request(store: Store, requests: list[FitRequest]) -> dict[str, Any]:
    """The JSON request that fits a list, one after the other; each answer is stored as soon as it is there."""
    return {"task": "sweep", "store": str(store.root), "fits": [asdict(r) for r in requests]}


def run_task(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Run one request in this process. Raises RequestError for a task that does not exist."""
    tasks = {"sweep": _sweep, "flatmap": _flatmap}
    if request.get("task") not in tasks:
        raise RequestError(f"Wanted a task out of {sorted(tasks)} and got {request.get('task')!r}.")
    return tasks[request["task"]](request, progress)


def _sweep(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Fit each request in turn, then prepare what pages show beside the scores; progress counts fits."""
    store, fits = Store(Path(request["store"])), request["fits"]
    hits = 0
    for i, fields in enumerate(fits):
        asked = FitRequest(**(fields | {"models": tuple(fields["models"])}))
        answer = fit(store, asked, _nested(progress, i, len(fits)))
        hits += answer.cache == "hit"
        progress(i + 1, len(fits), f"Layer {asked.layer}, {asked.subject} done")
    for name, subject in dict.fromkeys((f["dataset"], f["subject"]) for f in fits):
        progress(len(fits), len(fits), f"Preparing the flatmap of {subject}")
        _prepare(store, name, subject, progress)
    return {"n_fits": len(fits), "hits": hits}


def _prepare(store: Store, name: str, subject: str, progress: Progress) -> None:
    """Facts and flatmap of a subject, which pages only look up."""
    dataset = open_dataset(name, store, progress)
    voxels = (known_facts(store, dataset, subject) or keep_facts(store, dataset, subject)).voxels
    if not is_flatmap_ready(store, voxels):
        make_flatmap(store, voxels)


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
