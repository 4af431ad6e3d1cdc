"""Compressed folds give the fit that all rows give."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.encoding import banded_ridge
from brivl.core.encoding.banded_ridge import BandedRidge
from brivl.core.encoding.cross_validation import contiguous_folds, leave_one_run_out
from brivl.core.encoding.fold_compression import CompressedFolds, compress_folds

ALPHAS = tuple(np.logspace(-2, 5, 8))
ONSETS = np.array([0, 30, 65, 95])


def categories(n: int = 120) -> tuple[list[np.ndarray], np.ndarray]:
    """Two models' features of 5 categories, and responses that follow those of the first."""
    rng = np.random.default_rng(0)
    categories_of_rows = np.eye(5)[rng.integers(0, 5, n)]
    Xs = [(categories_of_rows - categories_of_rows.mean(0)) @ rng.standard_normal((5, k)) for k in (20, 40)]
    Y = Xs[0] @ rng.standard_normal((20, 12)) / 4 + rng.standard_normal((n, 12))
    return [X.astype(np.float32) for X in Xs], (Y - Y.mean(0)).astype(np.float32)


def not_compressed(Xs: list[np.ndarray], Y: np.ndarray, folds: list, scales: np.ndarray) -> CompressedFolds:
    return CompressedFolds(Xs, Y, folds, np.ones(len(folds)), np.zeros(Y.shape[1], np.float32))


# float32 loses the smallest alphas on all rows of kernels that are not normalised, not on the compressed ones.
@pytest.mark.parametrize("normalise, alphas", [(True, ALPHAS), (False, tuple(np.logspace(1, 7, 7)))])
def test_compressed_folds_give_the_fit_of_all_rows(normalise, alphas, monkeypatch):
    Xs, Y = categories()
    ridge = BandedRidge(alphas, cv=leave_one_run_out(ONSETS, 120), normalise_kernels=normalise)
    short = ridge.fit(Xs, Y)
    assert len(short.dual_coef_) == 16  # indicators less their mean span one dimension less
    predicted, scores, chosen = short.predict(Xs, split=True), short.cv_scores_, short.band_weights_
    monkeypatch.setattr(banded_ridge, "compress_folds", not_compressed)
    full = ridge.fit(Xs, Y)
    assert len(full.dual_coef_) == 120
    np.testing.assert_allclose(scores, full.cv_scores_, atol=1e-4)
    # A voxel whose candidates tie up to rounding may choose another of them, and predicts nearly the same.
    same = (chosen == full.band_weights_).all(0)
    assert same.mean() > 0.8
    difference = np.abs(predicted - full.predict(Xs, split=True))
    assert difference[:, :, same].max() < 2e-3 and difference.max() < 2e-2


def test_inner_products_between_folds_are_kept():
    Xs, Y = categories()
    compressed = compress_folds(Xs, Y, leave_one_run_out(ONSETS, 120), np.ones(2))
    assert [len(test) for _, test in compressed.folds] == [4, 4, 4, 4]
    for X, projected in zip(Xs, compressed.Xs, strict=True):
        np.testing.assert_allclose(projected.T @ projected, X.T @ X, rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(projected.T @ compressed.Y, X.T @ Y, rtol=1e-3, atol=1e-2)


def test_rich_features_and_folds_that_are_no_partition_are_not_compressed():
    rng = np.random.default_rng(1)
    rich = [rng.standard_normal((120, 50)).astype(np.float32)]
    _, Y = categories()
    folds = leave_one_run_out(ONSETS, 120)
    assert compress_folds(rich, Y, folds, np.ones(1)).Y is Y
    Xs, _ = categories()
    assert compress_folds(Xs, Y, folds[:-1], np.ones(2)).Y is Y
    gap = [(train[5:], test) for train, test in contiguous_folds(120, 4)]
    assert compress_folds(Xs, Y, gap, np.ones(2)).Y is Y


def test_bands_of_zeros_are_not_compressed():
    _, Y = categories()
    assert compress_folds([np.zeros((120, 3), np.float32)], Y, leave_one_run_out(ONSETS, 120), np.ones(1)).Y is Y
