"""Words to samples: against closed forms and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.text.timed_words import box_weights, lanczos_weights, regress_out_word_rate, word_weights
from brivl.errors import RequestError

TR = 2.0


def words(rng: np.random.Generator, seconds: float = 40.0) -> tuple[np.ndarray, np.ndarray]:
    onsets = np.sort(rng.uniform(0, seconds - 1, 90))
    return onsets, onsets + rng.uniform(0.1, 0.6, 90)


def test_lanczos_against_its_formula(rng: np.random.Generator) -> None:
    times = rng.uniform(0, 40, 60)  # in no order
    weights = lanczos_weights(times, 20, TR).toarray()
    for sample in range(20):
        for word, time in enumerate(times):
            u = ((sample + 0.5) * TR - time) / TR
            expected = 3 * np.sin(np.pi * u) * np.sin(np.pi * u / 3) / (np.pi * u) ** 2 if abs(u) < 3 else 0.0
            assert weights[sample, word] == pytest.approx(expected, abs=1e-6)


def test_a_slow_wave_with_many_samples_is_unchanged() -> None:
    times = np.arange(0.05, 80, 0.1)
    middles = (np.arange(40) + 0.5) * TR
    weights = lanczos_weights(times, 40, TR)
    resampled = weights @ np.sin(2 * np.pi * times / 16) * 0.1 / TR
    np.testing.assert_allclose(resampled[4:-4], np.sin(2 * np.pi * middles / 16)[4:-4], atol=0.03)


def test_a_box_adds_up_to_the_time_that_is_spoken(rng: np.random.Generator) -> None:
    onsets, ends = words(rng)
    weights = box_weights(onsets, ends, 20, TR)
    np.testing.assert_allclose(np.asarray(weights.sum(0)).ravel() * TR, ends - onsets, rtol=1e-5)
    grid = np.arange(0, 40, 0.001) + 0.0005
    for word in (0, 40, 89):
        inside = (grid >= onsets[word]) & (grid < ends[word])
        shares = np.bincount((grid[inside] // TR).astype(int), minlength=20) * 0.001 / TR
        np.testing.assert_allclose(weights[:, [word]].toarray().ravel(), shares, atol=2e-3)


def test_words_outside_of_the_samples_are_left_out() -> None:
    weights = box_weights(np.array([-1.0, 3.5, 50.0]), np.array([1.0, 4.5, 51.0]), 3, TR).toarray()
    np.testing.assert_allclose(weights, [[0.5, 0, 0], [0, 0.25, 0], [0, 0.25, 0]])


@pytest.mark.parametrize(
    ("onsets", "ends", "resampling", "message"),
    [([1.0], [0.5], "box", "a later end"), ([np.nan], [1.0], "box", "onset"), ([0.0], [1.0], "cubic", "cubic")],
)
def test_invalid_words_are_refused(onsets: list, ends: list, resampling: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        word_weights(np.array(onsets), np.array(ends), 4, TR, resampling)  # type: ignore[arg-type]


def test_the_word_rate_is_removed_with_training_rows_alone(rng: np.random.Generator) -> None:
    rate, train = rng.uniform(0, 6, 80), np.arange(60)
    X = rng.standard_normal((80, 5)) + rate[:, None] * np.arange(5)
    clean = regress_out_word_rate(X, rate, train)
    centred = rate[train] - rate[train].mean()
    np.testing.assert_allclose(centred @ (clean[train] - clean[train].mean(0)), 0, atol=1e-9)
    changed = X.copy()
    changed[70:] += 100
    np.testing.assert_allclose(regress_out_word_rate(changed, rate, train)[:60], clean[:60])
    np.testing.assert_allclose(regress_out_word_rate(X, np.ones(80), train), X)
