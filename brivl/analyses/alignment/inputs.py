"""What a text-aligned encoder is trained and scored on: one split of the samples, features and texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from brivl.analyses.alignment.request import AlignmentRequest, layers_of
from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.presets import FitProtocol, Preset
from brivl.core.progress import ProgressCallback
from brivl.core.records import Design, Responses, Stimulus
from brivl.data.features import layer_features
from brivl.data.stimuli.contact_sheet import sample_items
from brivl.data.stimuli.descriptions import sample_descriptions
from brivl.errors import RequestError
from brivl.models.feature_model import POOLINGS, Pooling
from brivl.models.registry import SHIPPED, card_for
from brivl.store.artifacts import Store

STOPPING_SHARE = 0.1  # of the training rows: their loss says when to stop
STOPPING_SEED = 0  # of the choice of these rows


@dataclass(frozen=True)
class AlignmentInputs:
    """Rows, features and texts of one subject.

    Attributes
    ----------
    split : Split
        Training and test rows.
    fit_rows, stopping_rows : (n_fit,), (n_stopping,) arrays
        Positions among the training rows: those that are fitted, and those whose loss says when to stop.
    X : list of (n_samples, n_features) array
        Raw features of each layer of the backbone, [CLS] and mean over patches.
    T : (n_samples, n_text) array
        Raw text embeddings of the descriptions.
    texts : list of str
        Description of each sample.
    items : (n_samples,) array
        The image of each sample.
    voxel_indices : (n,) array
        Voxels that are fitted.
    """

    split: Split
    fit_rows: np.ndarray
    stopping_rows: np.ndarray
    X: list[np.ndarray]
    T: np.ndarray
    texts: list[str]
    items: np.ndarray
    voxel_indices: np.ndarray

    @property
    def features(self) -> np.ndarray:
        """(n_samples, n_features) float32: mean 0 and standard deviation 1 over the fitted rows."""
        mean, scale = self.scaling
        return ((np.concatenate(self.X, axis=1) - mean) / scale).astype(np.float32)

    @property
    def scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (n_features,) of the features over the fitted rows."""
        X = np.concatenate(self.X, axis=1)[self.split.train[self.fit_rows]]
        return X.mean(0), np.maximum(X.std(0), 1e-6)

    @property
    def unit_texts(self) -> np.ndarray:
        """(n_samples, n_text) float32 unit vectors, less the mean of the fitted rows, which all texts share."""
        T = self.T - self.T[self.split.train[self.fit_rows]].mean(0)
        return (T / np.maximum(np.linalg.norm(T, axis=1, keepdims=True), 1e-9)).astype(np.float32)

    @property
    def description_ids(self) -> np.ndarray:
        """(n_samples,) number of each distinct description."""
        return np.unique(self.texts, return_inverse=True)[1].astype(np.int64)


def single_split(design: Design, preset: Preset) -> Split:
    """Choose the split that a text-aligned encoder is scored on.

    Parameters
    ----------
    design : Design
        Design of the measurement.
    preset : Preset
        Settings of the fit.

    Returns
    -------
    Split
        The test set, or the first of the outer folds where there is none.
    """
    return cv_splits(design, preset)[0]


def load_inputs(
    store: Store,
    request: AlignmentRequest,
    stimulus: Stimulus,
    responses: Responses,
    protocol: FitProtocol,
    progress: ProgressCallback,
) -> AlignmentInputs:
    """Load everything that is trained on.

    Parameters
    ----------
    store : Store
        Where features and descriptions are kept.
    request : AlignmentRequest
        The request.
    stimulus : Stimulus
        The images.
    responses : Responses
        The responses to them.
    protocol : FitProtocol
        Design and preset.
    progress : callable
        Progress callback.

    Returns
    -------
    AlignmentInputs
        Rows, features and texts.
    """
    from brivl.core.encoding.voxel_selection import select_voxels

    split = single_split(*protocol)
    fit_rows, stopping_rows = early_stopping_rows(protocol.design, split)
    selected = select_voxels(responses, protocol.design, protocol.preset.ev_threshold).selected
    X = [_features(store, stimulus, request.backbone, layer, progress) for layer in layers_of(request)]
    texts = sample_descriptions(store, stimulus, request.descriptions, progress)
    T = text_embeddings(store, texts, request.text, progress)
    items = sample_items(stimulus, np.arange(stimulus.weights.shape[0]))
    return AlignmentInputs(split, fit_rows, stopping_rows, X, T, texts, items, np.flatnonzero(selected))


def early_stopping_rows(design: Design, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Hold a tenth of the training rows out for early stopping; groups of samples are not divided.

    Parameters
    ----------
    design : Design
        Design of the measurement.
    split : Split
        Training and test rows.

    Returns
    -------
    tuple of array
        Positions among the training rows: those that are fitted, and those whose loss says when to stop.

    Raises
    ------
    RequestError
        Where there are too few training rows.
    """
    groups = np.arange(design.n_train) if design.groups is None else np.asarray(design.groups)
    names = groups[split.train]
    distinct = np.random.default_rng(STOPPING_SEED).permutation(np.unique(names))
    held_out = np.isin(names, distinct[: max(1, round(STOPPING_SHARE * len(distinct)))])
    if held_out.all() or (~held_out).sum() < 3:
        raise RequestError(
            f"Expected enough training samples to hold some of them out, got {len(split.train)}. Choose a larger "
            "dataset."
        )
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def text_embeddings(store: Store, texts: list[str], model: str, progress: ProgressCallback) -> np.ndarray:
    """Embed texts by the last layer of a text encoder.

    Parameters
    ----------
    store : Store
        Where features are kept.
    texts : list of str
        The texts.
    model : str
        The text encoder.
    progress : callable
        Progress callback.

    Returns
    -------
    (n_texts, n_text) array
        The mean over tokens; of a CLIP its last token, which has read all of the text.
    """
    card = card_for(model)
    pooling: Pooling = "cls" if card.multimodal and model not in SHIPPED else "mean"
    stimulus = Stimulus("text", texts, scipy.sparse.identity(len(texts), np.float32, "csr"))
    return layer_features(store, stimulus, model, card.n_layers["text"], pooling, progress)


def _features(store: Store, stimulus: Stimulus, model: str, layer: int, progress: ProgressCallback) -> np.ndarray:
    return np.concatenate(
        [layer_features(store, stimulus, model, layer, pooling, progress) for pooling in POOLINGS], axis=1
    )
