"""How long a computation will still take."""

from __future__ import annotations

import math
from statistics import median

from brivl.core.numbers import format_duration
from brivl.store.artifacts import Store


def median_fit_seconds(store: Store, dataset: str, preset: str) -> float | None:
    """Median seconds of stored fits of a dataset, with this preset if there are any; None without fits."""
    alike = [m["info"] for m in store.list("fit") if m["info"]["request"]["dataset"] == dataset]
    same = [info for info in alike if info["request"]["preset"] == preset]
    seconds = [float(info.get("fit_seconds", info["seconds"])) for info in same or alike]
    return median(seconds) if seconds else None


def run_time_note(store: Store, dataset: str, preset: str, n_fits: int) -> str:
    """The sentence that says how long a run takes; `dataset` is the dataset's own name, not its path."""
    each = median_fit_seconds(store, dataset, preset)
    if each is None:
        return "The first run also prepares data and model features, which takes a minute or two."
    return f"Run takes about {format_duration(each * n_fits)}."


SMOOTHING_SECONDS = 15.0


class Rate:
    """Work per second, recent work counting more: sum(w * work) / sum(w * time), w = exp(-age / SMOOTHING_SECONDS).

    The last report before any work is the starting point: neither the start of the process, nor what it prepares, nor
    work found done counts.
    """

    def __init__(self) -> None:
        self._time: float | None = None
        self._done = 0.0
        self._sum_work = self._sum_time = 0.0

    def update(self, done: float, now: float) -> None:
        """Take in the work done so far, at `now` in seconds. Work that shrinks is a new phase: the rate starts anew."""
        preparing = done == self._done and self._sum_work == 0
        if self._time is None or done < self._done or preparing:
            self._sum_work = self._sum_time = 0.0
        else:
            seconds = now - self._time
            keep = math.exp(-seconds / SMOOTHING_SECONDS)
            self._sum_work = keep * self._sum_work + done - self._done
            self._sum_time = keep * self._sum_time + seconds
        self._time, self._done = now, done

    def seconds_left(self, total: float, now: float) -> float | None:
        """Seconds until `total` is done, None before any work was seen."""
        if self._time is None or self._sum_work <= 0 or self._sum_time <= 0:
            return None
        return max(0.0, (total - self._done) * self._sum_time / self._sum_work - (now - self._time))
