"""A coarser mesh on some vertices of a fine one, by cells of nearest vertices along the surface (Valette and Chassery
2004): cells that meet become triangles, so that folds that nearly touch are not joined."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import dijkstra

from brivl.data.anatomy.flat_mesh import neighbour_average
from brivl.errors import DataError

N_RELAXATIONS = 3  # of moving each seed to the middle of its cell


def decimate_mesh(places: np.ndarray, faces: np.ndarray, n_kept: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Choose evenly spread vertices of a surface and the faces between them.

    Parameters
    ----------
    places : np.ndarray
        (n_vertices, 3) of one connected surface.
    faces : np.ndarray
        (n_faces, 3) vertex indices.
    n_kept : int
        Number of vertices to keep, which are not moved.
    seed : int
        Random seed of the first choice.

    Returns
    -------
    tuple of np.ndarray
        Kept vertices (n_kept,), and faces (n_faces, 3) as positions in that list.

    Raises
    ------
    DataError
        `n_kept` is larger than the number of vertices, or smaller than 4.
    """
    if not 4 <= n_kept <= len(places):
        raise DataError(f"Expected 4 to {len(places)} vertices to keep, got {n_kept!r}. Choose another number.")
    graph = _lengths(places, faces)
    kept = np.sort(np.random.default_rng(seed).choice(len(places), n_kept, replace=False))
    cells = _cells(graph, kept)
    for _ in range(N_RELAXATIONS):
        kept = _middles(places, cells, kept)
        cells = _cells(graph, kept)
    return kept, _meeting(cells, faces)


def _lengths(places: np.ndarray, faces: np.ndarray) -> scipy.sparse.csr_matrix:
    """(n_vertices, n_vertices) length of each edge."""
    edges = scipy.sparse.coo_matrix(neighbour_average(faces, len(places)))
    length = np.linalg.norm(places[edges.row] - places[edges.col], axis=1)
    return scipy.sparse.csr_matrix((np.maximum(length, 1e-9), (edges.row, edges.col)), shape=edges.shape)


def _cells(graph: scipy.sparse.csr_matrix, kept: np.ndarray) -> np.ndarray:
    """(n_vertices,) position in `kept` of the nearest kept vertex along the edges; -1 where none can be reached."""
    _, _, sources = dijkstra(graph, directed=False, indices=kept, min_only=True, return_predecessors=True)
    position = np.full(graph.shape[0], -1)
    position[kept] = np.arange(len(kept))
    return np.where(sources >= 0, position[np.maximum(sources, 0)], -1)


def _middles(places: np.ndarray, cells: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Of each cell the vertex nearest to its mean."""
    there = cells >= 0
    count = np.bincount(cells[there], minlength=len(kept))
    means = np.stack([np.bincount(cells[there], p[there], len(kept)) for p in places.T], 1) / count[:, None]
    distance = np.where(there, np.linalg.norm(places - means[np.maximum(cells, 0)], axis=1), np.inf)
    order = np.lexsort((distance, cells))
    first = np.unique(cells[order], return_index=True)
    return order[first[1][first[0] >= 0]]


def _meeting(cells: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Triangles where three cells meet, each once, turned as the fine ones are."""
    corners = cells[faces]
    apart = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]) & (corners[:, 2] != corners[:, 0])
    corners = corners[apart & (corners >= 0).all(1)]
    first = np.argmin(corners, axis=1)[:, None]
    return np.unique(np.take_along_axis(corners, (np.arange(3) + first) % 3, axis=1), axis=0)
