"""Banded ridge of more voxels than fit in memory: what does not depend on responses is computed once for all batches.

The sample that scores are mapped from (`surface_search`) is drawn from all voxels, and responses are multiplied in the
same blocks whatever the size of a batch. So weights and alphas are the same to the bit for any batches of whole blocks;
predictions agree up to rounding, since the refit multiplies all voxels of a batch that chose alike at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.core.encoding.banded_ridge import BandedRidge, band_predictions, refit
from brivl.core.encoding.bands import Bands
from brivl.core.encoding.fold_compression import FoldProjection, is_partition
from brivl.core.encoding.random_search import random_search
from brivl.core.encoding.ratios import choose_candidate
from brivl.core.encoding.score_map import ScoreMap
from brivl.core.encoding.spill_buffer import ROOM_BYTES, SpillBuffer
from brivl.core.encoding.split_score import himalaya_backend
from brivl.core.encoding.surface_search import N_SAMPLE, Operator, SurfaceSearch
from brivl.core.parallel import one_thread_per_call
from brivl.core.progress import ProgressSteps

Tell = Callable[[float], None]  # share of a phase that is done; may raise
STEPS = 1000


@dataclass(frozen=True)
class FittedBatch:
    """Choices for the voxels of a batch, and their predictions."""

    weights: np.ndarray  # (n_bands, n_voxels) sums to 1
    alphas: np.ndarray  # (n_voxels,)
    predicted: np.ndarray  # (n_bands, n_test, n_voxels) float32


class BatchedRidge:
    """`ridge` for n_voxels that come in batches: predictability of each, `learn` from a sample, `fit` each.

    Xs, Xs_test: bands (n_train, n_features) and (n_test, n_features), centred. Matrices that do not fit in memory lie
    in a scratch file within `scratch`.
    """

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
        self._turn = FoldProjection.of(Xs, folds, scales)
        weighted = (folds, np.ones(len(folds))) if self._turn is None else self._turn.folds
        Xs = Xs if self._turn is None else [self._turn.rows(X) for X in Xs]
        self._bands = Bands.of(Xs, scales, weighted, ridge.candidates, ridge.alphas)
        self._across = [scale * (test @ X.T) for X, test, scale in zip(Xs, Xs_test, scales, strict=True)]
        self.solver, self.n_voxels, self.n_rows = ridge.solver, n_voxels, len(Xs[0])
        self._shelf = SpillBuffer(ROOM_BYTES, scratch)
        with himalaya_backend(self.solver.backend) as backend:
            self._search = SurfaceSearch(self._bands.problem, self.solver, backend, self._shelf)
        own = self.solver.method != "himalaya" and is_partition(weighted[0], self.n_rows)
        self.is_own = own
        self.is_mapped = own and n_voxels > N_SAMPLE and not self.solver.exact
        self.map: ScoreMap | None = None
        self._operators: list[Operator] = []

    def close(self) -> None:
        """Give the scratch file back; nothing can be fitted any more."""
        self._shelf.close()

    def predictability_proxy(self, Y: np.ndarray) -> np.ndarray:
        """What the sample is drawn by (`spread_sample`), (n_voxels,) from responses (n_train, n_voxels)."""
        Y = self._rows(Y)
        blocks = [np.ascontiguousarray(Y[:, block]) for block in self._search.batches(Y)]
        return np.concatenate([self._search.predictability_proxy(block) for block in blocks])

    def learn(self, Y: np.ndarray, tell: Tell) -> ScoreMap:
        """Learn the map of scores from the sample's responses (n_train, n_sample); it can be kept and set as `map`."""
        with self._computing():
            self.map = self._search.calibrate(self._rows(Y), _steps(tell, self._search.n_combinations))
        return self.map

    def prepare(self, tell: Tell) -> None:
        """Make the matrices that turn responses into the losses that scores are mapped from."""
        if self.map is None or self._operators:
            return
        pivots, operators = self.map.pivots, []
        with self._computing():
            for _ in self._search.decomposed(self._search.candidates_of(pivots)):  # again, where the map was stored
                tell(0.0)
            for operator in self._search.operators(pivots, self.n_voxels):
                operators.append(operator)
                tell(len(operators) / len(pivots))
        self._operators = operators

    def fit(self, Y: np.ndarray, tell: Tell) -> FittedBatch:
        """Choose weights and alpha of each voxel of Y (n_train, n_voxels), refit and predict."""
        Y, bands = self._rows(Y), self._bands
        with self._computing():
            scores, alphas = self._scores(Y, tell)
            best = choose_candidate(scores[bands.place], bands.candidates)
            alphas = alphas[bands.place[best], np.arange(len(best))]
            dual = refit(self._search, Y, bands.place[best], alphas, np.empty_like(Y))
        weights = bands.weights(best)
        return FittedBatch(weights, alphas, band_predictions(self._across.__getitem__, dual, weights))

    def _scores(self, Y: np.ndarray, tell: Tell) -> tuple[np.ndarray, np.ndarray]:
        """Score of each candidate at its best alpha, and that alpha: both (n_candidates, n_voxels)."""
        if not self.is_own:
            return random_search(self._bands.problem, Y, self.solver, lambda done, total: tell(done / total))
        if self.map is None:
            return self._search.search_all(Y, _steps(tell, 2 * self._search.n_combinations))
        return self._search.mapped(Y, self.map, self._pivot_losses(Y, tell))

    def _pivot_losses(self, Y: np.ndarray, tell: Tell) -> np.ndarray:
        """Losses (n_pivots, n_voxels) of the combinations that all others follow from."""
        self.prepare(lambda share: None)
        losses = np.empty((len(self._operators), Y.shape[1]))
        blocks = self._search.batches(Y)
        for done, block in enumerate(blocks):
            for i, losses_of_block in enumerate(self._search.losses_of_batch(self._operators, Y[:, block])):
                losses[i, block] = losses_of_block
                tell((done + (i + 1) / len(losses)) / len(blocks))
        return losses

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with himalaya_backend(self.solver.backend), one_thread_per_call():
            yield

    def _rows(self, Y: np.ndarray) -> np.ndarray:
        """Responses in the rows that are computed with."""
        Y = np.asarray(Y, np.float32)
        if self._turn is None:
            return Y
        blocks = [np.ascontiguousarray(Y[:, block]) for block in self._search.batches(Y)]
        return np.concatenate([self._turn.rows(block) for block in blocks], axis=1)


def _steps(tell: Tell, total: int) -> ProgressSteps:
    return ProgressSteps(lambda done, of: tell(done / of), total)
