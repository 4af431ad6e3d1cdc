"""Sentences written for voxels: what the captioner of points says where an encoding weight leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brivl.models.captioning.digests import embedding_captioner_digest
from brivl.models.registry import BRIVL_MINI
from brivl.scenes.things import CATEGORY
from brivl.train.captioning.checks import mentioned_things


def writer_digest(model: str) -> str:
    """Digest of what writes sentences in this model's space, "" for a space that has no such thing."""
    return embedding_captioner_digest() if model == BRIVL_MINI else ""


def write_sentences(points: np.ndarray, model: str) -> list[str]:
    """A sentence for each point (n, D) as `voxel_words.projected` gives them; [] for a space without a writer."""
    if not writer_digest(model):
        return []
    from brivl.models.captioning.embedding_captioner import decode_embeddings, load_embedding_captioner

    return decode_embeddings(load_embedding_captioner(), points)


def named_categories(sentence: str) -> frozenset[str]:
    """Categories of the things that a sentence about a scene names with their colours, as its captions do."""
    return frozenset(CATEGORY[kind] for kind, _ in mentioned_things(sentence))


def said_truth(sentences: Sequence[str], planted: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Share of selective voxels whose sentence names their planted category, and of voxels with another's sentence.

    sentences: of each voxel; planted (n,) category, "" for none.
    """
    here = np.flatnonzero(planted != "")
    order = np.random.default_rng(seed).permutation(len(here))
    named = [named_categories(sentences[i]) for i in here]
    hits = np.array([category in said for category, said in zip(planted[here], named, strict=True)])
    others = [category in named[i] for category, i in zip(planted[here], order, strict=True)]
    by_category = {str(c): float(hits[planted[here] == c].mean()) for c in sorted(set(planted[here].tolist()))}
    return {"said": float(hits.mean()), "said_by_chance": float(np.mean(others)), "said_by_category": by_category}
