"""From features and responses to scores: select voxels, standardise, delay, fit, and score on held-out samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from brivl.core.encoding.batches import Checkpoints, encode_in_batches, encode_parts_in_batches, is_large
from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.delays import run_bounds
from brivl.core.encoding.fold_responses import (
    FoldResponses,
    concatenate_voxels,
    preprocess_features,
    ridge_for,
    split_responses,
)
from brivl.core.encoding.presets import FitProtocol, Preset
from brivl.core.encoding.split_score import r2_joint, r2_split
from brivl.core.encoding.voxel_selection import select_voxels
from brivl.core.parallel import one_thread_per_call
from brivl.core.progress import StepCallback
from brivl.core.records import Design, EncodingResult, Responses
from brivl.errors import DataError

# Progress of each outer fold is reported in this many steps, so that folds of unequal size count alike.
STEPS = 1000


def encode(
    Xs: Sequence[np.ndarray],
    responses: Responses,
    design: Design,
    preset: Preset,
    progress: StepCallback | None = None,
    checkpoints: Checkpoints | None = None,
) -> EncodingResult:
    """Fit banded ridge to each voxel of one subject and score it on held-out samples, jointly and by band.

    Parameters
    ----------
    Xs : Sequence of (n_train + n_test, n_features) arrays
        Bands, as in `encode_many`.
    responses : Responses
        Responses of the subject.
    design : Design
        Samples of the subject.
    preset : Preset
        All other choices of the fit.
    progress : StepCallback or None
        Receives (done, total).
    checkpoints : Checkpoints or None
        Store of finished batches of large responses.

    Returns
    -------
    EncodingResult
        Scores.

    Raises
    ------
    DataError
        If shapes do not agree.
    RequestError
        If no voxel is left, or delays coincide.
    """
    return encode_many(Xs, [responses], design, preset, progress, checkpoints)[0]


@one_thread_per_call()
def encode_many(
    Xs: Sequence[np.ndarray],
    subjects: Sequence[Responses],
    design: Design,
    preset: Preset,
    progress: StepCallback | None = None,
    checkpoints: Checkpoints | None = None,
) -> list[EncodingResult]:
    """Fit banded ridge to each voxel of subjects who share the stimuli, and score it jointly and by band.

    Parameters
    ----------
    Xs : Sequence of (n_train + n_test, n_features) arrays
        Bands, one row per sample, not yet delayed. They are centred on training means, then delayed within runs if
        design.tr is set.
    subjects : Sequence of Responses
        Responses of all subjects.
    design : Design
        Samples, which the subjects share.
    preset : Preset
        All other choices of the fit.
    progress : StepCallback or None
        Receives (done, total); may raise (Cancelled), which stops the fit.
    checkpoints : Checkpoints or None
        Store of finished batches of large responses, which are fitted in batches of voxels (`batches.is_large`).

    Returns
    -------
    list of EncodingResult
        Scores of each subject: on the test set, or the mean over outer folds where there is none.

    Raises
    ------
    DataError
        If shapes do not agree.
    RequestError
        If no voxel is left, or delays coincide.

    Notes
    -----
    What does not depend on responses is computed once for all subjects. With more than a few hundred voxels scores are
    mapped from a sample of the voxels of all subjects (`surface_search`), so that results differ from those of single
    subjects within the accuracy of the search.

    Training responses are z-scored, per run if they are a time series. With preset.test_zscore "own", held-out
    responses are z-scored by themselves (repeats z-scored, averaged, z-scored again). With "training", they are divided
    by the training standard deviation and centred: time series on the mean of each held-out run (repeats before they
    are averaged), other responses on the training mean, so that R2 compares with predicting the training mean.
    """
    for responses in subjects:
        _check(Xs, responses, design)
    if is_large(subjects):
        return encode_in_batches(Xs, subjects, FitProtocol(design, preset), progress, checkpoints)
    return [result for result, _ in _encode(Xs, subjects, FitProtocol(design, preset), progress, False)]


def encode_parts(
    Xs: Sequence[np.ndarray],
    responses: Responses,
    design: Design,
    preset: Preset,
    progress: StepCallback | None = None,
    checkpoints: Checkpoints | None = None,
) -> tuple[EncodingResult, np.ndarray]:
    """Fit as `encode`, and each band alone from the same decompositions, for variance partitioning.

    Parameters
    ----------
    Xs : Sequence of (n_train + n_test, n_features) arrays
        Bands, as in `encode_many`.
    responses : Responses
        Responses of the subject.
    design : Design
        Samples of the subject.
    preset : Preset
        All other choices of the fits.
    progress : StepCallback or None
        Receives (done, total).
    checkpoints : Checkpoints or None
        Store of finished batches of large responses.

    Returns
    -------
    result : EncodingResult
        Scores of the joint fit, equal to those of `encode` to the bit.
    single : np.ndarray
        (n_bands, n_voxels) float32, R2 of each band alone on the same samples, with the same folds and alphas; NaN
        where a voxel was not fitted.

    Raises
    ------
    DataError
        If shapes do not agree.
    RequestError
        If no voxel is left, or delays coincide.
    """
    _check(Xs, responses, design)
    if is_large([responses]):
        return encode_parts_in_batches(Xs, responses, FitProtocol(design, preset), progress, checkpoints)
    ((result, single),) = _encode(Xs, [responses], FitProtocol(design, preset), progress, True)
    assert single is not None
    return result, single


def _encode(
    Xs: Sequence[np.ndarray],
    subjects: Sequence[Responses],
    protocol: FitProtocol,
    progress: StepCallback | None,
    with_single: bool,
) -> list[tuple[EncodingResult, np.ndarray | None]]:
    """Scores of each subject, and R2 of each band alone if that is wanted, of responses that fit in memory."""
    design, preset = protocol
    selections = [select_voxels(responses, design, preset.ev_threshold) for responses in subjects]
    by_subject = [_fold_responses(r, design, preset, s.selected) for r, s in zip(subjects, selections, strict=True)]
    n_folds = by_subject[0][1]
    scores = [
        _fit_and_score(Xs, concatenate_voxels(fold), protocol, _within_fold(progress, i, n_folds), with_single)
        for i, fold in enumerate(zip(*(folds for folds, _ in by_subject), strict=True))
    ]
    means = [np.mean(each, axis=0) for each in zip(*scores, strict=True)]
    ends = np.cumsum([s.selected.sum() for s in selections])[:-1]
    means_of_subjects = zip(*(np.split(mean, ends, axis=-1) for mean in means), strict=True)
    return [s.results(*own) for s, own in zip(selections, means_of_subjects, strict=True)]


def _fit_and_score(
    Xs: Sequence[np.ndarray],
    responses: FoldResponses,
    protocol: FitProtocol,
    progress: StepCallback | None,
    with_single: bool,
) -> list[np.ndarray]:
    """Joint R2 (n_selected,), split R2, band weights and, if wanted, R2 alone (n_bands, n_selected) of one split."""
    train, test = responses.split.train, responses.split.test
    bands = [preprocess_features(X, train, *protocol) for X in Xs]
    held_out = [X[test] for X in bands]
    ridge = ridge_for(len(Xs), train, *protocol)
    ridge.fit([X[train] for X in bands], responses.Y_train, progress, True, held_out if with_single else None)
    predicted = ridge.predict(held_out, split=True)
    joint = r2_joint(responses.Y_test, predicted.sum(0))
    scores = [joint, r2_split(responses.Y_test, predicted), ridge.band_weights_]
    if ridge.single_predictions_ is not None:
        scores.append(np.stack([r2_joint(responses.Y_test, alone) for alone in ridge.single_predictions_]))
    return scores


def _fold_responses(
    responses: Responses, design: Design, preset: Preset, selected: np.ndarray
) -> tuple[Iterable[FoldResponses], int]:
    """The test set, or the outer folds, one at a time: responses of all folds at once would not fit in memory."""
    Y, splits = np.asarray(responses.Y_train[:, selected]), cv_splits(design, preset)
    if design.n_test:
        return [split_responses(Y, responses.repeats[:, :, selected], splits[0], design, preset)], 1
    return (split_responses(Y, None, split, design, preset) for split in splits), len(splits)


def _within_fold(progress: StepCallback | None, fold: int, n_folds: int) -> StepCallback | None:
    """StepCallback within one of n_folds, reported over all of them."""
    if progress is None:
        return None
    return lambda done, total: progress(fold * STEPS + done * STEPS // total, n_folds * STEPS)


def _check(Xs: Sequence[np.ndarray], responses: Responses, design: Design) -> None:
    """Raise DataError unless features, responses and design agree."""
    run_bounds(design.run_onsets, design.n_train)
    n_samples, Y_test = design.n_train + design.n_test, responses.Y_test
    shapes = [np.shape(X) for X in Xs]
    if not shapes or any(len(shape) != 2 or shape[0] != n_samples for shape in shapes):
        raise DataError(
            f"Expected features of {n_samples} samples ({design.n_train} training, {design.n_test} test), one row "
            f"each, got shapes {shapes!r}. Check that features and responses are of the same stimuli."
        )
    if not all(np.isfinite(X).all() for X in Xs):
        raise DataError("Expected finite features, got NaN or infinity. Extract them again, or check the file.")
    if len(responses.Y_train) != design.n_train:
        raise DataError(
            f"Expected responses to {design.n_train} training samples, got {len(responses.Y_train)}. Check that the "
            "responses and the design are of the same subject."
        )
    if design.n_test and (Y_test is None or Y_test.ndim != 3 or Y_test.shape[1] != design.n_test):
        shape = None if Y_test is None else Y_test.shape
        raise DataError(
            f"Expected test responses (n_repeats, {design.n_test}, n_voxels), got shape {shape!r}. Check that the "
            "responses and the design are of the same subject."
        )
    if design.groups is not None and len(design.groups) != design.n_train:
        raise DataError(
            f"Expected one group per training sample ({design.n_train}), got {len(design.groups)}. Correct the groups."
        )
