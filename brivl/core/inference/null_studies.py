"""Simulated studies with known truth: which fraction of true null hypotheses each test rejects at .05.

All of them call the functions that pages and the command line call. Rates are over the regions or voxels of a study, so
that the unit of observation is the study, not the voxel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from brivl.core.inference.block_permutation import permute_blocks, permute_blocks_of_means
from brivl.core.inference.block_sign_flip import flip_blocks, flip_blocks_of_means
from brivl.core.inference.blocks import Blocks, PermutationSettings, blocks_in_runs, blocks_of_groups
from brivl.core.inference.contributions import Predictions
from brivl.core.regions.region_stats import bh_q, compare_subjects, compare_voxels
from brivl.core.simulation.hrf import ar1_noise, convolve_runs

ALPHA = 0.05
N_SUBJECTS, N_REGIONS, N_TRUE = 8, 12, 5  # N_TRUE regions have a true difference where one is simulated
TR, N_TRAIN, N_TEST, N_VOXELS, N_FEATURES = 2.0, 200, 240, 24, 6
N_PLANTED = 8  # voxels with an effect where one is simulated
RHO, COMMON = 0.5, 0.5  # noise: correlation of neighbouring samples, fraction of variance that all voxels share
N_PERMUTATIONS = 499
ONSETS = np.zeros(1, int)
Rates = dict[str, float]  # rejection rate of each test


def subjects(rng: np.random.Generator) -> Rates:
    """Simulate eight subjects without a difference between the models, and with a difference in some regions.

    Parameters
    ----------
    rng : np.random.Generator
        Source of random numbers.

    Returns
    -------
    Rates
        Rates of the tests over subjects.
    """
    b = rng.normal(0.05, 0.03, (N_SUBJECTS, N_REGIONS))
    difference = rng.normal(0, 0.01, b.shape)
    names = [f"{i}" for i in range(N_REGIONS)]
    table = compare_subjects(b + difference, b, names, int(rng.integers(2**31))).table
    effect = np.where(np.arange(N_REGIONS) < N_TRUE, 0.02, 0)
    q = bh_q(stats.ttest_rel(b + difference + effect, b).pvalue)
    return {
        "subjects t": _rejected(table["p"]),
        "subjects sign-flip": _rejected(table["p_signflip"]),
        "subjects bootstrap": _excluded(table["boot_low"], table["boot_high"]),
        "subjects BH planted": _false_discoveries(q, N_TRUE),
    }


def no_signal(rng: np.random.Generator) -> Rates:
    """Simulate one subject whose responses are noise, to which both models are fitted before they predict other noise.

    Parameters
    ----------
    rng : np.random.Generator
        Source of random numbers.

    Returns
    -------
    Rates
        Rates of the tests against chance, and of the test of a difference between fits to noise.
    """
    X, noise = _features(rng, N_TRAIN + N_TEST), _noise(rng, N_TRAIN + N_TEST)
    data = Predictions(noise[N_TRAIN:], _ridge(X[:, :N_TRAIN], noise[:N_TRAIN], X[:, N_TRAIN:]))
    blocks, settings = _series(rng)
    tests = permute_blocks(data, blocks, settings)
    mean = permute_blocks_of_means(data, _one_region(), blocks, settings)
    return {
        "blocks joint": _rejected(tests.p[0]),
        "blocks split": _rejected(tests.p[1:]),
        "blocks region": _rejected(mean.p),
        "blocks max-T": _any_rejected(tests.p_max[0]),
        "blocks BH": _any_rejected(tests.q[0]),
        "samples correlation": _rejected(
            stats.pearsonr(data.measured, data.bands.sum(0), alternative="greater").pvalue
        ),
        "flips of fits to noise": _rejected(flip_blocks(data, blocks, settings).p),
    }


def equal_models(rng: np.random.Generator) -> Rates:
    """Simulate one subject and two different models whose contributions have the same distribution.

    Parameters
    ----------
    rng : np.random.Generator
        Source of random numbers.

    Returns
    -------
    Rates
        Rates of the tests of a difference.
    """
    signals = 0.4 * _signals(rng, 2)
    y = signals.sum(0) + _noise(rng, N_TEST)
    data = Predictions(y, np.repeat(signals, N_VOXELS, axis=2))
    blocks, settings = _series(rng)
    tests = flip_blocks(data, blocks, settings)
    mean = flip_blocks_of_means(data, _one_region(), blocks, settings)
    a, b = permute_blocks(data, blocks, PermutationSettings(19)).r2[1:]
    d = np.square(y - data.bands[1]) - np.square(y - data.bands[0])
    same = flip_blocks(Predictions(y, data.bands[[0, 0]]), blocks, settings)
    return {
        "flips": _rejected(tests.p),
        "flips region": _rejected(mean.p),
        "flips max-T": _any_rejected(tests.p_max),
        "flips BH": _any_rejected(tests.q),
        "blocks bootstrap": _excluded(tests.ci_low, tests.ci_high),
        "identical": _rejected(same.p),
        "samples difference": _rejected(stats.ttest_1samp(d, 0).pvalue),
        "voxels t": _rejected(compare_voxels(a, b, _one_region()).table["p"]),
    }


def planted(rng: np.random.Generator) -> Rates:
    """Simulate one subject with an effect in some voxels: a signal, or a better model.

    Parameters
    ----------
    rng : np.random.Generator
        Source of random numbers.

    Returns
    -------
    Rates
        False discoveries among all discoveries, and power.
    """
    has = np.arange(N_VOXELS) < N_PLANTED
    signals = _signals(rng, 2 * N_VOXELS).reshape(2, N_TEST, N_VOXELS)
    noise = _noise(rng, N_TEST)
    blocks, settings = _series(rng)
    against_chance = permute_blocks(Predictions(noise + 0.5 * has * signals[0], 0.2 * signals), blocks, settings)
    gains = np.stack([np.where(has, 0.8, 0.4), np.where(has, 0.0, 0.4)])[:, None]
    better = flip_blocks(Predictions(noise + (gains * signals).sum(0), gains * signals), blocks, settings)
    return {
        "blocks BH planted": _false_discoveries(against_chance.q[0], N_PLANTED),
        "blocks power": _rejected(against_chance.p[0][has]),
        "flips BH planted": _false_discoveries(better.q, N_PLANTED),
        "flips power": _rejected(better.p[has]),
    }


def passages(rng: np.random.Generator) -> Rates:
    """Simulate one reader of 60 passages of four similar sentences, with five folds of whole passages.

    Responses are without signal in one data set, and driven equally by two models in another.

    Parameters
    ----------
    rng : np.random.Generator
        Source of random numbers.

    Returns
    -------
    Rates
        Rates of the tests of passages, and of a test of single sentences.
    """
    groups = np.repeat(np.arange(60), 4)
    X = 1.5 * rng.standard_normal((2, 60, N_FEATURES))[:, groups] + rng.standard_normal((2, 240, N_FEATURES))
    noise = 1.5 * rng.standard_normal((60, N_VOXELS))[groups] + rng.standard_normal((240, N_VOXELS))
    weights = rng.standard_normal((2, N_FEATURES, N_VOXELS))
    weights *= 0.8 / np.linalg.norm(weights, axis=1, keepdims=True)
    folds, settings = groups % 5, _settings(rng)
    blocks = blocks_of_groups(groups, folds)
    null, equal = (_cross_validated(X, y, folds) for y in (noise, noise + (X @ weights).sum(0)))
    tests, difference = permute_blocks(null, blocks, settings), flip_blocks(equal, blocks, settings)
    single = stats.pearsonr(null.measured, null.bands.sum(0), alternative="greater").pvalue
    return {
        "passages joint": _rejected(tests.p[0]),
        "passages max-T": _any_rejected(tests.p_max[0]),
        "passages flips": _rejected(difference.p),
        "sentences correlation": _rejected(single),
    }


def _cross_validated(X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Predictions:
    measured, bands = np.empty_like(y), np.empty((2, *y.shape))
    for fold in np.unique(folds):
        test = folds == fold
        centre = y[~test].mean(0)
        measured[test], bands[:, test] = y[test] - centre, _ridge(X[:, ~test], y[~test] - centre, X[:, test])
    return Predictions(measured, bands, folds)


STUDIES: tuple[Callable[[np.random.Generator], Rates], ...] = (
    subjects,
    no_signal,
    equal_models,
    planted,
    passages,
)


def _features(rng: np.random.Generator, n: int) -> np.ndarray:
    """(2, n, N_FEATURES) BOLD responses to uncorrelated activity."""
    return _standard(np.stack([convolve_runs(rng.standard_normal((n, N_FEATURES)), TR, ONSETS) for _ in range(2)]))


def _signals(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, N_TEST, 1) BOLD of unit variance."""
    return _standard(convolve_runs(rng.standard_normal((N_TEST, n)), TR, ONSETS)).T[..., None]


def _standard(X: np.ndarray) -> np.ndarray:
    return (X - X.mean(-2, keepdims=True)) / X.std(-2, keepdims=True)


def _noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, N_VOXELS) autocorrelated noise, partly the same in all voxels."""
    own, common = ar1_noise(rng, (n, N_VOXELS), RHO), ar1_noise(rng, (n, 1), RHO)
    return np.sqrt(1 - COMMON) * own + np.sqrt(COMMON) * common


def _ridge(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, alpha: float = 50.0) -> np.ndarray:
    """Predictions by band (2, n_test, n_voxels) of a ridge on both bands (2, n_train, n_features)."""
    both = np.concatenate(list(X), axis=1)
    weights = np.linalg.solve(both.T @ both + alpha * np.eye(both.shape[1]), both.T @ y)
    return X_test @ weights.reshape(2, -1, y.shape[1])


def _series(rng: np.random.Generator) -> tuple[Blocks, PermutationSettings]:
    return blocks_in_runs(ONSETS, N_TEST, TR), _settings(rng)


def _settings(rng: np.random.Generator) -> PermutationSettings:
    return PermutationSettings(N_PERMUTATIONS, int(rng.integers(2**31)))


def _one_region() -> dict[str, np.ndarray]:
    return {"whole": np.ones(N_VOXELS, bool)}


def _rejected(p: ArrayLike) -> float:
    return float(np.mean(np.asarray(p) <= ALPHA))


def _any_rejected(p: np.ndarray) -> float:
    return float(np.min(p) <= ALPHA)


def _excluded(low: ArrayLike, high: ArrayLike) -> float:
    """Fraction of intervals that exclude the true difference, 0."""
    return float(np.mean((np.asarray(low) > 0) | (np.asarray(high) < 0)))


def _false_discoveries(q: ArrayLike, n_true: int) -> float:
    """Fraction of false ones among the discoveries; the first n_true are true."""
    discovered = np.asarray(q) <= ALPHA
    return float(discovered[n_true:].sum() / max(discovered.sum(), 1))
