"""Many sessions at once that request one new fit: what they see, what is computed, and the memory of the server."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brivl.bench.app_server import RunningApp, running_app
from brivl.bench.session_client import BrowserSession
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.digests import JSON

PAGES = ("flatmap", "regions", "home", "layers")  # visited once the fit is stored
FIGURES = ("plotly_chart", "bidi_component")
MAX_SESSIONS, MAX_ROUNDS = 100, 10
MEASURE_EVERY = 0.2  # seconds between measurements of memory during a round


@dataclass(frozen=True)
class SessionLoad:
    """The sessions of a benchmark and what they request.

    Attributes
    ----------
    n_sessions : int
        Sessions at once.
    rounds : int
        How often they all come.
    link : Mapping[str, str]
        Parameters of the links.
    pages : Sequence[str]
        Pages that are visited once the fit is stored.
    patience : float
        Seconds to wait for the fit.
    calm : float
        Seconds between the end of a round and the measurement of memory.
    settings : Mapping[str, str]
        Further environment variables of the server.
    """

    n_sessions: int = 20
    rounds: int = 3
    link: Mapping[str, str] = field(
        default_factory=lambda: {"data": "phantom-movie:120/24", "subject": "S01", "layer": "8"}
    )
    pages: Sequence[str] = PAGES
    patience: float = 900.0
    calm: float = 20.0
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass
class VisitTimes:
    """Times in seconds and errors of the sessions of all rounds.

    Attributes
    ----------
    first : list[float]
        Until the headline of the first page.
    cached : list[float]
        The same for pages whose fit is stored.
    errors : list[str]
        Errors that the sessions saw.
    """

    first: list[float] = field(default_factory=list)
    cached: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass
class ServerUsage:
    """Memory of the server in MiB, and its workers, measured from outside.

    Attributes
    ----------
    before : float
        Memory before the first round.
    during, after : list[float]
        Peak memory of each round, and memory after it.
    workers : set[int]
        Process numbers of all workers that were seen.
    """

    before: float = 0.0
    during: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    workers: set[int] = field(default_factory=set)

    def measure(self, app: RunningApp) -> float:
        """Measure the server now.

        Parameters
        ----------
        app : RunningApp
            The server.

        Returns
        -------
        float
            Memory in MiB.
        """
        memory, workers = app.measure()
        self.workers |= workers
        return round(memory, 1)


def bench_sessions(load: SessionLoad) -> dict[str, JSON]:
    """Run the sessions and measure.

    Parameters
    ----------
    load : SessionLoad
        The sessions.

    Returns
    -------
    dict[str, JSON]
        Times, errors (called faults), numbers of computations, and memory.

    Raises
    ------
    RequestError
        For impossible numbers; a session that fails counts as an error of the server.
    """
    if not (1 <= load.n_sessions <= MAX_SESSIONS and 1 <= load.rounds <= MAX_ROUNDS):
        raise RequestError(
            f"Expected 1 to {MAX_SESSIONS} sessions in 1 to {MAX_ROUNDS} rounds, got {load.n_sessions} in "
            f"{load.rounds}. Choose other numbers."
        )
    visits, usage = VisitTimes(), ServerUsage()
    with tempfile.TemporaryDirectory(prefix="brivl-bench-") as folder:
        with running_app(Path(folder), load.settings) as app:
            with BrowserSession(app.address) as first:  # the first visit of all, which waits for imports
                first.open("layers", load.link, load.patience)
            usage.before = usage.measure(app)
            for _ in range(load.rounds):
                usage.during.append(_round(app, load, visits, usage))
                time.sleep(load.calm)
                usage.after.append(usage.measure(app))
            tracebacks = app.log.read_text(errors="replace").count("Traceback (most recent call last)")
        n_fits = len(list(Store(Path(folder)).list("fit")))
    computed = {"n_workers_started": len(usage.workers), "n_fits": n_fits, "n_tracebacks": tracebacks}
    return _summary(load, visits, usage) | computed


def _round(app: RunningApp, load: SessionLoad, visits: VisitTimes, usage: ServerUsage) -> float:
    """All sessions at once; the peak memory of the server in MiB."""
    together, peak = threading.Barrier(load.n_sessions), usage.measure(app)
    with ThreadPoolExecutor(load.n_sessions) as pool:
        futures = [pool.submit(_visit, app.address, load, together) for _ in range(load.n_sessions)]
        while not all(future.done() for future in futures):
            peak = max(peak, usage.measure(app))
            time.sleep(MEASURE_EVERY)
    for future in futures:
        times = future.result()
        visits.first += times.first
        visits.cached += times.cached
        visits.errors += times.errors
    return peak


def _visit(address: str, load: SessionLoad, together: threading.Barrier) -> VisitTimes:
    """One session: the first page, Run if the fit is not stored, then the other pages."""
    times = VisitTimes()
    try:
        with BrowserSession(address) as session:
            try:
                _visit_pages(session, load, together, times)
            finally:
                times.errors += session.errors
    except Exception as error:  # of any kind, the websocket's too: a session that the server ends is what is measured
        together.abort()
        times.errors.append(f"{type(error).__name__}: {error}")
    return times


def _visit_pages(session: BrowserSession, load: SessionLoad, together: threading.Barrier, times: VisitTimes) -> None:
    times.first.append(session.open("layers", load.link, load.patience))
    together.wait(load.patience)
    if "No result yet" in session.headline:
        session.press("Run layer")
    session.until(_shows_figure(session), load.patience, "the result")
    for page in load.pages:
        times.cached.append(session.open(page, load.link, load.patience))
        if page != "home":
            session.until(_shows_figure(session), load.patience, f"the figure of {page!r}")


def _shows_figure(session: BrowserSession) -> Callable[[], bool]:
    return lambda: "No result yet" not in session.headline and any(session.has(kind) for kind in FIGURES)


def _summary(load: SessionLoad, visits: VisitTimes, usage: ServerUsage) -> dict[str, JSON]:
    after = usage.after
    return {
        "bench": "sessions",
        "n_sessions": load.n_sessions,
        "rounds": load.rounds,
        "question": dict(load.link),
        "n_pages_seen": len(visits.first) + len(visits.cached),
        "n_faults": len(visits.errors),
        "faults": sorted(set(visits.errors))[:5],
        "first_paint_s": _spread(visits.first),
        "cached_page_s": _spread(visits.cached),
        "resident_mib_before": usage.before,
        "resident_mib_during": usage.during,
        "resident_mib_after": after,
        "growth_mib_per_later_round": round((after[-1] - after[0]) / (len(after) - 1), 1) if len(after) > 1 else None,
        "load_average": round(os.getloadavg()[0], 1),
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"median": round(float(np.median(seconds)), 2), "p95": round(float(np.quantile(seconds, 0.95)), 2)}
