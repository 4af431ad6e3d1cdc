"""Approximate nearest neighbours with faiss, for galleries that are too large to compare a query with every row.

Inverted lists over k-means cells (Jegou et al. 2011) hold eight bits per dimension; their candidates are ranked again
by the exact inner product. The number of cells that a query searches is chosen when the index is built: the fewest
that find nearly all true neighbours of sample queries. The recall of these queries is stored with the index.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brivl.core.progress import StepCallback
from brivl.core.retrieval.nearest import (
    Neighbours,
    nearest_neighbours,
    neighbour_recall,
    rank_candidates,
    validate_query,
)

MIN_INDEXED_ROWS = 50_000  # rows from which an index is worth building
MIN_RECALL = 0.98  # fraction of the true ten neighbours that sample queries must find
K_CALIBRATION = 10
CANDIDATES_PER_RESULT = 4  # candidates that are ranked exactly, for each result
VECTORS_PER_LIST = 40  # training vectors for each cell; faiss recommends at least 39
BATCH = 65_536


@dataclass(frozen=True)
class AnnIndex:
    """Approximate index of a gallery."""

    faiss_index: Any  # faiss has no types
    n_probe: int  # cells that a query searches
    recall: float  # recall@10 of the sample queries with these cells

    @property
    def n_lists(self) -> int:
        """Count the cells of the index.

        Returns
        -------
        int
            Number of cells.
        """
        return int(self.faiss_index.nlist)

    def search(self, query: np.ndarray, gallery: np.ndarray, k: int) -> Neighbours:
        """Find nearly the same rows as `nearest_neighbours`, with exact scores.

        Parameters
        ----------
        query : (n, D) or (D,) array
            Unit vectors to search for.
        gallery : (N, D) array
            The gallery that the index was built from.
        k : int
            Number of rows for each query.

        Returns
        -------
        Neighbours
            Rows and scores, best first. Where the searched cells hold fewer than k rows, the missing rows are -1 with
            score -inf.

        Raises
        ------
        RequestError
            If the shapes do not fit, or k is less than 1.
        """
        import faiss

        query = validate_query(query, gallery, k)
        params = faiss.SearchParametersIVF()
        params.nprobe = self.n_probe
        n_candidates = min(CANDIDATES_PER_RESULT * k, len(gallery))
        _, rows = self.faiss_index.search(np.ascontiguousarray(query), n_candidates, params=params)
        scores = np.einsum("nd,ncd->nc", query, gallery[np.maximum(rows, 0)], optimize=True)
        return rank_candidates(rows, np.where(rows < 0, -np.inf, scores).astype(np.float32), min(k, len(gallery)))


def n_lists_for(n: int) -> int:
    """Choose the number of cells for a gallery: the power of 2 nearest to 2 sqrt(n), such as 2,048 for a million rows.

    Parameters
    ----------
    n : int
        Rows of the gallery.

    Returns
    -------
    int
        Number of cells.
    """
    return 2 ** round(np.log2(2 * np.sqrt(max(n, 4))))


def build_index(
    gallery: np.ndarray, queries: np.ndarray, seed: int = 0, progress: StepCallback = lambda _done, _total: None
) -> AnnIndex:
    """Index a gallery for queries that resemble sample queries.

    Parameters
    ----------
    gallery : (N, D) array
        Unit vectors, at least a few thousand.
    queries : (n, D) array
        Sample queries, which choose the number of cells to search.
    seed : int
        Random seed; the same gallery and seed give the same index.
    progress : callable
        Called with the number of indexed rows and N.

    Returns
    -------
    AnnIndex
        The index.
    """
    import faiss

    n, dim = gallery.shape
    n_lists = n_lists_for(n)
    cells = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        cells, dim, n_lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter, index.cp.seed, index.cp.spherical = 8, seed + 1, True
    index.cp.min_points_per_centroid = 1  # avoids a warning of faiss for the small galleries of tests
    index.train(_sample(gallery, VECTORS_PER_LIST * n_lists, seed))
    for start in range(0, n, BATCH):
        index.add(np.ascontiguousarray(gallery[start : start + BATCH], np.float32))
        progress(min(start + BATCH, n), n)
    # The index holds a pointer to the cells and frees them from now on. The stubs of faiss omit SWIG's `this`.
    cells.this.disown()  # type: ignore[attr-defined]
    index.own_fields = True
    return _calibrated(AnnIndex(index, 1, 0.0), gallery, queries)


def index_bytes(index: AnnIndex) -> np.ndarray:
    """Serialise the cells and codes of an index.

    Parameters
    ----------
    index : AnnIndex
        Index to store.

    Returns
    -------
    (n_bytes,) uint8 array
        Bytes that `index_from_bytes` reads.
    """
    import faiss

    return faiss.serialize_index(index.faiss_index)


def index_from_bytes(data: np.ndarray, n_probe: int, recall: float) -> AnnIndex:
    """Build an index from stored bytes.

    Parameters
    ----------
    data : (n_bytes,) uint8 array
        Bytes from `index_bytes`.
    n_probe : int
        Cells that a query searches.
    recall : float
        Recall@10 of the sample queries.

    Returns
    -------
    AnnIndex
        The stored index.
    """
    import faiss

    return AnnIndex(faiss.deserialize_index(np.asarray(data)), n_probe, recall)


def _sample(gallery: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw n random rows, in ascending order because a memory-mapped file is read faster so."""
    if n >= len(gallery):
        return np.ascontiguousarray(gallery, np.float32)
    rows = np.sort(np.random.default_rng(seed).choice(len(gallery), n, replace=False))
    return np.ascontiguousarray(gallery[rows], np.float32)


def _calibrated(index: AnnIndex, gallery: np.ndarray, queries: np.ndarray) -> AnnIndex:
    """Double the number of searched cells until the recall of the sample queries is at least MIN_RECALL."""
    truth = nearest_neighbours(queries, gallery, K_CALIBRATION).rows
    n_probe = 4
    while True:
        index = replace(index, n_probe=min(n_probe, index.n_lists))
        recall = neighbour_recall(index.search(queries, gallery, K_CALIBRATION).rows, truth)
        if recall >= MIN_RECALL or n_probe >= index.n_lists:
            return replace(index, recall=recall)
        n_probe *= 2
