"""Signals of simulated voxels: random readouts of model features, so that the ground truth of every voxel is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg


def oracle_scores(signals: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score the noise-free signals of both models on simulated responses.

    Parameters
    ----------
    signals : (2, n_samples, n_voxels) array
        Noise-free signal of each model; centred here.
    Y : (n_samples, n_voxels) array
        Responses, the sum of both signals and noise; centred here.

    Returns
    -------
    split : (2, n_voxels) array
        Split R2 of each model; 0 for voxels without a signal.
    ceiling : (n_voxels,) array
        Their sum, the noise ceiling.

    Notes
    -----
    Split R2 is eq. 9 of Lu et al. 2022: r_j = s_j'(2y - sum of signals) / y'y.
    """
    signals = signals - signals.mean(1, keepdims=True)
    Y = Y - Y.mean(0)
    residual = 2 * Y - signals.sum(0)
    split = (signals * residual).sum(1) / (Y**2).sum(0)
    split[:, ~signals.any(axis=(0, 1))] = 0.0
    return split, split.sum(0)


@dataclass(frozen=True)
class Tuning:
    """Ground truth of the voxels of one region."""

    layer: int  # layer of both models whose features drive the voxel, counted from 1; 0: no signal
    share: float  # fraction of the signal's variance that the multimodal model's features explain, 0..1
    ev: float  # explainable variance: variance of the signal over variance of one response, mean of the region, 0..1


NO_SIGNAL = Tuning(layer=0, share=0.0, ev=0.0)


def whitened_components(X: np.ndarray, n_latents: int) -> np.ndarray:
    """Compute the leading principal components of standardised features, whitened to variance 1.

    Without whitening, the first component, which all layers share, would dominate a readout, and layers would not
    differ.

    Parameters
    ----------
    X : (n_samples, n_features) array
        Features.
    n_latents : int
        Number of components.

    Returns
    -------
    (n_samples, n_latents) float64 array
        Components; fewer columns where X has a lower rank.
    """
    Z = X.astype(np.float64) - X.mean(0)
    scale = Z.std(0)
    Z /= np.where(scale > 0, scale, 1)
    U, s, _ = scipy.linalg.svd(Z, full_matrices=False)
    keep = min(n_latents, int((s > s[0] * 1e-6).sum()))
    return U[:, :keep] * np.sqrt(len(Z))


def distinct_components(X: np.ndarray, other: np.ndarray, n_pcs: int, n_latents: int) -> np.ndarray:
    """Find the readouts of one model's features that the features of another model predict worst.

    Two models of the same images have most of their variance in common, and common variance can be attributed to
    neither of them. A ground truth that a fit can recover has to lie elsewhere.

    Parameters
    ----------
    X : (n_samples, n_features) array
        Features of the model.
    other : (n_samples, n_features) array
        Features of the other model.
    n_pcs : int
        Number of whitened components of each model to choose among.
    n_latents : int
        Number of readouts.

    Returns
    -------
    (n_samples, n_latents) array
        Readouts of variance 1.

    Notes
    -----
    The directions are the right singular vectors of Z - P Z, with Z the components of X and P the projection on those
    of `other`.
    """
    Z, W = whitened_components(X, n_pcs), whitened_components(other, n_pcs)
    residual = Z - W @ np.linalg.lstsq(W, Z, rcond=None)[0]
    _, _, directions = scipy.linalg.svd(residual, full_matrices=False)
    return Z @ directions[:n_latents].T


def readout_weights(rng: np.random.Generator, n_latents: int, n_voxels: int, coherence: float) -> np.ndarray:
    """Draw unit weight vectors as the sum of a direction common to the region and one of each voxel's own.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    n_latents : int
        Number of latent dimensions.
    n_voxels : int
        Number of voxels of the region.
    coherence : float
        Fraction of the squared weight that the common direction has, 0 to 1.

    Returns
    -------
    (n_latents, n_voxels) array
        Weight vectors of length 1.
    """
    common = rng.standard_normal((n_latents, 1))
    own = rng.standard_normal((n_latents, n_voxels))
    weights = np.sqrt(coherence) * common / np.linalg.norm(common) + np.sqrt(1 - coherence) * own / np.linalg.norm(
        own, axis=0
    )
    return weights / np.linalg.norm(weights, axis=0)


def unit_variance(signal: np.ndarray) -> np.ndarray:
    """Centre columns and scale them to variance 1; constant columns become 0.

    Parameters
    ----------
    signal : (n_samples, n_columns) array
        Signals.

    Returns
    -------
    (n_samples, n_columns) array
        Standardised signals.
    """
    centred = signal - signal.mean(0)
    scale = centred.std(0)
    return centred / np.where(scale > 0, scale, 1)


def mix_signals(signal_a: np.ndarray, signal_b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Scale two signals of variance 1 so that their variances are given fractions of 1.

    Parameters
    ----------
    signal_a : (n_samples, n_voxels) array
        Signal of model A.
    signal_b : (n_samples, n_voxels) array
        Signal of model B.
    share : (n_voxels,) array
        Variance of the signal of model A after scaling; that of model B is 1 - share.

    Returns
    -------
    (2, n_samples, n_voxels) array
        Scaled signals.
    """
    return np.stack([np.sqrt(share) * signal_a, np.sqrt(1 - share) * signal_b])


def noise_sd(signal: np.ndarray, ev: np.ndarray) -> np.ndarray:
    """Compute the standard deviation of the noise that gives signals a required explainable variance.

    Parameters
    ----------
    signal : (n_samples, n_voxels) array
        Noise-free signals.
    ev : (n_voxels,) array
        Explainable variance: variance of the signal over variance of a response.

    Returns
    -------
    (n_voxels,) array
        Square root of var(signal) (1 - ev) / ev; 1 where ev is 0.
    """
    return np.where(ev > 0, signal.std(0) * np.sqrt((1 - ev) / np.where(ev > 0, ev, 1)), 1.0)
