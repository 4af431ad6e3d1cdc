"""Split R2 against equation 9 written out, scikit-learn's R2 and simulated components."""

from __future__ import annotations

import numpy as np
import pytest
from himalaya.backend import get_backend
from sklearn.metrics import r2_score

from brivl.core.encoding import split_score
from brivl.core.encoding.split_score import himalaya_backend, r2_joint, r2_split


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    bands = rng.standard_normal((2, 60, 7)).astype(np.float32)
    Y = (bands.sum(0) + rng.standard_normal((60, 7))).astype(np.float32)
    return Y - Y.mean(0), bands


def test_it_is_equation_9(scene, monkeypatch):
    monkeypatch.setattr(split_score, "CHUNK", 3)
    Y, bands = scene
    expected = [
        [bands[j, :, v] @ (2 * Y[:, v] - bands[:, :, v].sum(0)) / (Y[:, v] @ Y[:, v]) for v in range(7)]
        for j in range(2)
    ]
    np.testing.assert_allclose(r2_split(Y, bands), expected, atol=1e-5)


@pytest.mark.parametrize("n_bands", [1, 2, 3])
def test_parts_add_up_to_the_joint_r2(n_bands):
    rng = np.random.default_rng(n_bands)
    Y, bands = rng.standard_normal((50, 9)), rng.standard_normal((n_bands, 50, 9))
    np.testing.assert_allclose(r2_split(Y, bands).sum(0), r2_joint(Y, bands.sum(0)), atol=1e-10)


def test_joint_r2_is_scikit_learns_for_centred_responses(scene):
    Y, bands = scene
    expected = r2_score(Y, bands.sum(0), multioutput="raw_values")
    np.testing.assert_allclose(r2_joint(Y, bands.sum(0)), expected, atol=1e-5)


def test_without_centring_the_baseline_is_zero():
    Y = np.array([[1.0], [2.0], [3.0]])
    assert r2_joint(Y, np.full((3, 1), 2.0))[0] == pytest.approx(1 - 2 / 14)
    assert r2_split(Y, np.full((1, 3, 1), 2.0))[0, 0] == pytest.approx(1 - 2 / 14)


def test_orthogonal_parts_get_their_planted_variance():
    t = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    bands = np.stack([2 * np.sin(t), np.cos(3 * t)])[:, :, None]
    np.testing.assert_allclose(r2_split(bands.sum(0), bands)[:, 0], [0.8, 0.2], atol=1e-12)


def test_constant_and_nan_voxels_are_nan(scene):
    Y, bands = scene[0].copy(), scene[1].copy()
    Y[:, 0], Y[3, 1], bands[1, 2, 2] = 0.0, np.nan, np.nan
    assert np.isnan(r2_split(Y, bands)).all(0).tolist() == [True] * 3 + [False] * 4
    assert np.isfinite(r2_split(Y, bands)[:, 3:]).all()
    assert np.isnan(r2_joint(Y, bands.sum(0))).tolist() == [True] * 3 + [False] * 4


def test_the_backend_is_put_back_even_after_an_error():
    before = get_backend().name
    with pytest.raises(ZeroDivisionError), himalaya_backend("torch") as backend:
        assert backend.name == get_backend().name == "torch"
        raise ZeroDivisionError
    assert get_backend().name == before
