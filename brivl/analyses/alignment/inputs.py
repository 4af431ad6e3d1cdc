"""What a text-aligned encoder is trained and scored on: one division of the samples, features, texts, components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from brivl.analyses.alignment.request import AlignedAsked, layers_of
from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.presets import FitProtocol, Preset
from brivl.core.progress import ProgressCallback
from brivl.core.records import Design, Responses, Stimulus
from brivl.data.features import layer_features
from brivl.data.stimuli.contact_sheet import sample_items
from brivl.data.stimuli.descriptions import sample_descriptions
from brivl.errors import RequestError
from brivl.models.registry import SHIPPED, card_for
from brivl.store.artifacts import Store

HELD = 0.1  # share of the training rows that say when to stop
SEED = 0  # of the choice of these rows


@dataclass(frozen=True)
class AlignedInputs:
    """One subject's rows and what is known of them.

    rows: one division; fit and held: positions among rows.train. X (n_samples, n_features) raw features of the
    backbone, [CLS] and mean of each layer in turn; T (n_samples, n_text) raw text embeddings; texts: n_samples.
    """

    rows: Split
    fit: np.ndarray
    held: np.ndarray
    X: list[np.ndarray]  # by layer
    T: np.ndarray
    texts: list[str]
    items: np.ndarray  # (n_samples,) the picture of each
    columns: np.ndarray  # fitted voxels

    @property
    def features(self) -> np.ndarray:
        """(n_samples, n_features) float32: mean 0 and deviation 1 over the fitted rows."""
        mean, scale = self.scaling
        return ((np.concatenate(self.X, axis=1) - mean) / scale).astype(np.float32)

    @property
    def scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (n_features,) of the features over the fitted rows."""
        X = np.concatenate(self.X, axis=1)[self.rows.train[self.fit]]
        return X.mean(0), np.maximum(X.std(0), 1e-6)

    @property
    def unit_texts(self) -> np.ndarray:
        """(n_samples, n_text) float32 unit vectors, less the mean of the fitted rows, which all texts share."""
        T = self.T - self.T[self.rows.train[self.fit]].mean(0)
        return (T / np.maximum(np.linalg.norm(T, axis=1, keepdims=True), 1e-9)).astype(np.float32)

    @property
    def same(self) -> np.ndarray:
        """(n_samples,) number of each distinct description."""
        return np.unique(self.texts, return_inverse=True)[1].astype(np.int64)


def one_division(design: Design, preset: Preset) -> Split:
    """The test set, or the first of the outer folds where there is none."""
    return cv_splits(design, preset)[0]


def inputs_of(
    store: Store,
    asked: AlignedAsked,
    stimulus: Stimulus,
    responses: Responses,
    protocol: FitProtocol,
    progress: ProgressCallback,
) -> AlignedInputs:
    """Everything that is trained on."""
    from brivl.core.encoding.voxel_selection import select_voxels

    rows = one_division(*protocol)
    fit, held = early_stopping_rows(protocol.design, rows)
    columns = np.flatnonzero(select_voxels(responses, protocol.design, protocol.preset.ev_threshold).selected)
    X = [_features(store, stimulus, asked.backbone, layer, progress) for layer in layers_of(asked)]
    texts = sample_descriptions(store, stimulus, asked.descriptions, progress)
    T = text_embeddings(store, texts, asked.text, progress)
    items = sample_items(stimulus, np.arange(stimulus.weights.shape[0]))
    return AlignedInputs(rows, fit, held, X, T, texts, items, columns)


def early_stopping_rows(design: Design, rows: Split) -> tuple[np.ndarray, np.ndarray]:
    """Positions among rows.train that are fitted, and a tenth that says when to stop; groups are not split."""
    groups = np.arange(design.n_train) if design.groups is None else np.asarray(design.groups)
    names = groups[rows.train]
    distinct = np.random.default_rng(SEED).permutation(np.unique(names))
    out = np.isin(names, distinct[: max(1, round(HELD * len(distinct)))])
    if out.all() or (~out).sum() < 3:
        raise RequestError(f"Wanted more than {len(rows.train)} training samples to hold some of them out; take more.")
    return np.flatnonzero(~out), np.flatnonzero(out)


def text_embeddings(store: Store, texts: list[str], model: str, progress: ProgressCallback) -> np.ndarray:
    """(n_samples, n_text): last layer, mean over tokens; of a CLIP its last token, which has read all of the text."""
    card = card_for(model)
    pooling = "cls" if card.multimodal and model not in SHIPPED else "mean"
    spoken = Stimulus("text", texts, scipy.sparse.identity(len(texts), np.float32, "csr"))
    return layer_features(store, spoken, model, card.n_layers["text"], pooling, progress)


def _features(store: Store, stimulus: Stimulus, model: str, layer: int, progress: ProgressCallback) -> np.ndarray:
    parts = [layer_features(store, stimulus, model, layer, pooling, progress) for pooling in ("cls", "mean")]
    return np.concatenate(parts, axis=1)
