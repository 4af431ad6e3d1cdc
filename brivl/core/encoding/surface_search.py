"""The default search: exact leave-out scores of a sample of voxels, and mapped scores of all others.

1. One eigendecomposition per candidate gives the held-out scores of a few hundred voxels at all alphas (`leave_out`).
2. These scores determine how the scores of all combinations follow from those of a few (`score_map`).
3. These few are computed for all voxels, the only work that grows with their number; the others are mapped.
For few voxels, or with exact=True, every combination is computed instead.

Decompositions, combinations and batches of voxels are computed in parallel (`brivl.core.parallel`). Only the calling
thread reports progress and assembles results, in the same order for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial

import numpy as np

from brivl.core.encoding.leave_out import (
    Eigendecomposition,
    FoldBlocks,
    QuadraticLoss,
    dual_weights,
    error_rows,
    held_out_losses,
)
from brivl.core.encoding.problem import Array, Backend, Problem, Solver
from brivl.core.encoding.score_map import RELEVANT, ScoreMap, learn_map
from brivl.core.encoding.spill_buffer import SpillBuffer
from brivl.core.parallel import map_in_order, n_at_once
from brivl.core.progress import ProgressSteps

# Sample voxels, and those of them from the most predictable twentieth, where errors of mapping are largest.
N_SAMPLE, N_STRONG, STRONG = 384, 96, 0.05
# Random directions that measure how predictable a voxel is.
N_DIRECTIONS = 64
# Up to this many voxels per row the exact scores are cheaper from rotated responses than from operators.
MANY_VOXELS = 2
# Operators held at once while batches of voxels are processed.
OPERATOR_BYTES = 400 * 2**20
# Share of the time of exact scores that decompositions take, for progress.
DECOMPOSING = 0.3
# Matrices (n_rows, n_rows) that exist at once while one decomposition or operator is computed.
MATRICES_PER_PART = 6

# Loss of one combination, from responses (n_rows, n_voxels) on the backend and their sums of squares: (n_voxels,).
LossFunction = Callable[[Array, np.ndarray], np.ndarray]


class SurfaceSearch:
    """Search over one problem; decompositions are stored, so that refitting needs none.

    Parameters
    ----------
    problem : Problem
        Kernels, folds, candidates and alphas.
    solver : Solver
        Sizes of the search.
    backend : Backend
        Computes products and decompositions.
    buffer : SpillBuffer or None
        Stores decompositions; None to leave them in memory.
    """

    def __init__(self, problem: Problem, solver: Solver, backend: Backend, buffer: SpillBuffer | None = None) -> None:
        self.problem, self.solver, self.backend, self.buffer = problem, solver, backend, buffer
        self.blocks = FoldBlocks.of([test for _, test in problem.folds], problem.fold_weights)
        # Larger alphas first, so that ties go to them, as in himalaya.
        self.alphas = np.sort(np.asarray(problem.alphas, np.float64))[::-1]
        self.eigen: dict[int, Callable[[], Eigendecomposition]] = {}
        self.map: ScoreMap | None = None
        self.pivot_losses: np.ndarray | None = None  # (n_pivots, n_voxels) of the voxels mapped
        self._ordered = bool((np.diff(self.blocks.order) == 1).all())
        self._row_weights = np.empty(len(self.blocks.order), np.float32)
        self._row_weights[self.blocks.order] = self.blocks.row_weights

    @property
    def n_combinations(self) -> int:
        """Number of candidates times number of alphas.

        Returns
        -------
        int
            Number of combinations.
        """
        return len(self.problem.candidates) * len(self.alphas)

    @cached_property
    def n_threads(self) -> int:
        """Number of parts to compute at a time; a GPU takes one.

        Returns
        -------
        int
            Number of threads.
        """
        on_processor = self.backend.name in ("numpy", "torch")
        return n_at_once(MATRICES_PER_PART * 4 * len(self._row_weights) ** 2) if on_processor else 1

    def decomposition(self, candidate: int) -> Eigendecomposition:
        """Decompose the kernel of a candidate, once.

        Parameters
        ----------
        candidate : int
            Number of the candidate.

        Returns
        -------
        Eigendecomposition
            The decomposition.
        """
        if candidate not in self.eigen:
            self._decompose(candidate)
        return self.eigen[candidate]()

    def candidates_of(self, combinations: np.ndarray) -> list[int]:
        """List the candidates of combinations, each once.

        Parameters
        ----------
        combinations : (n,) array
            Numbers of combinations.

        Returns
        -------
        list of int
            Candidates in order of first appearance.
        """
        return list(dict.fromkeys((combinations // len(self.alphas)).tolist()))

    def decomposed(self, candidates: Iterable[int]) -> Iterator[int]:
        """Decompose the kernels of candidates, as many at a time as there are threads.

        Parameters
        ----------
        candidates : Iterable of int
            Numbers of candidates.

        Returns
        -------
        Iterator of int
            Each candidate, in order, once its kernel is decomposed.
        """
        return map_in_order(self._decompose, list(candidates), self.n_threads)

    def _decompose(self, candidate: int) -> int:
        """Decompose the kernel of a candidate unless that is done; the candidate."""
        if candidate in self.eigen:
            return candidate
        kernel = self.problem.mixed_kernel(candidate)
        eigen = Eigendecomposition.of(kernel, self.blocks.order, self.backend)
        self.eigen[candidate] = (lambda: eigen) if self.buffer is None else eigen.stored(self.buffer, self.backend)
        return candidate

    def search(self, Y: np.ndarray, steps: ProgressSteps) -> tuple[np.ndarray, np.ndarray]:
        """Compute or map the scores of all candidates.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses, float32, rows in their own order.
        steps : ProgressSteps
            Receives progress; has 2 n_combinations steps.

        Returns
        -------
        tuple of np.ndarray
            Score of each candidate at its best alpha, and that alpha: both (n_candidates, n_voxels) float32.
        """
        sample = self.sample(Y)
        if self.solver.exact or len(sample) == Y.shape[1]:
            return self.search_all(Y, steps)
        self.map = self.calibrate(Y[:, sample], steps)
        return self._mapped_scores(Y, self.map, steps)

    def search_all(self, Y: np.ndarray, steps: ProgressSteps) -> tuple[np.ndarray, np.ndarray]:
        """Compute the scores of all candidates, with every combination computed for every voxel.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses, float32, rows in their own order.
        steps : ProgressSteps
            Receives progress.

        Returns
        -------
        tuple of np.ndarray
            As from `search`.
        """
        return self._best(self.all_scores(Y, steps), np.arange(self.n_combinations))

    def dual(self, candidate: int, Y: np.ndarray, alphas: np.ndarray) -> np.ndarray:
        """Compute dual weights of voxels that chose one candidate.

        Parameters
        ----------
        candidate : int
            Number of the candidate.
        Y : (n_rows, n_voxels) array
            Responses, rows in their own order.
        alphas : (n_voxels,) array
            Alpha of each voxel.

        Returns
        -------
        np.ndarray
            (n_rows, n_voxels) float32.
        """
        order = self.blocks.order
        dual = np.empty(Y.shape, np.float32)
        dual[order] = dual_weights(self.decomposition(candidate), Y[order], alphas, self.backend)
        return dual

    def sample(self, Y: np.ndarray) -> np.ndarray:
        """Draw the voxels from which scores are mapped.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses.

        Returns
        -------
        np.ndarray
            (n_sample,) voxels as from `stratified_sample`, or all of them if there are no more.
        """
        return stratified_sample(self.predictability_proxy(Y)) if Y.shape[1] > N_SAMPLE else np.arange(Y.shape[1])

    def predictability_proxy(self, Y: np.ndarray) -> np.ndarray:
        """Estimate how predictable each voxel is.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses.

        Returns
        -------
        np.ndarray
            (n_voxels,) sum over random directions d of (d'K y)^2 / y'y, where K is the sum of the kernels: in units of
            squared kernel entries, comparable between voxels of one search only.
        """
        squares = np.maximum(np.einsum("ij,ij->j", Y, Y), np.finfo(np.float32).tiny)
        return np.square(self._directions @ Y).sum(0) / squares

    @cached_property
    def _directions(self) -> np.ndarray:
        directions = np.random.default_rng(0).standard_normal((len(self._row_weights), N_DIRECTIONS), np.float32)
        return (self.problem.kernels.sum(0) @ directions).T

    def calibrate(self, Y: np.ndarray, steps: ProgressSteps) -> ScoreMap:
        """Learn the map of scores from sample voxels.

        Equal weights and single kernels are computed at all alphas; the others only at alphas at which, or next to
        which, these come near the best for some voxel.

        Parameters
        ----------
        Y : (n_rows, n_sample) array
            Responses of the sample.
        steps : ProgressSteps
            Receives progress.

        Returns
        -------
        ScoreMap
            The map.
        """
        n_candidates, n_alphas = len(self.problem.candidates), len(self.alphas)
        null, Y = self._sums(Y)[0], Y[self.blocks.order]
        gains = np.full((n_candidates, n_alphas, Y.shape[1]), -np.inf)
        weights = self.problem.candidates
        first = np.unique([int(np.ptp(weights, axis=1).argmin()), *np.flatnonzero(weights.max(1) > 1 - 1e-6)])
        others = np.setdiff1d(np.arange(n_candidates), first)
        done = self._decompose_all(self.n_combinations, steps)
        step, alphas = (self.n_combinations - done) / n_candidates, list(range(n_alphas))
        for group in (first, others):
            for candidate, a, losses in self._losses(group.tolist(), alphas, Y):
                gains[candidate, a] = 1 - losses / null
                done += step / len(alphas)
                steps.advance(done)
            alphas = _near_the_best(gains[first])
        steps.advance(self.n_combinations)
        return learn_map(gains.reshape(self.n_combinations, -1).T)

    def all_scores(self, Y: np.ndarray, steps: ProgressSteps) -> np.ndarray:
        """Compute the scores of every combination.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses, rows in their own order.
        steps : ProgressSteps
            Receives progress.

        Returns
        -------
        np.ndarray
            (n_combinations, n_voxels).
        """
        if Y.shape[1] > MANY_VOXELS * len(Y):
            return -self._losses_of_many(np.arange(self.n_combinations), Y, steps)
        scores = np.empty((self.n_combinations, Y.shape[1]), np.float32)
        Y = Y[self.blocks.order]
        done = self._decompose_all(2 * self.n_combinations, steps)
        step = (2 * self.n_combinations - done) / self.n_combinations
        for candidate, a, losses in self._losses(range(len(self.problem.candidates)), range(len(self.alphas)), Y):
            scores[candidate * len(self.alphas) + a] = -losses
            done += step
            steps.advance(done)
        steps.advance(2 * self.n_combinations)
        return scores

    def _mapped_scores(self, Y: np.ndarray, score_map: ScoreMap, steps: ProgressSteps) -> tuple[np.ndarray, np.ndarray]:
        """Best score and alpha of each candidate, from the pivots' losses."""
        self.pivot_losses = self._losses_of_many(score_map.pivots, Y, steps)
        return self.mapped(Y, score_map, self.pivot_losses)

    def mapped(self, Y: np.ndarray, score_map: ScoreMap, pivot_losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map the scores of all candidates.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses, rows in their own order.
        score_map : ScoreMap
            The map.
        pivot_losses : (n_pivots, n_voxels) array
            Losses of the pivots.

        Returns
        -------
        tuple of np.ndarray
            Best score and its alpha of each candidate: both (n_candidates, n_voxels) float32.
        """
        usable = self._usable(score_map)
        relevant = score_map.relevant.reshape(len(self.problem.candidates), -1).any(1)
        factors = score_map.factors[:, usable].astype(np.float32)
        scores, alphas = np.empty((2, len(self.problem.candidates), Y.shape[1]), np.float32)

        def _map_batch(batch: slice) -> None:
            null = self._sums(Y[:, batch])[0]
            gains = (null - pivot_losses[:, batch]).astype(np.float32)
            mapped = factors.T @ gains - null.astype(np.float32)
            scores[:, batch], alphas[:, batch] = self._best(mapped, np.flatnonzero(usable))
            # Candidates that were nowhere near the best in the sample are mapped roughly, and must not win by that.
            best = scores[relevant][:, batch].max(0)
            scores[~relevant, batch] = np.minimum(scores[~relevant, batch], best - RELEVANT * null)

        list(map_in_order(_map_batch, self.batches(Y), self.n_threads))
        return scores, alphas

    def _usable(self, score_map: ScoreMap) -> np.ndarray:
        """Combinations to choose from: the relevant ones, or for a candidate without any, all that were computed."""
        usable = score_map.relevant.reshape(len(self.problem.candidates), -1).copy()
        computed = (score_map.factors != 0).any(0).reshape(usable.shape)
        for candidate in np.flatnonzero(~usable.any(1)):
            usable[candidate] = computed[candidate]
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

    def _decompose_all(self, n_steps: int, steps: ProgressSteps) -> float:
        """Decompose all kernels before exact scores, which take n_steps with it; the steps done."""
        share = DECOMPOSING * n_steps / len(self.problem.candidates)
        for done, _ in enumerate(self.decomposed(range(len(self.problem.candidates))), 1):
            steps.advance(share * done)
        return DECOMPOSING * n_steps

    def _losses(
        self, candidates: Iterable[int], alphas: Sequence[int], Y: np.ndarray
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Candidate, alpha (index) and losses of few voxels Y (n_rows, n_voxels), rows in the order of the folds."""

        def _combinations() -> Iterator[tuple[int, int, Array]]:
            for candidate in candidates:
                rotated = self.decomposition(candidate).rotate(Y, self.backend)
                for a in alphas:
                    yield candidate, a, rotated

        return map_in_order(lambda part: (*part[:2], self.losses_at(*part)), _combinations(), self.n_threads)

    def losses_at(self, candidate: int, a: int, rotated: Array) -> np.ndarray:
        """Compute the held-out losses of few voxels at one alpha.

        Parameters
        ----------
        candidate : int
            Number of the candidate.
        a : int
            Number of the alpha in `alphas`.
        rotated : (n_rows, n_voxels) Array
            Responses after `Eigendecomposition.rotate`.

        Returns
        -------
        np.ndarray
            (n_voxels,); infinite where the alpha is lost in rounding.
        """
        eigen, alpha = self.decomposition(candidate), float(self.alphas[a])
        if alpha < eigen.smallest_alpha and a > 0:
            return np.full(rotated.shape[1], np.inf)
        return held_out_losses(eigen, self.blocks, alpha, rotated, self.backend)

    def _losses_of_many(self, combinations: np.ndarray, Y: np.ndarray, steps: ProgressSteps) -> np.ndarray:
        """Losses (n_combinations given, n_voxels) float64, a group of combinations and a batch of voxels at a time."""
        losses = np.empty((len(combinations), Y.shape[1]))
        batches, size = self.batches(Y), max(1, OPERATOR_BYTES // (4 * len(Y) ** 2))
        position = float(steps.done)
        step = (steps.total - steps.done) / len(losses) / (len(batches) + 1)
        for i in range(0, len(losses), size):
            group = []
            for loss in self.operators(combinations[i : i + size], Y.shape[1]):
                group.append(loss)
                position += step
                steps.advance(position)
            for batch in batches:
                for j, batch_losses in enumerate(self.losses_of_batch(group, Y[:, batch])):
                    losses[i + j, batch] = batch_losses
                    position += step
                    steps.advance(position)
        steps.advance(steps.total)
        return losses

    def operators(self, combinations: np.ndarray, n_voxels: int) -> Iterator[LossFunction]:
        """Prepare the losses of combinations.

        Parameters
        ----------
        combinations : (n,) array
            Numbers of combinations.
        n_voxels : int
            Number of voxels for which losses will be computed in all, which determines the form of the operators.

        Returns
        -------
        Iterator of LossFunction
            One for each combination, in order.
        """
        list(self.decomposed(self.candidates_of(combinations)))
        return map_in_order(partial(self._operator, n_voxels=n_voxels), combinations.tolist(), self.n_threads)

    def losses_of_batch(self, operators: Sequence[LossFunction], Y: np.ndarray) -> Iterator[np.ndarray]:
        """Compute the losses of responses under several operators.

        Parameters
        ----------
        operators : Sequence of LossFunction
            The operators.
        Y : (n_rows, n_voxels) array
            Responses of a batch, rows in their own order.

        Returns
        -------
        Iterator of np.ndarray
            (n_voxels,) of each operator, in order.
        """
        on_backend, squares = self._to_backend(Y)
        return map_in_order(lambda loss: loss(on_backend, squares), operators, self.n_threads)

    def _to_backend(self, Y: np.ndarray) -> tuple[Array, np.ndarray]:
        """Responses on the backend, rows in the order of the folds, and their sums of squares (n_voxels,)."""
        rows = Y if self._ordered else Y[self.blocks.order]
        return self.backend.asarray(np.ascontiguousarray(rows)), self._sums(Y)[1]

    def _operator(self, combination: int, n_voxels: int) -> LossFunction:
        candidate, a = divmod(combination, len(self.alphas))
        eigen, alpha = self.decomposition(candidate), float(self.alphas[a])
        if alpha < eigen.smallest_alpha and a > 0:
            return lambda Y, squares: np.full(len(squares), np.inf)
        errors = error_rows(eigen, self.blocks, alpha, self.backend)
        return QuadraticLoss(errors, n_voxels, self.backend, self.buffer)

    def _sums(self, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Loss of no prediction, never 0, and sum of squares: (n_voxels,) each, from rows in their own order."""
        squares = np.square(Y)
        return np.maximum(self._row_weights @ squares, np.finfo(np.float32).tiny), squares.sum(0)

    def null_losses(self, Y: np.ndarray) -> np.ndarray:
        """Compute the loss of no prediction.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses, rows in their own order.

        Returns
        -------
        np.ndarray
            (n_voxels,), never 0.
        """
        return self._sums(Y)[0]

    def batches(self, Y: np.ndarray) -> list[slice]:
        """Divide voxels into those that are multiplied at once.

        Parameters
        ----------
        Y : (n_rows, n_voxels) array
            Responses.

        Returns
        -------
        list of slice
            Consecutive voxels.
        """
        size = self.solver.n_voxels_batch
        return [slice(start, start + size) for start in range(0, Y.shape[1], size)]


def stratified_sample(predictability: np.ndarray) -> np.ndarray:
    """Draw voxels of all degrees of predictability, with more of the most predictable.

    Parameters
    ----------
    predictability : (n_voxels,) array
        As from `SurfaceSearch.predictability_proxy`.

    Returns
    -------
    np.ndarray
        (n_sample,) voxels, the least predictable first.
    """
    n_voxels = len(predictability)
    weakest_first = np.argsort(predictability, kind="stable")
    strong = weakest_first[-max(int(STRONG * n_voxels), N_STRONG) :]
    strata = [_evenly_spaced(weakest_first, N_SAMPLE - N_STRONG), _evenly_spaced(strong, N_STRONG)]
    ranks = np.empty(n_voxels, int)
    ranks[weakest_first] = np.arange(n_voxels)
    chosen = np.unique(np.concatenate(strata))
    return chosen[np.argsort(ranks[chosen])]


def _evenly_spaced(sorted_voxels: np.ndarray, n: int) -> np.ndarray:
    """n of them, evenly spaced, both ends included."""
    return sorted_voxels[np.unique(np.linspace(0, len(sorted_voxels) - 1, n).round().astype(int))]


def _near_the_best(gains: np.ndarray) -> list[int]:
    """Alphas (indices) from the first to the last that comes near some voxel's best, and one more on each side."""
    near = np.flatnonzero((gains.max((0, 1)) - gains < RELEVANT).any((0, 2)))
    return list(range(max(int(near[0]) - 1, 0), min(int(near[-1]) + 2, gains.shape[1])))
