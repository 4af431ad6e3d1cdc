"""The tasks of worker processes; requests are JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from brivl.analyses.attention.compute import EVALUATION, evaluation_task
from brivl.analyses.registry import ANALYSES
from brivl.analyses.retrieval.compute import recall_task
from brivl.analysis import run_task as run_analysis_task
from brivl.core.progress import ProgressCallback
from brivl.data.download import download_task
from brivl.data.flatmaps import prepare_flatmap
from brivl.data.registry import open_dataset
from brivl.data.subject_facts import stored_facts
from brivl.data.surfaces import has_surface, is_prepared_by_fits, make_surface
from brivl.encoding.fit import FitRequest
from brivl.encoding.identical_features import identical_features
from brivl.encoding.single_model import variance_partition_task
from brivl.encoding.time_course import time_course_task
from brivl.encoding.within_subject import (
    WithinSubjectRequest,
    within_subject_batch_task,
    within_subject_task,
    within_subject_tests,
)
from brivl.errors import RequestError
from brivl.jobs.sweep import run_sweep, workers_for
from brivl.store.artifacts import Store
from brivl.store.digests import JSON
from brivl.store.report import prune_task, verify_task


def run_task(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Run one request in this process.

    Parameters
    ----------
    request : Mapping[str, JSON]
        With the name of a task, and the fields that the task reads.
    progress : ProgressCallback
        Called with work done, work in all, and a message; may raise Cancelled.

    Returns
    -------
    dict[str, JSON]
        The result.

    Raises
    ------
    RequestError
        For a task that does not exist.
    """
    if request.get("task") not in TASKS:
        raise RequestError(f"Expected a task out of {sorted(TASKS)}, got {request.get('task')!r}. Choose one of them.")
    return TASKS[request["task"]](request, progress)


def _sweep(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Compute fits, then prepare what pages show beside the scores; progress counts fits.

    The error for fits that failed is raised after all others are stored.
    """
    store, fits = Store(Path(request["store"])), [FitRequest.from_json(fields) for fields in request["fits"]]
    with workers_for(len(fits), request.get("scheduler", ""), request.get("n_jobs"), store) as workers:
        summary = run_sweep(store, fits, workers, progress)
    fitted = [fit for fit in fits if fit not in summary.failed]
    for name, subject in dict.fromkeys((fit.dataset, fit.subject) for fit in fitted):
        progress(len(fits), len(fits), f"Preparing the flatmap of {subject}")
        _prepare(store, name, subject, progress)
    for fields in request.get("tests", []):
        _test(store, WithinSubjectRequest.from_json(fields), fitted, progress)
    for fit in fitted:  # of fits that were stored before; the others have it
        identical_features(store, fit, progress)
    if summary.failed:
        sentence = next(iter(summary.failed.values()))
        raise RequestError(
            f"{len(summary.failed)} of {len(fits)} fits failed: {sentence}" if len(fits) > 1 else sentence
        )
    return {"n_fits": len(fits), "hits": summary.hits}


def _test(
    store: Store, request: WithinSubjectRequest, fitted: Sequence[FitRequest], progress: ProgressCallback
) -> None:
    """Compute tests within a subject after its fit; where none is valid, the page says why."""
    if request.fit not in fitted:
        return

    def report(done: float, total: float, _message: str = "") -> None:
        progress(
            len(fitted) - 1 + min(1.0, done / max(total, 1e-9)), len(fitted), f"Testing within {request.fit.subject}"
        )

    with contextlib.suppress(RequestError):
        within_subject_tests(store, request, report)


def _prepare(store: Store, name: str, subject: str, progress: ProgressCallback) -> None:
    """Store facts and flatmap of a subject, which pages only look up."""
    voxels = prepare_flatmap(store, open_dataset(name, store, progress), subject)
    if is_prepared_by_fits(voxels):
        make_surface(store, voxels)


def _flatmap(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Prepare the flatmap of a subject, which pages then read from the cache."""
    store = Store(Path(request["store"]))
    progress(0, 1, "Preparing the flatmap")
    _prepare(store, request["dataset"], request["subject"], progress)
    facts = stored_facts(store, open_dataset(request["dataset"], store), request["subject"])
    if facts is not None and has_surface(facts.voxels):
        make_surface(store, facts.voxels)
    return {}


TASKS: dict[str, Callable[[Mapping[str, JSON], ProgressCallback], dict[str, JSON]]] = {
    "sweep": _sweep,
    "flatmap": _flatmap,
    "download": download_task,
    "gallery-recall": recall_task,
    EVALUATION: evaluation_task,
    "time-course": time_course_task,
    "infer": within_subject_task,
    "parts": variance_partition_task,
    "infer-each": within_subject_batch_task,
    "cache-verify": verify_task,
    "cache-prune": prune_task,
    **{analysis.name: partial(run_analysis_task, analysis) for analysis in ANALYSES},
}
