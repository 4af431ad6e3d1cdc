"""Many visitors at once: twenty sessions ask one new question; what they see, what is computed, what memory remains."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brivl.bench.app_server import RunningApp, running_app
from brivl.bench.session_client import BrowserSession
from brivl.errors import BrivlError, RequestError
from brivl.store.artifacts import Store

PAGES = ("flatmap", "regions", "home", "layers")  # visited once the answer is there
FIGURES = ("plotly_chart", "bidi_component")
MOST_SESSIONS = 100
EVERY = 0.2  # s between looks at memory while they are there


@dataclass(frozen=True)
class SessionLoad:
    """How many come, how often, and what they ask."""

    n_sessions: int = 20
    rounds: int = 3
    question: Mapping[str, str] = field(
        default_factory=lambda: {"data": "phantom-movie:120/24", "subject": "S01", "layer": "8"}
    )
    pages: Sequence[str] = PAGES
    patience: float = 900.0  # s for the answer
    calm: float = 20.0  # s from the last visitor's leaving to the look at memory
    settings: Mapping[str, str] = field(default_factory=dict)  # more of the server's environment


@dataclass
class VisitTimes:
    """What the sessions of all rounds saw; times in seconds."""

    first: list[float] = field(default_factory=list)  # until the headline of the first page
    cached: list[float] = field(default_factory=list)  # the same of pages whose answer is there
    faults: list[str] = field(default_factory=list)


@dataclass
class ServerUsage:
    """What is seen of the server from outside: memory of its process in MiB, and which workers it started."""

    before: float = 0.0
    during: list[float] = field(default_factory=list)  # the most in each round
    after: list[float] = field(default_factory=list)
    workers: set[int] = field(default_factory=set)

    def look(self, app: RunningApp) -> float:
        memory, workers = app.look()
        self.workers |= workers
        return round(memory, 1)


def bench_sessions(crowd: SessionLoad) -> dict[str, Any]:
    """Times, faults, computations and memory. RequestError for a crowd that is none; a session's failure is a fault."""
    if not (1 <= crowd.n_sessions <= MOST_SESSIONS and 1 <= crowd.rounds <= 10):
        raise RequestError(
            f"Wanted 1 to {MOST_SESSIONS} sessions in 1 to 10 rounds and got {crowd.n_sessions} in {crowd.rounds}."
        )
    visits, looks = VisitTimes(), ServerUsage()
    with tempfile.TemporaryDirectory(prefix="brivl-bench-") as folder:
        with running_app(Path(folder), crowd.settings) as app:
            with BrowserSession(app.address) as first:  # imports are nobody's first paint
                first.open("layers", crowd.question, crowd.patience)
            looks.before = looks.look(app)
            for _ in range(crowd.rounds):
                looks.during.append(_round(app, crowd, visits, looks))
                time.sleep(crowd.calm)
                looks.after.append(looks.look(app))
            tracebacks = app.log.read_text(errors="replace").count("Traceback (most recent call last)")
        n_fits = len(list(Store(Path(folder)).list("fit")))
    computed = {"n_workers_started": len(looks.workers), "n_fits": n_fits, "n_tracebacks": tracebacks}
    return _said(crowd, visits, looks) | computed


def _round(app: RunningApp, crowd: SessionLoad, visits: VisitTimes, looks: ServerUsage) -> float:
    """All sessions at once; the most memory, in MiB, that the server had meanwhile."""
    together, most = threading.Barrier(crowd.n_sessions), looks.look(app)
    with ThreadPoolExecutor(crowd.n_sessions) as pool:
        coming = [pool.submit(_visit, app.address, crowd, together) for _ in range(crowd.n_sessions)]
        while not all(visit.done() for visit in coming):
            most = max(most, looks.look(app))
            time.sleep(EVERY)
    for visit in coming:
        seen = visit.result()
        visits.first += seen.first
        visits.cached += seen.cached
        visits.faults += seen.faults
    return most


def _visit(address: str, crowd: SessionLoad, together: threading.Barrier) -> VisitTimes:
    """One visitor: first page, Run if there is no answer, then the other pages."""
    seen = VisitTimes()
    try:
        with BrowserSession(address) as session:
            try:
                _walk(session, crowd, together, seen)
            finally:
                seen.faults += session.faults
    except (BrivlError, OSError, threading.BrokenBarrierError) as error:
        together.abort()
        seen.faults.append(f"{type(error).__name__}: {error}")
    except Exception as error:  # of the websocket; a visitor who is thrown out is what is looked for
        together.abort()
        seen.faults.append(f"{type(error).__name__}: {error}")
    return seen


def _walk(session: BrowserSession, crowd: SessionLoad, together: threading.Barrier, seen: VisitTimes) -> None:
    seen.first.append(session.open("layers", crowd.question, crowd.patience))
    together.wait(crowd.patience)
    if "No result yet" in session.headline:
        session.press("Run layer")
    session.until(_answered(session), crowd.patience, "the answer")
    for page in crowd.pages:
        seen.cached.append(session.open(page, crowd.question, crowd.patience))
        if page != "home":
            session.until(_answered(session), crowd.patience, f"the figure of {page!r}")


def _answered(session: BrowserSession) -> Callable[[], bool]:
    return lambda: "No result yet" not in session.headline and any(session.has(kind) for kind in FIGURES)


def _said(crowd: SessionLoad, visits: VisitTimes, looks: ServerUsage) -> dict[str, Any]:
    after = looks.after
    return {
        "bench": "sessions",
        "n_sessions": crowd.n_sessions,
        "rounds": crowd.rounds,
        "question": dict(crowd.question),
        "n_pages_seen": len(visits.first) + len(visits.cached),
        "n_faults": len(visits.faults),
        "faults": sorted(set(visits.faults))[:5],
        "first_paint_s": _spread(visits.first),
        "cached_page_s": _spread(visits.cached),
        "resident_mib_before": looks.before,
        "resident_mib_during": looks.during,
        "resident_mib_after": after,
        "growth_mib_per_later_round": round((after[-1] - after[0]) / (len(after) - 1), 1) if len(after) > 1 else None,
        "load_average": round(os.getloadavg()[0], 1),
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"median": round(float(np.median(seconds)), 2), "p95": round(float(np.quantile(seconds, 0.95)), 2)}
