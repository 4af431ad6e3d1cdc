"""One response over time: measured and predicted on held-out samples, weights by delay, and the drive of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.banded_ridge import BandedRidge
from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_responses
from brivl.core.encoding.presets import FitProtocol, Preset, lags
from brivl.core.records import Design


@dataclass(frozen=True)
class TimeCourse:
    """A response z-scored as the preset says, of the test set or of all outer folds in the order of the samples."""

    rows: np.ndarray  # (n_shown,) number of each sample
    measured: np.ndarray  # (n_shown,)
    predicted: np.ndarray  # (n_bands, n_shown), of each band
    delays: np.ndarray  # (n_delays,) samples; only 0 where samples are no time series
    delay_weights: np.ndarray  # (n_bands, n_delays) norm of the weights at each delay, largest 1
    drive: np.ndarray  # (n_samples,) response that each sample causes, over all delays; NaN where not held out
    band_weights: np.ndarray  # (n_bands,) mean over splits


def time_course(
    Xs: Sequence[np.ndarray],
    y: tuple[np.ndarray, np.ndarray | None],
    design: Design,
    preset: Preset,
    weights: np.ndarray | None = None,
) -> TimeCourse:
    """Fit one response as `encode` does and return its predictions.

    Parameters
    ----------
    Xs : Sequence of (n_train + n_test, n_features) arrays
        Bands.
    y : tuple
        Response (n_train,) and, with a test set, repeats (n_repeats, n_test).
    design : Design
        Samples of the subject.
    preset : Preset
        All other choices of the fit.
    weights : (n_bands,) array or None
        Weights of the bands, if they were chosen before; only alpha is then searched.

    Returns
    -------
    TimeCourse
        Predictions and weights.

    Raises
    ------
    RequestError
        As BandedRidge does.
    """
    Y, repeats = y[0][:, None], None if y[1] is None else y[1][:, :, None]
    delays = (0,) if design.tr is None else lags(preset, design.tr)
    n = len(Xs[0])
    measured, predicted, drive = np.full(n, np.nan), np.full((len(Xs), n), np.nan), np.full(n, np.nan)
    norms_of_splits, weights_of_splits = [], []
    for split in cv_splits(design, preset):
        responses = split_responses(Y, repeats, split, design, preset)
        bands = [preprocess_features(X, split.train, design, preset) for X in Xs]
        ridge = _fitted(bands, responses.Y_train, split, FitProtocol(design, preset), weights)
        measured[split.test] = responses.Y_test[:, 0]
        predicted[:, split.test] = ridge.predict([X[split.test] for X in bands], split=True)[..., 0]
        primal = [w.reshape(len(delays), -1) for w in primal_weights(ridge)]
        norms_of_splits.append([np.linalg.norm(w, axis=1) for w in primal])
        weights_of_splits.append(ridge.band_weights_[:, 0])
        response = sum((X - X[split.train].mean(0)) @ w.sum(0) for X, w in zip(Xs, primal, strict=True))
        held_out = slice(None) if design.n_test else split.test
        drive[held_out] = np.asarray(response)[held_out]
    norms, shown = np.mean(norms_of_splits, axis=0), np.flatnonzero(np.isfinite(measured))
    return TimeCourse(
        shown,
        measured[shown],
        predicted[:, shown],
        np.array(delays),
        norms / max(norms.max(), 1e-12),
        drive,
        np.mean(weights_of_splits, axis=0),
    )


def _fitted(
    bands: Sequence[np.ndarray],
    Y_train: np.ndarray,
    split: Split,
    protocol: FitProtocol,
    weights: np.ndarray | None,
) -> BandedRidge:
    ridge = ridge_for(len(bands), split.train, *protocol)
    if weights is not None:
        ridge.set_params(ratios=np.asarray(weights, float)[None] / np.sum(weights))
    return ridge.fit([X[split.train] for X in bands], Y_train)


def primal_weights(ridge: BandedRidge) -> list[np.ndarray]:
    """Compute the primal weights of a fit to one response.

    Parameters
    ----------
    ridge : BandedRidge
        The fit.

    Returns
    -------
    list of np.ndarray
        b_j = g_j s_j X_j' c (n_features,) of each band: X_j b_j is its prediction.
    """
    fitted = zip(ridge.Xs_fit_, ridge.kernel_scales_, ridge.band_weights_[:, 0], strict=True)
    return [scale * weight * (X.T @ ridge.dual_coef_[:, 0]) for X, scale, weight in fitted]


def extremes(drive: np.ndarray, n: int, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the samples that drive a response most and least.

    Parameters
    ----------
    drive : (n_samples,) array
        Response that each sample causes.
    n : int
        Largest number of samples of each kind.
    apart : int
        Smallest distance between two samples of a kind, in samples.

    Returns
    -------
    tuple of np.ndarray
        Samples with the largest drive, largest first, and with the smallest, smallest first.
    """
    most = _first_apart(np.argsort(-np.nan_to_num(drive, nan=-np.inf)), drive, n, apart)
    return most, _first_apart(np.argsort(np.nan_to_num(drive, nan=np.inf)), drive, n, apart)


def _first_apart(order: np.ndarray, drive: np.ndarray, n: int, apart: int) -> np.ndarray:
    kept: list[int] = []
    for row in order:
        if len(kept) == n or not np.isfinite(drive[row]):
            break
        if all(abs(int(row) - other) >= apart for other in kept):
            kept.append(int(row))
    return np.array(kept, int)
