"""What worker processes can be asked to do; requests are JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brivl.backend.aligned import aligned_task
from brivl.backend.alone import parts_task
from brivl.backend.attention import attend_task
from brivl.backend.audit import audit_task
from brivl.backend.cache_report import prune_task, verify_task
from brivl.backend.captioning import caption_task
from brivl.backend.data_download import download_task
from brivl.backend.datasets import open_dataset
from brivl.backend.decode import decode_task
from brivl.backend.features import Progress
from brivl.backend.fit import FitRequest
from brivl.backend.generation import imagine_task
from brivl.backend.inference import infer_each_task, infer_task
from brivl.backend.integration import integration_task
from brivl.backend.prepared_maps import prepare_map
from brivl.backend.region_images import drive_task
from brivl.backend.retrieval import recall_task, retrieve_task
from brivl.backend.solids import has_solid, is_prepared_by_fits, make_solid
from brivl.backend.subjects import known_facts
from brivl.backend.sweep import run_sweep, workers_for
from brivl.backend.transfer import transfer_task
from brivl.backend.voxel_captions import voxel_caption_task
from brivl.backend.voxel_course import course_task
from brivl.errors import RequestError
from brivl.store.artifacts import Store


def sweep_request(store: Store, requests: list[FitRequest], scheduler: str = "") -> dict[str, Any]:
    """The JSON request that fits a list, here or by a Dask scheduler; each answer is stored as soon as it is there."""
    where = {"scheduler": scheduler} if scheduler else {}
    return {"task": "sweep", "store": str(store.root), "fits": [asdict(r) for r in requests]} | where


def run_task(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Run one request in this process. Raises RequestError for a task that does not exist."""
    if request.get("task") not in TASKS:
        raise RequestError(f"Wanted a task out of {sorted(TASKS)} and got {request.get('task')!r}.")
    return TASKS[request["task"]](request, progress)


def _sweep(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Fit each request, then prepare what pages show beside the scores; progress counts fits.

    Raises RequestError with the sentence of a fit that failed, after all others are there.
    """
    store, fits = Store(Path(request["store"])), [_asked(fields) for fields in request["fits"]]
    with workers_for(len(fits), request.get("scheduler", ""), request.get("n_jobs"), store) as workers:
        end = run_sweep(store, fits, workers, progress)
    fitted = [asked for asked in fits if asked not in end.failed]
    for name, subject in dict.fromkeys((asked.dataset, asked.subject) for asked in fitted):
        progress(len(fits), len(fits), f"Preparing the flatmap of {subject}")
        _prepare(store, name, subject, progress)
    if end.failed:
        sentence = next(iter(end.failed.values()))
        raise RequestError(f"{len(end.failed)} of {len(fits)} fits failed: {sentence}" if len(fits) > 1 else sentence)
    return {"n_fits": len(fits), "hits": end.hits}


def _asked(fields: Mapping[str, Any]) -> FitRequest:
    return FitRequest(**{**fields, "models": tuple(fields["models"])})


def _prepare(store: Store, name: str, subject: str, progress: Progress) -> None:
    """Facts and flatmap of a subject, which pages only look up."""
    voxels = prepare_map(store, open_dataset(name, store, progress), subject)
    if is_prepared_by_fits(voxels):
        make_solid(store, voxels)


def _flatmap(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Prepare the flatmap of a subject, which pages then find in the store."""
    store = Store(Path(request["store"]))
    progress(0, 1, "Preparing the flatmap")
    _prepare(store, request["dataset"], request["subject"], progress)
    facts = known_facts(store, open_dataset(request["dataset"], store), request["subject"])
    if facts is not None and has_solid(facts.voxels):
        make_solid(store, facts.voxels)
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
    "time-course": course_task,
    "infer": infer_task,
    "parts": parts_task,
    "audit": audit_task,
    "aligned": aligned_task,
    "decode": decode_task,
    "integration": integration_task,
    "transfer": transfer_task,
    "voxel-captions": voxel_caption_task,
    "drive-region": drive_task,
    "infer-each": infer_each_task,
    "cache-verify": verify_task,
    "cache-prune": prune_task,
}
