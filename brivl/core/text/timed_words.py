"""From words with onset times to samples at the rate of the scanner: Lanczos or box resampling, as sparse weights."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import scipy.sparse

from brivl.errors import RequestError

Resampling = Literal["lanczos", "box"]
RESAMPLINGS: tuple[Resampling, ...] = get_args(Resampling)
LOBES = 3  # of the Lanczos kernel, as the laboratories that publish stories use it


def word_weights(
    onsets: np.ndarray, ends: np.ndarray, n_samples: int, tr: float, how: Resampling = "lanczos"
) -> scipy.sparse.csr_matrix:
    """Weight of each word in each sample, (n_samples, n_words) float32.

    onsets, ends (n_words,) s from the start of the first sample; tr in s. "lanczos": `lanczos_weights` between the
    middles of words and of samples. "box": `box_weights`. Raises RequestError for another way, or words that end
    before they start.
    """
    onsets, ends = np.asarray(onsets, float), np.asarray(ends, float)
    if onsets.shape != ends.shape or not (np.isfinite(onsets) & np.isfinite(ends) & (ends >= onsets)).all():
        raise RequestError("Wanted words with an onset and an end no earlier, both in s, and got others.")
    if how == "box":
        return box_weights(onsets, ends, n_samples, tr)
    if how != "lanczos":
        raise RequestError(f"Wanted a way of resampling out of {list(RESAMPLINGS)} and got {how!r}.")
    return lanczos_weights((onsets + ends) / 2, n_samples, tr)


def lanczos_weights(times: np.ndarray, n_samples: int, tr: float, lobes: int = LOBES) -> scipy.sparse.csr_matrix:
    """sinc(u) sinc(u / lobes) for u = (middle of the sample - time) / tr, 0 beyond `lobes`: (n_samples, n_words).

    The kernel cuts off at half the sampling rate. Weights are not normalised: a sample is a sum over words, so that
    their rate is part of it.
    """
    middles = (np.arange(n_samples) + 0.5) * tr
    first = np.searchsorted(np.sort(times), middles - lobes * tr)
    last = np.searchsorted(np.sort(times), middles + lobes * tr, side="right")
    order = np.argsort(times, kind="stable")
    rows = np.repeat(np.arange(n_samples), last - first)
    columns = np.concatenate([order[a:b] for a, b in zip(first, last, strict=True)] or [np.zeros(0, int)])
    u = (middles[rows] - np.asarray(times)[columns]) / tr
    values = (np.sinc(u) * np.sinc(u / lobes)).astype(np.float32)
    return scipy.sparse.csr_matrix((values, (rows, columns)), shape=(n_samples, len(times)))


def box_weights(onsets: np.ndarray, ends: np.ndarray, n_samples: int, tr: float) -> scipy.sparse.csr_matrix:
    """Share of each sample that each word lasts, (n_samples, n_words); rows sum to the share that is spoken."""
    first = np.floor(onsets / tr).astype(int)
    last = np.maximum(np.ceil(ends / tr).astype(int), first + 1)
    columns = np.repeat(np.arange(len(onsets)), last - first)
    rows = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)] or [np.zeros(0, int)])
    covered = np.minimum(ends[columns], (rows + 1) * tr) - np.maximum(onsets[columns], rows * tr)
    kept = (rows >= 0) & (rows < n_samples) & (covered > 0)
    values = (covered[kept] / tr).astype(np.float32)
    return scipy.sparse.csr_matrix((values, (rows[kept], columns[kept])), shape=(n_samples, len(onsets)))


def regress_out_word_rate(X: np.ndarray, rate: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Features less what a line in the rate of words predicts of them, fitted on training rows.

    X (n_samples, n_features), rate (n_samples,) sum of the weights of a sample, train: rows. What samples of many words
    have in common is no meaning. Rates that are the same throughout change nothing but the mean.
    """
    centred = rate - rate[train].mean()
    size = float(centred[train] @ centred[train])
    if size < 1e-9 * max(1, len(train)):
        return X
    slope = centred[train] @ (X[train] - X[train].mean(0, dtype=np.float64)) / size
    return (X - np.outer(centred, slope)).astype(X.dtype)
