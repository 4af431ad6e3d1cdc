"""Principal components of responses in batches, against a decomposition of all voxels at once."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.encoding import response_pca as module
from brivl.core.encoding.response_pca import response_pca
from brivl.errors import RequestError

FIT = np.arange(3, 40)


@pytest.fixture
def Y(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((45, 6)) @ rng.standard_normal((6, 90)) + 0.3 * rng.standard_normal((45, 90)) + 2


@pytest.mark.parametrize("exact", [3000, 10])
def test_components_are_those_of_all_voxels_at_once(Y: np.ndarray, exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 17)
    monkeypatch.setattr(module, "EXACT", exact)
    pca = response_pca(lambda columns: Y[:, columns], 90, FIT, 6)
    mean = Y[FIT].mean(0)
    _, s, Vt = np.linalg.svd(Y[FIT] - mean, full_matrices=False)
    np.testing.assert_allclose(pca.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(np.abs((pca.axes * Vt[:6]).sum(1)), 1, atol=1e-5)
    np.testing.assert_allclose(pca.axes @ pca.axes.T, np.eye(6), atol=1e-5)
    np.testing.assert_allclose(pca.scores, (Y - mean) @ pca.axes.T, atol=1e-4)  # rows not fitted too
    np.testing.assert_allclose(pca.explained, (s**2 / (s**2).sum())[:6], rtol=1e-6)
    np.testing.assert_allclose(pca.responses(pca.scores)[FIT], Y[FIT], atol=2)


def test_no_more_components_than_there_are(Y: np.ndarray) -> None:
    pca = response_pca(lambda columns: Y[:, columns], 90, FIT, 500)
    assert pca.axes.shape == (36, 90)
    np.testing.assert_allclose(pca.responses(pca.scores)[FIT], Y[FIT], atol=1e-3)
    flat = np.outer(np.arange(45.0), np.ones(90))  # of rank one
    assert response_pca(lambda columns: flat[:, columns], 90, FIT, 5).axes.shape == (1, 90)


def test_what_cannot_be_decomposed(Y: np.ndarray) -> None:
    for n, rows in ((0, FIT), (4, FIT[:2])):
        with pytest.raises(RequestError, match="components"):
            response_pca(lambda columns: Y[:, columns], 90, rows, n)
