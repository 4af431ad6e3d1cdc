"""Identify stimuli among candidates: rank of the true stimulus, accuracies, and a test by circular shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brivl.errors import RequestError

DECIMALS = 6  # of embeddings relative to the largest number in them: candidates that agree so far are the same


def labels_of_equal(candidates: np.ndarray) -> np.ndarray:
    """Label embeddings, equal ones alike.

    Parameters
    ----------
    candidates : (n_events, n_dimensions) array
        Embeddings.

    Returns
    -------
    (n_events,) int array
        Labels from 0; embeddings are equal where they agree up to rounding.
    """
    scale = np.abs(candidates).max() or 1.0
    _, labels = np.unique(np.round(candidates / scale, DECIMALS), axis=0, return_inverse=True)
    return labels.ravel()


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
        if self.n_distinct < 2:
            raise RequestError(
                f"Expected at least two different stimuli to identify, got {len(self.events)} that are all alike. "
                "Choose data, or a column of the events, whose held-out stimuli differ."
            )

    @cached_property
    def labels(self) -> np.ndarray:
        """(n_events,) int, equal for events of the same stimulus: their embeddings are equal up to rounding."""
        return labels_of_equal(self.candidates)

    @cached_property
    def distinct(self) -> np.ndarray:
        """(n_distinct,) int: the first event of each stimulus, in the order of labels."""
        return np.unique(self.labels, return_index=True)[1]

    @property
    def n_distinct(self) -> int:
        """Number of different stimuli, which are the candidates."""
        return len(self.distinct)

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


@dataclass(frozen=True)
class Identification:
    """Ranks of the true candidates of one held-out set.

    Attributes
    ----------
    ranks : (n_events,) array
        Number of other candidates that are more similar to the prediction than the true one, plus half of those that
        are equally similar; 0 is the best rank.
    ties : (n_events,) int array
        Number of other candidates that are equally similar.
    n_candidates : int
        Number of different stimuli.
    """

    ranks: np.ndarray
    ties: np.ndarray
    n_candidates: int


def identify(pool: CandidatePool) -> Identification:
    """Rank the true candidate of each event among the different stimuli of the pool.

    Parameters
    ----------
    pool : CandidatePool
        Candidates and predictions.

    Returns
    -------
    Identification
        Ranks and ties. Events of the same stimulus are one candidate.
    """
    similarity = _event_similarity(pool.similarity[:, pool.distinct], pool.events)
    ranks, ties = _ranks(similarity, pool.labels)
    return Identification(ranks, ties, pool.n_distinct)


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
    (n_events, min(k, n_distinct)) int array
        Indices of the first event of each candidate, most similar first.
    """
    similarity = _event_similarity(pool.similarity[:, pool.distinct], pool.events)
    return pool.distinct[np.argsort(-similarity, axis=1, kind="stable")[:, :k]]


def pairwise_accuracy(identified: Sequence[Identification]) -> float:
    """Compute the pairwise (two-alternative) identification accuracy.

    Parameters
    ----------
    identified : sequence of Identification
        Ranks of each held-out set.

    Returns
    -------
    float
        Fraction of pairs of the true and another candidate in which the true one is more similar; ties count half.
        Chance is that of `chance_accuracy`, which is 0.5 where all stimuli are equally frequent.
    """
    return float(np.concatenate([1 - one.ranks / (one.n_candidates - 1) for one in identified]).mean())


def top_k_accuracy(identified: Sequence[Identification], k: int) -> float:
    """Compute the top-k identification accuracy.

    Parameters
    ----------
    identified : sequence of Identification
        Ranks of each held-out set.
    k : int
        Number of candidates among which the true one must be.

    Returns
    -------
    float
        Fraction of events whose true candidate is among the k most similar ones, with ties broken at random.
    """
    return float(np.concatenate([_hits(one.ranks, one.ties, k) for one in identified]).mean())


@dataclass(frozen=True)
class ChanceAccuracy:
    """Accuracies that predictions reach which have nothing to do with their stimuli.

    Attributes
    ----------
    pairwise : float
        Pairwise accuracy.
    top_k : mapping of int to float
        Top-k accuracy by k.
    """

    pairwise: float
    top_k: Mapping[int, float]


def chance_accuracy(pools: Sequence[CandidatePool], ks: Sequence[int] = (1, 5)) -> ChanceAccuracy:
    """Compute the accuracies expected where predictions are assigned to the events at random.

    Where all stimuli are equally frequent these are 0.5 and k / n_distinct. Else predictions that resemble a frequent
    stimulus are right more often, whatever the responses are.

    Parameters
    ----------
    pools : sequence of CandidatePool
        Candidates and predictions of each held-out set.
    ks : sequence of int
        Numbers of candidates for top-k accuracy.

    Returns
    -------
    ChanceAccuracy
        The mean over all assignments of predictions to events of the same pool, which is exact.
    """
    sums, n_events = np.zeros(1 + len(ks)), 0
    for pool in pools:
        similarity = _event_similarity(pool.similarity[:, pool.distinct], pool.events)
        frequency = np.bincount(pool.labels) / len(pool.labels)
        for row in similarity:  # the same prediction, with each of the candidates as the true one
            ranks, ties = _ranks(np.broadcast_to(row, (len(row), len(row))), np.arange(len(row)))
            hits = [_hits(ranks, ties, k) for k in ks]
            sums += np.stack([1 - ranks / (pool.n_distinct - 1), *hits]) @ frequency
        n_events += len(similarity)
    pairwise, *top = sums / n_events
    return ChanceAccuracy(float(pairwise), {k: float(value) for k, value in zip(ks, top, strict=True)})


def _hits(ranks: np.ndarray, ties: np.ndarray, k: int) -> np.ndarray:
    """Probability that the true candidate is among the first k, with ties broken at random."""
    return np.clip((k - (ranks - ties / 2)) / (ties + 1), 0, 1)


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
    similarity, edges = pool.similarity[:, pool.distinct], [*np.asarray(pool.onsets).tolist(), len(pool.predicted)]
    tables = []
    for start, stop in zip(edges, edges[1:], strict=False):
        in_run = [i for i, rows in enumerate(pool.events) if start <= rows[0] < stop]
        if not in_run:
            continue
        run, events = similarity[start:stop], [pool.events[i] - start for i in in_run]
        labels = pool.labels[in_run]
        sums = []
        for shift in range(stop - start):
            ranks, _ = _ranks(_event_similarity(np.roll(run, shift, axis=0), events), labels)
            sums.append((1 - ranks / (pool.n_distinct - 1)).sum())
        tables.append(np.array(sums))
    return tables


def _event_similarity(similarity: np.ndarray, events: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([similarity[rows].mean(0) for rows in events])


def _ranks(by_event: np.ndarray, true_candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks with ties counted half, and ties, of the true candidates; similarity (n_events, n_distinct)."""
    true = by_event[np.arange(len(true_candidates)), true_candidates][:, None]
    ties = (by_event == true).sum(1) - 1
    return (by_event > true).sum(1) + ties / 2, ties


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
