"""Made-up embeddings to measure a search on: their neighbourhoods resemble those of pictures, their content is chance.

Embeddings of real pictures fill little of their space: they gather in topics, vary along a few directions much and
along most hardly, and captions lie apart from pictures by one shift that is the same for all (Liang et al. 2022, the
modality gap). Uniform directions have no neighbourhoods at all; that is the hardest case, and none that pictures pose.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

N_TOPICS = 5_000
SPREAD = 0.6  # of a topic, against the spread of the topics
NOISE = 0.3  # of a caption about its picture, against the same
GAP = 0.4  # share of every vector that only says whether it is a picture or a caption
BLOCK = 65_536


def clustered_embeddings(n: int, dim: int, seed: int) -> np.ndarray:
    """(n, dim) float32 unit vectors in topics of unequal size (Zipf).

    Variance falls as 1/i over the dimensions: with D = 256 as if there were about 23 of them.
    """
    rng = np.random.default_rng([seed, 0])
    centres = rng.standard_normal((N_TOPICS, dim - 1), np.float32)
    share = 1 / np.arange(10, N_TOPICS + 10)
    found = np.empty((n, dim), np.float32)
    for rows in _blocks(n):
        topic = rng.choice(N_TOPICS, rows.stop - rows.start, p=share / share.sum())
        own = rng.standard_normal((len(topic), dim - 1), np.float32)
        found[rows, :-1] = np.sqrt(1 - GAP**2) * _unit(_falling(dim - 1) * (centres[topic] + SPREAD * own))
        found[rows, -1] = GAP
    return found


def caption_embeddings(gallery: np.ndarray, n: int, seed: int) -> np.ndarray:
    """(n, D) unit vectors that lie to random rows of a clustered gallery as captions to their pictures."""
    rng = np.random.default_rng([seed, 2])
    rows, dim = rng.integers(len(gallery), size=n), gallery.shape[1]
    noise = _unit(_falling(dim - 1) * rng.standard_normal((n, dim - 1), np.float32))
    said = np.sqrt(1 - GAP**2) * _unit(_unit(gallery[rows, :-1]) + NOISE * noise)
    return np.concatenate([said, np.full((n, 1), -GAP, np.float32)], 1).astype(np.float32)


def uniform_embeddings(n: int, dim: int, seed: int) -> np.ndarray:
    """(n, dim) float32 unit vectors in all directions alike."""
    rng = np.random.default_rng([seed, 1])
    found = np.empty((n, dim), np.float32)
    for rows in _blocks(n):
        found[rows] = _unit(rng.standard_normal((rows.stop - rows.start, dim), np.float32))
    return found


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def _falling(dim: int) -> np.ndarray:
    return (1 / np.sqrt(np.arange(1, dim + 1))).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)
