"""Cholesky factors without Python's lock against SciPy's: the same bits and the same errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky

from brivl.core.cholesky import solve_positive_definite, upper_cholesky
from brivl.core.parallel import one_thread_per_call


def positive_definite(n: int, dtype: type) -> np.ndarray:
    X = np.random.default_rng(n).standard_normal((n, 2 * n)).astype(dtype)
    return X @ X.T / n + np.eye(n, dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 3), (180, 384), (300, 20)])
def test_bits_are_those_of_scipy(n: int, m: int, dtype: type) -> None:
    A = positive_definite(n, dtype)
    B = np.random.default_rng(m).standard_normal((n + 3, m)).astype(dtype)[3:]
    before = A.copy(), B.copy()
    with one_thread_per_call():
        X, R = solve_positive_definite(A, B), upper_cholesky(A)
        np.testing.assert_array_equal(X, cho_solve(cho_factor(A, lower=True), B))
        np.testing.assert_array_equal(R, cholesky(A))
    assert X.dtype == R.dtype == dtype and X.flags.f_contiguous and R.flags.f_contiguous
    np.testing.assert_array_equal(A, before[0])
    np.testing.assert_array_equal(B, before[1])
    tolerance = 1e-3 if dtype is np.float32 else 1e-10
    np.testing.assert_allclose(A @ X, B, atol=tolerance)
    np.testing.assert_allclose(R.T @ R, A, atol=tolerance)


def test_parts_of_larger_matrices() -> None:
    A = positive_definite(60, np.float32)
    part, B = A[10:40, 10:40], A[10:40]
    np.testing.assert_array_equal(solve_positive_definite(part, B), cho_solve(cho_factor(part, lower=True), B))


@pytest.mark.parametrize("function", [upper_cholesky, lambda A: solve_positive_definite(A, np.ones((3, 1)))])
def test_a_matrix_that_is_not_positive_definite(function) -> None:
    with pytest.raises(LinAlgError, match="Expected a positive definite matrix"):
        function(np.diag([1.0, -1.0, 1.0]))
