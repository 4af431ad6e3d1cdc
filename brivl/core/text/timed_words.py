"""Resample words with onset times to the samples of the scanner, as sparse weights: Lanczos or box."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import scipy.sparse

from brivl.errors import RequestError

Resampling = Literal["lanczos", "box"]
RESAMPLINGS: tuple[Resampling, ...] = get_args(Resampling)
LOBES = 3  # of the Lanczos kernel, as in published encoding models of stories


def word_weights(
    onsets: np.ndarray, ends: np.ndarray, n_samples: int, tr: float, resampling: Resampling = "lanczos"
) -> scipy.sparse.csr_matrix:
    """Compute the weight of each word in each sample.

    Parameters
    ----------
    onsets : (n_words,) array
        Seconds from the start of the first sample.
    ends : (n_words,) array
        Seconds from the start of the first sample.
    n_samples : int
        Number of samples.
    tr : float
        Seconds of a sample.
    resampling : {"lanczos", "box"}
        `lanczos_weights` between the middles of words and of samples, or `box_weights`.

    Returns
    -------
    (n_samples, n_words) float32 sparse matrix
        Weights.

    Raises
    ------
    RequestError
        If a word ends before it starts, or there is no such resampling.
    """
    onsets, ends = np.asarray(onsets, float), np.asarray(ends, float)
    if onsets.shape != ends.shape or not (np.isfinite(onsets) & np.isfinite(ends) & (ends >= onsets)).all():
        raise RequestError(
            "Expected words with an onset and a later end, both in seconds, got missing times or ends before onsets. "
            "Correct the times of the words."
        )
    if resampling == "box":
        return box_weights(onsets, ends, n_samples, tr)
    if resampling != "lanczos":
        raise RequestError(
            f"Expected a resampling out of {list(RESAMPLINGS)}, got {resampling!r}. Choose one of these."
        )
    return lanczos_weights((onsets + ends) / 2, n_samples, tr)


def lanczos_weights(times: np.ndarray, n_samples: int, tr: float, lobes: int = LOBES) -> scipy.sparse.csr_matrix:
    """Compute Lanczos weights, which cut off at half the sampling rate.

    Weights are not normalised: a sample is a sum over words, so the word rate is part of it.

    Parameters
    ----------
    times : (n_words,) array
        Seconds from the start of the first sample, in any order.
    n_samples : int
        Number of samples.
    tr : float
        Seconds of a sample.
    lobes : int
        Number of lobes of the kernel on each side.

    Returns
    -------
    (n_samples, n_words) float32 sparse matrix
        sinc(u) sinc(u / lobes) for u = (middle of the sample - time) / tr, and 0 beyond `lobes`.
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
    """Compute the fraction of each sample that each word fills.

    Parameters
    ----------
    onsets : (n_words,) array
        Seconds from the start of the first sample.
    ends : (n_words,) array
        Seconds from the start of the first sample.
    n_samples : int
        Number of samples.
    tr : float
        Seconds of a sample.

    Returns
    -------
    (n_samples, n_words) float32 sparse matrix
        Fractions; a row sums to the fraction of the sample with speech.
    """
    first = np.floor(onsets / tr).astype(int)
    last = np.maximum(np.ceil(ends / tr).astype(int), first + 1)
    columns = np.repeat(np.arange(len(onsets)), last - first)
    rows = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)] or [np.zeros(0, int)])
    covered = np.minimum(ends[columns], (rows + 1) * tr) - np.maximum(onsets[columns], rows * tr)
    kept = (rows >= 0) & (rows < n_samples) & (covered > 0)
    values = (covered[kept] / tr).astype(np.float32)
    return scipy.sparse.csr_matrix((values, (rows[kept], columns[kept])), shape=(n_samples, len(onsets)))


def regress_out_word_rate(X: np.ndarray, rate: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Remove the linear effect of the word rate from features, estimated on training rows.

    Features of samples with many words resemble one another for reasons other than meaning. A constant rate changes
    nothing.

    Parameters
    ----------
    X : (n_samples, n_features) array
        Features.
    rate : (n_samples,) array
        Word rate: sum of the weights of each sample.
    train : (n_train,) int array
        Training rows.

    Returns
    -------
    (n_samples, n_features) array
        Residual features, of the same dtype as X.
    """
    centred = rate - rate[train].mean()
    size = float(centred[train] @ centred[train])
    if size < 1e-9 * max(1, len(train)):
        return X
    slope = centred[train] @ (X[train] - X[train].mean(0, dtype=np.float64)) / size
    return (X - np.outer(centred, slope)).astype(X.dtype)
