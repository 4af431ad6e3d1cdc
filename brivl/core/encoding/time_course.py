"""One response over time: measured and predicted on what was held out, weights by delay, and what drives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.banded_ridge import BandedRidge
from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.delays import delays_at
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_responses
from brivl.core.encoding.presets import FitProtocol, Preset
from brivl.core.records import Design


@dataclass(frozen=True)
class TimeCourse:
    """A response z-scored as the preset says, of the test set or of all outer folds in the order of the samples."""

    rows: np.ndarray  # (n_shown,) which samples
    measured: np.ndarray  # (n_shown,)
    predicted: np.ndarray  # (n_bands, n_shown), parts of the prediction
    delays: np.ndarray  # (n_delays,) samples; 0 alone where samples do not follow one another
    delay_weights: np.ndarray  # (n_bands, n_delays) norm of the weights at each delay, largest 1
    drive: np.ndarray  # (n_samples,) response that each sample calls forth, over all delays; NaN where not held out
    band_weights: np.ndarray  # (n_bands,) mean over divisions


def time_course(
    Xs: Sequence[np.ndarray],
    y: tuple[np.ndarray, np.ndarray | None],
    design: Design,
    preset: Preset,
    weights: np.ndarray | None = None,
) -> TimeCourse:
    """Fit one response as `encode` does and keep its predictions.

    Xs: bands (n_train + n_test, n_features). y: (n_train,) and, with a test set, repeats (n_repeats, n_test). weights
    (n_bands,): of the bands, if they were chosen before; only alpha is then searched. Raises RequestError as
    BandedRidge does.
    """
    Y, repeats = y[0][:, None], None if y[1] is None else y[1][:, :, None]
    delays = (0,) if design.tr is None else delays_at(preset.delays_s, design.tr)
    n = len(Xs[0])
    measured, predicted, drive = np.full(n, np.nan), np.full((len(Xs), n), np.nan), np.full(n, np.nan)
    by_delay, chosen = [], []
    for rows in cv_splits(design, preset):
        part = split_responses(Y, repeats, rows, design, preset)
        bands = [preprocess_features(X, rows.train, design, preset) for X in Xs]
        ridge = _fitted(bands, part.Y_train, rows, FitProtocol(design, preset), weights)
        measured[rows.test] = part.Y_test[:, 0]
        predicted[:, rows.test] = ridge.predict([X[rows.test] for X in bands], split=True)[..., 0]
        primal = [w.reshape(len(delays), -1) for w in primal_weights(ridge)]
        by_delay.append([np.linalg.norm(w, axis=1) for w in primal])
        chosen.append(ridge.band_weights_[:, 0])
        called = sum((X - X[rows.train].mean(0)) @ w.sum(0) for X, w in zip(Xs, primal, strict=True))
        held = slice(None) if design.n_test else rows.test
        drive[held] = called[held]
    norms, shown = np.mean(by_delay, axis=0), np.flatnonzero(np.isfinite(measured))
    return TimeCourse(
        shown,
        measured[shown],
        predicted[:, shown],
        np.array(delays),
        norms / max(norms.max(), 1e-12),
        drive,
        np.mean(chosen, axis=0),
    )


def _fitted(
    bands: Sequence[np.ndarray],
    Y_train: np.ndarray,
    rows: Split,
    protocol: FitProtocol,
    weights: np.ndarray | None,
) -> BandedRidge:
    ridge = ridge_for(len(bands), rows.train, *protocol)
    if weights is not None:
        ridge.set_params(ratios=np.asarray(weights, float)[None] / np.sum(weights))
    return ridge.fit([X[rows.train] for X in bands], Y_train)


def primal_weights(ridge: BandedRidge) -> list[np.ndarray]:
    """Weights b_j = g_j s_j X_j' c of a fit to one response, (n_features,) of each band: X_j b_j is its prediction."""
    parts = zip(ridge.Xs_fit_, ridge.kernel_scales_, ridge.band_weights_[:, 0], strict=True)
    return [scale * weight * (X.T @ ridge.dual_coef_[:, 0]) for X, scale, weight in parts]


def extremes(drive: np.ndarray, n: int, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that drive a response most and least, n each, no two of a list nearer than `apart` samples."""
    return _first_apart(np.argsort(-np.nan_to_num(drive, nan=-np.inf)), drive, n, apart), _first_apart(
        np.argsort(np.nan_to_num(drive, nan=np.inf)), drive, n, apart
    )


def _first_apart(order: np.ndarray, drive: np.ndarray, n: int, apart: int) -> np.ndarray:
    kept: list[int] = []
    for row in order:
        if len(kept) == n or not np.isfinite(drive[row]):
            break
        if all(abs(int(row) - other) >= apart for other in kept):
            kept.append(int(row))
    return np.array(kept, int)
