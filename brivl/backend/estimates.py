"""How long a computation will take, from those that are stored."""

from __future__ import annotations

from statistics import median

from brivl.store.artifacts import Store


def seconds_per_fit(store: Store, dataset: str, preset: str) -> float | None:
    """Median seconds of stored fits of a dataset, with this preset if there are any; None without fits."""
    alike = [m["info"] for m in store.list("fit") if m["info"]["request"]["dataset"] == dataset]
    same = [info for info in alike if info["request"]["preset"] == preset]
    seconds = [float(info.get("fit_seconds", info["seconds"])) for info in same or alike]
    return median(seconds) if seconds else None


def in_words(seconds: float) -> str:
    """A duration as one would say it: "8 s", "3 min", "1 h 20 min"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def run_takes(store: Store, dataset: str, preset: str, n_fits: int) -> str:
    """The sentence that says how long a run takes; `dataset` is the dataset's own name, not its path."""
    each = seconds_per_fit(store, dataset, preset)
    if each is None:
        return "The first run also prepares data and model features, which takes a minute or two."
    return f"Run takes about {in_words(each * n_fits)}."
