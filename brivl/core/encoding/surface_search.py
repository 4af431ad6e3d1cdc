"""The default search: exact leave-out scores of a sample of voxels, and mapped scores of all others.

1. One eigendecomposition per candidate gives the held-out scores of a few hundred voxels at all alphas (`leave_out`).
2. From them it is learnt how the scores of all combinations follow from those of a few (`score_map`).
3. These few are computed for all voxels, the only work that grows with their number, and the rest is mapped.
Few voxels, or exact=True, have every combination computed instead.

Decompositions, combinations and batches of voxels are computed side by side (`brivl.core.parallel`). Only the calling
thread reports progress and puts results together, in the same order for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from types import ModuleType

import numpy as np

from brivl.core.encoding.leave_out import (
    Eigendecomposition,
    FoldBlocks,
    QuadraticLoss,
    dual_weights,
    error_rows,
    held_out_losses,
)
from brivl.core.encoding.problem import Array, Problem, Solver
from brivl.core.encoding.score_map import RELEVANT, ScoreMap, learn_map
from brivl.core.encoding.spill_buffer import SpillBuffer
from brivl.core.parallel import map_in_order, n_at_once
from brivl.core.progress import ProgressSteps

# Sample voxels, and those of them from the most predictable twentieth, where errors of mapping are largest.
N_SAMPLE, N_STRONG, STRONG = 384, 96, 0.05
# Random directions that tell how predictable a voxel is.
N_DIRECTIONS = 64
# Up to this many voxels per row the exact scores are cheaper from turned responses than from operators.
MANY_VOXELS = 2
# Operators held at once while voxel batches pass by.
OPERATOR_BYTES = 400 * 2**20
# Matrices (n_rows, n_rows) that one decomposition or operator takes while it is made.
MATRICES_PER_PART = 6

# Loss of one combination as a function of responses (n_rows, n_voxels) on the backend and their sums of squares.
Operator = Callable[[Array, np.ndarray], np.ndarray]


class SurfaceSearch:
    """Search over one problem; decompositions are kept, so that refitting needs none."""

    def __init__(self, problem: Problem, solver: Solver, backend: ModuleType, shelf: SpillBuffer | None = None) -> None:
        """With a shelf decompositions are kept there, else in memory."""
        self.problem, self.solver, self.backend, self.shelf = problem, solver, backend, shelf
        self.blocks = FoldBlocks.of([test for _, test in problem.folds], problem.fold_weights)
        # Larger alphas first, so that ties go to them, as himalaya has it.
        self.alphas = np.sort(np.asarray(problem.alphas, np.float64))[::-1]
        self.eigen: dict[int, Callable[[], Eigendecomposition]] = {}
        self.map: ScoreMap | None = None
        self._ordered = bool((np.diff(self.blocks.order) == 1).all())
        self._row_weights = np.empty(len(self.blocks.order), np.float32)
        self._row_weights[self.blocks.order] = self.blocks.row_weights

    @property
    def n_combinations(self) -> int:
        """Candidates times alphas."""
        return len(self.problem.candidates) * len(self.alphas)

    @cached_property
    def n_threads(self) -> int:
        """Parts to compute at a time; a GPU takes one."""
        on_processor = self.backend.name in ("numpy", "torch")
        return n_at_once(MATRICES_PER_PART * 4 * len(self._row_weights) ** 2) if on_processor else 1

    def decomposition(self, candidate: int) -> Eigendecomposition:
        """Of the candidate's kernel; computed once."""
        if candidate not in self.eigen:
            self._decompose(candidate)
        return self.eigen[candidate]()

    def candidates_of(self, combinations: np.ndarray) -> list[int]:
        """The candidates that combinations belong to, each once."""
        return list(dict.fromkeys((combinations // len(self.alphas)).tolist()))

    def decomposed(self, candidates: Iterable[int]) -> Iterator[int]:
        """The candidates in their order, decomposed when they come: as many at a time as there are threads."""
        n_threads, left = self.n_threads, list(candidates)
        for start in range(0, len(left), n_threads):
            some = left[start : start + n_threads]
            list(map_in_order(self._decompose, [c for c in some if c not in self.eigen], n_threads))
            yield from some

    def _decompose(self, candidate: int) -> None:
        made = Eigendecomposition.of(self.problem.mixed(candidate), self.blocks.order, self.backend)
        self.eigen[candidate] = (lambda: made) if self.shelf is None else made.kept(self.shelf, self.backend)

    def search(self, Y: np.ndarray, steps: ProgressSteps) -> tuple[np.ndarray, np.ndarray]:
        """Score of each candidate at its best alpha, and that alpha: both (n_candidates, n_voxels) float32.

        Y (n_rows, n_voxels) float32, rows in their own order; steps has 2 n_combinations.
        """
        sample = self.sample(Y)
        if self.solver.exact or len(sample) == Y.shape[1]:
            return self.search_all(Y, steps)
        self.map = self.calibrate(Y[:, sample], steps)
        return self._mapped_scores(Y, self.map, steps)

    def search_all(self, Y: np.ndarray, steps: ProgressSteps) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, with every combination computed for every voxel."""
        return self._best(self.all_scores(Y, steps), np.arange(self.n_combinations))

    def dual(self, candidate: int, Y: np.ndarray, alphas: np.ndarray) -> np.ndarray:
        """Dual weights (n_rows, n_voxels) of voxels of one candidate, each with its alpha."""
        order = self.blocks.order
        dual = np.empty(Y.shape, np.float32)
        dual[order] = dual_weights(self.decomposition(candidate), Y[order], alphas, self.backend)
        return dual

    def sample(self, Y: np.ndarray) -> np.ndarray:
        """Voxels (n_sample,) spread over all degrees of predictability, with more of the strongest."""
        return stratified_sample(self.predictability_proxy(Y)) if Y.shape[1] > N_SAMPLE else np.arange(Y.shape[1])

    def predictability_proxy(self, Y: np.ndarray) -> np.ndarray:
        """A rough measure (n_voxels,) of how much of each voxel lies in directions that the kernels favour."""
        squares = np.maximum(np.einsum("ij,ij->j", Y, Y), np.finfo(np.float32).tiny)
        return np.square(self._directions @ Y).sum(0) / squares

    @cached_property
    def _directions(self) -> np.ndarray:
        directions = np.random.default_rng(0).standard_normal((len(self._row_weights), N_DIRECTIONS), np.float32)
        return (self.problem.kernels.sum(0) @ directions).T

    def calibrate(self, Y: np.ndarray, steps: ProgressSteps) -> ScoreMap:
        """Map of scores learnt from sample voxels Y (n_rows, n_sample).

        Equal weights and single kernels are computed at all alphas; the others only where an alpha, or its neighbour,
        comes near the best for some voxel.
        """
        n_candidates, n_alphas = len(self.problem.candidates), len(self.alphas)
        null, Y = self._sums(Y)[0], Y[self.blocks.order]
        gains = np.full((n_candidates, n_alphas, Y.shape[1]), -np.inf)
        weights = self.problem.candidates
        first = np.unique([int(np.ptp(weights, axis=1).argmin()), *np.flatnonzero(weights.max(1) > 1 - 1e-6)])
        others = np.setdiff1d(np.arange(n_candidates), first)
        wanted = np.arange(n_alphas)
        for done, candidate in enumerate(self.decomposed([*first, *others])):
            if done == len(first):
                wanted = _near_the_best(gains[first])
            for position, losses in enumerate(self._losses(candidate, wanted, Y)):
                gains[candidate, wanted[position]] = 1 - losses / null
                steps.advance((done + (position + 1) / len(wanted)) * n_alphas)
        return learn_map(gains.reshape(self.n_combinations, -1).T)

    def all_scores(self, Y: np.ndarray, steps: ProgressSteps) -> np.ndarray:
        """Scores (n_combinations, n_voxels) of every combination."""
        if Y.shape[1] > MANY_VOXELS * len(Y):
            return -self._losses_of_many(np.arange(self.n_combinations), Y, steps)
        scores = np.empty((self.n_combinations, Y.shape[1]), np.float32)
        Y = Y[self.blocks.order]
        for candidate in self.decomposed(range(len(self.problem.candidates))):
            for a, losses in enumerate(self._losses(candidate, np.arange(len(self.alphas)), Y)):
                combination = candidate * len(self.alphas) + a
                scores[combination] = -losses
                steps.advance(2 * (combination + 1))
        return scores

    def _mapped_scores(self, Y: np.ndarray, score_map: ScoreMap, steps: ProgressSteps) -> tuple[np.ndarray, np.ndarray]:
        """Best score and alpha of each candidate, from the pivots' losses."""
        return self.mapped(Y, score_map, self._losses_of_many(score_map.pivots, Y, steps))

    def mapped(self, Y: np.ndarray, score_map: ScoreMap, pivot_losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Best score and alpha of each candidate, (n_candidates, n_voxels) each, from losses (n_pivots, n_voxels)."""
        usable = self._usable(score_map)
        worthwhile = score_map.relevant.reshape(len(self.problem.candidates), -1).any(1)
        factors = score_map.factors[:, usable].astype(np.float32)
        scores, alphas = np.empty((2, len(self.problem.candidates), Y.shape[1]), np.float32)

        def map_batch(batch: slice) -> None:
            null = self._sums(Y[:, batch])[0]
            gains = (null - pivot_losses[:, batch]).astype(np.float32)
            mapped = factors.T @ gains - null.astype(np.float32)
            scores[:, batch], alphas[:, batch] = self._best(mapped, np.flatnonzero(usable))
            # Candidates that were nowhere near the best in the sample are mapped roughly and are not to win by that.
            best = scores[worthwhile][:, batch].max(0)
            scores[~worthwhile, batch] = np.minimum(scores[~worthwhile, batch], best - RELEVANT * null)

        list(map_in_order(map_batch, self.batches(Y), self.n_threads))
        return scores, alphas

    def _usable(self, score_map: ScoreMap) -> np.ndarray:
        """Combinations to choose from: the relevant ones, or for a candidate without any, all known."""
        usable = score_map.relevant.reshape(len(self.problem.candidates), -1).copy()
        known = (score_map.factors != 0).any(0).reshape(usable.shape)
        for candidate in np.flatnonzero(~usable.any(1)):
            usable[candidate] = known[candidate]
        return usable.ravel()

    def _best(self, scores: np.ndarray, combinations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Best score and its alpha of each candidate, from scores (n_combinations given, n_voxels)."""
        best, alphas = np.full((2, len(self.problem.candidates), scores.shape[1]), -np.inf, np.float32)
        owner, alpha = combinations // len(self.alphas), self.alphas[combinations % len(self.alphas)]
        for candidate in np.unique(owner):
            rows = np.flatnonzero(owner == candidate)
            first = scores[rows].argmax(0)
            best[candidate] = scores[rows[first], np.arange(scores.shape[1])]
            alphas[candidate] = alpha[rows[first]]
        return best, alphas

    def _losses(self, candidate: int, wanted: np.ndarray, Y: np.ndarray) -> Iterator[np.ndarray]:
        """Losses of few voxels Y (n_rows, n_voxels), rows in the order of the folds, at each alpha (index) wanted."""
        turned = self.decomposition(candidate).turn(Y, self.backend)
        return map_in_order(partial(self._losses_at, candidate, turned), wanted, self.n_threads)

    def _losses_at(self, candidate: int, turned: Array, a: int) -> np.ndarray:
        """Losses at alpha number a; infinite where the alpha is lost in rounding."""
        eigen, alpha = self.decomposition(candidate), float(self.alphas[a])
        if alpha < eigen.smallest_alpha and a > 0:
            return np.full(turned.shape[1], np.inf)
        return held_out_losses(eigen, self.blocks, alpha, turned, self.backend)

    def _losses_of_many(self, combinations: np.ndarray, Y: np.ndarray, steps: ProgressSteps) -> np.ndarray:
        """Losses (n_combinations given, n_voxels) float64, a group of combinations and a batch of voxels at a time."""
        found = np.empty((len(combinations), Y.shape[1]))
        batches, size = self.batches(Y), max(1, OPERATOR_BYTES // (4 * len(Y) ** 2))
        start, each = steps.done, (steps.total - steps.done) / len(found) / (len(batches) + 1)
        for i in range(0, len(found), size):
            group = []
            for loss in self.operators(combinations[i : i + size], Y.shape[1]):
                group.append(loss)
                start += each
                steps.advance(start)
            for batch in batches:
                for j, losses in enumerate(self.losses_of_batch(group, Y[:, batch])):
                    found[i + j, batch] = losses
                    start += each
                    steps.advance(start)
        steps.advance(steps.total)
        return found

    def operators(self, combinations: np.ndarray, n_voxels: int) -> Iterator[Operator]:
        """Operator of each combination, for n_voxels in all, which decides on its form."""
        list(self.decomposed(self.candidates_of(combinations)))
        return map_in_order(partial(self._operator, n_voxels=n_voxels), combinations.tolist(), self.n_threads)

    def losses_of_batch(self, operators: Sequence[Operator], Y: np.ndarray) -> Iterator[np.ndarray]:
        """Losses (n_voxels,) of each operator for responses Y (n_rows, n_voxels), rows in their own order."""
        rows = Y if self._ordered else Y[self.blocks.order]
        on_backend, squares = self.backend.asarray(np.ascontiguousarray(rows)), self._sums(Y)[1]
        return map_in_order(lambda loss: loss(on_backend, squares), operators, self.n_threads)

    def _operator(self, combination: int, n_voxels: int) -> Operator:
        candidate, a = divmod(combination, len(self.alphas))
        eigen, alpha = self.decomposition(candidate), float(self.alphas[a])
        if alpha < eigen.smallest_alpha and a > 0:
            return lambda Y, squares: np.full(len(squares), np.inf)
        errors = error_rows(eigen, self.blocks, alpha, self.backend)
        return QuadraticLoss(errors, n_voxels, self.backend, self.shelf)

    def _sums(self, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Loss of no prediction, never 0, and sum of squares: (n_voxels,) each, from rows in their own order."""
        squares = np.square(Y)
        return np.maximum(self._row_weights @ squares, np.finfo(np.float32).tiny), squares.sum(0)

    def batches(self, Y: np.ndarray) -> list[slice]:
        """Slices of voxels that are multiplied at once."""
        size = self.solver.n_voxels_batch
        return [slice(start, start + size) for start in range(0, Y.shape[1], size)]


def stratified_sample(predictability: np.ndarray) -> np.ndarray:
    """Voxels (n_sample,) spread over all degrees of predictability (n_voxels,), with more of the strongest."""
    n_voxels = len(predictability)
    weakest_first = np.argsort(predictability, kind="stable")
    strong = weakest_first[-max(int(STRONG * n_voxels), N_STRONG) :]
    spread = [_evenly_spaced(weakest_first, N_SAMPLE - N_STRONG), _evenly_spaced(strong, N_STRONG)]
    ranks = np.empty(n_voxels, int)
    ranks[weakest_first] = np.arange(n_voxels)
    chosen = np.unique(np.concatenate(spread))
    return chosen[np.argsort(ranks[chosen])]


def _evenly_spaced(sorted_voxels: np.ndarray, n: int) -> np.ndarray:
    """n of them, evenly spaced, both ends included."""
    return sorted_voxels[np.unique(np.linspace(0, len(sorted_voxels) - 1, n).round().astype(int))]


def _near_the_best(gains: np.ndarray) -> np.ndarray:
    """Alphas (indices) from the first to the last that comes near some voxel's best, and one more on each side."""
    near = (gains.max((0, 1)) - gains < RELEVANT).any((0, 2))
    found = np.flatnonzero(near)
    return np.arange(max(found[0] - 1, 0), min(found[-1] + 2, gains.shape[1]))
