"""Estimates of how long a computation will take."""

from __future__ import annotations

import math
from statistics import median

from brivl.core.numbers import format_duration
from brivl.store.artifacts import Store

SMOOTHING_SECONDS = 15.0


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
        return "The first run also prepares data and model features, which takes a minute or two."
    return f"Run takes about {format_duration(seconds * n_fits)}."


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
        else:
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
