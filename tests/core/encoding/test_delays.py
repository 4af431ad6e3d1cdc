"""Delays against an explicit loop, Toeplitz matrices and a filter; nothing crosses from one run to the next."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import toeplitz

from brivl.core.encoding.delays import (
    delay,
    delays_at,
    delays_in_samples,
    full_fir_delays,
    onsets_of,
    run_bounds,
    run_labels,
)
from brivl.core.encoding.encode import encode
from brivl.core.encoding.fold_responses import preprocess_features
from brivl.core.encoding.presets import PRESETS, STRICT, lags, preset_settings, preset_with_delays
from brivl.core.records import Design, Responses, Voxels
from brivl.core.simulation.hrf import convolve_runs, hrf_weights
from brivl.errors import RequestError
from brivl.store.digests import json_digest

ONSETS = np.array([0, 7, 9])


def explicit_loop(X: np.ndarray, delays: tuple[int, ...], onsets: np.ndarray) -> np.ndarray:
    blocks = []
    for d in delays:
        block = np.zeros_like(X)
        for row in range(len(X)):
            run = onsets[onsets <= row].max()
            if row - d >= run and row - d < len(X) and onsets[onsets <= row - d].max() == run:
                block[row] = X[row - d]
        blocks.append(block)
    return np.hstack(blocks)


@pytest.mark.parametrize("delays", [(0,), (0, 2, 3, 4), (3, 1), (-1, 0, 1), (9,)])
def test_delay_is_the_explicit_loop(delays):
    X = np.random.default_rng(0).standard_normal((16, 3)).astype(np.float32)
    delayed = delay(X, delays, ONSETS)
    np.testing.assert_array_equal(delayed, explicit_loop(X, delays, ONSETS))
    assert delayed.dtype == X.dtype


def test_delay_is_a_toeplitz_matrix_per_run():
    x = np.random.default_rng(1).standard_normal(16)
    delayed = delay(x[:, None], (0, 1, 2, 3), ONSETS)
    for start, stop in run_bounds(ONSETS, 16):
        np.testing.assert_array_equal(delayed[start:stop], toeplitz(x[start:stop], [x[start], 0, 0, 0]))


def test_no_run_hears_another():
    X = np.ones((16, 2))
    X[7:9] = 100.0
    others = np.r_[0:7, 9:16]
    assert delay(X, (0, 2, 3, 4), ONSETS)[others].max() == 1.0


def test_the_issue_delays_at_tr_2():
    assert delays_in_samples((0, 4, 6, 8), 2.0) == (0, 2, 3, 4)


def test_delays_round_to_the_nearest_sample():
    assert delays_in_samples((0, 4.1, 5.8), 2.0) == (0, 2, 3)
    assert delays_in_samples(full_fir_delays(2.5), 2.5) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("delays_s, tr", [((0, 4, 6, 8), 2.5), ((), 2.0), ((0, 4), 0.0), ((0, 4), float("nan"))])
def test_delays_that_cannot_be_told_apart_are_refused(delays_s, tr):
    with pytest.raises(RequestError, match="TR|positive"):
        delays_in_samples(delays_s, tr)


@pytest.mark.parametrize("onsets", [[], [1, 5], [0, 5, 5], [0, 16], [0, 9, 7]])
def test_onsets_that_do_not_add_up_are_refused(onsets):
    with pytest.raises(RequestError, match="onsets that start at 0"):
        run_bounds(np.array(onsets), 16)


def test_labels_and_onsets_are_inverse():
    labels = run_labels(ONSETS, 16)
    assert np.bincount(labels).tolist() == [7, 2, 7]
    np.testing.assert_array_equal(onsets_of(labels), ONSETS)
    np.testing.assert_array_equal(onsets_of(labels[labels != 1]), [0, 7])


@pytest.mark.parametrize(
    ("tr", "samples"),
    [
        (2.0, (0, 2, 3, 4)),  # as published
        (3.0, (0, 1, 2, 3)),
        (2.5, (0, 1, 2, 3, 4)),  # two of the published ones would fall together
        (1.5, tuple(range(7))),
        (1.0, tuple(range(11))),
        (0.8, tuple(range(13))),
        (0.2, tuple(range(0, 51, 2))),
    ],
)
def test_delays_leave_out_no_sample_at_short_trs(tr, samples):
    assert delays_at((0, 4, 6, 8), tr) == samples
    assert lags(STRICT, tr) == samples


def test_delays_in_the_name_of_a_preset():
    chosen = PRESETS["strict:0,2,4.5"]
    assert (chosen.name, chosen.delays_s, lags(chosen, 1.5)) == ("strict:0,2,4.5", (0, 2, 4.5), (0, 1, 3))
    assert lags(PRESETS["strict:0,4,6,8"], 0.8) == (0, 5, 8, 10)  # what is chosen is not filled
    assert lags(PRESETS["paper:hrf"], 2.0) == (0,)
    assert list(PRESETS) == ["strict", "paper"] and "strict:hrf" in PRESETS and "strict:x" not in PRESETS
    assert "response" not in preset_settings("strict") and preset_settings("strict:hrf")["response"] == "hrf"
    keys = {json_digest(preset_settings(name)) for name in ("strict", "strict:0,4,6,8", "strict:hrf", "strict:0,2")}
    assert len(keys) == 4
    assert preset_with_delays("strict:hrf", " 0, 2 ") == "strict:0,2" and preset_with_delays("paper:hrf", "") == "paper"
    for wrong in ("4,2", "-1,2", "0,31", "a", "0,0"):
        with pytest.raises(RequestError, match="Expected delays as rising seconds from 0 to 30"):
            preset_with_delays("strict", wrong)
        with pytest.raises(RequestError, match="Expected delays as rising seconds"):
            preset_settings(f"strict:{wrong}")


def events_study(tr, n_runs=3, seconds=240.0, step=0.1):
    """Features of 1 s events every 4 s or so, and BOLD by a convolution of its own on a grid of 0.1 s."""
    rng, n, n_fine = np.random.default_rng(3), int(seconds / tr), round(seconds / step)
    fine, X = np.zeros((n_runs, n_fine, 8)), np.zeros((n_runs, n, 8))
    starts, ends = np.arange(n) * tr, (np.arange(n) + 1) * tr
    for run in range(n_runs):
        for onset in np.arange(2.0, seconds - 14, 4.0):
            onset, features = onset + rng.uniform(-1, 1), rng.standard_normal(8)
            fine[run, round(onset / step) : round((onset + 1) / step)] += features
            covered = np.clip(np.minimum(onset + 1, ends) - np.maximum(onset, starts), 0, None) / tr
            X[run] += covered[:, None] * features
    at = ((starts + ends) / 2 / step).astype(int)
    hrf = hrf_weights(step)
    bold = np.concatenate([np.stack([np.convolve(x, hrf)[at] for x in run.T], axis=1) for run in fine])
    signal = bold @ rng.standard_normal((8, 12))
    Y = signal + signal.std(0) * rng.standard_normal(signal.shape)
    voxels = Voxels("native", np.zeros((12, 3), int), (1, 1, 1), None)
    X = X.reshape(n_runs * n, 8).astype(np.float32)
    design = Design(tr, n_runs * n, 0, np.arange(n_runs) * n)
    return [X[:, :4], X[:, 4:]], Responses(Y.astype(np.float32), None, voxels), design


def test_short_events_at_a_short_tr_are_predicted_by_the_default_delays():
    """The published delays leave out most samples of the response at TR 0.8 s."""
    study = events_study(0.8)
    every = "strict:" + ",".join(f"{0.8 * lag:g}" for lag in range(13))
    names = ("strict", every, "strict:0,4,6,8", "strict:hrf")
    filled, full, published, hrf = (float(encode(*study, PRESETS[name]).r2_joint.mean()) for name in names)
    assert filled == pytest.approx(full, abs=1e-6)
    assert filled > 1.3 * published
    assert hrf > filled  # the response that generated the data, with one column a feature


def test_features_convolved_with_the_response_are_those_of_the_simulation():
    (X, _), _, design = events_study(2.0)
    convolved = preprocess_features(X, np.arange(len(X)), design, PRESETS["strict:hrf"])
    np.testing.assert_allclose(convolved, convolve_runs(X - X.mean(0), 2.0, design.run_onsets), atol=1e-5)
