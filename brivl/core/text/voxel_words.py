"""Describe the tuning of voxels in words: encoding weights in an image-text space, projected onto images.

After BrainSCUBA (Luo et al. 2024): the weight vector of a voxel is a direction in the embedding space, but lies far
from embeddings of images. A mean of embeddings of natural images, weighted by the softmax of their products with the
weight vector, lies among them and can be compared with texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_voxels
from brivl.core.encoding.presets import FitProtocol
from brivl.core.encoding.split_score import r2_joint
from brivl.core.records import Responses
from brivl.core.transfer.components import mean_over_delays
from brivl.core.transfer.maps import single_band_weights

TEMPERATURE = 1 / 150  # of the softmax over images, as in BrainSCUBA


def embedding_weights(
    E: np.ndarray, responses: Responses, voxel_indices: np.ndarray, protocol: FitProtocol
) -> tuple[np.ndarray, np.ndarray]:
    """Fit encoding models on embeddings, with an alpha for each voxel.

    Parameters
    ----------
    E : (n_samples, D) array
        Embeddings of the stimuli.
    responses : Responses
        Responses of one subject.
    voxel_indices : (n_voxels,) int array
        Voxels to fit.
    protocol : FitProtocol
        Design of the data and preset of the fit.

    Returns
    -------
    weights : (D, n_voxels) array
        Ridge weights, averaged over delays and over outer folds where there is no test set.
    scores : (n_voxels,) array
        Held-out R2, averaged over outer folds.
    """
    weights, scores = [], []
    for rows in cv_splits(*protocol):
        X = preprocess_features(E, rows.train, *protocol)
        split = split_voxels(responses, voxel_indices, rows, protocol)
        ridge = ridge_for(1, rows.train, *protocol)
        ridge.fit([X[rows.train]], split.Y_train)
        weights.append(mean_over_delays(single_band_weights(ridge), len(X[0]) // E.shape[1]))
        scores.append(r2_joint(split.Y_test, ridge.predict([X[rows.test]])))
    return np.mean(weights, axis=0), np.mean(scores, axis=0)


def project_onto_images(weights: np.ndarray, images: np.ndarray, temperature: float = TEMPERATURE) -> np.ndarray:
    """Project encoding weights onto embeddings of images (Luo et al. 2024).

    Parameters
    ----------
    weights : (D, n_voxels) array
        Encoding weights.
    images : (n_images, D) array
        Embeddings of natural images.
    temperature : float
        Temperature of the softmax.

    Returns
    -------
    (n_voxels, D) array
        Unit vectors: means of the images weighted by the softmax of their products with the unit weight vector, minus
        the mean of all images, so that what all images have in common does not count.
    """
    unit = weights / np.maximum(np.linalg.norm(weights, axis=0), 1e-12)
    logits = images @ unit / temperature
    exponentials = np.exp(logits - logits.max(0))
    means = (exponentials / exponentials.sum(0)).T @ images - images.mean(0)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def nearest_texts(points: np.ndarray, texts: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the texts whose embeddings have the largest cosine with points of the embedding space.

    The mean of the texts is subtracted first: in such spaces, images and texts are shifted against each other by about
    the same vector everywhere (Liang et al. 2022).

    Parameters
    ----------
    points : (n, D) array
        Unit vectors, such as from `project_onto_images`.
    texts : (n_texts, D) array
        Embeddings of texts.
    k : int
        Number of texts for each point.

    Returns
    -------
    indices : (n, k) int array
        Texts, largest cosine first.
    cosines : (n, k) array
        Their cosines.
    """
    centred = texts - texts.mean(0)
    centred = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    cosines = points @ centred.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(cosines, order, axis=1)


def fraction_named(order: np.ndarray, words: Sequence[str], expected: Sequence[frozenset[str]]) -> float:
    """Compute the fraction of voxels whose nearest words contain one of the expected words.

    Parameters
    ----------
    order : (n_voxels, k) int array
        Indices of the nearest words of each voxel.
    words : sequence of str
        All words.
    expected : sequence of frozenset of str
        Expected words of each voxel.

    Returns
    -------
    float
        Fraction; NaN without voxels.
    """
    hits = [any(words[i] in correct for i in row) for row, correct in zip(order, expected, strict=True)]
    return float(np.mean(hits)) if hits else float("nan")


def caption_agreement(
    caption_vectors: np.ndarray, E_test: np.ndarray, Y_test: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """Correlate the responses of voxels with the similarity of their captions to held-out images.

    Parameters
    ----------
    caption_vectors : (n_voxels, D) array
        Embeddings of the captions.
    E_test : (n_test, D) array
        Embeddings of held-out images.
    Y_test : (n_test, n_voxels) array
        Responses to these images.
    seed : int
        Random seed of the assignment of captions to other voxels.

    Returns
    -------
    own : float
        Mean r over voxels between the response and the cosine of caption and image.
    shuffled : float
        The same with captions of other voxels.
    """
    own = _correlations(E_test @ caption_vectors.T, Y_test)
    order = np.random.default_rng(seed).permutation(len(caption_vectors))
    return float(own.mean()), float(_correlations(E_test @ caption_vectors[order].T, Y_test).mean())


def _correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x - x.mean(0), y - y.mean(0)
    return (x * y).sum(0) / np.maximum(np.sqrt((x**2).sum(0) * (y**2).sum(0)), 1e-12)
