"""Estimates of how long a computation will take."""

from __future__ import annotations

import math
from statistics import median

from brivl.core.numbers import format_duration
from brivl.store.artifacts import Store

SMOOTHING_SECONDS = 15.0
MEASURED_SECONDS = 4.0  # of work, before its rate is used
N_WINDOWS = 4  # into which the measured time is split; the slowest and the fastest of them bound the estimate
N_KEPT = 400  # reports


def median_fit_seconds(store: Store, dataset: str, preset: str) -> float | None:
    """Look up how long the stored fits of a dataset took.

    Parameters
    ----------
    store : Store
        The cache.
    dataset : str
        The dataset's own name, without its folder.
    preset : str
        Protocol. Where no fit has it, fits of the other protocol count.

    Returns
    -------
    float | None
        Median in seconds, None without fits.
    """
    of_dataset = [m["info"] for m in store.list("fit") if m["info"]["request"]["dataset"] == dataset]
    of_preset = [info for info in of_dataset if info["request"]["preset"] == preset]
    seconds = [float(info.get("fit_seconds", info["seconds"])) for info in of_preset or of_dataset]
    return median(seconds) if seconds else None


def run_time_note(store: Store, dataset: str, preset: str, n_fits: int) -> str:
    """Describe how long a run will take.

    Parameters
    ----------
    store : Store
        The cache.
    dataset : str
        The dataset's own name, without its folder.
    preset : str
        Protocol.
    n_fits : int
        Number of fits.

    Returns
    -------
    str
        One sentence.
    """
    seconds = median_fit_seconds(store, dataset, preset)
    if seconds is None:
        return "First run: 1 to 2 min more for stimuli and features."
    return f"Takes about {format_duration(seconds * n_fits)}."


class Rate:
    """Work per second, in which recent work counts more.

    The rate is sum(w * work) / sum(w * time) over progress reports, with w = exp(-age / SMOOTHING_SECONDS). The last
    report before any work is the start: neither the start of the process, nor preparations, nor work that was already
    done count.
    """

    def __init__(self) -> None:
        self._time: float | None = None
        self._done = 0.0
        self._sum_work = self._sum_time = 0.0
        self._reports: list[tuple[float, float]] = []  # (time, work done), from the last report before any work

    def update(self, done: float, now: float) -> None:
        """Add a progress report. Work that decreases begins a new phase, with a new rate.

        Parameters
        ----------
        done : float
            Work done so far, in any unit.
        now : float
            Seconds on a monotonic clock.
        """
        preparing = done == self._done and self._sum_work == 0
        if self._time is None or done < self._done or preparing:
            self._sum_work = self._sum_time = 0.0
            self._reports = [(now, done)]
        else:
            if done > self._done:
                self._reports.append((now, done))
                if len(self._reports) > N_KEPT:
                    self._reports = self._reports[::2]
            seconds = now - self._time
            weight = math.exp(-seconds / SMOOTHING_SECONDS)
            self._sum_work = weight * self._sum_work + done - self._done
            self._sum_time = weight * self._sum_time + seconds
        self._time, self._done = now, done

    def seconds_left(self, total: float, now: float) -> float | None:
        """Estimate the time until all work is done.

        Parameters
        ----------
        total : float
            Work in all, in the unit of `update`.
        now : float
            Seconds on the same clock.

        Returns
        -------
        float | None
            Seconds, None before any work was reported.
        """
        if self._time is None or self._sum_work <= 0 or self._sum_time <= 0:
            return None
        return max(0.0, (total - self._done) * self._sum_time / self._sum_work - (now - self._time))

    def range_left(self, total: float, now: float) -> tuple[float, float] | None:
        """Bound the time until all work is done by the fastest and the slowest rate that was measured.

        Parameters
        ----------
        total : float
            Work in all, in the unit of `update`.
        now : float
            Seconds on the same clock.

        Returns
        -------
        tuple[float, float] | None
            Least and most seconds. None before MEASURED_SECONDS of work in at least N_WINDOWS reports, and where
            no work was reported for longer than the slowest rate explains: then the rates are no guide.
        """
        reports = self._reports
        if len(reports) <= N_WINDOWS or reports[-1][0] - reports[0][0] < MEASURED_SECONDS:
            return None
        (start, _), (last, done) = reports[0], reports[-1]
        edges = [start + (last - start) * i / N_WINDOWS for i in range(N_WINDOWS + 1)]
        work = [_interpolate(reports, edge) for edge in edges]
        rates = [(b - a) * N_WINDOWS / (last - start) for a, b in zip(work, work[1:], strict=False)]
        least, most = ((total - done) / rate - (now - last) for rate in (max(rates), max(min(rates), 1e-9)))
        return (max(0.0, least), most) if most > 0 else None


def _interpolate(reports: list[tuple[float, float]], at: float) -> float:
    """Work done at a time between the first report and the last."""
    for (t0, d0), (t1, d1) in zip(reports, reports[1:], strict=False):
        if at <= t1:
            return d0 + (d1 - d0) * (at - t0) / (t1 - t0) if t1 > t0 else d1
    return reports[-1][1]
