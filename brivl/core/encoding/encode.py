"""From features and responses to scores: select, standardise, delay, fit, and score on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from brivl.core.encoding.banded_ridge import BandedRidge, Draws, Progress
from brivl.core.encoding.cross_validation import (
    Folds,
    contiguous_folds,
    group_folds,
    leave_one_run_out,
    shuffled_folds,
)
from brivl.core.encoding.delays import delay, delays_at, onsets_of, run_bounds, run_labels
from brivl.core.encoding.presets import Preset
from brivl.core.encoding.problem import Solver
from brivl.core.encoding.ratios import ratio_grid
from brivl.core.encoding.split_score import r2_joint, r2_split
from brivl.core.encoding.standardize import TrainingScaler, zscore_runs
from brivl.core.encoding.voxel_selection import CONSTANT_HELD_OUT, Selection, select_voxels
from brivl.core.records import Design, EncodingResult, Responses
from brivl.errors import DataError

# Progress of each outer fold is reported in this many steps, so that folds of unequal size count alike.
STEPS = 1000


@dataclass(frozen=True)
class _HeldOut:
    """One division of the samples, with responses ready to fit and to score."""

    train: np.ndarray  # (n_fit,) rows of the features
    test: np.ndarray  # (n_held_out,)
    Y_train: np.ndarray  # (n_fit, n_selected)
    Y_test: np.ndarray  # (n_held_out, n_selected)


def encode(
    Xs: Sequence[np.ndarray],
    responses: Responses,
    design: Design,
    preset: Preset,
    progress: Progress | None = None,
) -> EncodingResult:
    """Fit banded ridge to each voxel and score it on held-out samples, jointly and by band: `encode_many` of one."""
    return encode_many(Xs, [responses], design, preset, progress)[0]


def encode_many(
    Xs: Sequence[np.ndarray],
    subjects: Sequence[Responses],
    design: Design,
    preset: Preset,
    progress: Progress | None = None,
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

    progress(done, total) may raise (Cancelled), which stops the fit. Raises DataError if shapes do not add up,
    RequestError if no voxel is left or delays collide.
    """
    for responses in subjects:
        _check(Xs, responses, design)
    selections = [select_voxels(responses, design, preset.ev_threshold) for responses in subjects]
    each = [_held_outs(r, design, preset, s.selected) for r, s in zip(subjects, selections, strict=True)]
    n_folds = each[0][1]
    scores = [
        _fit_and_score(Xs, _side_by_side(fold), design, preset, _fraction(progress, i, n_folds))
        for i, fold in enumerate(zip(*(held_outs for held_outs, _ in each), strict=True))
    ]
    means = [np.mean(parts, axis=0) for parts in zip(*scores, strict=True)]
    ends = np.cumsum([s.selected.sum() for s in selections])[:-1]
    of_subjects = zip(*(np.split(part, ends, axis=-1) for part in means), strict=True)
    return [_as_result(s, *parts) for s, parts in zip(selections, of_subjects, strict=True)]


def _side_by_side(held_outs: Sequence[_HeldOut]) -> _HeldOut:
    """One division of the samples with the voxels of all subjects."""
    if len(held_outs) == 1:
        return held_outs[0]
    first = held_outs[0]
    Y_train = np.concatenate([held_out.Y_train for held_out in held_outs], axis=1)
    return _HeldOut(first.train, first.test, Y_train, np.concatenate([h.Y_test for h in held_outs], axis=1))


def _fit_and_score(
    Xs: Sequence[np.ndarray], held_out: _HeldOut, design: Design, preset: Preset, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joint R2 (n_selected,), split R2 and band weights (n_bands, n_selected) of one division."""
    bands = [_ready(X, held_out.train, design, preset) for X in Xs]
    ridge = BandedRidge(
        alphas=preset.alphas,
        ratios=Draws(preset.n_iter, preset.seed) if preset.n_iter else ratio_grid(len(Xs), preset.n_ratios or 11),
        cv=_inner_folds(held_out.train, design, preset),
        normalise_kernels=preset.normalise_kernels,
        solver=Solver(method="himalaya") if preset.search == "himalaya" else Solver(),
    )
    ridge.fit([X[held_out.train] for X in bands], held_out.Y_train, progress, True)
    predicted = ridge.predict([X[held_out.test] for X in bands], split=True)
    joint = r2_joint(held_out.Y_test, predicted.sum(0))
    return joint, r2_split(held_out.Y_test, predicted), ridge.band_weights_


def _ready(X: np.ndarray, train: np.ndarray, design: Design, preset: Preset) -> np.ndarray:
    """Features centred on their mean over the training rows, and delayed if samples follow one another."""
    centred = (X - X[train].mean(0, dtype=np.float64)).astype(np.float32)
    if design.tr is None:
        return centred
    onsets = design.run_onsets
    if design.n_test:
        onsets = np.r_[onsets, design.n_train + np.asarray(design.test_onsets)]
    return delay(centred, delays_at(preset.delays_s, design.tr), onsets)


def _held_outs(
    responses: Responses, design: Design, preset: Preset, selected: np.ndarray
) -> tuple[Iterable[_HeldOut], int]:
    """The test set, or the outer folds, one at a time: responses of all folds at once would not fit in memory."""
    Y = np.asarray(responses.Y_train[:, selected])
    if design.n_test:
        return [_test_set(Y, responses.Y_test[:, :, selected], design, preset)], 1
    folds = _outer_folds(design, preset)
    return map(_outer_fold, repeat(Y), folds, repeat(design), repeat(preset)), len(folds)


def _test_set(Y: np.ndarray, repeats: np.ndarray, design: Design, preset: Preset) -> _HeldOut:
    """Training rows against the average of the test run's repeats."""
    scale = _scaler(Y, design.run_onsets, design, preset)
    average = np.mean([scale(y, design.test_onsets) for y in repeats], axis=0)
    if preset.test_zscore == "own":
        average = zscore_runs(average, design.test_onsets)
    rows = np.arange(design.n_train + design.n_test)
    return _HeldOut(
        rows[: design.n_train], rows[design.n_train :], _train_zscore(Y, design.run_onsets, design), average
    )


def _outer_fold(Y: np.ndarray, fold: tuple[np.ndarray, np.ndarray], design: Design, preset: Preset) -> _HeldOut:
    """One outer fold: some training rows against the others."""
    train, test = fold
    runs = run_labels(design.run_onsets, design.n_train)
    train_onsets, test_onsets = onsets_of(runs[train]), onsets_of(runs[test])
    scale = _scaler(Y[train], train_onsets, design, preset)
    return _HeldOut(train, test, _train_zscore(Y[train], train_onsets, design), scale(Y[test], test_onsets))


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


def _outer_folds(design: Design, preset: Preset) -> Folds:
    """Folds of training rows where there is no test set."""
    if preset.outer == "shuffled":
        return shuffled_folds(design.n_train, preset.n_outer, seed=1)
    if design.groups is not None:
        return group_folds(design.groups, preset.n_outer, preset.seed)
    if len(design.run_onsets) > 1:
        return leave_one_run_out(design.run_onsets, design.n_train)
    # One run and no groups: neighbours at least stay together.
    return contiguous_folds(design.n_train, preset.n_outer)


def _inner_folds(train: np.ndarray, design: Design, preset: Preset) -> Folds:
    """Folds of the rows of one fit, as positions in `train`."""
    if preset.inner == "grouped" and design.groups is not None:
        return group_folds(np.asarray(design.groups)[train], preset.n_inner, preset.seed)
    onsets = onsets_of(run_labels(design.run_onsets, design.n_train)[train])
    if preset.inner == "grouped" and len(onsets) > 1:
        return leave_one_run_out(onsets, len(train), -(-len(onsets) // preset.n_inner))
    return contiguous_folds(len(train), preset.n_inner)


def _as_result(selection: Selection, joint: np.ndarray, split: np.ndarray, weights: np.ndarray) -> EncodingResult:
    """Scores of the selected voxels put back among all; those without a score are counted as excluded."""
    selected, excluded = selection.selected.copy(), dict(selection.excluded)
    scored = np.isfinite(joint)
    if not scored.all():
        excluded[CONSTANT_HELD_OUT] = int((~scored).sum())
        selected[selected] = scored
    r2_joint_all, r2_split_all, weights_all = (
        np.full((*part.shape[:-1], len(selected)), np.nan, np.float32) for part in (joint, split, weights)
    )
    r2_joint_all[selected] = joint[scored]
    r2_split_all[:, selected], weights_all[:, selected] = split[:, scored], weights[:, scored]
    return EncodingResult(
        r2_joint_all, r2_split_all, selected, selection.explainable_variance, weights_all, excluded
    )


def _fraction(progress: Progress | None, fold: int, n_folds: int) -> Progress | None:
    """Progress within one of n_folds, reported over all of them."""
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
