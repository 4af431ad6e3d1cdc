"""Sweeps: subjects x layers x pairs of models as independent fits, each of which is stored in the cache.

Subjects who share stimuli could be fitted together (`encode_many`) in less time. They are not, since the solver maps
the scores of all voxels from a sample of those that are fitted together: the stored scores of a subject would depend on
the other subjects of the sweep, which the key of a fit does not contain.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol

from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key
from brivl.errors import DataError, RequestError
from brivl.jobs.local_workers import LocalWorkers, ReportFraction, n_local_workers
from brivl.jobs.sweep_task import Outcome, Task
from brivl.models.registry import card_for
from brivl.store.artifacts import Store
from brivl.store.digests import JSON


class Workers(Protocol):
    """Processes that fit tasks and store their scores."""

    @property
    def title(self) -> str:  # numpydoc ignore=RT01
        """Where fits run, for messages."""

    def run(self, root: Path, tasks: Sequence[Task], report: ReportFraction) -> Iterator[Outcome]:
        """Fit tasks and give their outcomes as they come.

        Parameters
        ----------
        root : Path
            The cache folder.
        tasks : Sequence[Task]
            Fits.
        report : ReportFraction
            Called with the progress of running fits, where that is known.

        Returns
        -------
        Iterator[Outcome]
            One outcome per task, in any order.
        """


@dataclass(frozen=True)
class SweepGrid:
    """The fits of a sweep; None stands for all.

    Attributes
    ----------
    dataset : str
        Name of a simulated dataset, or a folder.
    pairs : tuple[tuple[str, str], ...]
        Pairs of models.
    layers : tuple[int, ...] | None
        Layer numbers, counted from 1; None for those that both models have.
    subjects : tuple[str, ...] | None
        Names of subjects.
    preset : str
        Protocol: "strict" or "paper".
    pooling : Literal["cls", "mean"] | None
        Token pooling; None for that of the model's own embedding.
    """

    dataset: str
    pairs: tuple[tuple[str, str], ...]
    layers: tuple[int, ...] | None = None
    subjects: tuple[str, ...] | None = None
    preset: str = "strict"
    pooling: Literal["cls", "mean"] | None = None


@dataclass(frozen=True)
class SweepPlan:
    """What is stored of a list of fits, and what is to be computed.

    Attributes
    ----------
    n_hits : int
        Stored fits.
    tasks : tuple[Task, ...]
        Fits to compute.
    failed : Mapping[FitRequest, str]
        Fits whose data cannot be read -> sentence.
    """

    n_hits: int
    tasks: tuple[Task, ...]
    failed: Mapping[FitRequest, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SweepSummary:
    """How a sweep ended.

    Attributes
    ----------
    n_tasks : int
        Number of fits.
    hits : int
        Fits that were stored before.
    computed : int
        Fits that were computed.
    failed : Mapping[FitRequest, str]
        Fits that failed -> sentence.
    seconds : float
        Wall time.
    """

    n_tasks: int
    hits: int
    computed: int
    failed: Mapping[FitRequest, str]
    seconds: float


def fit_requests(store: Store, grid: SweepGrid) -> list[FitRequest]:
    """List the fits of a sweep.

    Parameters
    ----------
    store : Store
        The cache.
    grid : SweepGrid
        The sweep.

    Returns
    -------
    list[FitRequest]
        Each fit once; a pair of models and its reverse are one fit. BrivlError is raised for a dataset or model that
        does not exist.
    """
    dataset = summarise_dataset(store, grid.dataset)
    subjects = dataset.subjects if grid.subjects is None else grid.subjects
    return [
        FitRequest(grid.dataset, models, layer, subject, grid.preset, grid.pooling)
        for models in dict.fromkeys(canonical_order(pair) for pair in grid.pairs)
        for layer in (range(1, _n_layers(dataset, models) + 1) if grid.layers is None else grid.layers)
        for subject in subjects
    ]


def _n_layers(dataset: DatasetSummary, models: tuple[str, str]) -> int:
    """Layers that both models have for the stimuli of the dataset."""
    kind, counts = dataset.stimulus_kind, []
    for model in models:
        if model in dataset.model_options:
            counts.append(dataset.model_options[model].n_layers)
        else:
            counts.append(0 if kind == "features" else card_for(model).n_layers.get(kind, 0))
    if min(counts) < 1:
        raise RequestError(f"Expected two models that accept {kind} stimuli, got {models!r}. Choose other models.")
    return min(counts)


def plan_sweep(store: Store, requests: Sequence[FitRequest]) -> SweepPlan:
    """Look up which fits are stored.

    Parameters
    ----------
    store : Store
        The cache.
    requests : Sequence[FitRequest]
        Fits.

    Returns
    -------
    SweepPlan
        Stored and missing fits. RequestError is raised for a choice that does not exist; data that cannot be read only
        make their own fits fail.
    """
    datasets: dict[str, DatasetSummary] = {}
    tasks: dict[str, Task] = {}
    hits: set[str] = set()
    failed: dict[FitRequest, str] = {}
    for request in requests:
        if request.dataset not in datasets:
            datasets[request.dataset] = summarise_dataset(store, request.dataset)
        try:
            key = fit_key(store, request, datasets[request.dataset])
        except DataError as error:
            failed[request] = str(error)
            continue
        if store.has(key):
            hits.add(key.digest)
        else:
            tasks.setdefault(key.digest, Task(len(tasks), request, key.digest))
    return SweepPlan(len(hits), tuple(tasks.values()), failed)


def run_sweep(
    store: Store, requests: Sequence[FitRequest], workers: Workers, progress: ProgressCallback = no_progress
) -> SweepSummary:
    """Compute the fits that are not stored.

    Parameters
    ----------
    store : Store
        The cache.
    requests : Sequence[FitRequest]
        Fits.
    workers : Workers
        Where they are computed.
    progress : ProgressCallback
        Called with fits done, fits in all, and a message; running fits count by the fraction that is done.

    Returns
    -------
    SweepSummary
        Numbers of fits, and the errors of those that failed, in the order of the requests.
    """
    started = time.monotonic()
    plan = plan_sweep(store, requests)
    counter = _ProgressCounter(plan, progress)
    for batch in _batches(plan.tasks):
        for outcome in workers.run(store.root.absolute(), batch, counter.report_fraction):
            counter.add(outcome)
    failed = {request: counter.summary.failed[request] for request in requests if request in counter.summary.failed}
    return replace(counter.summary, failed=failed, seconds=time.monotonic() - started)


def workers_for(n_tasks: int, scheduler: str, n: int | None, store: Store) -> AbstractContextManager[Workers]:
    """Choose the workers of a sweep.

    Parameters
    ----------
    n_tasks : int
        Number of fits.
    scheduler : str
        Address of a Dask scheduler, empty for processes of this machine.
    n : int | None
        Number of processes; None for as many as cores and memory allow.
    store : Store
        The cache.

    Returns
    -------
    AbstractContextManager[Workers]
        Workers, within `with`.
    """
    if scheduler:
        from brivl.jobs.dask_workers import DaskWorkers

        return DaskWorkers(scheduler, store.root.absolute())
    return LocalWorkers(n or n_local_workers(n_tasks))


def _batches(tasks: Sequence[Task]) -> list[list[Task]]:
    """First one fit of each pair, which computes what the others share (simulation, features), then all others."""
    first = list({task.request.models: task for task in reversed(tasks)}.values())[::-1]
    return [batch for batch in (first, [task for task in tasks if task not in first]) if batch]


class _ProgressCounter:
    """Counts the fits of a sweep, and reports progress from any thread."""

    def __init__(self, plan: SweepPlan, progress: ProgressCallback) -> None:
        total = plan.n_hits + len(plan.tasks) + len(plan.failed)
        self.summary = SweepSummary(total, plan.n_hits, 0, dict(plan.failed), 0.0)
        self._fractions: dict[int, float] = {}  # of running tasks
        self._progress, self._lock = progress, Lock()
        self._message = "Looking up stored fits"
        self._report()

    def report_fraction(self, task: Task, fraction: float, message: str) -> None:
        """Note how much of a running fit is done."""
        with self._lock:
            self._fractions[task.index], self._message = fraction, message
            self._report()

    def add(self, outcome: Outcome) -> None:
        """Count a fit that has ended."""
        summary, task = self.summary, outcome.task
        with self._lock:
            self._fractions.pop(task.index, None)
            if outcome.error:
                self.summary = replace(summary, failed={**summary.failed, task.request: outcome.error})
            elif outcome.cache == "hit":
                self.summary = replace(summary, hits=summary.hits + 1)
            else:
                self.summary = replace(summary, computed=summary.computed + 1)
            self._message = f"{task.title} {'failed' if outcome.error else 'done'}"
            self._report()

    def _report(self) -> None:
        s = self.summary
        done = s.hits + s.computed + len(s.failed)
        self._progress(done + sum(self._fractions.values()), s.n_tasks, self._message)


def sweep_job(store: Store, requests: list[FitRequest], scheduler: str = "") -> dict[str, JSON]:
    """Build the request of a worker that runs a sweep.

    Parameters
    ----------
    store : Store
        The cache.
    requests : list[FitRequest]
        Fits.
    scheduler : str
        Address of a Dask scheduler, empty for processes of this machine.

    Returns
    -------
    dict[str, JSON]
        For `brivl.jobs.queue.JobQueue.submit`.
    """
    where = {"scheduler": scheduler} if scheduler else {}
    return {"task": "sweep", "store": str(store.root), "fits": [asdict(r) for r in requests]} | where
