"""Simulated studies in which the truth is known: what share of the true nulls each test rejects at .05.

All of them use the very functions that pages and the command line use. Shares are over the regions or voxels of a
study, so that studies, not voxels, are what is counted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from brivl.core.inference.block_permutation import permute_blocks, permute_blocks_of_means
from brivl.core.inference.block_sign_flip import flip_blocks, flip_blocks_of_means
from brivl.core.inference.blocks import Blocks, PermutationSettings, blocks_in_runs, blocks_of_groups
from brivl.core.inference.contributions import Predictions
from brivl.core.regions.region_stats import bh_q, compare_subjects, compare_voxels
from brivl.core.simulation.hrf import ar1_noise, convolve_runs

ALPHA = 0.05
N_SUBJECTS, N_REGIONS, N_TRUE = 8, 12, 5  # N_TRUE regions have a true difference where one is planted
TR, N_TRAIN, N_TEST, N_VOXELS, N_FEATURES = 2.0, 200, 240, 24, 6
N_PLANTED = 8  # voxels with something to find where something is planted
RHO, COMMON = 0.5, 0.5  # noise: correlation of neighbouring samples, share of variance that all voxels have in common
DRAWS = 499
ONSETS = np.zeros(1, int)
Shares = dict[str, float]


def subjects(rng: np.random.Generator) -> Shares:
    """Eight subjects, no difference between the models; and again with a difference in some regions."""
    b = rng.normal(0.05, 0.03, (N_SUBJECTS, N_REGIONS))
    difference = rng.normal(0, 0.01, b.shape)
    names = [f"{i}" for i in range(N_REGIONS)]
    table = compare_subjects(b + difference, b, names, int(rng.integers(2**31))).table
    planted = np.where(np.arange(N_REGIONS) < N_TRUE, 0.02, 0)
    q = bh_q(stats.ttest_rel(b + difference + planted, b).pvalue)
    return {
        "subjects t": _share(table["p"]),
        "subjects sign-flip": _share(table["p_signflip"]),
        "subjects bootstrap": _excluded(table["boot_low"], table["boot_high"]),
        "subjects BH planted": _false_discoveries(q, N_TRUE),
    }


def no_signal(rng: np.random.Generator) -> Shares:
    """One subject whose responses are noise: both models are fitted to it, and predict other noise."""
    X, noise = _features(rng, N_TRAIN + N_TEST), _noise(rng, N_TRAIN + N_TEST)
    data = Predictions(noise[N_TRAIN:], _ridge(X[:, :N_TRAIN], noise[:N_TRAIN], X[:, N_TRAIN:]))
    blocks, draws = _series(rng)
    tests, mean = permute_blocks(data, blocks, draws), permute_blocks_of_means(data, _whole(), blocks, draws)
    return {
        "blocks joint": _share(tests.p[0]),
        "blocks split": _share(tests.p[1:]),
        "blocks region": _share(mean.p),
        "blocks max-T": _any(tests.p_max[0]),
        "blocks BH": _any(tests.q[0]),
        "samples correlation": _share(stats.pearsonr(data.measured, data.bands.sum(0), alternative="greater").pvalue),
        "flips of fits to noise": _share(flip_blocks(data, blocks, draws).p),
    }


def equal_models(rng: np.random.Generator) -> Shares:
    """One subject, two models that differ and predict equally well: what each of them adds has the same law."""
    signals = 0.4 * _signals(rng, 2)
    y = signals.sum(0) + _noise(rng, N_TEST)
    data = Predictions(y, np.repeat(signals, N_VOXELS, axis=2))
    blocks, draws = _series(rng)
    tests, mean = flip_blocks(data, blocks, draws), flip_blocks_of_means(data, _whole(), blocks, draws)
    a, b = permute_blocks(data, blocks, PermutationSettings(19)).r2[1:]
    d = np.square(y - data.bands[1]) - np.square(y - data.bands[0])
    same = flip_blocks(Predictions(y, data.bands[[0, 0]]), blocks, draws)
    return {
        "flips": _share(tests.p),
        "flips region": _share(mean.p),
        "flips max-T": _any(tests.p_max),
        "flips BH": _any(tests.q),
        "blocks bootstrap": _excluded(tests.ci_low, tests.ci_high),
        "identical": _share(same.p),
        "samples difference": _share(stats.ttest_1samp(d, 0).pvalue),
        "voxels t": _share(compare_voxels(a, b, _whole()).table["p"]),
    }


def planted(rng: np.random.Generator) -> Shares:
    """One subject, something to find in some voxels: a signal, or a better model; false ones among the discoveries."""
    has = np.arange(N_VOXELS) < N_PLANTED
    signals = _signals(rng, 2 * N_VOXELS).reshape(2, N_TEST, N_VOXELS)
    noise = _noise(rng, N_TEST)
    blocks, draws = _series(rng)
    found = permute_blocks(Predictions(noise + 0.5 * has * signals[0], 0.2 * signals), blocks, draws)
    gains = np.stack([np.where(has, 0.8, 0.4), np.where(has, 0.0, 0.4)])[:, None]
    better = flip_blocks(Predictions(noise + (gains * signals).sum(0), gains * signals), blocks, draws)
    return {
        "blocks BH planted": _false_discoveries(found.q[0], N_PLANTED),
        "blocks power": _share(found.p[0][has]),
        "flips BH planted": _false_discoveries(better.q, N_PLANTED),
        "flips power": _share(better.p[has]),
    }


def passages(rng: np.random.Generator) -> Shares:
    """One reader, 60 passages of four sentences, passages alike within; five folds of whole passages.

    Once without signal, once with two models that predict equally well.
    """
    groups = np.repeat(np.arange(60), 4)
    X = 1.5 * rng.standard_normal((2, 60, N_FEATURES))[:, groups] + rng.standard_normal((2, 240, N_FEATURES))
    noise = 1.5 * rng.standard_normal((60, N_VOXELS))[groups] + rng.standard_normal((240, N_VOXELS))
    weights = rng.standard_normal((2, N_FEATURES, N_VOXELS))
    weights *= 0.8 / np.linalg.norm(weights, axis=1, keepdims=True)
    folds, draws = groups % 5, _draws(rng)
    blocks = blocks_of_groups(groups, folds)
    silent, equal = (_cross_validated(X, y, folds) for y in (noise, noise + (X @ weights).sum(0)))
    tests, difference = permute_blocks(silent, blocks, draws), flip_blocks(equal, blocks, draws)
    single = stats.pearsonr(silent.measured, silent.bands.sum(0), alternative="greater").pvalue
    return {
        "passages joint": _share(tests.p[0]),
        "passages max-T": _any(tests.p_max[0]),
        "passages flips": _share(difference.p),
        "sentences correlation": _share(single),
    }


def _cross_validated(X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Predictions:
    measured, bands = np.empty_like(y), np.empty((2, *y.shape))
    for fold in np.unique(folds):
        test = folds == fold
        centre = y[~test].mean(0)
        measured[test], bands[:, test] = y[test] - centre, _ridge(X[:, ~test], y[~test] - centre, X[:, test])
    return Predictions(measured, bands, folds)


STUDIES: tuple[Callable[[np.random.Generator], Shares], ...] = (
    subjects,
    no_signal,
    equal_models,
    planted,
    passages,
)


def _features(rng: np.random.Generator, n: int) -> np.ndarray:
    """(2, n, N_FEATURES) BOLD that activity without memory calls forth."""
    return _standard(np.stack([convolve_runs(rng.standard_normal((n, N_FEATURES)), TR, ONSETS) for _ in range(2)]))


def _signals(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, N_TEST, 1) BOLD of unit variance."""
    return _standard(convolve_runs(rng.standard_normal((N_TEST, n)), TR, ONSETS)).T[..., None]


def _standard(X: np.ndarray) -> np.ndarray:
    return (X - X.mean(-2, keepdims=True)) / X.std(-2, keepdims=True)


def _noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, N_VOXELS) that remembers, part of it the same in all voxels."""
    own, common = ar1_noise(rng, (n, N_VOXELS), RHO), ar1_noise(rng, (n, 1), RHO)
    return np.sqrt(1 - COMMON) * own + np.sqrt(COMMON) * common


def _ridge(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, alpha: float = 50.0) -> np.ndarray:
    """Predictions by band (2, n_test, n_voxels) of a ridge on both bands (2, n_train, n_features)."""
    both = np.concatenate(list(X), axis=1)
    weights = np.linalg.solve(both.T @ both + alpha * np.eye(both.shape[1]), both.T @ y)
    return X_test @ weights.reshape(2, -1, y.shape[1])


def _series(rng: np.random.Generator) -> tuple[Blocks, PermutationSettings]:
    return blocks_in_runs(ONSETS, N_TEST, TR), _draws(rng)


def _draws(rng: np.random.Generator) -> PermutationSettings:
    return PermutationSettings(DRAWS, int(rng.integers(2**31)))


def _whole() -> dict[str, np.ndarray]:
    return {"whole": np.ones(N_VOXELS, bool)}


def _share(p: np.ndarray) -> float:
    return float(np.mean(np.asarray(p) <= ALPHA))


def _any(p: np.ndarray) -> float:
    return float(np.min(p) <= ALPHA)


def _excluded(low: np.ndarray, high: np.ndarray) -> float:
    """Share of intervals that leave out the true difference, 0."""
    return float(np.mean((np.asarray(low) > 0) | (np.asarray(high) < 0)))


def _false_discoveries(q: np.ndarray, n_true: int) -> float:
    """Share of false ones among the discoveries; the first n_true are true."""
    found = np.asarray(q) <= ALPHA
    return float(found[n_true:].sum() / max(found.sum(), 1))
