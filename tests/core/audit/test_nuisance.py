"""Nuisance features against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from brivl.core.audit.nuisance import (
    autocorrelated_sequences,
    frame_difference_energy,
    luminance_features,
    position_within,
    run_drift,
    standardise_columns,
    text_length,
    to_luminance,
    word_rate,
)


def test_length_and_rate_count_words() -> None:
    texts = ["a red car", "no", ""]
    np.testing.assert_array_equal(text_length(texts), [[3, 9], [1, 2], [0, 0]])
    weights = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0], [0, 0, 1], [1, 0, 0], [0.5, 0, 0]])
    rate = word_rate(texts, scipy.sparse.csr_matrix(weights), 2.0)[:, 0]
    np.testing.assert_allclose(rate, [1, 0.75, 0.25, 0, 1, 0.5])
    assert 2.0 * rate.sum() == pytest.approx(3 + 1 + 3), "words of all presentations"


def test_position_and_sequences_depend_only_on_the_order_within_groups() -> None:
    labels = np.array(["b", "a", "b", "a", "a"])
    np.testing.assert_array_equal(position_within(labels), [[0, 1, 0], [0, 1, 0], [1, 0, 1], [1, 0, 0], [2, 0, 1]])
    X = autocorrelated_sequences(labels)
    np.testing.assert_allclose(np.diag(X), 1)
    assert X[0, 2] == X[1, 3] == pytest.approx(np.exp(-0.5)) and X[1, 4] == pytest.approx(np.exp(-2))
    assert not X[0, 1] and not (X[labels == "a"] @ X[labels == "b"].T).any(), "a group has no information about another"


def test_drift_is_slow_orthogonal_and_the_same_in_runs() -> None:
    X = run_drift(np.array([0, 50]), 100)
    np.testing.assert_array_equal(X[:50], X[50:])
    np.testing.assert_allclose(X[:50].T @ X[:50], 25 * np.eye(4), atol=1e-4)
    assert [int((np.diff(np.sign(column)) != 0).sum()) for column in X[:50].T] == [1, 2, 3, 4]


def test_luminance_of_an_image_with_one_bright_quarter() -> None:
    frames = np.zeros((2, 32, 48, 3), np.uint8)
    frames[1, :16, :24] = 255
    grey = to_luminance(frames)
    assert grey.max() == pytest.approx(1)
    features = luminance_features(grey)
    np.testing.assert_array_equal(features[0], 0)
    bright = np.zeros((4, 4))
    bright[:2, :2] = 1
    np.testing.assert_allclose(features[1, :16], bright.ravel(), atol=1e-6)
    assert features[1, 16] == pytest.approx(np.sqrt(0.25 * 0.75), abs=1e-5)
    assert to_luminance(np.full((1, 4, 4, 3), (255, 0, 0), np.uint8)).mean() == pytest.approx(0.2126)


def test_fine_change_is_seen_at_the_finest_scale_only() -> None:
    checkers = np.indices((16, 16)).sum(0) % 2 - 0.5
    still = np.full((16, 16), 0.5)
    energy = frame_difference_energy(np.stack([still, still + checkers, still + 0.5]), np.stack([still] * 3))
    np.testing.assert_allclose(energy[0], -6)
    np.testing.assert_allclose(energy[1], [np.log10(0.25 + 1e-6), -6, -6, -6], atol=1e-6)
    np.testing.assert_allclose(energy[2], np.log10(0.25 + 1e-6))
    assert frame_difference_energy(np.ones((1, 4, 4)), np.zeros((1, 4, 4))).shape == (1, 3)


def test_columns_have_the_same_variance(rng: np.random.Generator) -> None:
    X = standardise_columns(np.c_[1e4 + 1e3 * rng.standard_normal(50), rng.standard_normal(50), np.full(50, 7.0)])
    np.testing.assert_allclose(X.std(0), [1, 1, 0], atol=1e-5)
    np.testing.assert_allclose(X.mean(0), 0, atol=1e-6)
