"""R2 of the joint model, and its parts by band that add up to it (eq. 9 of Lu et al. 2022; St-Yves and Naselaris 2018).

The only module besides `random_search` that knows himalaya, whose current backend is one global: `himalaya_backend`
sets it for the length of a block.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
from himalaya.backend import get_backend, set_backend
from himalaya.scoring import r2_score_split

from brivl.core.parallel import map_in_order, n_at_once

# Voxels at a time: temporaries are (n_samples, CHUNK) in float64.
CHUNK = 2048
_one_backend_at_a_time = threading.RLock()


@contextmanager
def himalaya_backend(name: str) -> Iterator[ModuleType]:
    """himalaya's backend `name` ("numpy", "torch", "torch_cuda") inside the block, the former one after it.

    Threads take turns, since the backend is global state of himalaya.
    """
    with _one_backend_at_a_time:
        before = get_backend().name
        try:
            yield set_backend(name)
        finally:
            set_backend(before)


def r2_split(Y: np.ndarray, Y_pred_bands: np.ndarray, centre: bool = False) -> np.ndarray:
    """Part of the joint R2 that each band accounts for: R2_j = yhat_j' (2 y - sum_k yhat_k) / y'y.

    Y (n_samples, n_voxels), Y_pred_bands (n_bands, n_samples, n_voxels) -> (n_bands, n_voxels) float64; parts sum to
    `r2_joint` and can be negative. y'y is about zero: Y is to be in deviations from what is known without the test
    rows (training mean), or from the test mean with centre=True. A voxel whose y does not vary, or NaN, is NaN.
    """
    scores = np.full((len(Y_pred_bands), Y.shape[1]), np.nan)

    def score(chunk: slice) -> None:
        y, usable = _deviations(Y[:, chunk], centre)
        bands = Y_pred_bands[:, :, chunk].astype(np.float64)
        usable &= np.isfinite(bands).all((0, 1))
        if usable.any():
            scores[:, chunk][:, usable] = r2_score_split(y[:, usable], bands[:, :, usable])

    with himalaya_backend("numpy"), warnings.catch_warnings():
        # The caller has chosen what y deviates from; himalaya can only know the mean over these rows.
        warnings.filterwarnings("ignore", message="y_true has to be zero-mean", category=UserWarning)
        list(map_in_order(score, _chunks(Y), _n_at_once(len(Y_pred_bands), Y)))
    return scores


def r2_joint(Y: np.ndarray, Y_pred: np.ndarray, centre: bool = False) -> np.ndarray:
    """R2 of the sum of the bands, 1 - |y - yhat|^2 / |y|^2.

    Y and Y_pred (n_samples, n_voxels) -> (n_voxels,) float64; `centre` and NaN as in `r2_split`.
    """
    scores = np.full(Y.shape[1], np.nan)

    def score(chunk: slice) -> None:
        y, usable = _deviations(Y[:, chunk], centre)
        residual = np.square(y - Y_pred[:, chunk]).sum(0)
        scores[chunk][usable] = 1 - residual[usable] / np.square(y[:, usable]).sum(0)

    list(map_in_order(score, _chunks(Y), _n_at_once(1, Y)))
    return scores


def _chunks(Y: np.ndarray) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, Y.shape[1], CHUNK)]


def _n_at_once(n_bands: int, Y: np.ndarray) -> int:
    """Chunks to score at a time, by their temporary arrays in float64."""
    return n_at_once(8 * 3 * (1 + n_bands) * len(Y) * min(CHUNK, Y.shape[1]))


def _deviations(Y: np.ndarray, centre: bool) -> tuple[np.ndarray, np.ndarray]:
    """Y in float64, less its mean if asked, and which columns are finite and vary."""
    y = Y.astype(np.float64)
    usable = np.isfinite(y).all(0) & (y.max(0) != y.min(0))
    return (y - y.mean(0) if centre else y), usable
