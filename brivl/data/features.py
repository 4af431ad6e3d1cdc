"""Features of every sample, for every layer of a model: extracted once, stored once, read memory-mapped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Stimulus, StimulusKind
from brivl.data.formats.images import read_images, reading_note
from brivl.errors import DataError, RequestError
from brivl.models.feature_model import POOLINGS, Kind, Pooling
from brivl.models.registry import card_for, model_digest, open_model
from brivl.store.artifacts import Store
from brivl.store.digests import array_digest, cached_file_digest, json_digest
from brivl.store.keys import ArtifactKey

FEATURES_VERSION = 1
# Items whose features of all layers are in memory at a time; a multiple of what models take in one batch.
ITEMS_AT_A_TIME = 128
# What each stream's embedding is made from (paper).
DEFAULT_POOLING: dict[str, Pooling] = {"image": "cls", "text": "mean"}


def stimulus_digest(stimulus: Stimulus) -> str:
    """Digest the items of a stimulus and when they were presented.

    Parameters
    ----------
    stimulus : Stimulus
        The stimulus; images given by paths count by the content of their files.

    Returns
    -------
    str
        Digest.

    Raises
    ------
    DataError
        An image file cannot be read.
    """
    if stimulus.kind == "features":
        return json_digest({name: array_digest(X) for name, X in stimulus.features.items()})
    w = stimulus.weights  # part of it even where the items' digest is known: nulls change nothing else
    items = stimulus.digest or _items_digest(stimulus.kind, stimulus.items)
    return json_digest([stimulus.kind, items, array_digest(w.data, w.indices, w.indptr), list(w.shape)])


def features_key(stimulus: Stimulus, model: str) -> ArtifactKey:
    """Make the key of all layers and poolings of one model on one stimulus.

    Parameters
    ----------
    stimulus : Stimulus
        The stimulus.
    model : str
        Name of the model.

    Returns
    -------
    ArtifactKey
        Key in the store.
    """
    return ArtifactKey(
        "features",
        {
            "stimulus": stimulus_digest(stimulus),
            "model": model_digest(model, _shown_kind(stimulus)),
            "version": FEATURES_VERSION,
        },
    )


def layer_features(
    store: Store,
    stimulus: Stimulus,
    model: str,
    layer: int,
    pooling: Pooling | None = None,
    progress: ProgressCallback = no_progress,
) -> np.ndarray:
    """Compute or look up the features of one layer of a model for every sample.

    Parameters
    ----------
    store : Store
        Where features are stored.
    stimulus : Stimulus
        The stimulus.
    model : str
        Name of the model.
    layer : int
        Layer, counted from 1.
    pooling : Pooling, optional
        Pooling over tokens; by default that of the stream.
    progress : callable
        Receives what is done, the total and a message.

    Returns
    -------
    np.ndarray
        (n_samples, n_features) float32, read-only.

    Raises
    ------
    RequestError
        The model does not have the layer or pooling, or does not take this kind of stimulus.
    """
    if stimulus.kind == "features":
        return _own_features(stimulus, model, layer)
    check_layer(model, stimulus.kind, layer)
    chosen = resolve_pooling(stimulus.kind, pooling)
    key = features_key(stimulus, model)
    artifact = store.get_or_compute(key, lambda: _extract(stimulus, model, progress))
    return artifact.arrays[str(chosen)][layer - 1]


def resolve_pooling(kind: str, pooling: str | None) -> Pooling | None:
    """Choose the pooling: the requested one, or the default of the stream.

    Parameters
    ----------
    kind : str
        Kind of the stimuli.
    pooling : str or None
        Requested pooling.

    Returns
    -------
    Pooling or None
        None for features that come with the data.

    Raises
    ------
    RequestError
        There is no such pooling.
    """
    if pooling is not None and pooling not in POOLINGS:
        raise RequestError(f"Expected a pooling out of {list(POOLINGS)}, got {pooling!r}. Choose one of them.")
    return None if kind == "features" else pooling or DEFAULT_POOLING[kind]


def n_layers(stimulus: Stimulus, model: str) -> int:
    """Count the layers of a model for a stimulus.

    Parameters
    ----------
    stimulus : Stimulus
        The stimulus.
    model : str
        Name of the model, or of features that come with the data.

    Returns
    -------
    int
        Number of layers; 0 where the model does not take this kind of stimulus.
    """
    if stimulus.kind == "features":
        X = stimulus.features.get(model)
        return X.shape[0] if X is not None and X.ndim == 3 else 1
    return card_for(model).n_layers.get(stimulus.kind, 0)


def check_layer(model: str, kind: str, layer: int) -> None:
    """Check that a model takes a kind of stimulus and has a layer.

    Parameters
    ----------
    model : str
        Name of the model.
    kind : str
        Kind of the stimuli.
    layer : int
        Layer, counted from 1.

    Raises
    ------
    RequestError
        It does not.
    """
    card = card_for(model)
    if kind not in card.kinds:
        raise RequestError(
            f"Expected a model for {kind} stimuli, got {model!r}, which takes {' and '.join(card.kinds)} stimuli. "
            "Choose another model."
        )
    if not 1 <= layer <= card.n_layers[kind]:
        raise RequestError(
            f"Expected one of layers 1 to {card.n_layers[kind]} of {model!r} for {kind} stimuli, got layer {layer}. "
            "Choose one of them."
        )


def _items_digest(kind: StimulusKind, items: Sequence | np.ndarray) -> str:
    if isinstance(items, np.ndarray):
        return array_digest(items)
    # Images given by their paths, as str or Path, count by their content, since features are made of it.
    return json_digest([_image_digest(Path(item)) if kind == "image" else str(item) for item in items])


def _image_digest(path: Path) -> str:
    try:
        digest = cached_file_digest(path)
    except OSError as error:
        raise DataError(
            f"Expected an image that can be read, got {str(path)!r} ({error.strerror}). Put it back, or correct the "
            "events."
        ) from error
    note = reading_note(path)
    return f"{digest} {note}" if note else digest


def _shown_kind(stimulus: Stimulus) -> Kind:
    """Kind of a stimulus that models take as input."""
    if stimulus.kind == "features":
        raise RequestError("Expected images or texts, got features of the data. Choose one of these as model.")
    return stimulus.kind


def _extract(stimulus: Stimulus, model: str, progress: ProgressCallback) -> tuple[dict[str, np.ndarray], dict]:
    """Features of each sample, (n_layers, n_samples, width) by pooling: frames averaged within a TR, events by share.

    Items are read, and their features added to the samples, some at a time: those of a movie do not fit in memory.
    """
    extract, n_items = open_model(model, _shown_kind(stimulus)).extract, len(stimulus.items)
    columns, samples = scipy.sparse.csc_matrix(stimulus.weights), dict[str, np.ndarray]()
    for start in range(0, max(n_items, 1), ITEMS_AT_A_TIME):
        items = stimulus.items[start : start + ITEMS_AT_A_TIME]
        if stimulus.kind == "image" and not isinstance(items, np.ndarray):
            items = read_images(items)

        def report(done: float, _total: float, at: int = start) -> None:
            progress(at + done, n_items, f"Features of {model}")

        layers = extract(items, report)
        for pooling, X in layers.items():
            total = samples.setdefault(pooling, np.zeros((len(X), columns.shape[0], X.shape[-1]), np.float32))
            _add(total, columns[:, start : start + ITEMS_AT_A_TIME].tocsr(), X)
    return samples, {"model": model, "kind": stimulus.kind, "n_items": n_items}


def _add(total: np.ndarray, weights: scipy.sparse.csr_matrix, X: np.ndarray) -> None:
    """Add the share of items X (n_layers, n_items, width) to the samples (n_layers, n_samples, width) they are in."""
    rows = np.flatnonzero(np.diff(weights.indptr))
    part = weights[rows]
    for layer, features in zip(total, X, strict=True):
        layer[rows] += part @ features


def _own_features(stimulus: Stimulus, model: str, layer: int) -> np.ndarray:
    if model not in stimulus.features:
        raise RequestError(
            f"Expected one of the features of the dataset, {sorted(stimulus.features)}, got {model!r}. Choose one of "
            "them."
        )
    X = stimulus.features[model]
    count = X.shape[0] if X.ndim == 3 else 1
    if not 1 <= layer <= count:
        raise RequestError(
            f"Expected one of layers 1 to {count} of the features {model!r}, got layer {layer}. Choose one of them."
        )
    return X[layer - 1] if X.ndim == 3 else X
