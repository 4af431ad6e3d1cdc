"""Finite impulse response: features of earlier samples as further columns, never across runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brivl.errors import RequestError


def delays_in_samples(delays_s: Sequence[float], tr: float) -> tuple[int, ...]:
    """Delays in seconds as whole numbers of samples, each rounded to the nearest.

    delays_s in s, tr in s. Raises RequestError if tr is not positive or two delays fall on the same sample.
    """
    if not np.isfinite(tr) or tr <= 0:
        raise RequestError(f"The time between two samples must be a positive number of seconds, not {tr!r}.")
    samples = tuple(int(np.floor(delay_s / tr + 0.5)) for delay_s in delays_s)
    if not samples or len(set(samples)) < len(samples):
        raise RequestError(
            f"Delays {tuple(delays_s)!r} s at TR {tr!r} s are {samples!r} samples; at least one, and all different, "
            f"are wanted. Choose multiples of the TR, for example {every_sample(tr)!r} s."
        )
    return samples


def every_sample(tr: float, longest_s: float = 10.0) -> tuple[float, ...]:
    """Delays (s) of every sample from 0 to `longest_s`: the full FIR, for TRs that the preset's delays do not fit."""
    return tuple(round(float(i * tr), 6) for i in range(int(np.floor(longest_s / tr + 1e-9)) + 1))


def delays_at(delays_s: Sequence[float], tr: float) -> tuple[int, ...]:
    """The delays in samples that a fit uses: those asked for where the TR tells them apart, else every sample to 10 s.

    0, 4, 6, 8 s are 0, 2, 3, 4 samples at TR 2 s; at TR 2.5 s two of them would fall together, so 0 to 4 are taken.
    """
    try:
        return delays_in_samples(delays_s, tr)
    except RequestError:
        return delays_in_samples(every_sample(tr), tr)


def delay(X: np.ndarray, delays: Sequence[int], run_onsets: np.ndarray) -> np.ndarray:
    """Columns of X moved down by each delay, one block per delay in the order given.

    X (n_samples, n_features); delays in samples (negative: up); run_onsets (n_runs,) first row of each run.
    Returns (n_samples, n_features * n_delays) in X's dtype. Rows that reach back before their run are zero, which for
    centred features is their mean.
    """
    n_samples, n_features = X.shape
    delayed = np.zeros((n_samples, n_features * len(delays)), X.dtype)
    for start, stop in run_bounds(run_onsets, n_samples):
        for block, shift in enumerate(delays):
            columns = slice(block * n_features, (block + 1) * n_features)
            kept = max(stop - start - abs(shift), 0)
            to, since = start + max(shift, 0), start + max(-shift, 0)
            delayed[to : to + kept, columns] = X[since : since + kept]
    return delayed


def run_bounds(run_onsets: np.ndarray, n_samples: int) -> list[tuple[int, int]]:
    """First row and row after the last of each run.

    Raises RequestError unless onsets start at 0 and rise, the last one below n_samples.
    """
    onsets = np.asarray(run_onsets).astype(int).tolist()
    edges = [*onsets, n_samples]
    if not onsets or onsets[0] != 0 or any(a >= b for a, b in zip(edges, edges[1:], strict=False)):
        raise RequestError(f"Run onsets must start at 0, rise and stay below {n_samples} samples, not be {onsets!r}.")
    return list(zip(edges, edges[1:], strict=False))


def run_labels(run_onsets: np.ndarray, n_samples: int) -> np.ndarray:
    """Number of the run, from 0, that each row belongs to: (n_samples,) int."""
    bounds = run_bounds(run_onsets, n_samples)
    return np.repeat(np.arange(len(bounds)), [stop - start for start, stop in bounds])


def onsets_of(labels: np.ndarray) -> np.ndarray:
    """First row of each stretch of equal labels: the run onsets of a subset of rows. labels (n_samples,)."""
    return np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
