"""What drives a voxel, in words: encoding weights in an image-text space, projected, and compared with texts.

After BrainSCUBA (Luo et al. 2024): the weight vector of a voxel is a direction in the space of pictures, but no picture
lies there; a mean of natural pictures' embeddings, weighted by softmax of their products with it, does, and can be
compared with texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_responses
from brivl.core.encoding.presets import FitProtocol
from brivl.core.encoding.split_score import r2_joint
from brivl.core.records import Responses

TEMPERATURE = 1 / 150  # of the softmax over pictures, BrainSCUBA's


def embedding_weights(
    E: np.ndarray, responses: Responses, columns: np.ndarray, protocol: FitProtocol
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge weights (D, n_columns) of embeddings E (n_samples, D), and held-out R2 (n_columns,).

    One band, strength by voxel; weights are averaged over delays, and both over divisions where there is no test set.
    """
    weights, scores = [], []
    for rows in cv_splits(*protocol):
        X = preprocess_features(E, rows.train, *protocol)
        has_test = responses.Y_test is not None and protocol.design.n_test
        repeats = np.asarray(responses.Y_test[:, :, columns]) if has_test else None
        part = split_responses(np.asarray(responses.Y_train[:, columns]), repeats, rows, *protocol)
        ridge = ridge_for(1, rows.train, *protocol)
        ridge.fit([X[rows.train]], part.Y_train)
        primal = ridge.Xs_fit_[0].T @ ridge.dual_coef_ * ridge.kernel_scales_[0] * ridge.band_weights_[0]
        weights.append(primal.reshape(-1, E.shape[1], len(columns)).mean(0))
        scores.append(r2_joint(part.Y_test, ridge.predict([X[rows.test]])))
    return np.mean(weights, axis=0), np.mean(scores, axis=0)


def project_onto_images(weights: np.ndarray, pictures: np.ndarray, temperature: float = TEMPERATURE) -> np.ndarray:
    """Weights (D, n_voxels) brought among pictures' embeddings (n_pictures, D): (n_voxels, D) unit vectors.

    Means of the pictures, weighted by softmax of their products with the unit weight vector; less the plain mean of all
    pictures, so that what they have in common names nothing.
    """
    unit = weights / np.maximum(np.linalg.norm(weights, axis=0), 1e-12)
    logits = pictures @ unit / temperature
    share = np.exp(logits - logits.max(0))
    means = (share / share.sum(0)).T @ pictures - pictures.mean(0)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def nearest_texts(points: np.ndarray, texts: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Of points (n, D) the k texts (n_texts, D) of largest cosine, best first: indices and cosines, (n, k).

    Texts are taken less their mean: pictures and texts lie apart in such spaces (Liang et al. 2022), by about the same
    vector everywhere.
    """
    centred = texts - texts.mean(0)
    centred = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    cosines = points @ centred.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(cosines, order, axis=1)


def fraction_named(order: np.ndarray, words: Sequence[str], wanted: Sequence[frozenset[str]]) -> float:
    """Share of voxels with one of their wanted words among those listed. order (n, k) of indices into words."""
    hits = [any(words[i] in good for i in row) for row, good in zip(order, wanted, strict=True)]
    return float(np.mean(hits)) if hits else float("nan")


def caption_agreement(
    caption_vectors: np.ndarray, E_test: np.ndarray, Y_test: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """Does a voxel's caption foretell its responses? Mean r over voxels, and that of captions of other voxels.

    caption_vectors (n_voxels, D); E_test (n_test, D) embeddings of held-out pictures; Y_test (n_test, n_voxels). r is
    between the measured response and the cosine of caption and picture.
    """
    own = _correlations(E_test @ caption_vectors.T, Y_test)
    order = np.random.default_rng(seed).permutation(len(caption_vectors))
    return float(own.mean()), float(_correlations(E_test @ caption_vectors[order].T, Y_test).mean())


def _correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x - x.mean(0), y - y.mean(0)
    return (x * y).sum(0) / np.maximum(np.sqrt((x**2).sum(0) * (y**2).sum(0)), 1e-12)
