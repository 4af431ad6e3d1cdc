"""An index for galleries that are too large to compare with every row: the one home of faiss.

Inverted lists over k-means cells (Jegou et al. 2011), eight bits a dimension within them; what the lists propose is
ranked again by the exact inner product. How many cells a query looks into is chosen when the index is built, as the
fewest that find nearly all true neighbours of sample queries, and that share is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brivl.core.retrieval.nearest import (
    Neighbours,
    nearest_neighbours,
    neighbour_recall,
    rank_candidates,
    validate_query,
)

MIN_INDEXED_ROWS = 50_000  # rows from which an index is worth building
ENOUGH = 0.98  # share of the true ten neighbours that sample queries must find
K_SHOWN = 10
SPARE = 4  # candidates ranked exactly, for each answer wanted
PER_LIST = 40  # training vectors for each cell; faiss asks for 39
BLOCK = 65_536

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class AnnIndex:
    """Cells and codes (faiss), how many cells a query looks into, and recall@10 of the sample queries at that."""

    faiss_index: Any
    n_probe: int
    recall: float

    @property
    def n_lists(self) -> int:
        return self.faiss_index.nlist

    def search(self, query: np.ndarray, gallery: np.ndarray, k: int) -> Neighbours:
        """Nearly what `nearest` gives: query (n, D), the gallery (N, D) that the index was built from.

        Scores are exact. Where the cells hold fewer than k rows, rows that were not found are -1 with score -inf.
        """
        import faiss

        query = validate_query(query, gallery, k)
        looked = faiss.SearchParametersIVF(nprobe=self.n_probe)
        _, rows = self.faiss_index.search(np.ascontiguousarray(query), min(SPARE * k, len(gallery)), params=looked)
        scores = np.einsum("nd,ncd->nc", query, gallery[np.maximum(rows, 0)], optimize=True)
        return rank_candidates(rows, np.where(rows < 0, -np.inf, scores).astype(np.float32), min(k, len(gallery)))


def n_lists_for(n: int) -> int:
    """Cells for n rows: two to the rounded log2 of 2 sqrt(n), 2,048 for a million."""
    return 2 ** round(np.log2(2 * np.sqrt(max(n, 4))))


def build_index(
    gallery: np.ndarray, queries: np.ndarray, seed: int = 0, progress: Progress = lambda _done, _of: None
) -> AnnIndex:
    """Index a gallery (N, D) of unit vectors, N at least a few thousand, for questions like `queries` (n, D).

    progress counts rows. Seeded: the same gallery gives the same index.
    """
    import faiss

    n, dim = gallery.shape
    n_lists = n_lists_for(n)
    cells = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        cells, dim, n_lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter, index.cp.seed, index.cp.spherical = 8, seed + 1, True
    index.cp.min_points_per_centroid = 1  # small galleries are for tests; faiss would print a warning
    index.train(_sample(gallery, PER_LIST * n_lists, seed))
    for start in range(0, n, BLOCK):
        index.add(np.ascontiguousarray(gallery[start : start + BLOCK], np.float32))
        progress(min(start + BLOCK, n), n)
    cells.this.disown()  # the index keeps a pointer to it and takes it along
    index.own_fields = True
    return _calibrated(AnnIndex(index, 1, 0.0), gallery, queries)


def index_bytes(index: AnnIndex) -> np.ndarray:
    """The index as bytes (uint8), for a store."""
    import faiss

    return faiss.serialize_index(index.faiss_index)


def index_from_bytes(data: np.ndarray, n_probe: int, recall: float) -> AnnIndex:
    """What index_bytes took apart."""
    import faiss

    return AnnIndex(faiss.deserialize_index(np.asarray(data)), n_probe, recall)


def _sample(gallery: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n random rows in their order, which is how a memory-mapped file is read fast."""
    if n >= len(gallery):
        return np.ascontiguousarray(gallery, np.float32)
    rows = np.sort(np.random.default_rng(seed).choice(len(gallery), n, replace=False))
    return np.ascontiguousarray(gallery[rows], np.float32)


def _calibrated(index: AnnIndex, gallery: np.ndarray, queries: np.ndarray) -> AnnIndex:
    """The fewest cells, in doublings, that find ENOUGH of the true neighbours; all of them if nothing less does."""
    truth = nearest_neighbours(queries, gallery, K_SHOWN).rows
    n_probe = 4
    while True:
        index = replace(index, n_probe=min(n_probe, index.n_lists))
        share = neighbour_recall(index.search(queries, gallery, K_SHOWN).rows, truth)
        if share >= ENOUGH or n_probe >= index.n_lists:
            return replace(index, recall=share)
        n_probe *= 2
