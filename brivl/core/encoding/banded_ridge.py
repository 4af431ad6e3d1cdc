"""Banded ridge regression in its kernel form, with weights of bands and regularisation chosen per voxel.

Y = sum_j X_j b_j + noise, where band j has the kernel K_j = X_j X_j'; for weights g_j >= 0, sum 1, and a > 0 the dual
solution is c = (sum_j g_j K_j + a I)^-1 Y, and band j predicts g_j X_j* X_j' c (la Tour, Eickenberg, Nunez-Elizalde
and Gallant 2022). Searches over (g, a): `surface_search`, the default, and himalaya's, `random_search`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from brivl.core.encoding.bands import Bands, kernel_scales
from brivl.core.encoding.cross_validation import Folds, contiguous_folds
from brivl.core.encoding.fold_compression import compress_folds, is_partition
from brivl.core.encoding.problem import Solver
from brivl.core.encoding.random_search import draw_ratios, random_search
from brivl.core.encoding.ratios import choose_candidate, ratio_grid
from brivl.core.encoding.split_score import himalaya_backend, r2_joint, r2_split
from brivl.core.encoding.surface_search import SurfaceSearch
from brivl.core.parallel import map_in_order, n_at_once, one_thread_per_call
from brivl.core.progress import ProgressSteps, StepCallback
from brivl.errors import RequestError

__all__ = ["BandedRidge", "DirichletRatios", "StepCallback", "Solver"]


@dataclass(frozen=True)
class DirichletRatios:
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
        ratios: np.ndarray | DirichletRatios | None = None,
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
        self, Xs: Sequence[np.ndarray], Y: np.ndarray, progress: StepCallback | None = None, overwrite_Y: bool = False
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
        self.kernel_scales_ = self.scales_of(Xs)
        rows = compress_folds(Xs, Y, self.folds_of(len(Y)), self.kernel_scales_)
        self.Xs_fit_ = rows.Xs
        folds = rows.folds, rows.fold_weights
        bands = Bands.of(rows.Xs, self.kernel_scales_, folds, self.candidates, self.alphas)
        self.band_weights_ = self._search(bands, rows.Y, progress, overwrite_Y or rows.Y is not Y)
        self.cv_scores_ -= rows.unreachable
        return self

    def scales_of(self, Xs: Sequence[np.ndarray]) -> np.ndarray:
        """What each band's kernel is multiplied by: (n_bands,) float32."""
        return kernel_scales(Xs) if self.normalise_kernels else np.ones(len(Xs), np.float32)

    def folds_of(self, n_rows: int) -> Folds:
        """The folds that choose weights and alpha."""
        return contiguous_folds(n_rows, self.cv) if isinstance(self.cv, int) else self.cv

    def predict(self, Xs: Sequence[np.ndarray], split: bool = False) -> np.ndarray:
        """Predictions (n_samples, n_voxels), or with split=True by band (n_bands, n_samples, n_voxels), float32."""
        check_is_fitted(self, "dual_coef_")
        _check_bands(Xs, None, [X.shape[1] for X in self.Xs_fit_])

        def kernel(band: int) -> np.ndarray:
            return self.kernel_scales_[band] * (np.asarray(Xs[band], np.float32) @ self.Xs_fit_[band].T)

        bands = band_predictions(kernel, self.dual_coef_, self.band_weights_)
        return bands if split else bands.sum(0)

    def score(self, Xs: Sequence[np.ndarray], Y: np.ndarray, split: bool = False) -> np.ndarray:
        """R2 per voxel (n_voxels,), or its parts by band (n_bands, n_voxels); Y is to be centred by the caller."""
        return r2_split(Y, self.predict(Xs, split=True)) if split else r2_joint(Y, self.predict(Xs))

    def _search(self, bands: Bands, Y: np.ndarray, progress: StepCallback | None, overwrite: bool) -> np.ndarray:
        """Weights (n_bands, n_voxels) chosen; scores, alphas and dual weights are kept."""
        with himalaya_backend(self.solver.backend) as backend, one_thread_per_call():
            search = SurfaceSearch(bands.problem, self.solver, backend)
            if self.solver.method == "himalaya" or not is_partition(bands.problem.folds, len(Y)):
                scores, alphas = random_search(bands.problem, Y, self.solver, progress)
            else:
                scores, alphas = search.search(Y, ProgressSteps(progress, 2 * search.n_combinations))
            self.cv_scores_ = scores[bands.place]
            best = choose_candidate(self.cv_scores_, bands.candidates)
            self.alphas_ = alphas[bands.place[best], np.arange(len(best))]
            self.dual_coef_ = refit(search, Y, bands.place[best], self.alphas_, Y if overwrite else np.empty_like(Y))
        return bands.weights(best)

    def candidates(self, owner: np.ndarray) -> np.ndarray:
        """Weights to try for the distinct kernels; what bands with one kernel would get is added up.

        owner (n_bands,): the first band with the same kernel.
        """
        distinct = np.unique(owner)
        if self.ratios is None:
            return ratio_grid(len(distinct))
        given = self.ratios
        if isinstance(given, DirichletRatios):
            given = draw_ratios(given.n_iter, given.random_state, len(owner))
        else:
            given = _checked_ratios(given, len(owner))
        merged = np.stack([given[:, owner == band].sum(1) for band in distinct], axis=1)
        _, first = np.unique(np.round(merged, 12), axis=0, return_index=True)
        return merged[np.sort(first)]


def band_predictions(kernel: Callable[[int], np.ndarray], dual: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Predictions by band (n_bands, n_samples, n_voxels).

    kernel(band) is that of the samples with the fitted rows, (n_samples, n_rows); dual (n_rows, n_voxels), weights
    (n_bands, n_voxels).
    """
    n_bands, n_bytes = len(weights), 4 * dual.nbytes
    kernels = list(map_in_order(kernel, range(n_bands), n_at_once(n_bytes)))
    predicted = np.empty((n_bands, len(kernels[0]), dual.shape[1]), np.result_type(dual, weights))

    def predict_band(band: int) -> None:
        np.multiply(kernels[band] @ dual, weights[band], out=predicted[band])

    list(map_in_order(predict_band, range(n_bands), n_at_once(n_bytes)))
    return predicted


def refit(search: SurfaceSearch, Y: np.ndarray, best: np.ndarray, alphas: np.ndarray, dual: np.ndarray) -> np.ndarray:
    """Dual weights (n_rows, n_voxels), each voxel with the candidate and the alpha that it chose; written to `dual`."""

    def refit_some(candidate: int, some: np.ndarray) -> None:
        dual[:, some] = search.dual(candidate, Y[:, some], alphas[some])  # the same columns, in case dual is Y

    for candidate in search.decomposed(np.unique(best).tolist()):
        voxels = np.flatnonzero(best == candidate)
        batches = np.array_split(voxels, -(-len(voxels) // search.solver.n_voxels_batch))
        list(map_in_order(partial(refit_some, candidate), batches, search.n_threads))
    return dual


def _checked_ratios(ratios: np.ndarray, n_bands: int) -> np.ndarray:
    """Raise RequestError unless rows are weights of this many bands."""
    ratios = np.asarray(ratios, float)
    if ratios.ndim != 2 or ratios.shape[1] != n_bands or (ratios < 0).any() or not np.allclose(ratios.sum(1), 1):
        raise RequestError(
            f"Ratios (n_candidates, {n_bands}) of weights >= 0 that sum to 1 are wanted; got {ratios!r}."
        )
    return ratios


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
