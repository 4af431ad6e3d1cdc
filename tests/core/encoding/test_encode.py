"""From features to scores on simulated subjects with known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brivl.core.encoding.banded_ridge import BandedRidge
from brivl.core.encoding.delays import delay
from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import PAPER, PRESETS, STRICT, Preset
from brivl.core.encoding.split_score import r2_joint
from brivl.core.encoding.standardize import zscore_runs
from brivl.core.records import Design, EncodingResult, Responses, Voxels
from brivl.errors import Cancelled, DataError, RequestError

N_TRAIN, N_TEST, N_REPEATS, N_VOXELS = 120, 40, 4, 24
FRACTION = np.linspace(0, 1, N_VOXELS)
FEW_ALPHAS = tuple(np.logspace(-1, 4, 6))
QUICK = {
    "strict": replace(STRICT, n_ratios=7, n_inner=3, alphas=FEW_ALPHAS),
    "paper": replace(PAPER, n_iter=6, alphas=tuple(np.logspace(1, 6, 6))),
}
MOVIE = Design(tr=2.0, n_train=N_TRAIN, n_test=N_TEST, run_onsets=np.arange(0, N_TRAIN, 30))
SENTENCES = Design(tr=None, n_train=N_TRAIN, n_test=0, run_onsets=np.zeros(1, int), groups=np.repeat(np.arange(30), 4))


def voxels(n_voxels: int) -> Voxels:
    return Voxels("simulated", np.zeros((n_voxels, 3), int), (1, 1, 1), None)


def unit_columns(rng: np.random.Generator, n_features: int) -> np.ndarray:
    weights = rng.standard_normal((n_features, N_VOXELS))
    return weights / np.linalg.norm(weights, axis=0)


def simulate_movie(noise: float = 0.6, seed: int = 0) -> tuple[list[np.ndarray], Responses]:
    """Responses follow 4 s late; voxel v has FRACTION[v] of its signal from the first band; runs have own baselines."""
    rng = np.random.default_rng(seed)
    Xs = [rng.standard_normal((N_TRAIN + N_TEST, k)).astype(np.float32) for k in (6, 9)]
    onsets = np.r_[MOVIE.run_onsets, N_TRAIN]
    signals = [delay(X, (2,), onsets) @ unit_columns(rng, X.shape[1]) for X in Xs]
    signal = np.sqrt(FRACTION) * signals[0] + np.sqrt(1 - FRACTION) * signals[1]
    baseline = 50 * rng.standard_normal((N_TRAIN // 30, N_VOXELS)).repeat(30, 0)
    Y_train = 3 * (signal[:N_TRAIN] + noise * rng.standard_normal((N_TRAIN, N_VOXELS))) + baseline
    Y_test = 3 * (signal[N_TRAIN:] + noise * rng.standard_normal((N_REPEATS, N_TEST, N_VOXELS))) - 20
    return Xs, Responses(Y_train.astype(np.float32), Y_test.astype(np.float32), voxels(N_VOXELS))


def simulate_sentences(seed: int = 0) -> tuple[list[np.ndarray], Responses]:
    rng = np.random.default_rng(seed)
    Xs = [rng.standard_normal((N_TRAIN, k)) for k in (6, 9)]
    signals = [X @ unit_columns(rng, X.shape[1]) for X in Xs]
    Y = (
        np.sqrt(FRACTION) * signals[0]
        + np.sqrt(1 - FRACTION) * signals[1]
        + 0.7 * rng.standard_normal((N_TRAIN, N_VOXELS))
    )
    return Xs, Responses((4 * Y + 9).astype(np.float32), None, voxels(N_VOXELS))


def assert_truth_recovered(result: EncodingResult) -> None:
    np.testing.assert_allclose(result.r2_split.sum(0), result.r2_joint, atol=1e-5)
    np.testing.assert_allclose(result.band_weights.sum(0), 1, atol=1e-5)
    difference = result.r2_split[0] - result.r2_split[1]
    assert np.corrcoef(difference, 2 * FRACTION - 1)[0, 1] > 0.9
    assert result.r2_joint.mean() > 0.3 and result.selected.all() and not result.excluded


@pytest.mark.parametrize("preset", QUICK.values(), ids=QUICK)
def test_variance_fractions_of_a_movie_are_recovered(preset):
    result = encode(*simulate_movie(), MOVIE, preset)
    assert_truth_recovered(result)
    assert result.explainable_variance is not None and result.explainable_variance.min() > 0.1


@pytest.mark.parametrize("preset", QUICK.values(), ids=QUICK)
def test_variance_fractions_of_sentences_are_recovered(preset):
    result = encode(*simulate_sentences(), SENTENCES, preset)
    assert_truth_recovered(result)
    assert result.explainable_variance is None


def test_runs_without_a_test_set_are_held_out_in_turn():
    Xs, responses = simulate_movie()
    design = replace(MOVIE, n_test=0)
    result = encode([X[:N_TRAIN] for X in Xs], replace(responses, Y_test=None), design, QUICK["strict"])
    assert_truth_recovered(result)


@pytest.mark.parametrize("preset", QUICK.values(), ids=QUICK)
def test_the_score_is_that_of_the_steps_written_out(preset):
    Xs, responses = simulate_movie()
    bands = [delay(X - X[:N_TRAIN].mean(0), (0, 2, 3, 4), np.r_[MOVIE.run_onsets, N_TRAIN]) for X in Xs]
    Y = zscore_runs(responses.Y_train, MOVIE.run_onsets)
    if preset.name == "paper":
        repeats = (responses.Y_test - responses.Y_test.mean(1, keepdims=True)) / responses.Y_test.std(1, keepdims=True)
        Y_test = repeats.mean(0) / repeats.mean(0).std(0)
    else:
        runs = responses.Y_train.reshape(4, 30, N_VOXELS)
        deviation = np.sqrt(runs.var(1).mean(0))
        Y_test = (responses.Y_test - responses.Y_test.mean(1, keepdims=True)).mean(0) / deviation
    result = encode(Xs, responses, MOVIE, preset)
    # The weights and alphas chosen are not repeated here; any choice must be reproduced from them.
    for v in (0, N_VOXELS // 2, N_VOXELS - 1):
        scores = []
        for alpha in preset.alphas:
            ridge = BandedRidge((alpha,), result.band_weights[None, :, v], 2, preset.normalise_kernels)
            ridge.fit([X[:N_TRAIN] for X in bands], Y[:, [v]])
            scores.append(r2_joint(Y_test[:, [v]], ridge.predict([X[N_TRAIN:] for X in bands]))[0])
        assert np.abs(np.array(scores) - result.r2_joint[v]).min() < 1e-3


@pytest.mark.parametrize("design", [MOVIE, SENTENCES], ids=["movie", "sentences"])
def test_noise_has_no_score(design):
    rng = np.random.default_rng(1)
    Xs, responses = simulate_movie() if design is MOVIE else simulate_sentences()
    preset = replace(QUICK["strict"], ev_threshold=-np.inf)
    noise = Responses(
        rng.standard_normal((N_TRAIN, 200)).astype(np.float32),
        rng.standard_normal((N_REPEATS, N_TEST, 200)).astype(np.float32) if design is MOVIE else None,
        voxels(200),
    )
    assert encode(Xs, noise, design, preset).r2_joint.mean() <= 0.002


def test_nan_and_constant_voxels_are_reported_and_change_nothing_else():
    Xs, responses = simulate_movie()
    full = encode(Xs, responses, MOVIE, QUICK["strict"])
    responses.Y_train[5, 0] = np.nan
    responses.Y_train[30:60, 1] = 2.0
    responses.Y_test[1, :, 2] = -1.0
    responses.Y_test[0, 3, 3] = np.inf
    result = encode(Xs, responses, MOVIE, QUICK["strict"])
    assert result.excluded == {"NaN or infinite responses": 2, "no variance in a run": 2}
    assert result.selected.tolist() == [False] * 4 + [True] * (N_VOXELS - 4)
    for values in (result.r2_joint, *result.r2_split, *result.band_weights, result.explainable_variance):
        assert np.isnan(values[:4]).all() and np.isfinite(values[4:]).all()
    np.testing.assert_allclose(result.r2_split[:, 4:], full.r2_split[:, 4:], atol=1e-5)


def test_only_voxels_above_the_threshold_of_explainable_variance_are_fitted():
    Xs, responses = simulate_movie()
    responses.Y_test[:, :, :10] = np.random.default_rng(5).standard_normal((N_REPEATS, N_TEST, 10))
    result = encode(Xs, responses, MOVIE, replace(QUICK["strict"], ev_threshold=0.2))
    np.testing.assert_array_equal(result.selected, result.explainable_variance > 0.2)
    assert result.excluded == {"explainable variance at most 0.2": int((~result.selected).sum())}
    assert not result.selected[:10].any() and result.selected[10:].all()
    assert np.isfinite(result.explainable_variance).all()


def fitted_weights(monkeypatch: pytest.MonkeyPatch, arguments: tuple) -> tuple[list[np.ndarray], EncodingResult]:
    """Dual weights of every fit that `encode` makes, and its result."""
    recorded, fit = [], BandedRidge.fit

    def record(self: BandedRidge, *args: object) -> BandedRidge:
        fitted = fit(self, *args)
        recorded.append(np.concatenate([fitted.dual_coef_, fitted.band_weights_, fitted.alphas_[None]]))
        return fitted

    with monkeypatch.context() as patch:
        patch.setattr(BandedRidge, "fit", record)
        return recorded, encode(*arguments)


@pytest.mark.parametrize("preset", QUICK.values(), ids=QUICK)
def test_test_rows_do_not_reach_the_fit(preset, monkeypatch):
    Xs, responses = simulate_movie()
    before, scores = fitted_weights(monkeypatch, (Xs, responses, MOVIE, preset))
    other = [X.copy() for X in Xs]
    for X in other:
        X[N_TRAIN:] = 7 * X[N_TRAIN:][::-1] + 1
    changed = replace(responses, Y_test=responses.Y_test[:, ::-1] * 2)
    after, other_scores = fitted_weights(monkeypatch, (other, changed, MOVIE, preset))
    np.testing.assert_array_equal(before[0], after[0])
    assert np.abs(scores.r2_joint - other_scores.r2_joint).max() > 0.1


def test_a_held_out_passage_does_not_reach_its_fit(monkeypatch):
    Xs, responses = simulate_sentences()
    before, _ = fitted_weights(monkeypatch, (Xs, responses, SENTENCES, QUICK["strict"]))
    changed, Y = [X.copy() for X in Xs], responses.Y_train.copy()
    for rows in (*changed, Y):
        rows[40:44] = 3 * rows[40:44] - 1
    after, _ = fitted_weights(monkeypatch, (changed, replace(responses, Y_train=Y), SENTENCES, QUICK["strict"]))
    unchanged = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sum(unchanged) == 1 and len(unchanged) == 5


def test_strict_scores_keep_the_scale_of_held_out_responses_and_paper_scores_do_not():
    Xs, responses = simulate_movie()
    doubled = replace(responses, Y_test=2 * responses.Y_test)
    for name, moved in (("strict", True), ("paper", False)):
        change = encode(Xs, doubled, MOVIE, QUICK[name]).r2_joint - encode(Xs, responses, MOVIE, QUICK[name]).r2_joint
        assert (np.abs(change).max() > 0.05) == moved


def test_a_baseline_of_the_test_run_does_not_matter():
    Xs, responses = simulate_movie()
    shifted = replace(responses, Y_test=responses.Y_test + np.arange(N_REPEATS)[:, None, None].astype(np.float32))
    for preset in QUICK.values():
        np.testing.assert_allclose(
            encode(Xs, shifted, MOVIE, preset).r2_joint, encode(Xs, responses, MOVIE, preset).r2_joint, atol=1e-4
        )


@pytest.mark.parametrize("simulate, design", [(simulate_movie, MOVIE), (simulate_sentences, SENTENCES)])
def test_swapped_models_swap_and_the_same_model_twice_is_halved(simulate, design):
    Xs, responses = simulate()
    first = encode(Xs, responses, design, QUICK["strict"])
    second = encode(Xs[::-1], responses, design, QUICK["strict"])
    np.testing.assert_allclose(first.r2_split, second.r2_split[::-1], atol=1e-5)
    for preset in QUICK.values():
        halves = encode([Xs[0], Xs[0]], responses, design, preset).r2_split
        np.testing.assert_allclose(halves[0], halves[1], atol=1e-4)


def test_progress_rises_to_its_end_and_can_cancel():
    fractions: list[float] = []
    encode(*simulate_sentences(), SENTENCES, QUICK["strict"], lambda done, total: fractions.append(done / total))
    assert fractions == sorted(fractions) and fractions[-1] == 1.0

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        encode(*simulate_sentences(), SENTENCES, QUICK["strict"], stop)


def test_an_empty_selection_is_refused_with_reasons():
    Xs, responses = simulate_movie()
    responses.Y_train[:, :4] = 1.0
    with pytest.raises(RequestError, match="none of 24.*no variance in a run': 4.*at most 2': 20"):
        encode(Xs, responses, MOVIE, replace(STRICT, ev_threshold=2.0))


@pytest.mark.parametrize(
    "change, match",
    [
        ({"n_test": 39}, "features of 159 samples"),
        ({"n_train": 119, "n_test": 41}, "119 training samples"),
        ({"groups": np.zeros(3)}, "one group per training sample"),
        ({"run_onsets": np.array([0, 120])}, "onsets that start at 0"),
    ],
)
def test_shapes_that_do_not_add_up_are_refused(change, match):
    with pytest.raises((DataError, RequestError), match=match):
        encode(*simulate_movie(), replace(MOVIE, **change), STRICT)


def test_features_with_nan_and_missing_test_responses_are_refused():
    Xs, responses = simulate_movie()
    with pytest.raises(DataError, match="test responses"):
        encode(Xs, replace(responses, Y_test=None), MOVIE, STRICT)
    Xs[0][3, 2] = np.nan
    with pytest.raises(DataError, match="finite"):
        encode(Xs, responses, MOVIE, STRICT)


def test_the_paper_preset_is_the_authors_code():
    assert (PAPER.outer, PAPER.n_outer, PAPER.inner, PAPER.n_inner) == ("shuffled", 5, "contiguous", 5)
    assert PAPER.n_iter == 20 and PAPER.n_ratios is None
    np.testing.assert_allclose(PAPER.alphas, np.logspace(1, 20, 20))
    assert (PAPER.test_zscore, PAPER.normalise_kernels) == ("own", False)
    assert PAPER.delays_s == STRICT.delays_s == (0, 4, 6, 8) and PAPER.ev_threshold == STRICT.ev_threshold == 0.1
    assert list(PRESETS) == ["strict", "paper"]


def test_every_reason_belongs_to_a_field():
    for preset in PRESETS.values():
        assert set(preset.why) <= set(Preset.__dataclass_fields__)
