"""Embeddings of all samples of a dataset in the joint space of a two-stream model, computed once and then stored."""

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
BATCH_SIZE = 128  # items


def embedding_key(stimulus: Stimulus, model: str) -> ArtifactKey:
    """Return the key under which the embeddings are stored.

    Parameters
    ----------
    stimulus : Stimulus
        Images or texts.
    model : str
        Name or folder of a two-stream model.

    Returns
    -------
    ArtifactKey
        Key of the embeddings of all samples.

    Raises
    ------
    RequestError
        If the model has a single stream.
    """
    ingredients = {"stimulus": stimulus_digest(stimulus), "model": embedder_digest(model), "version": VERSION}
    return ArtifactKey("stimulus-embeddings", ingredients)


def sample_embeddings(
    store: Store, stimulus: Stimulus, model: str, progress: ProgressCallback = no_progress
) -> np.ndarray:
    """Embed the items and average them within each sample as `Stimulus.weights` says.

    Parameters
    ----------
    store : Store
        Holds the embeddings once they were computed.
    stimulus : Stimulus
        Images or texts.
    model : str
        Name or folder of a two-stream model.
    progress : ProgressCallback
        Called with the number of embedded items.

    Returns
    -------
    (n_samples, D) array of float32
        Weighted sums of the unit vectors of the items.

    Raises
    ------
    RequestError
        If the stimulus consists of features only, or the model has a single stream.
    """
    if stimulus.kind == "features":
        raise RequestError(
            "Expected a dataset with images or sentences, got one that brings only features of its stimuli. Choose a "
            "dataset with its stimuli."
        )
    key = embedding_key(stimulus, model)
    return store.get_or_compute(key, lambda: _embed(stimulus, model, progress)).arrays["vectors"]


def _embed(stimulus: Stimulus, model: str, progress: ProgressCallback) -> tuple[dict[str, np.ndarray], dict]:
    from brivl.models.encoders.embedding import open_embedder

    embedder, n_items = open_embedder(model), len(stimulus.items)
    columns = scipy.sparse.csc_matrix(stimulus.weights)
    total: np.ndarray | None = None
    for start in range(0, n_items, BATCH_SIZE):
        progress(start, n_items, f"Embedding the stimuli with {model}")
        items: Sequence | np.ndarray = stimulus.items[start : start + BATCH_SIZE]
        if stimulus.kind == "image":
            vectors = embedder.encode_images(items if isinstance(items, np.ndarray) else read_images(items))
        else:
            vectors = embedder.encode_texts([str(item) for item in items])
        if total is None:
            total = np.zeros((columns.shape[0], vectors.shape[1]), np.float32)
        total += columns[:, start : start + BATCH_SIZE] @ vectors
    if total is None:
        raise RequestError("Expected at least one image or sentence, got a dataset without stimuli. Add its stimuli.")
    return {"vectors": total}, {"model": model, "kind": stimulus.kind, "n_items": n_items}
