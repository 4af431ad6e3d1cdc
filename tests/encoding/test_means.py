"""Means of parts over the voxels of a region, by layer and subject."""

from __future__ import annotations

import numpy as np

from brivl.core.records import EncodingResult
from brivl.encoding.fit import FitRequest, FitResult
from brivl.encoding.means import layer_means, layer_parts

N_VOXELS = 6


def fit_of(layer: int, subject: str, seed: int) -> FitResult:
    """A fit whose first voxel is not fitted."""
    split = np.random.default_rng(seed).uniform(0, 0.3, (2, N_VOXELS))
    split[:, 0] = np.nan
    result = EncodingResult(split.sum(0), split, np.isfinite(split[0]), None, np.full((2, N_VOXELS), 0.5))
    return FitResult(FitRequest("made up", ("a", "b"), layer, subject), result, {}, "hit")


def test_parts_are_means_over_the_voxels_of_the_scores() -> None:
    fits = {(k, s): fit_of(k, s, 10 * k + i) for k in (1, 2) for i, s in enumerate(("S1", "S2"))}
    single = np.random.default_rng(9).uniform(0, 0.2, (2, N_VOXELS))
    inside = np.arange(N_VOXELS) < 4  # 3 of them are fitted
    stored = {(1, "S1"): single, (2, "S2"): single}
    parts = layer_parts(fits, lambda request: stored.get((request.layer, request.subject)), lambda _: inside)
    means = layer_means(fits, lambda _: inside)
    assert parts[["layer", "subject"]].equals(means[["layer", "subject"]])
    joint = means["r2_joint"].to_numpy()
    total = parts[["unique_a", "unique_b", "shared"]].sum(axis=1, min_count=3).to_numpy()
    np.testing.assert_allclose(total, [joint[0], np.nan, np.nan, joint[3]])
    np.testing.assert_allclose(parts["unique_a"][0], joint[0] - single[1, 1:4].mean())
    np.testing.assert_allclose(parts["unique_b"][0], joint[0] - single[0, 1:4].mean())


def test_subjects_without_a_fitted_voxel_have_no_row() -> None:
    fits = {(1, "S1"): fit_of(1, "S1", 0)}
    assert layer_parts(fits, lambda _: None, lambda _: np.arange(N_VOXELS) < 1).empty
