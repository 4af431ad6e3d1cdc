"""Sentences generated for voxels by the caption decoder of embeddings, and how often they name the simulated truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brivl.models.captioning.digests import embedding_captioner_digest
from brivl.models.registry import BRIVL_MINI
from brivl.scenes.things import CATEGORY
from brivl.train.captioning.checks import mentioned_things


def decoder_digest(model: str) -> str:
    """Give the digest of the caption decoder of a model's embedding space.

    Parameters
    ----------
    model : str
        Name of the model.

    Returns
    -------
    str
        64 hex digits; "" for a space without a caption decoder.
    """
    return embedding_captioner_digest() if model == BRIVL_MINI else ""


def generate_sentences(points: np.ndarray, model: str) -> list[str]:
    """Generate a sentence for each point of an embedding space.

    Parameters
    ----------
    points : (n, D) array
        Points as `core.text.voxel_words.project_onto_images` gives them.
    model : str
        Name of the model whose space it is.

    Returns
    -------
    list of str
        n sentences; none for a space without a caption decoder.
    """
    if not decoder_digest(model):
        return []
    from brivl.models.captioning.embedding_captioner import decode_embeddings, load_embedding_captioner

    return decode_embeddings(load_embedding_captioner(), points)


def named_categories(sentence: str) -> frozenset[str]:
    """Find the categories of the things that a sentence names with their colours.

    Parameters
    ----------
    sentence : str
        A caption of a drawn scene.

    Returns
    -------
    frozenset of str
        Names of categories.
    """
    return frozenset(CATEGORY[kind] for kind, _ in mentioned_things(sentence))


def sentence_truth(sentences: Sequence[str], planted: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Count how often a generated sentence names the planted category of its voxel.

    Parameters
    ----------
    sentences : sequence of str
        One for each voxel.
    planted : (n_voxels,) array of str
        Planted category, "" for none.
    seed : int
        Of the permutation for chance.

    Returns
    -------
    dict
        Fractions over selective voxels: "said", "said_by_chance" (the sentence of another voxel), and by category.
    """
    selective = np.flatnonzero(planted != "")
    order = np.random.default_rng(seed).permutation(len(selective))
    named = [named_categories(sentences[i]) for i in selective.tolist()]
    hits = np.array([category in names for category, names in zip(planted[selective], named, strict=True)])
    others = [category in named[i] for category, i in zip(planted[selective], order, strict=True)]
    categories = sorted(set(planted[selective].tolist()))
    by_category = {str(c): float(hits[planted[selective] == c].mean()) for c in categories}
    return {"said": float(hits.mean()), "said_by_chance": float(np.mean(others)), "said_by_category": by_category}
