"""From features and responses to scores: select, standardise, delay, fit, and score on what was held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from brivl.core.encoding.batches import Checkpoints, encode_in_batches, is_large
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
from brivl.core.progress import StepCallback
from brivl.core.records import Design, EncodingResult, Responses
from brivl.errors import DataError

# StepCallback of each outer fold is reported in this many steps, so that folds of unequal size count alike.
STEPS = 1000


def encode(
    Xs: Sequence[np.ndarray],
    responses: Responses,
    design: Design,
    preset: Preset,
    progress: StepCallback | None = None,
    parts: Checkpoints | None = None,
) -> EncodingResult:
    """Fit banded ridge to each voxel and score it on held-out samples, jointly and by band: `encode_many` of one."""
    return encode_many(Xs, [responses], design, preset, progress, parts)[0]


def encode_many(
    Xs: Sequence[np.ndarray],
    subjects: Sequence[Responses],
    design: Design,
    preset: Preset,
    progress: StepCallback | None = None,
    parts: Checkpoints | None = None,
) -> list[EncodingResult]:
    """Fit banded ridge to each voxel of subjects who share the stimuli, and score it jointly and by band.

    What does not depend on responses is done once for all. With more than a few hundred voxels scores are mapped from a
    sample (`surface_search`) that all subjects are in, so that results differ from subject-by-subject ones as much as
    the search allows.

    Xs: bands (n_train + n_test, n_features), one row per sample, not yet delayed. With a test set the score is on it;
    without, it is the mean over outer folds. Features are centred on training means, then delayed within runs if
    design.tr is set. Training responses are z-scored, per run if they are a time series. Held-out ones are treated as
    preset.test_zscore says: "own", z-scored by themselves (repeats z-scored, averaged, z-scored again); "training",
    divided by the training deviation, and centred on each held-out run's own mean (time series; repeats before they
    are averaged) or on the training mean (others: R2 is then against predicting the training mean).

    Responses that are large (`batches.is_large`) are read, fitted and scored in batches of voxels; finished batches are
    kept in `parts`, if given, and taken from there.

    progress(done, total) may raise (Cancelled), which stops the fit. Raises DataError if shapes do not add up,
    RequestError if no voxel is left or delays collide.
    """
    for responses in subjects:
        _check(Xs, responses, design)
    if is_large(subjects):
        return encode_in_batches(Xs, subjects, FitProtocol(design, preset), progress, parts)
    selections = [select_voxels(responses, design, preset.ev_threshold) for responses in subjects]
    each = [_held_outs(r, design, preset, s.selected) for r, s in zip(subjects, selections, strict=True)]
    n_folds = each[0][1]
    scores = [
        _fit_and_score(Xs, concatenate_voxels(fold), design, preset, _fraction(progress, i, n_folds))
        for i, fold in enumerate(zip(*(held_outs for held_outs, _ in each), strict=True))
    ]
    means = [np.mean(parts, axis=0) for parts in zip(*scores, strict=True)]
    ends = np.cumsum([s.selected.sum() for s in selections])[:-1]
    of_subjects = zip(*(np.split(part, ends, axis=-1) for part in means), strict=True)
    return [s.result(*parts) for s, parts in zip(selections, of_subjects, strict=True)]


def _fit_and_score(
    Xs: Sequence[np.ndarray], held_out: FoldResponses, design: Design, preset: Preset, progress: StepCallback | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joint R2 (n_selected,), split R2 and band weights (n_bands, n_selected) of one division."""
    train, test = held_out.rows.train, held_out.rows.test
    bands = [preprocess_features(X, train, design, preset) for X in Xs]
    ridge = ridge_for(len(Xs), train, design, preset)
    ridge.fit([X[train] for X in bands], held_out.Y_train, progress, True)
    predicted = ridge.predict([X[test] for X in bands], split=True)
    joint = r2_joint(held_out.Y_test, predicted.sum(0))
    return joint, r2_split(held_out.Y_test, predicted), ridge.band_weights_


def _held_outs(
    responses: Responses, design: Design, preset: Preset, selected: np.ndarray
) -> tuple[Iterable[FoldResponses], int]:
    """The test set, or the outer folds, one at a time: responses of all folds at once would not fit in memory."""
    Y, parts = np.asarray(responses.Y_train[:, selected]), cv_splits(design, preset)
    if design.n_test:
        return [split_responses(Y, responses.Y_test[:, :, selected], parts[0], design, preset)], 1
    return (split_responses(Y, None, rows, design, preset) for rows in parts), len(parts)


def _fraction(progress: StepCallback | None, fold: int, n_folds: int) -> StepCallback | None:
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
            f"Features of {n_samples} samples ({design.n_train} training, {design.n_test} test) are wanted, one row "
            f"each; got shapes {shapes!r}."
        )
    if not all(np.isfinite(X).all() for X in Xs):
        raise DataError("Features must be finite; some are NaN or infinite. Extract them again, or check the file.")
    if len(responses.Y_train) != design.n_train:
        raise DataError(f"{design.n_train} training samples are wanted; responses have {len(responses.Y_train)}.")
    if design.n_test and (Y_test is None or Y_test.ndim != 3 or Y_test.shape[1] != design.n_test):
        got = None if Y_test is None else Y_test.shape
        raise DataError(f"Test responses (n_repeats, {design.n_test}, n_voxels) are wanted; got shape {got!r}.")
    if design.groups is not None and len(design.groups) != design.n_train:
        raise DataError(f"One group per training sample ({design.n_train}) is wanted; got {len(design.groups)}.")
