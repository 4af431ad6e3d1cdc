"""Decode stimulus embeddings from brain responses: ridge regression with kernels between samples.

With the responses advanced by each delay d, Y_d, the kernel is K = sum_d Y_d Y_d' = sum_d S_d G S_d', where G = Y Y'
and S_d shifts samples within runs. G is a sum over voxels, so the kernels of regions add up and the responses need not
be in memory at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.cv_splits import Split
from brivl.core.encoding.delays import delay, delays_at, onsets_of, run_labels
from brivl.core.encoding.fold_responses import ridge_for, split_voxels
from brivl.core.encoding.presets import FitProtocol, Preset, lags
from brivl.core.records import Design, Responses
from brivl.errors import RequestError

VOXEL_BATCH = 4000
MIN_EIGENVALUE = 1e-6  # of the largest eigenvalue: below, float32 responses hold no more than rounding errors


def gram_matrix(responses: Responses, voxel_indices: np.ndarray, rows: Split, protocol: FitProtocol) -> np.ndarray:
    """Compute the inner products between samples, Y Y', over some voxels.

    Parameters
    ----------
    responses : Responses
        Responses of one subject.
    voxel_indices : (n_voxels,) int array
        Voxels to decode from.
    rows : Split
        Rows to fit and rows to score.
    protocol : FitProtocol
        Design of the data and preset of the fit, which decides how responses are standardised.

    Returns
    -------
    (n_fit + n_held_out, n_fit + n_held_out) float32 array
        Inner products, rows to fit first.

    Raises
    ------
    RequestError
        If there is no voxel.
    """
    if not len(voxel_indices):
        raise RequestError("Expected at least one voxel to decode from, got none. Choose another region.")
    n = len(rows.train) + len(rows.test)
    total = np.zeros((n, n), np.float32)
    for start in range(0, len(voxel_indices), VOXEL_BATCH):
        split = split_voxels(responses, voxel_indices[start : start + VOXEL_BATCH], rows, protocol)
        # A voxel that is constant in one run has NaN there.
        Y = np.nan_to_num(np.concatenate([split.Y_train, split.Y_test]).astype(np.float32))
        total += Y @ Y.T
    return total


def advance_kernel(G: np.ndarray, rows: Split, protocol: FitProtocol) -> np.ndarray:
    """Sum the kernel over responses at all delays after a sample.

    Parameters
    ----------
    G : (n_rows, n_rows) array
        Inner products of responses at the time of the samples (`gram_matrix`).
    rows : Split
        Rows to fit and rows to score.
    protocol : FitProtocol
        Design, whose TR turns the delays of the preset into samples.

    Returns
    -------
    (n_rows, n_rows) array
        Kernel of the advanced responses; G itself where the design has no TR.
    """
    design, preset = protocol
    if design.tr is None:
        return G
    onsets = row_onsets(rows, design)
    advances = [-shift for shift in decoding_lags(preset, design.tr)]
    return np.sum([delay(delay(G, [shift], onsets).T, [shift], onsets) for shift in advances], axis=0)


def decoding_lags(preset: Preset, tr: float) -> tuple[int, ...]:
    """Find the delays by which responses are advanced; a haemodynamic response of features leaves them as they are.

    Parameters
    ----------
    preset : Preset
        The preset.
    tr : float
        Time between two samples in seconds.

    Returns
    -------
    tuple of int
        Delays in samples.
    """
    return delays_at(preset.delays_s, tr) if preset.response == "hrf" else lags(preset, tr)


def row_onsets(rows: Split, design: Design) -> np.ndarray:
    """Find the first row of each run among the rows to fit followed by the rows to score.

    Parameters
    ----------
    rows : Split
        Rows to fit and rows to score.
    design : Design
        Onsets of the runs.

    Returns
    -------
    (n_runs,) int array
        First row of each run.
    """
    runs = run_labels(design.run_onsets, design.n_train)
    if design.n_test:
        test_runs = run_labels(design.test_onsets, design.n_test) + runs[-1] + 1
        runs = np.r_[runs, test_runs]
    return onsets_of(np.r_[runs[rows.train], runs[rows.test] + runs.max() + 1])


@dataclass(frozen=True)
class DecodedEmbeddings:
    """Embeddings predicted for held-out samples, and the cross-validated fit within the training samples."""

    predicted: np.ndarray  # (n_held_out, n_dimensions) float32, relative to the mean over the training samples
    inner_r2: float  # over all dimensions, in the inner folds of the training samples; no held-out sample takes part


def decode_embeddings(K: np.ndarray, E: np.ndarray, rows: Split, protocol: FitProtocol) -> DecodedEmbeddings:
    """Predict the embeddings of held-out samples by ridge regression, with an alpha for each dimension.

    Parameters
    ----------
    K : (n_rows, n_rows) array
        Kernel between samples (`advance_kernel`), rows to fit first.
    E : (n_samples, n_dimensions) array
        Embeddings of all samples.
    rows : Split
        Rows to fit and rows to score.
    protocol : FitProtocol
        Design and preset; its inner folds choose the alphas.

    Returns
    -------
    DecodedEmbeddings
        Predictions of the rows to score.
    """
    target = E[rows.train]
    target = (target - target.mean(0)).astype(np.float32)
    ridge = ridge_for(1, rows.train, *protocol)
    X_fit, X_test = _coordinates(K, len(rows.train))
    ridge.fit([X_fit], target)
    return DecodedEmbeddings(ridge.predict([X_test]), 1 + float(ridge.cv_scores_.max(0).sum() / target.var(0).sum()))


def _coordinates(K: np.ndarray, n_fit: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of the rows to fit and to score whose inner products are the kernel's: K = U s U', X = U sqrt(s)."""
    values, U = np.linalg.eigh(K[:n_fit, :n_fit].astype(np.float64))
    kept = values > MIN_EIGENVALUE * values[-1]
    root = np.sqrt(values[kept])
    return (U[:, kept] * root).astype(np.float32), (K[n_fit:, :n_fit] @ U[:, kept] / root).astype(np.float32)


def split_into_windows(onsets: Sequence[int] | np.ndarray, n_samples: int, width: int) -> list[np.ndarray]:
    """Divide samples into consecutive windows within runs; an incomplete window at the end of a run is dropped.

    Parameters
    ----------
    onsets : (n_runs,) int array
        First sample of each run.
    n_samples : int
        Number of samples of all runs.
    width : int
        Samples of a window.

    Returns
    -------
    list of (width,) int arrays
        Samples of each window.
    """
    edges = [*np.asarray(onsets).tolist(), n_samples]
    return [
        np.arange(at, at + width)
        for start, stop in zip(edges, edges[1:], strict=False)
        for at in range(start, stop - width + 1, width)
    ]
