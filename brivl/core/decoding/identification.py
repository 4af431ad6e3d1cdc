"""Identify stimuli among candidates: rank of the true stimulus, accuracies, and a test by circular shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brivl.errors import RequestError


@dataclass(frozen=True)
class CandidatePool:
    """Candidate stimuli of one held-out set, with the embeddings predicted from the responses to them.

    Attributes
    ----------
    predicted : (n_samples, n_dimensions) array
        Predicted embeddings.
    candidates : (n_events, n_dimensions) array
        Embeddings of the candidates, of any length but zero. Event i shows candidate i.
    events : sequence of int arrays
        Samples of each event, all of one run.
    onsets : (n_runs,) int array
        First sample of each run.
    """

    predicted: np.ndarray
    candidates: np.ndarray
    events: Sequence[np.ndarray]
    onsets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.events) != len(self.candidates) or len(self.events) < 2:
            raise RequestError(
                f"Expected at least two stimuli to identify, with one embedding each, got {len(self.events)} stimuli "
                f"and {len(self.candidates)} embeddings. Choose shorter windows, or data with more held-out samples."
            )

    @property
    def similarity(self) -> np.ndarray:
        """Similarity of each predicted sample to each candidate: their cosine times the length of the prediction.

        The length of the prediction is common to all candidates, so it changes no rank; the mean over the samples of
        an event ranks candidates as the cosine of the mean prediction does.

        Returns
        -------
        (n_samples, n_events) array
            Inner products with candidates of unit length.
        """
        return self.predicted @ (self.candidates / np.linalg.norm(self.candidates, axis=1, keepdims=True)).T


def true_ranks(pool: CandidatePool) -> np.ndarray:
    """Rank the true candidate of each event; 0 is the best rank, and ties count against the prediction.

    Parameters
    ----------
    pool : CandidatePool
        Candidates and predictions.

    Returns
    -------
    (n_events,) int array
        Number of other candidates that are at least as similar to the prediction as the true one.
    """
    return _ranks(pool.similarity, pool.events, np.arange(len(pool.events)))


def nearest_candidates(pool: CandidatePool, k: int) -> np.ndarray:
    """Find the candidates that are most similar to the prediction of each event.

    Parameters
    ----------
    pool : CandidatePool
        Candidates and predictions.
    k : int
        Number of candidates.

    Returns
    -------
    (n_events, k) int array
        Indices of the candidates, most similar first.
    """
    similarity = _event_similarity(pool.similarity, pool.events)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k]


def pairwise_accuracy(ranks: Sequence[np.ndarray]) -> float:
    """Compute the pairwise (two-alternative) identification accuracy.

    Parameters
    ----------
    ranks : sequence of (n_events,) int arrays
        Ranks of the true candidates of each pool (`true_ranks`).

    Returns
    -------
    float
        Fraction of pairs of the true and another candidate in which the true one is more similar; chance is 0.5.
    """
    fractions = np.concatenate([1 - r / (len(r) - 1) for r in ranks])
    return float(fractions.mean())


def top_k_accuracy(ranks: Sequence[np.ndarray], k: int) -> tuple[float, float]:
    """Compute the top-k identification accuracy and its chance level.

    Parameters
    ----------
    ranks : sequence of (n_events,) int arrays
        Ranks of the true candidates of each pool (`true_ranks`).
    k : int
        Number of candidates among which the true one must be.

    Returns
    -------
    accuracy : float
        Fraction of events whose true candidate is among the k most similar ones.
    chance : float
        Expected accuracy of random predictions.
    """
    hits, chance = np.concatenate([r < k for r in ranks]), [np.full(len(r), min(1, k / len(r))) for r in ranks]
    return float(hits.mean()), float(np.concatenate(chance).mean())


@dataclass(frozen=True)
class ShiftTest:
    """Result of `circular_shift_test`."""

    p: float  # one-sided, of the pairwise accuracy
    smallest_p: float  # the smallest p that these runs could have given


def circular_shift_test(pools: Sequence[CandidatePool], n_draws: int = 999, seed: int = 0) -> ShiftTest:
    """Test the pairwise accuracy against predictions that are shifted in a circle within each run.

    Shifts keep the correlation between neighbouring samples. With one run every shift is tried once; with several runs
    random combinations of shifts are drawn.

    Parameters
    ----------
    pools : sequence of CandidatePool
        Candidates and predictions of each held-out set.
    n_draws : int
        Number of random combinations of shifts.
    seed : int
        Random seed.

    Returns
    -------
    ShiftTest
        One-sided p; the observed order counts as one of the shifts (Phipson and Smyth 2010).
    """
    tables = [table for pool in pools for table in _accuracy_sums_by_shift(pool)]
    observed = sum(float(table[0]) for table in tables)
    if len(tables) == 1:
        null = tables[0][1:]
    else:
        rng = np.random.default_rng(seed)
        null = np.sum([table[rng.integers(0, len(table), n_draws)] for table in tables], axis=0)
    n = len(null) + 1
    return ShiftTest(float((1 + np.sum(null >= observed - 1e-12)) / n), 1 / n)


def _accuracy_sums_by_shift(pool: CandidatePool) -> list[np.ndarray]:
    """For each run with events, the sum over its events of the pairwise accuracy at each shift, 0 first."""
    similarity, edges = pool.similarity, [*np.asarray(pool.onsets).tolist(), len(pool.predicted)]
    tables = []
    for start, stop in zip(edges, edges[1:], strict=False):
        in_run = [i for i, rows in enumerate(pool.events) if start <= rows[0] < stop]
        if not in_run:
            continue
        run, events = similarity[start:stop], [pool.events[i] - start for i in in_run]
        sums = [
            (1 - _ranks(np.roll(run, shift, axis=0), events, np.array(in_run)) / (len(pool.events) - 1)).sum()
            for shift in range(stop - start)
        ]
        tables.append(np.array(sums))
    return tables


def _event_similarity(similarity: np.ndarray, events: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([similarity[rows].mean(0) for rows in events])


def _ranks(similarity: np.ndarray, events: Sequence[np.ndarray], true_candidates: np.ndarray) -> np.ndarray:
    by_event = _event_similarity(similarity, events)
    true = by_event[np.arange(len(true_candidates)), true_candidates][:, None]
    return (by_event >= true).sum(1) - 1


def cumulative_order(scores: Mapping[str, float]) -> list[str]:
    """Order regions by falling score; ties are ordered by name.

    Parameters
    ----------
    scores : mapping of str to float
        Score of each region.

    Returns
    -------
    list of str
        Names of the regions, highest score first.
    """
    return sorted(scores, key=lambda name: (-scores[name], name))
