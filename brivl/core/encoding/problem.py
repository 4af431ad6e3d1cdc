"""Input of a search over weights and alphas, and the arrays that searches compute with; shared by the searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from brivl.core.encoding.cross_validation import Folds


class Array(Protocol):
    """Array of the backend, numpy.ndarray or torch.Tensor, with the operations that the searches use."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def T(self) -> Array:
        """The transposed matrix."""

    def sum(self, axis: int, /) -> Array:
        """Sum over one axis.

        Parameters
        ----------
        axis : int
            Number of the axis.
        """

    def __len__(self) -> int: ...
    def __getitem__(self, index: object, /) -> Array: ...
    def __matmul__(self, other: Array, /) -> Array: ...
    def __mul__(self, other: Array | float, /) -> Array: ...
    def __sub__(self, other: Array, /) -> Array: ...
    def __truediv__(self, other: Array, /) -> Array: ...


class Backend(Protocol):
    """Functions of a backend of himalaya that the searches use."""

    name: str

    def asarray(self, x: np.ndarray, /) -> Array:
        """Move an array to the backend.

        Parameters
        ----------
        x : array
            Array of any shape.
        """

    def to_numpy(self, x: Array, /) -> np.ndarray:
        """Move an array from the backend.

        Parameters
        ----------
        x : array
            Array of any shape.
        """

    def eigh(self, x: Array, /) -> tuple[Array, Array]:
        """Decompose a symmetric matrix into eigenvalues, ascending, and eigenvectors.

        Parameters
        ----------
        x : (n, n) array
            The matrix.
        """


@dataclass(frozen=True)
class Solver:
    """Method and sizes of the search.

    method "surface" derives the scores of all candidates and alphas from a few that are computed (see
    `surface_search`); exact=True computes all of them. method "himalaya" is himalaya's random search, fold by fold. The
    other fields change speed and memory, not the result: arrays are (n_samples, n_voxels_batch) float32, for himalaya
    n_alphas_batch times (n_held_out, n_voxels_batch).
    """

    backend: str = "torch"
    n_voxels_batch: int = 1000
    n_alphas_batch: int = 5
    method: Literal["surface", "himalaya"] = "surface"
    exact: bool = False


@dataclass(frozen=True)
class Problem:
    """Search for the largest score: minus the mean over folds of fold weight times mean squared held-out error."""

    kernels: np.ndarray  # (n_kernels, n_rows, n_rows) float32, no two alike
    folds: Folds
    fold_weights: np.ndarray  # (n_folds,)
    candidates: np.ndarray  # (n_candidates, n_kernels) weights of kernels, rows sum to 1
    alphas: Sequence[float] | np.ndarray  # (n_alphas,)

    def mixed_kernel(self, index: int) -> np.ndarray:
        """Add up the kernels with the weights of one candidate.

        Parameters
        ----------
        index : int
            Number of the candidate.

        Returns
        -------
        np.ndarray
            (n_rows, n_rows) float32.
        """
        return np.tensordot(self.candidates[index].astype(np.float32), self.kernels, 1)
