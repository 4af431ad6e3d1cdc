"""Random embeddings for benchmarks of the search, with neighbourhoods that resemble those of images.

Embeddings of real images fill little of their space: they gather in topics, most of their variance lies along a few
directions, and captions are shifted against images by one vector that is the same for all (the modality gap, Liang et
al. 2022). Uniform directions have no neighbourhoods; they are harder to search than any set of images.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

N_TOPICS = 5_000
SPREAD = 0.6  # SD within a topic over the SD of the topics
NOISE = 0.3  # SD of a caption around its image, in the same unit
GAP = 0.4  # coordinate of every vector, of opposite sign for images and captions
BATCH = 65_536


def clustered_embeddings(n: int, dim: int, seed: int) -> np.ndarray:
    """Draw embeddings of images: unit vectors in topics of unequal size (Zipf's law).

    The variance of dimension i falls as 1/i, so that 256 dimensions have about 23 effective ones.

    Parameters
    ----------
    n : int
        Number of vectors.
    dim : int
        Number of dimensions.
    seed : int
        Random seed.

    Returns
    -------
    (n, dim) float32 array
        Unit vectors.
    """
    rng = np.random.default_rng([seed, 0])
    centres = rng.standard_normal((N_TOPICS, dim - 1), np.float32)
    share = 1 / np.arange(10, N_TOPICS + 10)
    vectors = np.empty((n, dim), np.float32)
    for rows in _batches(n):
        topic = rng.choice(N_TOPICS, rows.stop - rows.start, p=share / share.sum())
        own = rng.standard_normal((len(topic), dim - 1), np.float32)
        vectors[rows, :-1] = np.sqrt(1 - GAP**2) * _unit(_decreasing_scale(dim - 1) * (centres[topic] + SPREAD * own))
        vectors[rows, -1] = GAP
    return vectors


def caption_embeddings(gallery: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw embeddings of captions of random rows of a gallery.

    Parameters
    ----------
    gallery : (N, D) array
        Embeddings of images from `clustered_embeddings`.
    n : int
        Number of captions.
    seed : int
        Random seed.

    Returns
    -------
    (n, D) float32 array
        Unit vectors.
    """
    rng = np.random.default_rng([seed, 2])
    rows, dim = rng.integers(len(gallery), size=n), gallery.shape[1]
    noise = _unit(_decreasing_scale(dim - 1) * rng.standard_normal((n, dim - 1), np.float32))
    content = np.sqrt(1 - GAP**2) * _unit(_unit(gallery[rows, :-1]) + NOISE * noise)
    return np.concatenate([content, np.full((n, 1), -GAP, np.float32)], 1).astype(np.float32)


def uniform_embeddings(n: int, dim: int, seed: int) -> np.ndarray:
    """Draw unit vectors that are uniform over all directions.

    Parameters
    ----------
    n : int
        Number of vectors.
    dim : int
        Number of dimensions.
    seed : int
        Random seed.

    Returns
    -------
    (n, dim) float32 array
        Unit vectors.
    """
    rng = np.random.default_rng([seed, 1])
    vectors = np.empty((n, dim), np.float32)
    for rows in _batches(n):
        vectors[rows] = _unit(rng.standard_normal((rows.stop - rows.start, dim), np.float32))
    return vectors


def _batches(n: int) -> Iterator[slice]:
    return (slice(start, min(start + BATCH, n)) for start in range(0, n, BATCH))


def _decreasing_scale(dim: int) -> np.ndarray:
    return (1 / np.sqrt(np.arange(1, dim + 1))).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)
