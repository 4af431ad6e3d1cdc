"""Which of N stimuli was it? Ranks of the true one among candidates, and what ranks are worth by circular shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brivl.errors import RequestError


@dataclass(frozen=True)
class CandidatePool:
    """Candidates of one division with what was predicted of it.

    predicted (n_samples, D); candidates (n_events, D), any length but not zero; events: the rows of each, all of one
    run; onsets: first row of each run. Event i is candidate i.
    """

    predicted: np.ndarray
    candidates: np.ndarray
    events: Sequence[np.ndarray]
    onsets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.events) != len(self.candidates) or len(self.events) < 2:
            raise RequestError(
                f"Wanted two or more stimuli to tell apart, with an embedding each, and got {len(self.events)} with "
                f"{len(self.candidates)}. Choose shorter windows, or data with more held-out samples."
            )

    @property
    def similarity(self) -> np.ndarray:
        """(n_samples, n_events): of each predicted sample with each candidate, up to the sample's own length.

        That length is common to all candidates, so that it changes no rank; the mean over an event's rows ranks as the
        cosine of the mean prediction does.
        """
        return self.predicted @ (self.candidates / np.linalg.norm(self.candidates, axis=1, keepdims=True)).T


def true_ranks(pool: CandidatePool) -> np.ndarray:
    """(n_events,) int: how many of the other candidates are as similar to the prediction as the true one, or more."""
    return _ranks(pool.similarity, pool.events, np.arange(len(pool.events)))


def nearest_candidates(pool: CandidatePool, k: int) -> np.ndarray:
    """(n_events, k) int: the candidates most similar to each event's prediction, best first."""
    similarity = _of_events(pool.similarity, pool.events)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k]


def pairwise_accuracy(found: Sequence[np.ndarray]) -> float:
    """Share of pairs (true, other) in which the true one is the more similar; 0.5 by chance. Ranks by pool."""
    shares = np.concatenate([1 - r / (len(r) - 1) for r in found])
    return float(shares.mean())


def top_k_accuracy(found: Sequence[np.ndarray], k: int) -> tuple[float, float]:
    """Share of events whose stimulus is among the k nearest, and that share by chance. Ranks by pool."""
    hits, chance = np.concatenate([r < k for r in found]), [np.full(len(r), min(1, k / len(r))) for r in found]
    return float(hits.mean()), float(np.concatenate(chance).mean())


@dataclass(frozen=True)
class ShiftTest:
    """One-sided p of the pairwise accuracy, and the smallest that these runs could have given."""

    p: float
    smallest: float


def circular_shift_test(pools: Sequence[CandidatePool], n_draws: int = 999, seed: int = 0) -> ShiftTest:
    """Whether predictions belong to their stimuli: against predictions shifted in a circle within each run.

    Shifts keep what neighbours have in common. One run: every shift is tried once; several: n_draws random
    combinations. The unshifted order counts as one of them (Phipson and Smyth 2010).
    """
    tables = [table for pool in pools for table in _shifted(pool)]
    observed = sum(float(table[0]) for table in tables)
    if len(tables) == 1:
        null = tables[0][1:]
    else:
        rng = np.random.default_rng(seed)
        null = np.sum([table[rng.integers(0, len(table), n_draws)] for table in tables], axis=0)
    n = len(null) + 1
    return ShiftTest(float((1 + np.sum(null >= observed - 1e-12)) / n), 1 / n)


def _shifted(pool: CandidatePool) -> list[np.ndarray]:
    """Of each run with events, by shift (0 first): sum over its events of the pairwise accuracy."""
    similarity, edges = pool.similarity, [*np.asarray(pool.onsets).tolist(), len(pool.predicted)]
    tables = []
    for start, stop in zip(edges, edges[1:], strict=False):
        here = [i for i, rows in enumerate(pool.events) if start <= rows[0] < stop]
        if not here:
            continue
        run, events = similarity[start:stop], [pool.events[i] - start for i in here]
        sums = [
            (1 - _ranks(np.roll(run, shift, axis=0), events, np.array(here)) / (len(pool.events) - 1)).sum()
            for shift in range(stop - start)
        ]
        tables.append(np.array(sums))
    return tables


def _of_events(similarity: np.ndarray, events: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([similarity[rows].mean(0) for rows in events])


def _ranks(similarity: np.ndarray, events: Sequence[np.ndarray], own: np.ndarray) -> np.ndarray:
    found = _of_events(similarity, events)
    return (found >= found[np.arange(len(own)), own][:, None]).sum(1) - 1


def cumulative_order(scores: Mapping[str, float]) -> list[str]:
    """Names by falling score, ties by name."""
    return sorted(scores, key=lambda name: (-scores[name], name))
