"""Finite impulse response models: features of earlier samples as further columns, never across runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brivl.errors import RequestError

FILLED_BELOW_S = 2.0  # TR of the published delays
FINEST_S = 0.5  # steps of delays at very short TRs


def delays_in_samples(delays_s: Sequence[float], tr: float) -> tuple[int, ...]:
    """Convert delays in seconds to whole numbers of samples, each rounded to the nearest.

    Parameters
    ----------
    delays_s : Sequence of float
        Delays in seconds.
    tr : float
        Time between two samples in seconds.

    Returns
    -------
    tuple of int
        Delays in samples.

    Raises
    ------
    RequestError
        If tr is not positive, or if two delays fall on the same sample.
    """
    if not np.isfinite(tr) or tr <= 0:
        raise RequestError(
            f"Expected a positive number of seconds between two samples, got {tr!r}. Correct the TR of the data."
        )
    samples = tuple(int(np.floor(delay_s / tr + 0.5)) for delay_s in delays_s)
    if not samples or len(set(samples)) < len(samples):
        raise RequestError(
            f"Expected one or more delays of different numbers of samples, got {tuple(delays_s)!r} s, which are "
            f"{samples!r} samples at TR {tr!r} s. Choose multiples of the TR, for example {full_fir_delays(tr)!r} s."
        )
    return samples


def full_fir_delays(tr: float, longest_s: float = 10.0) -> tuple[float, ...]:
    """List the delays of the full finite impulse response, for TRs that the delays of the preset do not fit.

    Parameters
    ----------
    tr : float
        Time between two samples in seconds.
    longest_s : float
        Longest delay in seconds.

    Returns
    -------
    tuple of float
        Delay of every sample from 0 to `longest_s`, in seconds.
    """
    return tuple(round(float(i * tr), 6) for i in range(int(np.floor(longest_s / tr + 1e-9)) + 1))


def delays_at(delays_s: Sequence[float], tr: float) -> tuple[int, ...]:
    """Choose the delays that a fit uses at a TR.

    Parameters
    ----------
    delays_s : Sequence of float
        Delays of the preset in seconds.
    tr : float
        Time between two samples in seconds.

    Returns
    -------
    tuple of int
        Delays in samples: those of the preset at TRs of 2 s or more that resolve them, else every sample up to 10 s,
        at TRs below FINEST_S every FINEST_S. 0, 4, 6 and 8 s are 0, 2, 3 and 4 samples at TR 2 s; at TR 2.5 s two of
        them would fall together, so 0 to 4 are used; at TR 0.8 s they would leave out nine of thirteen samples, in
        which the response to a short event is not predicted at all.
    """
    if tr < FILLED_BELOW_S - 1e-6:
        step = max(1, int(np.floor(FINEST_S / tr + 1e-9)))
        return delays_in_samples(full_fir_delays(tr), tr)[::step]
    try:
        return delays_in_samples(delays_s, tr)
    except RequestError:
        return delays_in_samples(full_fir_delays(tr), tr)


def delay(X: np.ndarray, delays: Sequence[int], run_onsets: np.ndarray) -> np.ndarray:
    """Shift the columns of X down by each delay, one block of columns per delay in the order given.

    Parameters
    ----------
    X : (n_samples, n_features) array
        Features.
    delays : Sequence of int
        Delays in samples; negative ones shift up.
    run_onsets : (n_runs,) array
        First row of each run.

    Returns
    -------
    np.ndarray
        (n_samples, n_features * n_delays) in the type of X. Rows that reach back before their run are zero, which is
        the mean of centred features.
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
    """List the bounds of the runs.

    Parameters
    ----------
    run_onsets : (n_runs,) array
        First row of each run.
    n_samples : int
        Number of rows.

    Returns
    -------
    list of tuple
        First row and row after the last of each run.

    Raises
    ------
    RequestError
        Unless onsets start at 0 and rise, the last one below n_samples.
    """
    onsets = np.asarray(run_onsets).astype(int).tolist()
    edges = [*onsets, n_samples]
    if not onsets or onsets[0] != 0 or any(a >= b for a, b in zip(edges, edges[1:], strict=False)):
        raise RequestError(
            f"Expected run onsets that start at 0, rise and stay below {n_samples} samples, got {onsets!r}. Correct "
            "the run onsets of the data."
        )
    return list(zip(edges, edges[1:], strict=False))


def run_labels(run_onsets: np.ndarray, n_samples: int) -> np.ndarray:
    """Number the run that each row belongs to.

    Parameters
    ----------
    run_onsets : (n_runs,) array
        First row of each run.
    n_samples : int
        Number of rows.

    Returns
    -------
    np.ndarray
        (n_samples,) int, from 0.
    """
    bounds = run_bounds(run_onsets, n_samples)
    return np.repeat(np.arange(len(bounds)), [stop - start for start, stop in bounds])


def onsets_of(labels: np.ndarray) -> np.ndarray:
    """Find the first row of each stretch of equal labels, which are the run onsets of a subset of rows.

    Parameters
    ----------
    labels : (n_samples,) array
        Label of the run of each row.

    Returns
    -------
    np.ndarray
        (n_stretches,) int.
    """
    return np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
