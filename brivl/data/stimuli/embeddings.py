"""Embedding of every sample of a dataset in the space of a model with two streams: made once, then stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Stimulus
from brivl.data.features import stimulus_digest
from brivl.data.formats.images import read_images
from brivl.errors import RequestError
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

VERSION = 1
ITEMS_AT_A_TIME = 128


def embedding_key(stimulus: Stimulus, model: str) -> ArtifactKey:
    """Key of the embeddings. Raises RequestError for a shipped model of one stream."""
    what = {"stimulus": stimulus_digest(stimulus), "model": embedder_digest(model), "version": VERSION}
    return ArtifactKey("stimulus-embeddings", what)


def sample_embeddings(
    store: Store, stimulus: Stimulus, model: str, progress: ProgressCallback = no_progress
) -> np.ndarray:
    """(n_samples, D) float32: unit vectors of the items, averaged within a sample as `Stimulus.weights` says.

    Raises RequestError for stimuli that come as features only, or a model without a space of both streams.
    """
    if stimulus.kind == "features":
        raise RequestError(
            "Wanted pictures or sentences, and this dataset brings only features of what was shown. Decode a dataset "
            "with its stimuli."
        )
    key = embedding_key(stimulus, model)
    return store.get_or_compute(key, lambda: _embed(stimulus, model, progress)).arrays["vectors"]


def _embed(stimulus: Stimulus, model: str, progress: ProgressCallback) -> tuple[dict[str, np.ndarray], dict]:
    from brivl.models.encoders.embedding import open_embedder

    embedder, n_items = open_embedder(model), len(stimulus.items)
    columns = scipy.sparse.csc_matrix(stimulus.weights)
    total: np.ndarray | None = None
    for start in range(0, n_items, ITEMS_AT_A_TIME):
        progress(start, n_items, f"Embedding what was shown with {model}")
        items: Sequence | np.ndarray = stimulus.items[start : start + ITEMS_AT_A_TIME]
        if stimulus.kind == "image":
            vectors = embedder.encode_images(items if isinstance(items, np.ndarray) else read_images(items))
        else:
            vectors = embedder.encode_texts([str(item) for item in items])
        if total is None:
            total = np.zeros((columns.shape[0], vectors.shape[1]), np.float32)
        total += columns[:, start : start + ITEMS_AT_A_TIME] @ vectors
    if total is None:
        raise RequestError("Wanted at least one picture or sentence, and nothing was shown.")
    return {"vectors": total}, {"model": model, "kind": stimulus.kind, "n_items": n_items}
