"""Sweeps: subjects x layers x pairs of models as independent fits, each of which goes to the store.

Every fit is one of its own, although subjects who share stimuli could be fitted together (`encode_many`) for less: the
solver reads the scores of all voxels off a sample of those that are fitted together, so that what is stored of a
subject would depend on who else was asked for, and the key could not say so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key
from brivl.errors import DataError, RequestError
from brivl.jobs.local_workers import LocalWorkers, ReportFraction, n_local_workers
from brivl.jobs.sweep_task import Outcome, Task
from brivl.models.registry import card_for
from brivl.store.artifacts import Store


class Workers(Protocol):
    """Whatever fits tasks into the store at `root` and hands back how each ended, in any order."""

    @property
    def title(self) -> str: ...

    def run(self, root: Path, tasks: Sequence[Task], share: ReportFraction) -> Iterator[Outcome]: ...


@dataclass(frozen=True)
class SweepGrid:
    """What is swept; None stands for all. Layers are 1-based."""

    dataset: str
    pairs: tuple[tuple[str, str], ...]
    layers: tuple[int, ...] | None = None
    subjects: tuple[str, ...] | None = None
    preset: str = "strict"
    pooling: Any = None


@dataclass(frozen=True)
class SweepPlan:
    """What the store has of a list of fits, and what is to be done."""

    n_hits: int
    tasks: tuple[Task, ...]
    failed: Mapping[FitRequest, str] = field(default_factory=dict)  # data that cannot be read -> sentence


@dataclass(frozen=True)
class SweepSummary:
    """How a sweep ended: numbers of fits, sentences of those that failed, wall seconds."""

    n_tasks: int
    hits: int
    computed: int
    failed: Mapping[FitRequest, str]
    seconds: float


def fit_requests(store: Store, question: SweepGrid) -> list[FitRequest]:
    """Every fit of a sweep, once: a pair and its reverse are one. Raises BrivlError for a choice that does not exist.

    All layers are those that both models of a pair have.
    """
    known = summarise_dataset(store, question.dataset)
    subjects = known.subjects if question.subjects is None else question.subjects
    return [
        FitRequest(question.dataset, models, layer, subject, question.preset, question.pooling)
        for models in dict.fromkeys(canonical_order(pair) for pair in question.pairs)
        for layer in (range(1, _n_layers(known, models) + 1) if question.layers is None else question.layers)
        for subject in subjects
    ]


def _n_layers(known: DatasetSummary, models: tuple[str, str]) -> int:
    offers = [known.model_options.get(model) for model in models]
    counts = [
        card_for(model).n_layers.get(known.stimulus_kind, 0) if offer is None else offer.n_layers
        for model, offer in zip(models, offers, strict=True)
    ]
    if min(counts) < 1:
        raise RequestError(f"Wanted two models for {known.stimulus_kind} and got {models!r}; choose others.")
    return min(counts)


def plan_sweep(store: Store, requests: Sequence[FitRequest]) -> SweepPlan:
    """Look every fit up. Raises RequestError for a choice that does not exist; unreadable data fail their own fits."""
    known: dict[str, DatasetSummary] = {}
    tasks: dict[str, Task] = {}
    hits, failed = set(), {}
    for request in requests:
        if request.dataset not in known:
            known[request.dataset] = summarise_dataset(store, request.dataset)
        try:
            key = fit_key(store, request, known[request.dataset])
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
    """Fit whatever is not in the store; progress(done, total, message) counts fits, running ones by their share."""
    started = time.monotonic()
    plan = plan_sweep(store, requests)
    tally = _ProgressCounter(plan, progress)
    for wave in _batches(plan.tasks):
        for outcome in workers.run(store.root.absolute(), wave, tally.share):
            tally.take(outcome)
    failed = {request: tally.end.failed[request] for request in requests if request in tally.end.failed}
    return replace(tally.end, failed=failed, seconds=time.monotonic() - started)


def workers_for(n_tasks: int, scheduler: str, n: int | None, store: Store) -> AbstractContextManager[Workers]:
    """Workers of a scheduler where one is named, else n processes here (as many as fit if None)."""
    if scheduler:
        from brivl.jobs.dask_workers import DaskWorkers

        return DaskWorkers(scheduler, store.root.absolute())
    return LocalWorkers(n or n_local_workers(n_tasks))


def _batches(tasks: Sequence[Task]) -> list[list[Task]]:
    """First one fit of each pair, which makes what the others share (simulation, features), then all others."""
    leaders = list({task.request.models: task for task in reversed(tasks)}.values())[::-1]
    return [wave for wave in (leaders, [task for task in tasks if task not in leaders]) if wave]


class _ProgressCounter:
    """Counts, and progress from whichever thread."""

    def __init__(self, plan: SweepPlan, progress: ProgressCallback) -> None:
        total = plan.n_hits + len(plan.tasks) + len(plan.failed)
        self.end = SweepSummary(total, plan.n_hits, 0, dict(plan.failed), 0.0)
        self._shares: dict[int, float] = {}  # running tasks
        self._progress, self._lock = progress, Lock()
        self._message = "Looking answers up"
        self._report()

    def share(self, task: Task, share: float, message: str) -> None:
        """Take in how much of a running fit is done, and what it is at."""
        with self._lock:
            self._shares[task.index], self._message = share, message
            self._report()

    def take(self, outcome: Outcome) -> None:
        """Take in how a fit ended."""
        end, task = self.end, outcome.task
        with self._lock:
            self._shares.pop(task.index, None)
            if outcome.error:
                self.end = replace(end, failed={**end.failed, task.request: outcome.error})
            elif outcome.cache == "hit":
                self.end = replace(end, hits=end.hits + 1)
            else:
                self.end = replace(end, computed=end.computed + 1)
            self._message = f"{task.title} {'failed' if outcome.error else 'done'}"
            self._report()

    def _report(self) -> None:
        end = self.end
        done = end.hits + end.computed + len(end.failed)
        self._progress(done + sum(self._shares.values()), end.n_tasks, self._message)


def sweep_job(store: Store, requests: list[FitRequest], scheduler: str = "") -> dict[str, Any]:
    """The JSON request that fits a list, here or by a Dask scheduler; each answer is stored as soon as it is there."""
    where = {"scheduler": scheduler} if scheduler else {}
    return {"task": "sweep", "store": str(store.root), "fits": [asdict(r) for r in requests]} | where
