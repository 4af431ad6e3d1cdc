"""Stimulus on/off as a nuisance regressor: against explicit least squares, and on voxels that know nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.encode import encode
from brivl.core.encoding.fold_responses import fit_voxels, nuisance_r2, preprocess_features, split_responses
from brivl.core.encoding.presets import PRESETS, STRICT, FitProtocol
from brivl.core.encoding.standardize import zscore_runs
from brivl.core.records import Design, Responses, Voxels
from brivl.core.simulation.hrf import convolve_runs

TR, N_RUNS, LENGTH = 2.0, 4, 80
ONSETS = np.arange(N_RUNS) * LENGTH
N = N_RUNS * LENGTH


def make_study(tuned: float) -> tuple[list[np.ndarray], Responses, Design]:
    """Blocks of four samples with a new item each, and rest; voxels respond to on/off and, by `tuned`, to items."""
    rng = np.random.default_rng(0)
    on = (np.arange(N) % 8 < 4).astype(float)[:, None]
    items = np.repeat(rng.standard_normal((N // 8, 12)), 8, axis=0) + 2.0
    X = on * items
    signal = convolve_runs(on, TR, ONSETS) @ np.ones((1, 20))
    own = convolve_runs(on * (items - 2.0), TR, ONSETS) @ rng.standard_normal((12, 20)) * tuned
    Y = signal + own + 0.4 * rng.standard_normal((N, 20))
    voxels = Voxels("native", np.zeros((20, 3), int), (1, 1, 1), None)
    features = [X[:, :6].astype(np.float32), X[:, 6:].astype(np.float32)]
    return features, Responses(Y.astype(np.float32), None, voxels), Design(TR, N, 0, ONSETS, nuisance=on)


def explicit(design: Design, train: np.ndarray) -> np.ndarray:
    """Projection that removes on/off at 0, 4, 6 and 8 s, each centred within runs, by least squares."""
    columns = np.zeros((N, 4))
    for start in ONSETS:
        for k, shift in enumerate((0, 2, 3, 4)):
            columns[start + shift : start + LENGTH, k] = design.nuisance[start : start + LENGTH - shift, 0]
        columns[start : start + LENGTH] -= columns[start : start + LENGTH].mean(0)
    C = columns[train]
    weights = np.linalg.lstsq(C, np.eye(N)[train], rcond=None)[0]
    return np.eye(N) - columns @ weights


def test_responses_and_features_are_those_of_explicit_least_squares() -> None:
    Xs, responses, design = make_study(1.0)
    split = cv_splits(design, STRICT)[0]
    scaled = split_responses(np.asarray(responses.Y_train), None, split, design, STRICT)
    Y = zscore_runs(np.asarray(responses.Y_train, float)[split.train], np.arange(N_RUNS - 1) * LENGTH)
    removal = explicit(design, split.train)[np.ix_(split.train, split.train)]
    np.testing.assert_allclose(scaled.Y_train, removal @ Y, atol=1e-4)
    fitted = fit_voxels(responses, slice(None), split, FitProtocol(design, STRICT))
    np.testing.assert_array_equal(fitted, scaled.Y_train)
    plain = preprocess_features(Xs[0], split.train, replace(design, nuisance=None), STRICT)
    left = preprocess_features(Xs[0], split.train, design, STRICT)
    np.testing.assert_allclose(left, explicit(design, split.train) @ plain.astype(float), atol=1e-4)


def test_held_out_responses_change_nothing_in_training() -> None:
    _, responses, design = make_study(1.0)
    split, Y = cv_splits(design, STRICT)[0], np.array(responses.Y_train)
    before = split_responses(Y, None, split, design, STRICT)
    Y[split.test] = np.random.default_rng(1).standard_normal((len(split.test), 20))
    np.testing.assert_array_equal(split_responses(Y, None, split, design, STRICT).Y_train, before.Y_train)


@pytest.mark.parametrize("preset", ["strict", "strict:hrf"])
def test_voxels_that_know_only_on_and_off_are_not_credited_to_the_models(preset: str) -> None:
    Xs, responses, design = make_study(0.0)
    without = encode(Xs, responses, replace(design, nuisance=None), PRESETS[preset])
    assert without.r2_joint.mean() > 0.3 and without.r2_split.mean(1).min() > 0.05  # split between the two
    found = encode(Xs, responses, design, PRESETS[preset])
    assert abs(found.r2_joint.mean()) < 0.02
    alone = nuisance_r2(responses, found.selected, FitProtocol(design, PRESETS[preset]))
    assert alone.mean() > without.r2_joint.mean() - 0.02
    assert nuisance_r2(responses, found.selected, FitProtocol(replace(design, nuisance=None), STRICT)) is None


def test_what_models_know_beside_on_and_off_stays() -> None:
    Xs, responses, design = make_study(0.5)
    found = encode(Xs, responses, design, STRICT).r2_joint.mean()
    without = encode(Xs, responses, replace(design, nuisance=None), STRICT).r2_joint.mean()
    assert found > 0.3 and without > found
