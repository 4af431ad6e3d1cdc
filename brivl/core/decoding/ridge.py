"""From brain to stimulus: ridge from voxels to the embedding of what was shown, by kernels between samples.

With responses advanced by each delay d, Y_d, the kernel is K = sum_d Y_d Y_d' = sum_d S_d G S_d', where G = Y Y' and
S_d shifts samples within runs. G adds up over voxels, so that regions add up and responses need not be in memory at
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.cv_splits import Split
from brivl.core.encoding.delays import delay, delays_at, onsets_of, run_labels
from brivl.core.encoding.fold_responses import ridge_for, split_responses
from brivl.core.encoding.presets import FitProtocol
from brivl.core.records import Design, Responses
from brivl.errors import RequestError

VOXELS_AT_ONCE = 4000
SMALLEST = 1e-6  # of the largest eigenvalue: below, float32 responses hold no more than rounding


def gram_matrix(responses: Responses, columns: np.ndarray, rows: Split, protocol: FitProtocol) -> np.ndarray:
    """Y Y' over voxels `columns` of a division's responses, (n_fit + n_held_out, same), standardised as in a fit.

    Raises RequestError where there is no voxel.
    """
    if not len(columns):
        raise RequestError("Wanted voxels to decode from and got none; choose another region.")
    n = len(rows.train) + len(rows.test)
    total = np.zeros((n, n), np.float32)
    for start in range(0, len(columns), VOXELS_AT_ONCE):
        some = columns[start : start + VOXELS_AT_ONCE]
        has_test = responses.Y_test is not None and protocol.design.n_test
        repeats = np.asarray(responses.Y_test[:, :, some]) if has_test else None
        part = split_responses(np.asarray(responses.Y_train[:, some]), repeats, rows, *protocol)
        Y = np.nan_to_num(np.concatenate([part.Y_train, part.Y_test]).astype(np.float32))  # constant in one run
        total += Y @ Y.T
    return total


def advance_kernel(G: np.ndarray, rows: Split, protocol: FitProtocol) -> np.ndarray:
    """The kernel of responses at all delays after a sample, from that of responses at once; G itself without a TR."""
    design, preset = protocol
    if design.tr is None:
        return G
    onsets = row_onsets(rows, design)
    later = [-shift for shift in delays_at(preset.delays_s, design.tr)]
    return np.sum([delay(delay(G, [shift], onsets).T, [shift], onsets) for shift in later], axis=0)


def row_onsets(rows: Split, design: Design) -> np.ndarray:
    """First row of each run among the rows of a division, those of the fit before the held-out ones."""
    runs = run_labels(design.run_onsets, design.n_train)
    if design.n_test:
        test_runs = run_labels(design.test_onsets, design.n_test) + runs[-1] + 1
        runs = np.r_[runs, test_runs]
    return onsets_of(np.r_[runs[rows.train], runs[rows.test] + runs.max() + 1])


@dataclass(frozen=True)
class DecodedEmbeddings:
    """Embeddings predicted for held-out samples, and how well the fit's own folds predicted one another."""

    predicted: np.ndarray  # (n_held_out, D) float32, less the mean over the fit's samples
    inner_r2: float  # over all dimensions together; nothing held out takes part


def decode_embeddings(K: np.ndarray, E: np.ndarray, rows: Split, protocol: FitProtocol) -> DecodedEmbeddings:
    """Predict the embeddings of the held-out samples of a division.

    K: kernel of the division's rows (`advanced`). E: embeddings (n_samples, D). Ridge with a strength for each
    dimension, chosen by the fit's own folds (BandedRidge of one band).
    """
    target = E[rows.train]
    target = (target - target.mean(0)).astype(np.float32)
    ridge = ridge_for(1, rows.train, *protocol)
    X_fit, X_test = _coordinates(K, len(rows.train))
    ridge.fit([X_fit], target)
    return DecodedEmbeddings(ridge.predict([X_test]), 1 + float(ridge.cv_scores_.max(0).sum() / target.var(0).sum()))


def _coordinates(K: np.ndarray, n_fit: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of fit and held-out rows whose inner products are the kernel's: K = U s U', X = U sqrt(s)."""
    values, U = np.linalg.eigh(K[:n_fit, :n_fit].astype(np.float64))
    kept = values > SMALLEST * values[-1]
    root = np.sqrt(values[kept])
    return (U[:, kept] * root).astype(np.float32), (K[n_fit:, :n_fit] @ U[:, kept] / root).astype(np.float32)


def split_into_windows(onsets: Sequence[int] | np.ndarray, n_samples: int, width: int) -> list[np.ndarray]:
    """Rows of consecutive windows of `width` samples, none across runs; what is left over is dropped."""
    edges = [*np.asarray(onsets).tolist(), n_samples]
    return [
        np.arange(at, at + width)
        for start, stop in zip(edges, edges[1:], strict=False)
        for at in range(start, stop - width + 1, width)
    ]
