"""R2 of the joint model, and its split by band into terms that add up to it.

Equation 9 of Lu et al. 2022; St-Yves and Naselaris 2018. This is the only module besides `random_search` that uses
himalaya. himalaya's current backend is global: `himalaya_backend` sets it within a block.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from himalaya.backend import get_backend, set_backend
from himalaya.scoring import r2_score_split

from brivl.core.encoding.problem import Backend
from brivl.core.parallel import map_in_order, n_at_once

# Voxels at a time: temporary arrays are (n_samples, CHUNK) in float64.
CHUNK = 2048
_backend_lock = threading.RLock()


@contextmanager
def himalaya_backend(name: str) -> Iterator[Backend]:
    """Set himalaya's backend inside a block, and the former one after it.

    Threads take turns, since the backend is global state of himalaya.

    Parameters
    ----------
    name : str
        "numpy", "torch" or "torch_cuda".

    Yields
    ------
    Backend
        The backend.
    """
    with _backend_lock:
        before = get_backend().name
        try:
            yield set_backend(name)
        finally:
            set_backend(before)


def r2_split(Y: np.ndarray, Y_pred_bands: np.ndarray) -> np.ndarray:
    """Split the joint R2 into a term for each band.

    Parameters
    ----------
    Y : (n_samples, n_voxels) array
        Responses as deviations from a value that does not depend on the test rows, such as the training mean: the sum
        of squares y'y is about zero.
    Y_pred_bands : (n_bands, n_samples, n_voxels) array
        Prediction of each band.

    Returns
    -------
    np.ndarray
        (n_bands, n_voxels) float64. Terms sum to `r2_joint` and can be negative. A voxel whose y does not vary, or has
        NaN, is NaN.

    Notes
    -----
    R2_j = yhat_j' (2 y - sum_k yhat_k) / y'y.
    """
    scores = np.full((len(Y_pred_bands), Y.shape[1]), np.nan)

    def _score(chunk: slice) -> None:
        y, usable = _usable_columns(Y[:, chunk])
        bands = Y_pred_bands[:, :, chunk].astype(np.float64)
        usable &= np.isfinite(bands).all((0, 1))
        if usable.any():
            scores[:, chunk][:, usable] = r2_score_split(y[:, usable], bands[:, :, usable])

    with himalaya_backend("numpy"), warnings.catch_warnings():
        # The caller has chosen the origin of y; himalaya expects the mean over these rows.
        warnings.filterwarnings("ignore", message="y_true has to be zero-mean", category=UserWarning)
        list(map_in_order(_score, _chunks(Y), _n_at_once(len(Y_pred_bands), Y)))
    return scores


def r2_joint(Y: np.ndarray, Y_pred: np.ndarray) -> np.ndarray:
    """Measure R2 of the sum of the bands.

    Parameters
    ----------
    Y : (n_samples, n_voxels) array
        Responses as in `r2_split`.
    Y_pred : (n_samples, n_voxels) array
        Sum of the predictions of all bands.

    Returns
    -------
    np.ndarray
        (n_voxels,) float64; NaN as in `r2_split`.

    Notes
    -----
    R2 = 1 - |y - yhat|^2 / |y|^2.
    """
    scores = np.full(Y.shape[1], np.nan)

    def _score(chunk: slice) -> None:
        y, usable = _usable_columns(Y[:, chunk])
        residual = np.square(y - Y_pred[:, chunk]).sum(0)
        scores[chunk][usable] = 1 - residual[usable] / np.square(y[:, usable]).sum(0)

    list(map_in_order(_score, _chunks(Y), _n_at_once(1, Y)))
    return scores


def _chunks(Y: np.ndarray) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, Y.shape[1], CHUNK)]


def _n_at_once(n_bands: int, Y: np.ndarray) -> int:
    """Chunks to score at a time, by the size of their temporary arrays in float64."""
    return n_at_once(8 * 3 * (1 + n_bands) * len(Y) * min(CHUNK, Y.shape[1]))


def _usable_columns(Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Y in float64, and which columns are finite and vary."""
    y = Y.astype(np.float64)
    return y, np.isfinite(y).all(0) & (y.max(0) != y.min(0))
