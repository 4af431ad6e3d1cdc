"""Simulated subjects: same seed, same brain; the stored truth adds up; and the encoding finds what was planted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter

from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import STRICT
from brivl.core.records import Voxels
from brivl.core.simulation.planting import (
    Tuning,
    mix_signals,
    noise_sd,
    oracle_scores,
    readout_weights,
    unit_variance,
    whitened_components,
)
from brivl.data.anatomy.aal import aal_region_names
from brivl.data.pereira2018.passages import load_passages
from brivl.data.phantoms import movie as phantom_movie
from brivl.data.phantoms import sentences
from brivl.data.phantoms.movie import MoviePhantomConfig
from brivl.data.phantoms.movie_stimulus import MovieConfig, make_movie
from brivl.data.phantoms.planting import LayerFeatures, SimulatedSubject
from brivl.data.phantoms.sentences import SentencePhantomConfig
from brivl.encoding.recovery import best_layer, compare_with_truth, layer_recovery
from brivl.errors import RequestError
from tests.support.tiny_phantom import LAYER, SILENT_REGION, TUNING, layout

MOVIE = MoviePhantomConfig(MovieConfig(n_train=360, n_test=60, n_repeats=6))
AAL = (29, 30, 81, 82, 95)  # insula and temporal gyrus, left and right, and a part of the cerebellum


@pytest.fixture(autouse=True)
def own_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phantom_movie, "TUNING", TUNING)


def fake_features(n_samples: int, memory: float) -> LayerFeatures:
    """Independent features for each model and layer, smooth in time by `memory` (0..1)."""

    def of(model: str, layer: int) -> np.ndarray:
        rng = np.random.default_rng([len(model), layer])
        return lfilter([1], [1, -memory], rng.standard_normal((n_samples, 10)), axis=0).astype(np.float32)

    return of


MOVIE_FEATURES = fake_features(420, 0.5)
SENTENCE_FEATURES = fake_features(384, 0.0)


def watch(config: MoviePhantomConfig = MOVIE, subject: str = "S01", n_each: int = 25) -> SimulatedSubject:
    return phantom_movie.simulate(config, subject, layout(n_each), MOVIE_FEATURES)


def read(config: SentencePhantomConfig | None = None, subject: str = "P01", n_each: int = 12) -> SimulatedSubject:
    labels = np.repeat([*AAL, 0], n_each)
    ijk = np.stack([np.arange(len(labels))] * 3, 1)
    voxels = Voxels("test", ijk, (len(labels),) * 3, np.eye(4), aal=labels, flatmap="slices")
    chosen = config or SentencePhantomConfig()
    return sentences.simulate(chosen, subject, load_passages(), voxels, aal_region_names(), SENTENCE_FEATURES)


SIMULATIONS: dict[str, Callable[..., SimulatedSubject]] = {"movie": watch, "sentences": read}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_same_seed_same_subject(name: str) -> None:
    simulate = SIMULATIONS[name]
    config = MOVIE if name == "movie" else SentencePhantomConfig()
    one, again, other_seed = simulate(config), simulate(config), simulate(dataclasses.replace(config, seed=99))
    np.testing.assert_array_equal(one.responses.Y_train, again.responses.Y_train)
    np.testing.assert_array_equal(one.truth.oracle_split, again.truth.oracle_split)
    other = simulate(config, {"movie": "S02", "sentences": "M02"}[name])
    for different in (other, other_seed):
        assert np.abs(different.responses.Y_train - one.responses.Y_train).max() > 0.1
        np.testing.assert_array_equal(different.truth.layer, one.truth.layer)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_truth_adds_up(name: str) -> None:
    truth = SIMULATIONS[name]().truth
    signal = truth.layer > 0
    assert signal.any() and not signal.all()
    np.testing.assert_allclose(truth.variance_fraction.sum(0), signal.astype(float), atol=1e-12)
    assert truth.variance_fraction.min() >= 0
    np.testing.assert_allclose(truth.oracle_split.sum(0), truth.noise_ceiling, atol=1e-12)
    assert not truth.oracle_split[:, ~signal].any() and not truth.noise_ceiling[~signal].any()
    assert (truth.noise_ceiling[signal] < 1).all() and truth.noise_ceiling[signal].mean() > 0.1
    assert np.corrcoef(truth.variance_fraction[0, signal], truth.oracle_split[0, signal])[0, 1] > 0.6


def test_movie_shapes_and_sizes() -> None:
    made, plan = watch(n_each=5), phantom_movie.design(MOVIE.movie)
    assert made.responses.Y_train.shape == (360, 20) and made.responses.Y_train.dtype == np.float32
    assert made.responses.Y_test.shape == (6, 60, 20)
    assert (plan.tr, plan.n_train, plan.n_test, len(plan.run_onsets)) == (2.0, 360, 60, 12)
    np.testing.assert_array_equal(np.diff(plan.run_onsets), 30)
    planted = {name: set(made.truth.layer[layout(5).region == name].tolist()) for name in (*TUNING, SILENT_REGION)}
    assert planted == {"uni": {LAYER}, "both": {LAYER}, "multi": {LAYER}, SILENT_REGION: {0}}


def test_ceiling_is_the_score_of_the_noise_free_signal() -> None:
    """More repeats leave less noise in the average, and so a higher ceiling: EV / (EV + (1 - EV) / n)."""
    few, many = (watch(dataclasses.replace(MOVIE, movie=MovieConfig(360, 60, n_repeats=n))).truth for n in (1, 12))
    signal = few.layer > 0
    ev = np.median(few.noise_ceiling[signal])
    assert np.median(many.noise_ceiling[signal]) == pytest.approx(ev / (ev + (1 - ev) / 12), abs=0.08)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_null_phantom_has_no_signal(name: str) -> None:
    config = dataclasses.replace(MOVIE if name == "movie" else SentencePhantomConfig(), null=True)
    made = SIMULATIONS[name](config)
    assert not made.truth.layer.any() and not made.truth.variance_fraction.any() and not made.truth.oracle_split.any()
    Y = made.responses.Y_train
    assert np.isfinite(Y).all() and Y.std(0) == pytest.approx(1, abs=0.35)
    if made.responses.Y_test is not None:
        averages = made.responses.Y_test.mean(0)
        assert averages.var(0).mean() == pytest.approx(1 / 6, rel=0.3), "nothing repeats"


def test_movie_fit_recovers_the_truth() -> None:
    made = watch()
    design = phantom_movie.design(MOVIE.movie)
    everything = dataclasses.replace(STRICT, ev_threshold=-np.inf)
    bands = [MOVIE_FEATURES(model, LAYER) for model in phantom_movie.MODELS]
    result = encode(bands, made.responses, design, everything)
    regions = {name: layout(25).region == name for name in TUNING}
    recovery = compare_with_truth(result, made.truth, phantom_movie.MODELS, regions)
    assert result.selected.all() and recovery.n_voxels == 75
    assert recovery.difference_r >= 0.7 and recovery.region_rho == pytest.approx(1)
    assert 0.6 <= recovery.ceiling_fraction <= 1
    assert recovery.null_mean_r2 <= 0
    wrong = [MOVIE_FEATURES(model, 1) for model in phantom_movie.MODELS]
    elsewhere = encode(wrong, made.responses, design, everything)
    best = best_layer(np.stack([elsewhere.r2_joint, result.r2_joint]))
    assert layer_recovery(best, np.minimum(made.truth.layer, 2), tolerance=0) > 0.95


def test_sentence_fit_recovers_the_truth() -> None:
    made, plan = read(), sentences.design(load_passages())
    assert made.responses.Y_train.shape == (384, 72) and made.responses.Y_test is None
    layer = int(np.median(made.truth.layer[made.truth.layer > 0]))
    bands = [SENTENCE_FEATURES(model, layer) for model in sentences.MODELS]
    result = encode(bands, made.responses, plan, dataclasses.replace(STRICT, n_ratios=5))
    here = made.truth.layer == layer
    difference = np.subtract(*result.r2_split)[here], np.subtract(*made.truth.oracle_split)[here]
    assert here.sum() >= 12 and np.corrcoef(*difference)[0, 1] >= 0.7
    assert result.r2_joint[made.truth.layer == 0].mean() <= 0


def test_sentences_of_a_passage_share_noise() -> None:
    """What a shuffled split profits from: noise correlates within passages and not between them."""
    made = read(SentencePhantomConfig(null=True, passage_share=0.4), n_each=60)
    Y = made.responses.Y_train
    r = np.corrcoef(Y - Y.mean(0))
    passage = load_passages().passage
    same = (passage[:, None] == passage[None]) & ~np.eye(len(passage), dtype=bool)
    assert r[same].mean() == pytest.approx(0.4, abs=0.05)
    assert r[passage[:, None] != passage[None]].mean() == pytest.approx(0, abs=0.02)


def test_latents_are_white_and_as_many_as_there_are(rng: np.random.Generator) -> None:
    X = rng.standard_normal((80, 3)) @ rng.standard_normal((3, 9)) + 5
    for n_requested, n_returned in ((2, 2), (6, 3)):
        Z = whitened_components(X, n_requested)
        assert Z.shape == (80, n_returned)
        np.testing.assert_allclose(Z.T @ Z / 80, np.eye(n_returned), atol=1e-10)
        np.testing.assert_allclose(Z.mean(0), 0, atol=1e-10)


def test_readouts_have_the_requested_coherence(rng: np.random.Generator) -> None:
    for coherence in (0.0, 0.5, 1.0):
        weights = readout_weights(rng, 40, 300, coherence)
        np.testing.assert_allclose(np.linalg.norm(weights, axis=0), 1)
        cosines = (weights.T @ weights)[np.triu_indices(300, 1)]
        assert cosines.mean() == pytest.approx(coherence, abs=0.08)


def test_mixture_has_the_planted_variances(rng: np.random.Generator) -> None:
    a, b = unit_variance(rng.standard_normal((50, 4))), unit_variance(rng.standard_normal((50, 4)))
    share = np.array([0.0, 0.2, 0.5, 1.0])
    np.testing.assert_allclose(mix_signals(a, b, share).var(1), [share, 1 - share], atol=1e-12)
    constant = unit_variance(np.full((5, 2), 3.0))
    assert not constant.any()


def test_noise_makes_the_planted_share_of_variance(rng: np.random.Generator) -> None:
    signal, ev = 3 * rng.standard_normal((200, 3)), np.array([0.2, 0.5, 0.0])
    sd = noise_sd(signal, ev)
    np.testing.assert_allclose((signal.var(0) / (signal.var(0) + sd**2))[:2], ev[:2])
    assert sd[2] == 1


def test_oracle_of_known_parts() -> None:
    """Without noise each part scores its share of the variance, as far as parts are orthogonal; the sum scores 1."""
    t = np.arange(64) * 2 * np.pi / 64
    parts = np.stack([2 * np.sin(t), np.cos(t)])[:, :, None]
    split, ceiling = oracle_scores(parts, parts.sum(0) + 7)
    np.testing.assert_allclose(split[:, 0], [0.8, 0.2])
    assert ceiling == pytest.approx(1)
    noisy, noisy_ceiling = oracle_scores(parts, parts.sum(0) + 3 * np.sin(2 * t)[:, None])
    np.testing.assert_allclose(noisy[:, 0], np.array([4, 1]) / 14)
    assert noisy_ceiling == pytest.approx(5 / 14)


def test_movie_is_the_same_however_it_is_drawn() -> None:
    small = MovieConfig(n_train=120, n_test=20, frames_per_tr=1, image_size=16)
    movie, again = make_movie(small), make_movie(small)
    assert movie.frames.shape == (140, 16, 16, 3) and movie.frames.dtype == np.uint8 and movie.captions.shape == (140,)
    np.testing.assert_array_equal(movie.frames, again.frames)
    assert (movie.captions == again.captions).all() and len(set(movie.captions)) > 20
    longer_test = make_movie(dataclasses.replace(small, n_test=24))
    np.testing.assert_array_equal(movie.frames[:120], longer_test.frames[:120])


@pytest.mark.parametrize("sizes", [(121, 20), (108, 20), (120, 19), (120_000, 20), (120, 20_000)])
def test_sizes_that_make_no_movie(sizes: tuple[int, int]) -> None:
    with pytest.raises(RequestError, match="Use for example phantom-movie:720/90"):
        MovieConfig(*sizes)


def test_tuning_of_real_regions_is_complete() -> None:
    """Every AAL region and every planted ROI has a tuning with sensible numbers; some have no signal."""
    names = aal_region_names()
    tunings = [sentences.tuning_of(i, names[i - 1]) for i in range(1, 117)]
    for t in tunings:
        assert isinstance(t, Tuning) and 0 <= t.layer <= 6 and 0 <= t.share <= 1 and 0 <= t.ev < 1
    assert any(t.layer == 0 for t in tunings) and tunings[94] == sentences.CEREBELLUM
