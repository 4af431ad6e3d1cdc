"""Features, responses and regression of one cross-validation split: preprocessing of rows to fit and rows to score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.banded_ridge import BandedRidge, DirichletRatios, Solver
from brivl.core.encoding.cv_splits import Split, cv_splits, inner_folds
from brivl.core.encoding.delays import delay, onsets_of, run_labels
from brivl.core.encoding.nuisance_regression import nuisance_columns, regress_out, regress_out_of_split
from brivl.core.encoding.presets import FitProtocol, Preset, lags
from brivl.core.encoding.ratios import ratio_grid
from brivl.core.encoding.standardize import TrainingScaler, zscore_runs
from brivl.core.records import Design, Responses
from brivl.core.simulation.hrf import convolve_runs

SCORED_AT_ONCE = 4096  # voxels


@dataclass(frozen=True)
class FoldResponses:
    """Responses of one split, scaled for fitting and scoring."""

    split: Split
    Y_train: np.ndarray  # (n_fit, n_selected)
    Y_test: np.ndarray  # (n_held_out, n_selected)
    r2_nuisance: np.ndarray | None = None  # (n_selected,) of nuisance regressors on the rows to score


def split_responses(
    Y: np.ndarray, repeats: np.ndarray | None, split: Split, design: Design, preset: Preset
) -> FoldResponses:
    """Scale the responses of one split.

    Parameters
    ----------
    Y : (n_train, n_voxels) array
        Training responses.
    repeats : (n_repeats, n_test, n_voxels) array or None
        Test responses; None where outer folds are held out.
    split : Split
        Rows to fit and to score.
    design : Design
        Samples of the subject.
    preset : Preset
        Whose standard deviation scales the held-out responses.

    Returns
    -------
    FoldResponses
        Responses of the rows to fit, and of those to score (repeats averaged).
    """
    protocol = FitProtocol(design, preset)
    scaled = _outer_fold(Y, split, protocol) if repeats is None else _test_set(Y, repeats, split, protocol)
    columns = nuisance_columns(design, preset)
    if columns is None:
        return scaled
    return FoldResponses(split, *regress_out_of_split(scaled.Y_train, scaled.Y_test, columns, split.train, split.test))


def split_voxels(
    responses: Responses, voxel_indices: np.ndarray | slice, split: Split, protocol: FitProtocol
) -> FoldResponses:
    """Read some voxels of one subject and scale the responses of one split.

    Parameters
    ----------
    responses : Responses
        Responses of the subject.
    voxel_indices : (n_selected,) int array or slice
        Voxels to read.
    split : Split
        Rows to fit and to score.
    protocol : FitProtocol
        Design of the data and preset of the fit.

    Returns
    -------
    FoldResponses
        Responses of these voxels.
    """
    repeats = np.asarray(responses.repeats[:, :, voxel_indices]) if protocol.design.n_test else None
    return split_responses(np.asarray(responses.Y_train[:, voxel_indices]), repeats, split, *protocol)


def fit_voxels(
    responses: Responses, voxel_indices: np.ndarray | slice, split: Split, protocol: FitProtocol
) -> np.ndarray:
    """Read some voxels of one subject and scale only the responses that are fitted.

    Parameters
    ----------
    responses : Responses
        Responses of the subject.
    voxel_indices : (n_selected,) int array or slice
        Voxels to read.
    split : Split
        Rows to fit and to score.
    protocol : FitProtocol
        Design of the data and preset of the fit.

    Returns
    -------
    np.ndarray
        (n_fit, n_selected), `split_voxels(...).Y_train`.
    """
    design, preset = protocol
    Y, runs = np.asarray(responses.Y_train[:, voxel_indices]), run_labels(design.run_onsets, design.n_train)
    scaled = _train_zscore(Y[split.train], onsets_of(runs[split.train]), design)
    columns = nuisance_columns(design, preset)
    if columns is None:
        return scaled
    columns = columns[split.train]
    return regress_out(scaled, columns, np.arange(len(columns)))


def preprocess_features(X: np.ndarray, train: np.ndarray, design: Design, preset: Preset) -> np.ndarray:
    """Centre features on their mean over the training rows, and delay or convolve them if samples are a time series.

    Parameters
    ----------
    X : (n_samples, n_features) array
        Features.
    train : (n_fit,) array
        Rows of the fit.
    design : Design
        Samples of the subject.
    preset : Preset
        Delays.

    Returns
    -------
    np.ndarray
        (n_samples, n_features * n_delays) float32; convolved with the haemodynamic response, (n_samples, n_features).
    """
    centred = (X - X[train].mean(0, dtype=np.float64)).astype(np.float32)
    columns = nuisance_columns(design, preset)
    if design.tr is not None:
        onsets = design.run_onsets
        if design.n_test:
            onsets = np.r_[onsets, design.n_train + np.asarray(design.test_onsets)]
        hrf = preset.response == "hrf"
        centred = convolve_runs(centred, design.tr, onsets) if hrf else delay(centred, lags(preset, design.tr), onsets)
    if design.cleaning is not None:
        centred = design.cleaning.apply(centred)
    return centred if columns is None else regress_out(centred, columns, train)


def nuisance_r2(responses: Responses, selected: np.ndarray, protocol: FitProtocol) -> np.ndarray | None:
    """Score the nuisance regressors of the design on held-out samples.

    Parameters
    ----------
    responses : Responses
        Responses of the subject.
    selected : (n_voxels,) bool array
        Voxels to score.
    protocol : FitProtocol
        Design and preset.

    Returns
    -------
    np.ndarray or None
        (n_voxels,) R2, the mean over outer folds, NaN where not selected; None without nuisance regressors.
    """
    if protocol.design.nuisance is None:
        return None
    r2, indices, splits = np.full(len(selected), np.nan), np.flatnonzero(selected), cv_splits(*protocol)
    for start in range(0, len(indices), SCORED_AT_ONCE):
        batch = indices[start : start + SCORED_AT_ONCE]
        scores = [split_voxels(responses, batch, split, protocol).r2_nuisance for split in splits]
        r2[batch] = np.mean([score for score in scores if score is not None], axis=0)
    return r2


def ridge_for(n_bands: int, train: np.ndarray, design: Design, preset: Preset) -> BandedRidge:
    """Make the regression of one split, not fitted.

    Parameters
    ----------
    n_bands : int
        Number of bands.
    train : (n_fit,) array
        Rows of the fit.
    design : Design
        Samples of the subject.
    preset : Preset
        Weights, alphas and folds.

    Returns
    -------
    BandedRidge
        The regression.
    """
    return BandedRidge(
        alphas=preset.alphas,
        ratios=_ratios(n_bands, preset),
        cv=inner_folds(train, design, preset),
        normalise_kernels=preset.normalise_kernels,
        solver=Solver(method="himalaya") if preset.search == "himalaya" else Solver(),
    )


def concatenate_voxels(subjects: Sequence[FoldResponses]) -> FoldResponses:
    """Join the voxels of all subjects.

    Parameters
    ----------
    subjects : Sequence of FoldResponses
        One split of each subject, of the same rows.

    Returns
    -------
    FoldResponses
        The split with the voxels of the first subject, then of the second, and so on.
    """
    if len(subjects) == 1:
        return subjects[0]
    Y_train = np.concatenate([subject.Y_train for subject in subjects], axis=1)
    return FoldResponses(subjects[0].split, Y_train, np.concatenate([subject.Y_test for subject in subjects], axis=1))


def _ratios(n_bands: int, preset: Preset) -> np.ndarray | DirichletRatios:
    """Band weights to try: a grid (n_candidates, n_bands), or the settings of random draws."""
    if preset.n_iter:
        return DirichletRatios(preset.n_iter, preset.seed)
    return ratio_grid(n_bands, preset.n_ratios or 11)


def _test_set(Y: np.ndarray, repeats: np.ndarray, split: Split, protocol: FitProtocol) -> FoldResponses:
    """Training rows, and the average of the repeats of the test run."""
    design, preset = protocol
    onsets, test_onsets = design.run_onsets, design.test_onsets
    if design.cleaning is not None:  # rows that are left out
        rows = split.test - design.n_train
        onsets = onsets_of(run_labels(onsets, design.n_train)[split.train])
        test_onsets = onsets_of(run_labels(test_onsets, design.n_test)[rows])
        Y, repeats = Y[split.train], repeats[:, rows]
    scale = _scaler(Y, onsets, protocol)
    average = np.mean([scale(y, test_onsets) for y in repeats], axis=0)
    if preset.test_zscore == "own":
        average = zscore_runs(average, test_onsets)
    return FoldResponses(split, _train_zscore(Y, onsets, design), average)


def _outer_fold(Y: np.ndarray, split: Split, protocol: FitProtocol) -> FoldResponses:
    """One outer fold: some training rows against the others."""
    design = protocol.design
    runs = run_labels(design.run_onsets, design.n_train)
    train_onsets, test_onsets = onsets_of(runs[split.train]), onsets_of(runs[split.test])
    scale = _scaler(Y[split.train], train_onsets, protocol)
    return FoldResponses(split, _train_zscore(Y[split.train], train_onsets, design), scale(Y[split.test], test_onsets))


def _train_zscore(Y: np.ndarray, onsets: np.ndarray, design: Design) -> np.ndarray:
    """Training responses z-scored within runs, or over all rows where rows are no time series."""
    return zscore_runs(Y, onsets if design.tr is not None else np.zeros(1, int))


def _scaler(
    Y_train: np.ndarray, onsets: np.ndarray, protocol: FitProtocol
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Function that scales held-out responses, given their run onsets, as the preset says."""
    series = protocol.design.tr is not None
    if protocol.preset.test_zscore == "own":
        return lambda Y, test_onsets: zscore_runs(Y, test_onsets if series else np.zeros(1, int))
    scaler = TrainingScaler().fit(Y_train, onsets if series else None)
    return lambda Y, test_onsets: scaler.transform(Y, test_onsets if series else None)
