"""Banded ridge of more voxels than fit in memory: what does not depend on responses is computed once for all batches.

The sample from which scores are mapped (`surface_search`) is drawn from all voxels, and responses are multiplied in the
same blocks whatever the size of a batch. Weights and alphas are therefore the same to the bit for any batches of whole
blocks. Predictions agree up to rounding, since the refit multiplies all voxels of a batch that share a choice at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from brivl.core.encoding.banded_ridge import BandedRidge, band_predictions, refit
from brivl.core.encoding.bands import Bands
from brivl.core.encoding.fold_compression import FoldProjection, is_partition
from brivl.core.encoding.random_search import random_search
from brivl.core.encoding.ratios import choose_candidate
from brivl.core.encoding.score_map import ScoreMap
from brivl.core.encoding.single_bands import SearchOutcome, predict_single_bands
from brivl.core.encoding.spill_buffer import ROOM_BYTES, SpillBuffer
from brivl.core.encoding.split_score import himalaya_backend
from brivl.core.encoding.surface_search import N_SAMPLE, LossFunction, SurfaceSearch
from brivl.core.parallel import one_thread_per_call
from brivl.core.progress import FractionCallback, ProgressSteps, no_fraction


@dataclass(frozen=True)
class FittedBatch:
    """Choices for the voxels of a batch, and their predictions."""

    weights: np.ndarray  # (n_bands, n_voxels) sums to 1
    alphas: np.ndarray  # (n_voxels,)
    predicted: np.ndarray  # (n_bands, n_test, n_voxels) float32
    single: np.ndarray | None = None  # (n_bands, n_test, n_voxels) float32, predictions of each band fitted alone


class BatchedRidge:
    """Banded ridge of voxels that come in batches.

    Call `predictability_proxy` for each batch, `learn` with a sample, then `fit` for each batch.

    Parameters
    ----------
    ridge : BandedRidge
        Settings of the regression.
    Xs : Sequence of (n_train, n_features) arrays
        Bands of the rows to fit, centred.
    Xs_test : Sequence of (n_test, n_features) arrays
        Bands of the rows to predict, centred.
    n_voxels : int
        Number of voxels of all batches.
    scratch : Path or None
        Folder of the scratch file for matrices that do not fit in memory.
    """

    @one_thread_per_call()
    def __init__(
        self,
        ridge: BandedRidge,
        Xs: Sequence[np.ndarray],
        Xs_test: Sequence[np.ndarray],
        n_voxels: int,
        scratch: Path | None = None,
    ) -> None:
        Xs, scales = [np.asarray(X, np.float32) for X in Xs], ridge.scales_of(Xs)
        folds = ridge.folds_of(len(Xs[0]))
        self._projection = FoldProjection.of(Xs, folds, scales)
        weighted = (folds, np.ones(len(folds))) if self._projection is None else self._projection.folds
        Xs = Xs if self._projection is None else [self._projection.project(X) for X in Xs]
        self._bands = Bands.of(Xs, scales, weighted, ridge.candidates, ridge.alphas)
        self._across = [scale * (test @ X.T) for X, test, scale in zip(Xs, Xs_test, scales, strict=True)]
        self.solver, self.n_voxels, self.n_rows = ridge.solver, n_voxels, len(Xs[0])
        self._buffer = SpillBuffer(ROOM_BYTES, scratch)
        with himalaya_backend(self.solver.backend) as backend:
            self._search = SurfaceSearch(self._bands.problem, self.solver, backend, self._buffer)
        self.is_surface = self.solver.method != "himalaya" and is_partition(weighted[0], self.n_rows)
        self.is_mapped = self.is_surface and n_voxels > N_SAMPLE and not self.solver.exact
        self.map: ScoreMap | None = None
        self._operators: list[LossFunction] = []

    def close(self) -> None:
        """Delete the scratch file; nothing can be fitted afterwards."""
        self._buffer.close()

    @one_thread_per_call()
    def predictability_proxy(self, Y: np.ndarray) -> np.ndarray:
        """Estimate how predictable each voxel is, for drawing the sample (`stratified_sample`).

        Parameters
        ----------
        Y : (n_train, n_voxels) array
            Responses of a batch.

        Returns
        -------
        np.ndarray
            (n_voxels,) as `SurfaceSearch.predictability_proxy`.
        """
        Y = self._project(Y)
        blocks = [np.ascontiguousarray(Y[:, block]) for block in self._search.batches(Y)]
        return np.concatenate([self._search.predictability_proxy(block) for block in blocks])

    @one_thread_per_call()
    def learn(self, Y: np.ndarray, report: FractionCallback) -> ScoreMap:
        """Learn the map of scores, which can be stored and set as `map`.

        Parameters
        ----------
        Y : (n_train, n_sample) array
            Responses of the sample.
        report : FractionCallback
            Receives the fraction done.

        Returns
        -------
        ScoreMap
            The map.
        """
        with self._computing():
            self.map = self._search.calibrate(self._project(Y), _steps(report, self._search.n_combinations))
        return self.map

    def prepare(self, report: FractionCallback) -> None:
        """Compute the matrices that give the losses of the pivots from responses.

        Parameters
        ----------
        report : FractionCallback
            Receives the fraction done.
        """
        if self.map is None or self._operators:
            return
        pivots: np.ndarray = self.map.pivots
        operators: list[LossFunction] = []
        with self._computing():
            # Where the map was stored by another process, nothing is decomposed yet.
            for _ in self._search.decomposed(self._search.candidates_of(pivots)):
                report(0.0)
            for operator in self._search.operators(pivots, self.n_voxels):
                operators.append(operator)
                report(len(operators) / len(pivots))
        self._operators = operators

    @one_thread_per_call()
    def fit(self, Y: np.ndarray, report: FractionCallback, single: bool = False) -> FittedBatch:
        """Choose weights and alpha of each voxel, refit and predict.

        Parameters
        ----------
        Y : (n_train, n_voxels) array
            Responses of a batch.
        report : FractionCallback
            Receives the fraction done.
        single : bool
            Fit each band alone too.

        Returns
        -------
        FittedBatch
            Choices and predictions.
        """
        Y, bands = self._project(Y), self._bands
        with self._computing():
            scores, alphas, pivot_losses = self._scores(Y, report)
            alone = None
            if single:
                outcome = SearchOutcome(alphas, self.map, pivot_losses) if self.is_surface else None
                alone = predict_single_bands(self._search, bands, Y, outcome, self._across, partial(report, 1.0))
            best = choose_candidate(scores[bands.positions], bands.candidates)
            alphas = alphas[bands.positions[best], np.arange(len(best))]
            dual = refit(self._search, Y, bands.positions[best], alphas, np.empty_like(Y))
        weights = bands.weights(best)
        return FittedBatch(weights, alphas, band_predictions(self._across.__getitem__, dual, weights), alone)

    def _scores(self, Y: np.ndarray, report: FractionCallback) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Score of each candidate at its best alpha, that alpha, both (n_candidates, n_voxels), and pivots' losses."""
        if not self.is_surface:
            scores = random_search(self._bands.problem, Y, self.solver, lambda done, total: report(done / total))
            return *scores, None
        if self.map is None:
            return *self._search.search_all(Y, _steps(report, 2 * self._search.n_combinations)), None
        losses = self._pivot_losses(Y, report)
        return *self._search.mapped(Y, self.map, losses), losses

    def _pivot_losses(self, Y: np.ndarray, report: FractionCallback) -> np.ndarray:
        """Losses (n_pivots, n_voxels) of the combinations from which all others are mapped."""
        self.prepare(no_fraction)
        losses = np.empty((len(self._operators), Y.shape[1]))
        blocks = self._search.batches(Y)
        for done, block in enumerate(blocks):
            for i, block_losses in enumerate(self._search.losses_of_batch(self._operators, Y[:, block])):
                losses[i, block] = block_losses
                report((done + (i + 1) / len(losses)) / len(blocks))
        return losses

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with himalaya_backend(self.solver.backend), one_thread_per_call():
            yield

    def _project(self, Y: np.ndarray) -> np.ndarray:
        """Responses in the rows that are computed with."""
        Y = np.asarray(Y, np.float32)
        if self._projection is None:
            return Y
        blocks = [np.ascontiguousarray(Y[:, block]) for block in self._search.batches(Y)]
        return np.concatenate([self._projection.project(block) for block in blocks], axis=1)


def _steps(report: FractionCallback, total: int) -> ProgressSteps:
    return ProgressSteps(lambda done, of: report(done / of), total)
