"""How long a search takes in a large gallery, against comparing with every row, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from brivl.core.retrieval.ann import build_index, index_bytes
from brivl.core.retrieval.nearest import nearest_neighbours, neighbour_recall
from brivl.core.retrieval.synthetic_embeddings import caption_embeddings, clustered_embeddings, uniform_embeddings

Made = TypeVar("Made")
N_TUNING, N_QUERIES, K = 100, 100, 10
DIM = 256
HARD_SHARE = 10  # the uniform gallery is this much smaller: nothing but a full search finds its neighbours


def search_bench(n: int, n_queries: int = N_QUERIES) -> dict[str, Any]:
    """Search n made-up embeddings of 256 dimensions, one query after the other, both ways in turn.

    Figures of "clustered" (see brivl.core.retrieval.synthetic_embeddings) and, on a tenth of the size, "uniform".
    """
    gallery = clustered_embeddings(n, DIM, seed=0)
    measured = _measured(gallery, caption_embeddings(gallery, N_TUNING, 1), caption_embeddings(gallery, n_queries, 2))
    del gallery
    hard = uniform_embeddings(max(2_000, n // HARD_SHARE), DIM, seed=0)
    small = _measured(hard, uniform_embeddings(N_TUNING, DIM, 1), uniform_embeddings(n_queries, DIM, 2))
    return {"bench": "retrieval", "dim": DIM, "clustered": measured, "uniform": small}


def _measured(gallery: np.ndarray, tuning: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    cpu = time.process_time()
    build_s, index = _timed(lambda: build_index(gallery, tuning))
    build_cpu_s = time.process_time() - cpu
    index.search(queries[0], gallery, K)  # the first touches memory that the others find warm
    by_index, by_all, shares = [], [], []
    for query in queries:
        seconds, found = _timed(lambda q=query: index.search(q, gallery, K))
        by_index.append(seconds)
        seconds, truth = _timed(lambda q=query: nearest_neighbours(q, gallery, K))
        by_all.append(seconds)
        shares.append(neighbour_recall(found.rows, truth.rows))
    mid, mid_all = float(np.median(by_index)), float(np.median(by_all))
    return {
        "n": len(gallery),
        "n_queries": len(queries),
        "build_s": round(build_s, 1),
        "build_cpu_s": round(build_cpu_s, 1),
        "index_mb": round(index_bytes(index).nbytes / 1e6),
        "cells": index.n_lists,
        "cells_looked_into": index.n_probe,
        "median_ms": round(1e3 * mid, 2),
        "p95_ms": round(1e3 * float(np.quantile(by_index, 0.95)), 2),
        "brute_force_median_ms": round(1e3 * mid_all, 2),
        "brute_force_over_index": round(mid_all / mid, 1),
        "recall_at_10": round(float(np.mean(shares)), 4),
    }


def _timed(work: Callable[[], Made]) -> tuple[float, Made]:
    started = time.perf_counter()
    made = work()
    return time.perf_counter() - started, made
