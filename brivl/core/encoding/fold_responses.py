"""Features, responses and regression of each division of the samples into rows to fit and rows to score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.banded_ridge import BandedRidge, DirichletRatios, Solver
from brivl.core.encoding.cv_splits import Split, inner_folds
from brivl.core.encoding.delays import delay, delays_at, onsets_of, run_labels
from brivl.core.encoding.presets import FitProtocol, Preset
from brivl.core.encoding.ratios import ratio_grid
from brivl.core.encoding.standardize import TrainingScaler, zscore_runs
from brivl.core.records import Design, Responses


@dataclass(frozen=True)
class FoldResponses:
    """One division of the samples, with responses ready to fit and to score."""

    rows: Split
    Y_train: np.ndarray  # (n_fit, n_selected)
    Y_test: np.ndarray  # (n_held_out, n_selected)


def split_responses(
    Y: np.ndarray, repeats: np.ndarray | None, rows: Split, design: Design, preset: Preset
) -> FoldResponses:
    """Responses of one division, from training ones (n_train, n_voxels) and repeats (n_repeats, n_test, n_voxels)."""
    return (
        _outer_fold(Y, rows, design, preset)
        if repeats is None
        else _test_set(Y, repeats, rows, FitProtocol(design, preset))
    )


def split_voxels(
    responses: Responses, voxel_indices: np.ndarray | slice, rows: Split, protocol: FitProtocol
) -> FoldResponses:
    """Read some voxels of one subject and split their responses into those to fit and those to score.

    Parameters
    ----------
    responses : Responses
        Responses of the subject.
    voxel_indices : (n_selected,) int array or slice
        Voxels to read.
    rows : Split
        Rows to fit and rows to score.
    protocol : FitProtocol
        Design of the data and preset of the fit.

    Returns
    -------
    FoldResponses
        Responses standardised as the protocol says.
    """
    Y_test = responses.Y_test if protocol.design.n_test else None
    repeats = None if Y_test is None else np.asarray(Y_test[:, :, voxel_indices])
    return split_responses(np.asarray(responses.Y_train[:, voxel_indices]), repeats, rows, *protocol)


def fit_responses(Y: np.ndarray, rows: Split, design: Design) -> np.ndarray:
    """Those that are fitted, `held_out(...).Y_train`, alone."""
    runs = run_labels(design.run_onsets, design.n_train)
    return _train_zscore(Y[rows.train], onsets_of(runs[rows.train]), design)


def preprocess_features(X: np.ndarray, train: np.ndarray, design: Design, preset: Preset) -> np.ndarray:
    """Features centred on their mean over the training rows, and delayed if samples follow one another."""
    centred = (X - X[train].mean(0, dtype=np.float64)).astype(np.float32)
    if design.tr is None:
        return centred
    onsets = design.run_onsets
    if design.n_test:
        onsets = np.r_[onsets, design.n_train + np.asarray(design.test_onsets)]
    return delay(centred, delays_at(preset.delays_s, design.tr), onsets)


def ridge_for(n_bands: int, train: np.ndarray, design: Design, preset: Preset) -> BandedRidge:
    """The regression of one division, not fitted."""
    return BandedRidge(
        alphas=preset.alphas,
        ratios=DirichletRatios(preset.n_iter, preset.seed)
        if preset.n_iter
        else ratio_grid(n_bands, preset.n_ratios or 11),
        cv=inner_folds(train, design, preset),
        normalise_kernels=preset.normalise_kernels,
        solver=Solver(method="himalaya") if preset.search == "himalaya" else Solver(),
    )


def concatenate_voxels(parts: Sequence[FoldResponses]) -> FoldResponses:
    """One division of the samples with the voxels of all subjects."""
    if len(parts) == 1:
        return parts[0]
    Y_train = np.concatenate([part.Y_train for part in parts], axis=1)
    return FoldResponses(parts[0].rows, Y_train, np.concatenate([part.Y_test for part in parts], axis=1))


def _test_set(Y: np.ndarray, repeats: np.ndarray, rows: Split, protocol: FitProtocol) -> FoldResponses:
    """Training rows against the average of the test run's repeats."""
    design, preset = protocol
    scale = _scaler(Y, design.run_onsets, design, preset)
    average = np.mean([scale(y, design.test_onsets) for y in repeats], axis=0)
    if preset.test_zscore == "own":
        average = zscore_runs(average, design.test_onsets)
    return FoldResponses(rows, _train_zscore(Y, design.run_onsets, design), average)


def _outer_fold(Y: np.ndarray, rows: Split, design: Design, preset: Preset) -> FoldResponses:
    """One outer fold: some training rows against the others."""
    runs = run_labels(design.run_onsets, design.n_train)
    train_onsets, test_onsets = onsets_of(runs[rows.train]), onsets_of(runs[rows.test])
    scale = _scaler(Y[rows.train], train_onsets, design, preset)
    return FoldResponses(rows, _train_zscore(Y[rows.train], train_onsets, design), scale(Y[rows.test], test_onsets))


def _train_zscore(Y: np.ndarray, onsets: np.ndarray, design: Design) -> np.ndarray:
    """Training responses z-scored within runs, or over all rows where rows are no time series."""
    return zscore_runs(Y, onsets if design.tr is not None else np.zeros(1, int))


def _scaler(
    Y_train: np.ndarray, onsets: np.ndarray, design: Design, preset: Preset
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """How held-out responses, with their own run onsets, are brought to the scale of the training ones."""
    series = design.tr is not None
    if preset.test_zscore == "own":
        return lambda Y, test_onsets: zscore_runs(Y, test_onsets if series else np.zeros(1, int))
    scaler = TrainingScaler().fit(Y_train, onsets if series else None)
    return lambda Y, test_onsets: scaler.transform(Y, test_onsets if series else None)
