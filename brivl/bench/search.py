"""Time of a search in a large gallery with the index, and with brute force, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from brivl.core.retrieval.ann import build_index, index_bytes
from brivl.core.retrieval.nearest import nearest_neighbours, neighbour_recall
from brivl.core.retrieval.synthetic_embeddings import caption_embeddings, clustered_embeddings, uniform_embeddings
from brivl.store.digests import JSON

Result = TypeVar("Result")
N_TUNING, N_QUERIES, K = 100, 100, 10
DIM = 256
HARD_FACTOR = 10  # the uniform gallery is this much smaller, since only a full search finds its neighbours


def search_bench(n: int, n_queries: int = N_QUERIES) -> dict[str, JSON]:
    """Search synthetic embeddings of 256 dimensions, one query after another, both ways in turn.

    Parameters
    ----------
    n : int
        Number of embeddings.
    n_queries : int
        Number of queries.

    Returns
    -------
    dict[str, JSON]
        Times, sizes and recall for "clustered" embeddings (brivl.core.retrieval.synthetic_embeddings) and, at a tenth
        of the size, "uniform" ones.
    """
    gallery = clustered_embeddings(n, DIM, seed=0)
    large = _measure(gallery, caption_embeddings(gallery, N_TUNING, 1), caption_embeddings(gallery, n_queries, 2))
    del gallery
    hard = uniform_embeddings(max(2_000, n // HARD_FACTOR), DIM, seed=0)
    small = _measure(hard, uniform_embeddings(N_TUNING, DIM, 1), uniform_embeddings(n_queries, DIM, 2))
    return {"bench": "retrieval", "dim": DIM, "clustered": large, "uniform": small}


def _measure(gallery: np.ndarray, tuning: np.ndarray, queries: np.ndarray) -> dict[str, JSON]:
    cpu = time.process_time()
    build_s, index = _timed(lambda: build_index(gallery, tuning))
    build_cpu_s = time.process_time() - cpu
    index.search(queries[0], gallery, K)  # the first search loads memory into caches
    index_seconds, full_seconds, recalls = [], [], []
    for query in queries:
        seconds, approximate = _timed(partial(index.search, query, gallery, K))
        index_seconds.append(seconds)
        seconds, exact = _timed(partial(nearest_neighbours, query, gallery, K))
        full_seconds.append(seconds)
        recalls.append(neighbour_recall(approximate.rows, exact.rows))
    index_median, full_median = float(np.median(index_seconds)), float(np.median(full_seconds))
    return {
        "n": len(gallery),
        "n_queries": len(queries),
        "build_s": round(build_s, 1),
        "build_cpu_s": round(build_cpu_s, 1),
        "index_mb": round(index_bytes(index).nbytes / 1e6),
        "cells": index.n_lists,
        "cells_looked_into": index.n_probe,
        "median_ms": round(1e3 * index_median, 2),
        "p95_ms": round(1e3 * float(np.quantile(index_seconds, 0.95)), 2),
        "brute_force_median_ms": round(1e3 * full_median, 2),
        "brute_force_over_index": round(full_median / index_median, 1),
        "recall_at_10": round(float(np.mean(recalls)), 4),
    }


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result
