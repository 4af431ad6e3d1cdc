"""Banded ridge regression in its kernel form, with weights of bands and regularisation chosen per voxel.

Y = sum_j X_j b_j + noise, where band j has the kernel K_j = X_j X_j'; for weights g_j >= 0, sum 1, and a > 0 the dual
solution is c = (sum_j g_j K_j + a I)^-1 Y, and band j predicts g_j X_j* X_j' c (la Tour, Eickenberg, Nunez-Elizalde
and Gallant 2022). Searches over (g, a): `surface_search`, the default, and himalaya's, `random_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from brivl.core.encoding.cross_validation import Folds, contiguous_folds
from brivl.core.encoding.fold_compression import compressed, part_the_rows
from brivl.core.encoding.problem import Problem, Progress, Solver, Steps
from brivl.core.encoding.random_search import draw, random_search
from brivl.core.encoding.ratios import choose, ratio_grid
from brivl.core.encoding.split_score import himalaya_backend, r2_joint, r2_split
from brivl.core.encoding.surface_search import SurfaceSearch
from brivl.errors import RequestError

__all__ = ["BandedRidge", "Draws", "Progress", "Solver"]


@dataclass(frozen=True)
class Draws:
    """Weights of bands drawn from himalaya's default Dirichlet mixture; the first draw is equal weights."""

    n_iter: int = 20
    random_state: int = 0


class BandedRidge(BaseEstimator):
    """Banded ridge without intercept: centre features and responses before. Nothing is scaled here but kernels.

    alphas: regularisation strengths to try. ratios: weights of bands to try, (n_candidates, n_bands), or `Draws`, or
    None for `ratio_grid`. cv: number of contiguous folds, or a list of (train, validation) index arrays.
    normalise_kernels: scale each band's kernel to a mean diagonal of 1 on the training rows, so that weights and
    alphas mean the same whatever the units and number of features. Bands with identical kernels are fitted as one and
    share its weight equally.
    """

    band_weights_: np.ndarray  # (n_bands, n_voxels), sums to 1
    alphas_: np.ndarray  # (n_voxels,)
    # (n_candidates, n_voxels) minus the mean squared error on held-out folds, at the best alpha; with many voxels
    # mapped from a sample (`surface_search`), closely for candidates near the best, roughly for others
    cv_scores_: np.ndarray
    dual_coef_: np.ndarray  # (n_rows, n_voxels); rows as in Xs_fit_, fewer than n_train where they could be compressed
    Xs_fit_: list[np.ndarray]  # bands (n_rows, n_features)

    def __init__(
        self,
        alphas: Sequence[float] = tuple(np.logspace(-2, 5, 15)),
        ratios: np.ndarray | Draws | None = None,
        cv: int | Folds = 5,
        normalise_kernels: bool = True,
        solver: Solver = Solver(),  # noqa: B008 (frozen)
    ) -> None:
        self.alphas = alphas
        self.ratios = ratios
        self.cv = cv
        self.normalise_kernels = normalise_kernels
        self.solver = solver

    def fit(
        self, Xs: Sequence[np.ndarray], Y: np.ndarray, progress: Progress | None = None, overwrite_Y: bool = False
    ) -> BandedRidge:
        """Choose weights and alpha of each voxel by cross-validation, then refit on all rows.

        Xs: bands (n_train, n_features of the band), Y (n_train, n_voxels), both centred. progress(done, total) is
        called as the search goes and may raise, which stops it. overwrite_Y: dual weights may take the
        place of Y, if that is float32, which halves the memory. Raises RequestError for bad shapes or NaN.
        """
        _check_bands(Xs, Y)
        if not len(self.alphas) or not all(0 < alpha < np.inf for alpha in self.alphas):
            raise RequestError(f"Alphas must be positive numbers, at least one; got {self.alphas!r}.")
        Xs, Y = [np.asarray(X, np.float32) for X in Xs], np.asarray(Y, np.float32)
        self.kernel_scales_ = _kernel_scales(Xs) if self.normalise_kernels else np.ones(len(Xs), np.float32)
        folds = contiguous_folds(len(Y), self.cv) if isinstance(self.cv, int) else self.cv
        rows = compressed(Xs, Y, folds, self.kernel_scales_)
        self.Xs_fit_ = rows.Xs
        kernels = np.stack([scale * (X @ X.T) for X, scale in zip(rows.Xs, self.kernel_scales_, strict=True)])
        owner = _identical(kernels)
        distinct = np.unique(owner)
        problem = Problem(kernels[distinct], rows.folds, rows.fold_weights, self._candidates(owner), self.alphas)
        weights = self._search(problem, rows.Y, progress, overwrite_Y or rows.Y is not Y)
        self.cv_scores_ -= rows.unreachable
        sharing = np.bincount(owner, minlength=len(Xs))[owner]
        self.band_weights_ = weights[np.searchsorted(distinct, owner)] / sharing[:, None]
        return self

    def predict(self, Xs: Sequence[np.ndarray], split: bool = False) -> np.ndarray:
        """Predictions (n_samples, n_voxels), or with split=True by band (n_bands, n_samples, n_voxels), float32."""
        check_is_fitted(self, "dual_coef_")
        _check_bands(Xs, None, [X.shape[1] for X in self.Xs_fit_])
        bands = np.stack([
            (scale * (np.asarray(X, np.float32) @ X_fit.T)) @ self.dual_coef_ * weights
            for X, X_fit, scale, weights in zip(Xs, self.Xs_fit_, self.kernel_scales_, self.band_weights_, strict=True)
        ])
        return bands if split else bands.sum(0)

    def score(self, Xs: Sequence[np.ndarray], Y: np.ndarray, split: bool = False) -> np.ndarray:
        """R2 per voxel (n_voxels,), or its parts by band (n_bands, n_voxels); Y is to be centred by the caller."""
        return r2_split(Y, self.predict(Xs, split=True)) if split else r2_joint(Y, self.predict(Xs))

    def _search(self, problem: Problem, Y: np.ndarray, progress: Progress | None, overwrite: bool) -> np.ndarray:
        """Weights (n_kernels, n_voxels) chosen; scores, alphas and dual weights are kept."""
        canonical, place = _canonical(problem)
        with himalaya_backend(self.solver.backend) as backend:
            search = SurfaceSearch(canonical, self.solver, backend)
            if self.solver.method == "himalaya" or not part_the_rows(problem.folds, len(Y)):
                scores, alphas = random_search(canonical, Y, self.solver, progress)
            else:
                scores, alphas = search.search(Y, Steps(progress, 2 * search.n_combinations))
            self.cv_scores_ = scores[place]
            best = choose(self.cv_scores_, problem.candidates)
            self.alphas_ = alphas[place[best], np.arange(len(best))]
            self.dual_coef_ = _refit(search, Y, place[best], self.alphas_, Y if overwrite else np.empty_like(Y))
        return problem.candidates[best].T

    def _candidates(self, owner: np.ndarray) -> np.ndarray:
        """Weights to try for the distinct kernels; what bands with one kernel would get is added up."""
        distinct = np.unique(owner)
        if self.ratios is None:
            return ratio_grid(len(distinct))
        given = self.ratios
        if isinstance(given, Draws):
            given = draw(given.n_iter, given.random_state, len(owner))
        else:
            given = _checked_ratios(given, len(owner))
        merged = np.stack([given[:, owner == band].sum(1) for band in distinct], axis=1)
        _, first = np.unique(np.round(merged, 12), axis=0, return_index=True)
        return merged[np.sort(first)]


def _refit(
    search: SurfaceSearch, Y: np.ndarray, best: np.ndarray, alphas: np.ndarray, dual: np.ndarray
) -> np.ndarray:
    """Dual weights (n_rows, n_voxels), each voxel with the candidate and the alpha that it chose; written to `dual`."""
    for candidate in np.unique(best):
        voxels = np.flatnonzero(best == candidate)
        for some in np.array_split(voxels, -(-len(voxels) // search.solver.n_voxels_batch)):
            dual[:, some] = search.dual(int(candidate), Y[:, some], alphas[some])
    return dual


def _canonical(problem: Problem) -> tuple[Problem, np.ndarray]:
    """Kernels in the order of their digests and candidates sorted; and where each given candidate went.

    The caller's order of bands then cannot change anything, not even rounding.
    """
    order = np.argsort([blake2b(np.ascontiguousarray(K)).hexdigest() for K in problem.kernels])
    turned = problem.candidates[:, order]
    rows = np.lexsort(turned.T[::-1])
    return replace(problem, kernels=problem.kernels[order], candidates=turned[rows]), np.argsort(rows)


def _checked_ratios(ratios: np.ndarray, n_bands: int) -> np.ndarray:
    """Raise RequestError unless rows are weights of this many bands."""
    ratios = np.asarray(ratios, float)
    if ratios.ndim != 2 or ratios.shape[1] != n_bands or (ratios < 0).any() or not np.allclose(ratios.sum(1), 1):
        raise RequestError(
            f"Ratios (n_candidates, {n_bands}) of weights >= 0 that sum to 1 are wanted; got {ratios!r}."
        )
    return ratios


def _kernel_scales(Xs: Sequence[np.ndarray]) -> np.ndarray:
    """One over the mean diagonal of each band's kernel; 1 for a band that is zero throughout."""
    means = np.array([np.square(X, dtype=np.float64).sum() / len(X) for X in Xs])
    return np.where(means > 0, 1 / np.where(means > 0, means, 1), 1).astype(np.float32)


def _identical(kernels: np.ndarray) -> np.ndarray:
    """For each band the first band with the same kernel up to rounding: (n_bands,) int."""
    owner = np.arange(len(kernels))
    for later in range(1, len(kernels)):
        tolerance = 1e-6 * np.abs(kernels[later]).max()
        same = [i for i in range(later) if np.abs(kernels[i] - kernels[later]).max() <= tolerance]
        owner[later] = owner[same[0]] if same else later
    return owner


def _check_bands(Xs: Sequence[np.ndarray], Y: np.ndarray | None, widths: Sequence[int] | None = None) -> None:
    """Raise RequestError unless bands are finite, equally long, of the fitted widths, and as long as Y."""
    shapes = [np.shape(X) for X in Xs]
    lengths = {shape[0] for shape in shapes} | (set() if Y is None else {len(Y)})
    if not shapes or any(len(shape) != 2 for shape in shapes) or len(lengths) > 1:
        raise RequestError(
            f"Bands of features (n_samples, n_features), as long as the responses, are wanted; got shapes {shapes!r}"
            f"{'' if Y is None else f' for responses {Y.shape!r}'}."
        )
    if widths is not None and [shape[1] for shape in shapes] != list(widths):
        raise RequestError(f"The model was fitted to bands of {list(widths)!r} features; got shapes {shapes!r}.")
    if not all(np.isfinite(X).all() for X in Xs) or (Y is not None and not np.isfinite(Y).all()):
        raise RequestError("Features and responses must be finite; got NaN or infinity. Leave such voxels out first.")
