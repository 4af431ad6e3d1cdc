"""Signals of a simulated brain: random readouts of model features, so that the truth of every voxel is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg


def oracle_scores(parts: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split R2 (eq. 9) of the planted noise-free parts on measured responses, and their sum, the noise ceiling.

    parts (2, n_samples, n_voxels), Y (n_samples, n_voxels), both centred here. r_j = part_j'(2y - sum of parts) / y'y.
    Returns (2, n_voxels) and (n_voxels,); 0 for voxels without a planted signal.
    """
    parts = parts - parts.mean(1, keepdims=True)
    Y = Y - Y.mean(0)
    residual = 2 * Y - parts.sum(0)
    split = (parts * residual).sum(1) / (Y**2).sum(0)
    split[:, ~parts.any(axis=(0, 1))] = 0.0
    return split, split.sum(0)


@dataclass(frozen=True)
class Tuning:
    """What is planted in the voxels of one region."""

    layer: int  # 1-based layer of both models whose features drive the voxel; 0: no signal at all
    share: float  # of the signal's variance that comes from the multimodal model's features, 0..1
    ev: float  # variance of the signal over variance of one response, typical for the region, 0..1


NO_SIGNAL = Tuning(layer=0, share=0.0, ev=0.0)


def whitened_components(X: np.ndarray, n_latents: int) -> np.ndarray:
    """Leading principal components of standardised features, each with variance 1.

    X (n_samples, n_features) -> (n_samples, n_latents) float64, fewer columns where X has a lower rank. Whitening keeps
    a readout from being dominated by what all layers share, so that planted layers differ.
    """
    Z = X.astype(np.float64) - X.mean(0)
    scale = Z.std(0)
    Z /= np.where(scale > 0, scale, 1)
    U, s, _ = scipy.linalg.svd(Z, full_matrices=False)
    keep = min(n_latents, int((s > s[0] * 1e-6).sum()))
    return U[:, :keep] * np.sqrt(len(Z))


def distinct_components(X: np.ndarray, other: np.ndarray, n_pcs: int, n_latents: int) -> np.ndarray:
    """Readouts of X that the other features predict worst, among its leading whitened components.

    X, other (n_samples, n_features) -> (n_samples, n_latents), variance 1. Two models that saw the same
    pictures have most of their variance in common, and what is common can be attributed to neither: a truth that a fit
    could find has to lie elsewhere. The directions are the right singular vectors of Z - P Z, with Z the components of
    X and P the projection on those of `other`.
    """
    Z, W = whitened_components(X, n_pcs), whitened_components(other, n_pcs)
    residual = Z - W @ np.linalg.lstsq(W, Z, rcond=None)[0]
    _, _, directions = scipy.linalg.svd(residual, full_matrices=False)
    return Z @ directions[:n_latents].T


def readout_weights(rng: np.random.Generator, n_latents: int, n_voxels: int, coherence: float) -> np.ndarray:
    """Unit weight vectors (n_latents, n_voxels): a direction common to the region plus each voxel's own.

    coherence 0..1 is the share of the common direction in the squared weight.
    """
    common = rng.standard_normal((n_latents, 1))
    own = rng.standard_normal((n_latents, n_voxels))
    weights = np.sqrt(coherence) * common / np.linalg.norm(common) + np.sqrt(1 - coherence) * own / np.linalg.norm(
        own, axis=0
    )
    return weights / np.linalg.norm(weights, axis=0)


def unit_variance(signal: np.ndarray) -> np.ndarray:
    """Columns centred and scaled to variance 1; constant columns become 0."""
    centred = signal - signal.mean(0)
    scale = centred.std(0)
    return centred / np.where(scale > 0, scale, 1)


def mix_signals(part_a: np.ndarray, part_b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Two unit-variance signals (n_samples, n_voxels) -> parts (2, n_samples, n_voxels), variances share, 1 - share."""
    return np.stack([np.sqrt(share) * part_a, np.sqrt(1 - share) * part_b])


def noise_sd(signal: np.ndarray, ev: np.ndarray) -> np.ndarray:
    """SD of the noise that makes the signal's share of the variance ev: var(signal) (1 - ev) / ev; 1 where ev is 0."""
    return np.where(ev > 0, signal.std(0) * np.sqrt((1 - ev) / np.where(ev > 0, ev, 1)), 1.0)
