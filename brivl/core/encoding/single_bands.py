"""Ridge regression of each band alone, from the decompositions of the search over all bands.

Variance partitioning compares the joint model with the model of each band alone. A band alone is one of the candidates
of the search (all weight on its kernel), so its kernel is decomposed already, and the map of scores gives its loss at
every alpha. Mapped losses are approximate. Alphas that they cannot tell apart are therefore compared by their exact
leave-out losses: the choice is that of a search of the band alone over all alphas, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brivl.core.encoding.bands import Bands
from brivl.core.encoding.problem import Array
from brivl.core.encoding.random_search import random_search
from brivl.core.encoding.score_map import RELEVANT, ScoreMap
from brivl.core.encoding.surface_search import SurfaceSearch
from brivl.core.parallel import map_in_order, n_at_once
from brivl.core.progress import ProgressSteps

# Voxels whose losses are computed at all alphas, to measure the error of mapped losses.
N_CHECKED = 192
# An alpha is reliably mapped if it is near the best in this many of them.
ENOUGH = 12
# Mapped gains may be wrong by this multiple of the largest error at that alpha of the voxels checked.
SAFETY = 2.0
# Voxels at a time: temporary arrays are (n_rows, BLOCK) float32.
BLOCK = 4000

# Gives the alphas (n_block,) of a block of voxels, from their rotated responses and their place.
Choice = Callable[[Array, slice], np.ndarray]


def no_report() -> None:
    """Take no notice."""


@dataclass(frozen=True)
class SearchOutcome:
    """What the search over all bands has found of the voxels.

    Attributes
    ----------
    alphas : (n_candidates, n_voxels) array
        Best alpha of each candidate.
    map : ScoreMap or None
        The map of scores; None where every combination was computed, so that `alphas` are exact.
    pivot_losses : (n_pivots, n_voxels) array or None
        Losses of the pivots of the map.
    """

    alphas: np.ndarray
    map: ScoreMap | None = None
    pivot_losses: np.ndarray | None = None


def predict_single_bands(
    search: SurfaceSearch,
    bands: Bands,
    Y: np.ndarray,
    outcome: SearchOutcome | None,
    across: Sequence[np.ndarray],
    report: Callable[[], None],
) -> np.ndarray:
    """Fit ridge regression of each band alone, and predict held-out rows.

    Parameters
    ----------
    search : SurfaceSearch
        The search over all bands, whose decompositions are used.
    bands : Bands
        The bands that it searched.
    Y : (n_rows, n_voxels) array
        Responses, float32, rows as in the kernels.
    outcome : SearchOutcome or None
        What it found; None where another search was used, so that each band is searched by that one too.
    across : Sequence of (n_test, n_rows) arrays
        Kernel of the rows to predict with the fitted rows, of each band.
    report : Callable
        Called now and then; may raise (Cancelled), which stops the fit.

    Returns
    -------
    np.ndarray
        (n_bands, n_test, n_voxels) float32. Bands with one kernel have one prediction.
    """
    predicted = np.empty((len(across), len(across[0]), Y.shape[1]), np.float32)

    def _kernels() -> Iterator[tuple[int, _SingleKernel, Choice]]:
        for position, owner in enumerate(np.unique(bands.owner).tolist()):
            kernel = int(np.flatnonzero(bands.order == position)[0])
            single = _SingleKernel(search, kernel, across[owner])
            yield owner, single, single.choice(Y, outcome, report)

    def _predict_block(part: tuple[int, _SingleKernel, Choice, slice]) -> None:
        owner, single, decide, block = part
        rotated = single.rotate(Y[:, block])
        predicted[owner, :, block] = single.predict(rotated, decide(rotated, block))

    blocks = [slice(start, start + BLOCK) for start in range(0, Y.shape[1], BLOCK)]
    parts = [(*kernel, block) for kernel in _kernels() for block in blocks]
    n_threads = min(search.n_threads, n_at_once(3 * 4 * len(Y) * min(BLOCK, Y.shape[1])))
    for _ in map_in_order(_predict_block, parts, n_threads):
        report()
    for band in np.flatnonzero(bands.owner != np.arange(len(bands.owner))):
        predicted[band] = predicted[bands.owner[band]]
    return predicted


class _SingleKernel:
    """One kernel of a search: a search of its own, which takes the decomposition from the search over all.

    Parameters
    ----------
    search : SurfaceSearch
        The search over all kernels.
    kernel : int
        Number of the kernel.
    across : (n_test, n_rows) array
        Kernel of the rows to predict with the fitted rows.
    """

    def __init__(self, search: SurfaceSearch, kernel: int, across: np.ndarray) -> None:
        problem = search.problem
        matching = np.flatnonzero(problem.candidates[:, kernel] > 1 - 1e-6)
        self.candidate = int(matching[0]) if len(matching) else None
        alone = replace(problem, kernels=problem.kernels[[kernel]], candidates=np.ones((1, 1)))
        self.search, self.backend = SurfaceSearch(alone, search.solver, search.backend, search.buffer), search.backend
        if self.candidate is not None:
            list(search.decomposed([self.candidate]))
            eigen = search.decomposition(self.candidate)
            self.search.eigen[0] = lambda: eigen
        self.eigen = self.search.decomposition(0)
        in_order = np.ascontiguousarray(across[:, search.blocks.order], self.eigen.values.dtype)
        self.across = self.backend.asarray(in_order) @ self.eigen.vectors  # (n_test, n_rows) of rotated dual weights

    def choice(self, Y: np.ndarray, outcome: SearchOutcome | None, report: Callable[[], None]) -> Choice:
        """How alphas are chosen: by a search of this kernel, by that over all, or by its map and exact losses."""
        search = self.search
        if outcome is None:
            alphas = random_search(search.problem, Y, search.solver, lambda done, total: report())[1][0]
        elif self.candidate is None:
            steps = ProgressSteps(lambda done, total: report(), 2 * search.n_combinations)
            alphas = search.search_all(Y, steps)[1][0]
        elif outcome.map is None:
            alphas = outcome.alphas[self.candidate]
        else:
            return self._open_choice(Y, outcome, self.candidate).decided
        return lambda rotated, block: alphas[block]

    def rotate(self, Y: np.ndarray) -> Array:
        """Responses (n_rows, n_voxels) in the coordinates of the eigenvectors."""
        return self.eigen.rotate(Y[self.search.blocks.order], self.backend)

    def _open_choice(self, Y: np.ndarray, outcome: SearchOutcome, candidate: int) -> _AlphaChoice:
        """Choice between alphas by mapped gains, with their errors measured."""
        assert outcome.map is not None and outcome.pivot_losses is not None
        n_alphas, null = len(self.search.alphas), self.search.null_losses(Y)
        factors = outcome.map.factors[:, candidate * n_alphas : (candidate + 1) * n_alphas]
        gains = factors.T @ (1 - outcome.pivot_losses / null)
        checked = _evenly_ranked(gains.max(0))
        exact = _exact_gains(
            self.search, self.rotate(Y[:, checked]), null[checked], np.ones((n_alphas, len(checked)), bool)
        )
        return _AlphaChoice(self.search, gains, null, *_errors(gains[:, checked], exact))

    def predict(self, rotated: Array, alphas: np.ndarray) -> np.ndarray:
        """Predictions (n_test, n_voxels) at the alpha of each voxel; `rotated` is overwritten."""
        rotated /= self.backend.asarray(self.eigen.values[:, None] + alphas.astype(self.eigen.values.dtype))
        return self.backend.to_numpy(self.across @ rotated)


@dataclass(frozen=True)
class _AlphaChoice:
    """Choice of an alpha by mapped gains where these are clear, and by exact ones where they are not.

    Attributes
    ----------
    search : SurfaceSearch
        Search of one kernel.
    gains : (n_alphas, n_voxels) array
        Mapped gains, in units of the loss of no prediction.
    null : (n_voxels,) array
        Loss of no prediction.
    reliable : (n_alphas,) array
        Whether mapped gains at this alpha could be checked where it is near the best.
    error : (n_alphas,) array
        How far a mapped gain at this alpha may be from the exact one.
    """

    search: SurfaceSearch
    gains: np.ndarray
    null: np.ndarray
    reliable: np.ndarray
    error: np.ndarray

    def decided(self, rotated: Array, block: slice) -> np.ndarray:
        """Best alpha (n_block,) of the voxels of a block, whose rotated responses are given."""
        gains, null = self.gains[:, block].copy(), self.null[block]
        exact = np.zeros(gains.shape, bool)
        while (uncertain := self._uncertain(gains, exact)).any():
            gains[uncertain] = _exact_gains(self.search, rotated, null, uncertain)[uncertain]
            exact |= uncertain
        return self.search.alphas[gains.astype(np.float32).argmax(0)]

    def _uncertain(self, gains: np.ndarray, exact: np.ndarray) -> np.ndarray:
        """Combinations (n_alphas, n_voxels) bool whose exact gain may change the choice.

        These are all that mapping cannot tell from the best one, and unreliable ones that are the best or next to it.
        """
        best = gains.argmax(0)
        error = np.where(exact, 0, self.error[:, None])
        contenders = gains + error >= (gains - error).max(0)
        contenders &= contenders.sum(0) > 1
        distance = np.abs(np.arange(len(gains))[:, None] - best)
        return ~exact & (contenders | (~self.reliable[:, None] & (distance <= 1)))


def _evenly_ranked(gains: np.ndarray) -> np.ndarray:
    """N_CHECKED voxels of all degrees of predictability."""
    ranks = np.unique(np.linspace(0, len(gains) - 1, N_CHECKED).round().astype(int))
    return np.argsort(gains, kind="stable")[ranks]


def _errors(mapped: np.ndarray, exact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which alphas are reliable (n_alphas,), and how far their gains may be wrong, from gains (n_alphas, n_checked)."""
    near = (mapped >= mapped.max(0) - RELEVANT) | (exact >= exact.max(0) - RELEVANT)
    return near.sum(1) >= ENOUGH, SAFETY * np.where(near, np.abs(exact - mapped), 0).max(1)


def _exact_gains(search: SurfaceSearch, rotated: Array, null: np.ndarray, uncertain: np.ndarray) -> np.ndarray:
    """Exact gains (n_alphas, n_voxels) of the combinations that are wanted (bool), -inf of the others."""
    gains = np.full(uncertain.shape, -np.inf)
    alphas = np.flatnonzero(uncertain.any(1)).tolist()

    def _losses(a: int) -> np.ndarray:
        return search.losses_at(0, a, rotated[:, np.flatnonzero(uncertain[a])])

    for a, losses in zip(alphas, map_in_order(_losses, alphas, search.n_threads), strict=True):
        gains[a, uncertain[a]] = 1 - losses / null[uncertain[a]]
    return gains
