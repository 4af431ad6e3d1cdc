"""Cholesky factors of single matrices, computed without Python's lock, so that threads compute them at the same time.

The functions of `scipy.linalg` hold the lock while LAPACK computes, and threads wait for each other. Here the same
routines of the same library are called through ctypes, which releases the lock, so that results are equal to the bit.
SciPy offers their addresses to compiled code in `scipy.linalg.cython_lapack`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.linalg import LinAlgError, cython_lapack

PREFIXES = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}  # of the names of routines


def solve_positive_definite(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Solve A X = B by a Cholesky factor.

    Parameters
    ----------
    A : (n, n) array
        Symmetric matrix, float32 or float64, of which the lower triangle is read.
    B : (n, m) array
        Right-hand sides, of the type of A.

    Returns
    -------
    np.ndarray
        X (n, m), in Fortran's order; equal to the bit to `scipy.linalg.cho_solve` with `cho_factor(A, lower=True)`.

    Raises
    ------
    LinAlgError
        If A is not positive definite up to rounding.
    """
    factor, X = _factor(A, b"L"), np.array(B, A.dtype, order="F", ndmin=2)
    (n, m), size = X.shape, _integer(len(A))
    _call(A.dtype, "potrs", b"L", size, _integer(m), factor, size, X, _integer(n))
    return X


def upper_cholesky(A: np.ndarray) -> np.ndarray:
    """Compute the upper triangular matrix R with R'R = A.

    Parameters
    ----------
    A : (n, n) array
        Symmetric matrix, float32 or float64, of which the upper triangle is read.

    Returns
    -------
    np.ndarray
        R (n, n), in Fortran's order; equal to the bit to `scipy.linalg.cholesky`.

    Raises
    ------
    LinAlgError
        If A is not positive definite up to rounding.
    """
    return np.tril(_factor(A, b"U").T).T


def _factor(A: np.ndarray, triangle: bytes) -> np.ndarray:
    """The factor in one triangle of an array in Fortran's order; the other triangle is that of A."""
    factor, size = np.array(A, order="F"), _integer(len(A))
    if _call(A.dtype, "potrf", triangle, size, factor, size):
        raise LinAlgError("Expected a positive definite matrix, got one that is not. Use a general solver.")
    return factor


def _call(dtype: np.dtype, name: str, triangle: bytes, *arguments: ctypes.c_int64 | np.ndarray) -> int:
    """What the routine says about success: 0, or the number of the leading minor that is not positive."""
    info = _integer(0)
    addresses = [a.ctypes.data if isinstance(a, np.ndarray) else ctypes.addressof(a) for a in arguments]
    _routine(PREFIXES[dtype] + name, len(addresses))(triangle, *addresses, ctypes.addressof(info))
    return info.value


def _integer(value: int) -> ctypes.c_int64:
    """An integer to pass by reference: a library of 32-bit integers reads and writes its lower half."""
    return ctypes.c_int64(value)


@cache
def _routine(name: str, n_arguments: int) -> Callable[..., None]:
    """A routine with a triangle, n arguments and info, all by reference."""
    capsule = cython_lapack.__pyx_capi__[name]
    pointer_name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    pointer_name.argtypes, pointer_name.restype = [ctypes.py_object], ctypes.c_char_p
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    address = pointer(capsule, pointer_name(capsule))
    return ctypes.CFUNCTYPE(None, ctypes.c_char_p, *[ctypes.c_void_p] * (n_arguments + 1))(address)
