"""Banded ridge regression in its kernel form, with weights of bands and regularisation chosen per voxel.

Y = sum_j X_j b_j + noise, where band j has the kernel K_j = X_j X_j'. For weights g_j >= 0 that sum to 1, and a > 0,
the dual solution is c = (sum_j g_j K_j + a I)^-1 Y, and band j predicts g_j X_j* X_j' c (Dupre la Tour, Eickenberg,
Nunez-Elizalde and Gallant 2022). Searches over (g, a): `surface_search`, the default, and himalaya's `random_search`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from brivl.core.encoding.single_bands import SearchOutcome, no_report, predict_single_bands
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
    """Banded ridge regression without intercept.

    Features and responses are to be centred before. Bands with identical kernels are fitted as one and share its weight
    equally.

    Parameters
    ----------
    alphas : Sequence of float
        Regularisation strengths to try.
    ratios : (n_candidates, n_bands) array, DirichletRatios or None
        Weights of bands to try; None for `ratio_grid`.
    cv : int or Folds
        Number of contiguous folds, or a list of (train, validation) index arrays.
    normalise_kernels : bool
        Scale each band's kernel to a mean diagonal of 1 on the training rows, so that weights and alphas do not depend
        on the units and number of features. Nothing else is scaled.
    solver : Solver
        Method and sizes of the search.

    Attributes
    ----------
    band_weights_ : (n_bands, n_voxels) array
        Weights chosen; they sum to 1.
    alphas_ : (n_voxels,) array
        Regularisation strengths chosen.
    cv_scores_ : (n_candidates, n_voxels) array
        Minus the mean squared error on held-out folds at the best alpha. Where scores of many voxels are mapped from a
        sample (`surface_search`), they are close for candidates near the best and approximate for the others.
    dual_coef_ : (n_rows, n_voxels) array
        Dual weights; rows as in `Xs_fit_`, fewer than n_train where rows could be compressed.
    Xs_fit_ : list of (n_rows, n_features) arrays
        Bands.
    single_predictions_ : (n_bands, n_samples, n_voxels) array or None
        Predictions of each band fitted alone, where `fit` was given rows to predict.
    """

    band_weights_: np.ndarray
    alphas_: np.ndarray
    cv_scores_: np.ndarray
    dual_coef_: np.ndarray
    Xs_fit_: list[np.ndarray]
    single_predictions_: np.ndarray | None = None

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

    @one_thread_per_call()
    def fit(
        self,
        Xs: Sequence[np.ndarray],
        Y: np.ndarray,
        progress: StepCallback | None = None,
        overwrite_Y: bool = False,
        Xs_single: Sequence[np.ndarray] | None = None,
    ) -> BandedRidge:
        """Choose weights and alpha of each voxel by cross-validation, then refit on all rows.

        Parameters
        ----------
        Xs : Sequence of (n_train, n_features) arrays
            Bands, centred.
        Y : (n_train, n_voxels) array
            Responses, centred.
        progress : StepCallback or None
            Receives (done, total) during the search; may raise, which stops it.
        overwrite_Y : bool
            Let dual weights take the place of Y, if that is float32, which halves the memory.
        Xs_single : Sequence of (n_samples, n_features) arrays or None
            Bands of rows that each band alone shall predict too, with the same folds and alphas (`single_bands`).

        Returns
        -------
        BandedRidge
            This object.

        Raises
        ------
        RequestError
            For inconsistent shapes, NaN, or alphas that are not positive.
        """
        _check_bands(Xs, Y)
        if not len(self.alphas) or not all(0 < alpha < np.inf for alpha in self.alphas):
            raise RequestError(
                f"Expected positive regularisation strengths, at least one, got {self.alphas!r}. Correct `alphas`."
            )
        Xs, Y = [np.asarray(X, np.float32) for X in Xs], np.asarray(Y, np.float32)
        self.kernel_scales_ = self.scales_of(Xs)
        compressed = compress_folds(Xs, Y, self.folds_of(len(Y)), self.kernel_scales_)
        self.Xs_fit_ = compressed.Xs
        folds = compressed.folds, compressed.fold_weights
        bands = Bands.of(compressed.Xs, self.kernel_scales_, folds, self.candidates, self.alphas)
        overwrite = overwrite_Y or compressed.Y is not Y
        self.single_predictions_ = None
        across = None if Xs_single is None else [self._kernel(i, X) for i, X in enumerate(Xs_single)]
        self.band_weights_ = self._search(bands, compressed.Y, progress, overwrite, across)
        self.cv_scores_ -= compressed.lost_error
        return self

    def scales_of(self, Xs: Sequence[np.ndarray]) -> np.ndarray:
        """Compute the factors of the kernels.

        Parameters
        ----------
        Xs : Sequence of (n_train, n_features) arrays
            Bands.

        Returns
        -------
        np.ndarray
            (n_bands,) float32, what each band's kernel is multiplied by.
        """
        return kernel_scales(Xs) if self.normalise_kernels else np.ones(len(Xs), np.float32)

    def folds_of(self, n_rows: int) -> Folds:
        """Make the folds that choose weights and alpha.

        Parameters
        ----------
        n_rows : int
            Number of training rows.

        Returns
        -------
        Folds
            `cv`, or as many contiguous folds.
        """
        return contiguous_folds(n_rows, self.cv) if isinstance(self.cv, int) else self.cv

    @one_thread_per_call()
    def predict(self, Xs: Sequence[np.ndarray], split: bool = False) -> np.ndarray:
        """Predict responses.

        Parameters
        ----------
        Xs : Sequence of (n_samples, n_features) arrays
            Bands, centred on the training means.
        split : bool
            Return the prediction of each band instead of their sum.

        Returns
        -------
        np.ndarray
            (n_samples, n_voxels), or with split (n_bands, n_samples, n_voxels), float32.

        Raises
        ------
        RequestError
            If bands are not as wide as the fitted ones, or not finite.
        """
        check_is_fitted(self, "dual_coef_")
        _check_bands(Xs, None, [X.shape[1] for X in self.Xs_fit_])
        bands = band_predictions(lambda band: self._kernel(band, Xs[band]), self.dual_coef_, self.band_weights_)
        return bands if split else bands.sum(0)

    def score(self, Xs: Sequence[np.ndarray], Y: np.ndarray, split: bool = False) -> np.ndarray:
        """Measure R2 of the predictions.

        Parameters
        ----------
        Xs : Sequence of (n_samples, n_features) arrays
            Bands, centred on the training means.
        Y : (n_samples, n_voxels) array
            Responses, centred.
        split : bool
            Return the split R2 of each band instead of the joint R2.

        Returns
        -------
        np.ndarray
            (n_voxels,), or with split (n_bands, n_voxels).
        """
        return r2_split(Y, self.predict(Xs, split=True)) if split else r2_joint(Y, self.predict(Xs))

    def _kernel(self, band: int, X: np.ndarray) -> np.ndarray:
        """Kernel (n_samples, n_rows) of samples of a band with the fitted rows."""
        return self.kernel_scales_[band] * (np.asarray(X, np.float32) @ self.Xs_fit_[band].T)

    def _search(
        self,
        bands: Bands,
        Y: np.ndarray,
        progress: StepCallback | None,
        overwrite: bool,
        across: Sequence[np.ndarray] | None,
    ) -> np.ndarray:
        """Choose weights (n_bands, n_voxels); set scores, alphas, dual weights and predictions of single bands."""
        with himalaya_backend(self.solver.backend) as backend, one_thread_per_call():
            search = SurfaceSearch(bands.problem, self.solver, backend)
            is_random = self.solver.method == "himalaya" or not is_partition(bands.problem.folds, len(Y))
            if is_random:
                scores, alphas = random_search(bands.problem, Y, self.solver, progress)
            else:
                scores, alphas = search.search(Y, ProgressSteps(progress, 2 * search.n_combinations))
            if across is not None:
                outcome = None if is_random else SearchOutcome(alphas, search.map, search.pivot_losses)
                report = no_report if progress is None else partial(progress, 1, 1)
                self.single_predictions_ = predict_single_bands(search, bands, Y, outcome, across, report)
            self.cv_scores_ = scores[bands.positions]
            best = choose_candidate(self.cv_scores_, bands.candidates)
            chosen = bands.positions[best]
            self.alphas_ = alphas[chosen, np.arange(len(best))]
            self.dual_coef_ = refit(search, Y, chosen, self.alphas_, Y if overwrite else np.empty_like(Y))
        return bands.weights(best)

    def candidates(self, owner: np.ndarray) -> np.ndarray:
        """List the weights to try for the distinct kernels; weights of bands with one kernel are added up.

        Parameters
        ----------
        owner : (n_bands,) array
            First band with the same kernel as each band.

        Returns
        -------
        np.ndarray
            (n_candidates, n_kernels).

        Raises
        ------
        RequestError
            If given weights are not those of as many bands.
        """
        distinct = np.unique(owner)
        if self.ratios is None:
            return ratio_grid(len(distinct))
        if isinstance(self.ratios, DirichletRatios):
            ratios = draw_ratios(self.ratios.n_iter, self.ratios.random_state, len(owner))
        else:
            ratios = _checked_ratios(self.ratios, len(owner))
        merged = np.stack([ratios[:, owner == band].sum(1) for band in distinct], axis=1)
        _, first = np.unique(np.round(merged, 12), axis=0, return_index=True)
        return merged[np.sort(first)]


def band_predictions(kernel: Callable[[int], np.ndarray], dual: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Predict responses by band.

    Parameters
    ----------
    kernel : Callable
        Gives the kernel of the samples with the fitted rows, (n_samples, n_rows), of the band with this number.
    dual : (n_rows, n_voxels) array
        Dual weights.
    weights : (n_bands, n_voxels) array
        Band weights.

    Returns
    -------
    np.ndarray
        (n_bands, n_samples, n_voxels).
    """
    n_bands, n_bytes = len(weights), 4 * dual.nbytes
    kernels = list(map_in_order(kernel, range(n_bands), n_at_once(n_bytes)))
    predicted = np.empty((n_bands, len(kernels[0]), dual.shape[1]), np.result_type(dual, weights))

    def _predict_band(band: int) -> None:
        np.multiply(kernels[band] @ dual, weights[band], out=predicted[band])

    list(map_in_order(_predict_band, range(n_bands), n_at_once(n_bytes)))
    return predicted


def refit(search: SurfaceSearch, Y: np.ndarray, best: np.ndarray, alphas: np.ndarray, dual: np.ndarray) -> np.ndarray:
    """Compute dual weights of each voxel with the candidate and the alpha that it chose.

    Parameters
    ----------
    search : SurfaceSearch
        Decompositions of the kernels of all candidates.
    Y : (n_rows, n_voxels) array
        Responses.
    best : (n_voxels,) array
        Candidate of each voxel.
    alphas : (n_voxels,) array
        Alpha of each voxel.
    dual : (n_rows, n_voxels) array
        Receives the dual weights.

    Returns
    -------
    np.ndarray
        `dual`.
    """

    candidates = list(search.decomposed(np.unique(best).tolist()))

    def _batches() -> Iterator[tuple[int, np.ndarray]]:
        for candidate in candidates:
            voxels = np.flatnonzero(best == candidate)
            for batch in np.array_split(voxels, -(-len(voxels) // search.solver.n_voxels_batch)):
                yield candidate, batch

    def _refit_batch(part: tuple[int, np.ndarray]) -> None:
        candidate, batch = part
        dual[:, batch] = search.dual(candidate, Y[:, batch], alphas[batch])  # the same columns, since dual may be Y

    list(map_in_order(_refit_batch, _batches(), search.n_threads))
    return dual


def _checked_ratios(ratios: np.ndarray, n_bands: int) -> np.ndarray:
    """Raise RequestError unless rows are weights of this many bands."""
    ratios = np.asarray(ratios, float)
    if ratios.ndim != 2 or ratios.shape[1] != n_bands or (ratios < 0).any() or not np.allclose(ratios.sum(1), 1):
        raise RequestError(
            f"Expected ratios (n_candidates, {n_bands}) of weights >= 0 that sum to 1, got {ratios!r}. Correct them."
        )
    return ratios


def _check_bands(Xs: Sequence[np.ndarray], Y: np.ndarray | None, widths: Sequence[int] | None = None) -> None:
    """Raise RequestError unless bands are finite, equally long, of the fitted widths, and as long as Y."""
    shapes = [np.shape(X) for X in Xs]
    lengths = {shape[0] for shape in shapes} | (set() if Y is None else {len(Y)})
    if not shapes or any(len(shape) != 2 for shape in shapes) or len(lengths) > 1:
        raise RequestError(
            f"Expected bands of features (n_samples, n_features), as long as the responses, got shapes {shapes!r}"
            f"{'' if Y is None else f' for responses {Y.shape!r}'}. Give one row of features per sample."
        )
    if widths is not None and [shape[1] for shape in shapes] != list(widths):
        raise RequestError(
            f"Expected bands of {list(widths)!r} features, as fitted, got shapes {shapes!r}. Give the features of the "
            "same models."
        )
    if not all(np.isfinite(X).all() for X in Xs) or (Y is not None and not np.isfinite(Y).all()):
        raise RequestError(
            "Expected finite features and responses, got NaN or infinity. Leave out such voxels and features."
        )
