"""Banded ridge regression in its kernel form, with weights of bands and regularisation chosen per voxel.

Y = sum_j X_j b_j + noise, where band j has the kernel K_j = X_j X_j'; for weights g_j >= 0, sum 1, and a > 0 the dual
solution is c = (sum_j g_j K_j + a I)^-1 Y, and band j predicts g_j X_j* X_j' c (la Tour, Eickenberg, Nunez-Elizalde
and Gallant 2022). The search over (g, a) is himalaya's; this module is its one home.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from himalaya.kernel_ridge import generate_dirichlet_samples, solve_multiple_kernel_ridge_random_search
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from brivl.core.encoding.cross_validation import Folds, contiguous_folds
from brivl.core.encoding.fold_compression import Rows, compressed
from brivl.core.encoding.ratios import choose, ratio_grid
from brivl.core.encoding.split_score import himalaya_backend, r2_joint, r2_split
from brivl.errors import RequestError

Progress = Callable[[int, int], None]
Array = Any  # of the backend: numpy.ndarray or torch.Tensor


@dataclass(frozen=True)
class Draws:
    """Weights of bands drawn from himalaya's default Dirichlet mixture; the first draw is equal weights."""

    n_iter: int = 20
    random_state: int = 0


@dataclass(frozen=True)
class Solver:
    """What changes speed and memory, not the answer: arrays of (n_alphas_batch, n_held_out, n_voxels_batch) float32."""

    backend: str = "torch"
    n_voxels_batch: int = 1000
    n_alphas_batch: int = 5


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
    cv_scores_: np.ndarray  # (n_candidates, n_voxels) minus the mean squared error on held-out folds, at the best alpha
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

    def fit(self, Xs: Sequence[np.ndarray], Y: np.ndarray, progress: Progress | None = None) -> BandedRidge:
        """Choose weights and alpha of each voxel by cross-validation, then refit on all rows.

        Xs: bands (n_train, n_features of the band), Y (n_train, n_voxels), both centred. progress(done, total) is
        called as the search goes and may raise, which stops it. Raises RequestError for bad shapes or NaN.
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
        search = _Search(kernels[distinct], rows, self._candidates(owner), self)
        weights = search.run(progress)
        self.cv_scores_, self.alphas_, self.dual_coef_ = search.scores, search.alphas, search.dual_coef
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

    def _candidates(self, owner: np.ndarray) -> np.ndarray:
        """Weights to try for the distinct kernels; what bands with one kernel would get is added up."""
        distinct = np.unique(owner)
        if self.ratios is None:
            return ratio_grid(len(distinct))
        given = self.ratios
        given = _draw(given, len(owner)) if isinstance(given, Draws) else _checked_ratios(given, len(owner))
        merged = np.stack([given[:, owner == band].sum(1) for band in distinct], axis=1)
        _, first = np.unique(np.round(merged, 12), axis=0, return_index=True)
        return merged[np.sort(first)]


class _Search:
    """One search over weights and alphas; holds the arrays that its steps share."""

    def __init__(self, kernels: np.ndarray, rows: Rows, candidates: np.ndarray, ridge: BandedRidge) -> None:
        self.kernels, self.rows, self.candidates, self.solver = kernels, rows, candidates, ridge.solver
        self.grid = np.asarray(ridge.alphas, np.float32)
        n_voxels = rows.Y.shape[1]
        self.scores = np.empty((len(candidates), n_voxels), np.float32)
        self.alphas = np.empty(n_voxels, np.float32)
        self.dual_coef = np.empty(rows.Y.shape, np.float32)

    def run(self, progress: Progress | None) -> np.ndarray:
        """Weights of the distinct kernels, (n_kernels, n_voxels); alphas, scores and dual coefficients are kept."""
        with himalaya_backend(self.solver.backend) as backend:
            Ks, Y = backend.asarray(self.kernels), backend.asarray(self.rows.Y)
            loss = self._loss(progress)
            alphas = np.stack([self._cross_validate(Ks, Y, i, loss) for i in range(len(self.candidates))])
            best = choose(self.scores, self.candidates)
            self.alphas[:] = alphas[best, np.arange(len(best))]
            for i in np.unique(best):
                voxels = np.flatnonzero(best == i)
                self.dual_coef[:, voxels] = self._refit(backend, self.candidates[i], voxels)
        return self.candidates[best].T

    def _cross_validate(self, Ks: Array, Y: Array, i: int, loss: Callable) -> np.ndarray:
        """Best alpha of each voxel for candidate i; its score goes to `scores`."""
        # himalaya's log of a zero weight is meant to be -inf; alphas struck out pass through the loss as NaN.
        with np.errstate(divide="ignore", invalid="ignore"):
            _, _, scores, alphas = solve_multiple_kernel_ridge_random_search(
                Ks, Y, n_iter=self.candidates[i : i + 1], alphas=self.grid, score_func=loss, cv=self.rows.folds,
                n_targets_batch=self.solver.n_voxels_batch, n_alphas_batch=self.solver.n_alphas_batch,
                progress_bar=False, return_alphas=True,
            )  # fmt: skip
        self.scores[i] = np.asarray(scores)[0] - self.rows.unreachable
        return np.asarray(alphas)

    def _refit(self, backend: ModuleType, weights: np.ndarray, voxels: np.ndarray) -> np.ndarray:
        """Dual coefficients (n_train, n_voxels) of the voxels that chose these weights, each with its alpha."""
        K = np.tensordot(weights.astype(np.float32), self.kernels, 1)
        values, vectors = (np.asarray(part) for part in backend.eigh(backend.asarray(K)))
        shrunk = np.maximum(values, 0)[:, None] + self.alphas[voxels]
        return vectors @ ((vectors.T @ self.rows.Y[:, voxels]) / shrunk)

    def _loss(self, progress: Progress | None) -> _CountedLoss:
        """Loss that knows how often himalaya will ask for it: voxel batches in alpha batches in folds in candidates."""
        voxel_batches = -(-self.rows.Y.shape[1] // self.solver.n_voxels_batch)
        alpha_batches = -(-len(self.grid) // self.solver.n_alphas_batch)
        weights = np.repeat(self.rows.fold_weights, alpha_batches * voxel_batches).tolist()
        return _CountedLoss(progress, weights * len(self.candidates))


class _CountedLoss:
    """Minus the mean squared error, weighted by fold; each call is a step, and the one place to stop a search."""

    def __init__(self, progress: Progress | None, weights: list[float]) -> None:
        self.progress, self.weights, self.done = progress, weights, 0

    def __call__(self, Y: Array, Y_pred: Array) -> Array:
        """Y (n_held_out, n_voxels_batch), Y_pred (n_alphas_batch, n_held_out, n_voxels_batch): per alpha and voxel."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, len(self.weights))
        # himalaya drops Y_pred right after, and half of the time of its own loss goes into temporaries and NaN checks;
        # alphas too small for float32, the one source of NaN, are struck out by the solver itself.
        Y_pred -= Y
        Y_pred *= Y_pred
        return Y_pred.sum(1) * (-self.weights[self.done - 1] / len(Y))


def _draw(draws: Draws, n_bands: int) -> np.ndarray:
    """Draws of himalaya with the first one replaced by equal weights, as its own solver does."""
    with himalaya_backend("numpy"):
        candidates = np.array(generate_dirichlet_samples(draws.n_iter, n_bands, random_state=draws.random_state))
    candidates[0] = 1 / n_bands
    return candidates


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
