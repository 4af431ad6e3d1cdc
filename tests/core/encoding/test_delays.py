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
from brivl.errors import RequestError

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


@pytest.mark.parametrize(("tr", "samples"), [(2.0, (0, 2, 3, 4)), (1.0, (0, 4, 6, 8)), (2.5, (0, 1, 2, 3, 4))])
def test_a_fit_keeps_the_delays_asked_for_unless_two_would_fall_together(tr, samples):
    assert delays_at((0, 4, 6, 8), tr) == samples
