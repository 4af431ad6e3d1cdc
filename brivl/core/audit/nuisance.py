"""Nuisance features: bands beside those of models, which may predict responses although they hold no content.

After Hadidi, Feghhi et al. (arXiv 2406.01538) for sentences: length, position, word rate, and autocorrelated sequences
without any content. For movies: luminance and change between frames. For any time series: slow drift within runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from brivl.core.encoding.delays import run_bounds

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709, applied to the values as they are stored
CELLS = 4  # luminance is averaged in CELLS x CELLS cells of the image
SCALES = (1, 2, 4, 8)  # sides in pixels of the blocks that are averaged before frames are compared
FLOOR = 1e-6  # squared luminance (0..1) below which change does not count
N_DRIFT = 4  # cosines within a run
BLUR = 1.0  # samples


def text_length(texts: Sequence[str]) -> np.ndarray:
    """Count the words (between blanks) and the characters of each text.

    Parameters
    ----------
    texts : Sequence of str
        Texts.

    Returns
    -------
    np.ndarray
        (n_items, 2) float32.
    """
    return np.array([(len(text.split()), len(text)) for text in texts], np.float32).reshape(-1, 2)


def word_rate(texts: Sequence[str], weights: scipy.sparse.csr_matrix, tr: float) -> np.ndarray:
    """Compute the words per second of each sample.

    Parameters
    ----------
    texts : Sequence of str
        Texts of the items.
    weights : (n_samples, n_items) sparse matrix
        Weight of each item in each sample. The words of a text are distributed over the samples of one presentation
        (neighbouring samples with weight) in proportion to the weights.
    tr : float
        Time between two samples in seconds.

    Returns
    -------
    np.ndarray
        (n_samples, 1) float32.
    """
    columns = scipy.sparse.csc_matrix(weights)
    columns.sort_indices()
    total = np.asarray(columns.sum(0)).ravel()
    presentations = [1 + int((np.diff(rows) > 1).sum()) for rows in np.split(columns.indices, columns.indptr[1:-1])]
    n_words = text_length(texts)[:, 0] * presentations / np.where(total > 0, total, np.inf)
    return (weights @ n_words / tr).astype(np.float32)[:, None]


def position_within(labels: np.ndarray) -> np.ndarray:
    """Describe the position of each sample in its group (passage).

    Parameters
    ----------
    labels : (n_samples,) array
        Group of each sample; rows of a group count in their order, also where others are between them.

    Returns
    -------
    np.ndarray
        (n_samples, 3) float32: number of the sample from 0, whether it is the first, whether it is the last.
    """
    positions = np.zeros((len(labels), 3), np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        positions[rows, 0] = np.arange(len(rows))
        positions[rows[0], 1] = positions[rows[-1], 2] = 1
    return positions


def autocorrelated_sequences(labels: np.ndarray, blur: float = BLUR) -> np.ndarray:
    """Make a column for each sample, blurred over the neighbours in its group.

    Parameters
    ----------
    labels : (n_samples,) array
        Group of each sample.
    blur : float
        Standard deviation of the Gaussian in samples.

    Returns
    -------
    np.ndarray
        (n_samples, n_samples) float32.

    Notes
    -----
    After the orthogonal autocorrelated sequences of Hadidi et al. The only information in these features is which
    samples are near one another. They cannot predict a group that is not in the training set.
    """
    sequences = np.zeros((len(labels), len(labels)), np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        distance = np.arange(len(rows))[:, None] - np.arange(len(rows))
        sequences[np.ix_(rows, rows)] = np.exp(-np.square(distance / blur) / 2)
    return sequences


def run_drift(run_onsets: np.ndarray, n_samples: int, n_terms: int = N_DRIFT) -> np.ndarray:
    """Make slow cosines of the position within the run, the same in all runs.

    Parameters
    ----------
    run_onsets : (n_runs,) array
        First sample of each run.
    n_samples : int
        Number of samples.
    n_terms : int
        Number of cosines; term k makes k half turns from the first sample of the run to the last.

    Returns
    -------
    np.ndarray
        (n_samples, n_terms) float32.
    """
    drift = np.empty((n_samples, n_terms), np.float32)
    for start, stop in run_bounds(run_onsets, n_samples):
        position = (np.arange(stop - start) + 0.5) / (stop - start)
        drift[start:stop] = np.cos(np.pi * position[:, None] * np.arange(1, n_terms + 1))
    return drift


def to_luminance(frames: np.ndarray) -> np.ndarray:
    """Convert frames to luminance, from the values as they are stored.

    Parameters
    ----------
    frames : (n, H, W, 3) uint8 array
        Frames.

    Returns
    -------
    np.ndarray
        (n, H, W) float32, 0..1.
    """
    return np.tensordot(frames.astype(np.float32) / 255, LUMA, 1)


def luminance_features(grey: np.ndarray) -> np.ndarray:
    """Compute the mean luminance in 4 x 4 cells of the image, and the standard deviation over the image (contrast).

    Parameters
    ----------
    grey : (n, H, W) array
        Luminance, at least 4 pixels per side.

    Returns
    -------
    np.ndarray
        (n, 17) float32.
    """
    rows, columns = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in grey.shape[1:])
    cells = np.add.reduceat(np.add.reduceat(grey, rows[:-1], 1), columns[:-1], 2)
    cells /= np.diff(rows)[:, None] * np.diff(columns)
    return np.concatenate([cells.reshape(len(grey), -1), grey.std((1, 2))[:, None]], axis=1)


def frame_difference_energy(grey: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Compute the log10 of the mean squared change since the preceding frame, at several spatial scales.

    Parameters
    ----------
    grey : (n, H, W) array
        Luminance of frames.
    before : (n, H, W) array
        Luminance of the frame before each of them.

    Returns
    -------
    np.ndarray
        (n, n_scales) float32. Scales larger than the image are left out.

    Notes
    -----
    There are no directions and no speeds, unlike in the Gabor filters of motion energy (Nishimoto et al. 2011).
    """
    change = grey - before
    energy = []
    for scale in SCALES:
        height, width = (side // scale for side in change.shape[1:])
        if height and width:
            blocks = change[:, : height * scale, : width * scale].reshape(len(change), height, scale, width, scale)
            energy.append(np.square(blocks.mean((2, 4))).mean((1, 2)))
    return np.log10(np.stack(energy, 1) + FLOOR)


def standardise_columns(X: np.ndarray) -> np.ndarray:
    """Scale columns to mean 0 and variance 1, so that all columns of a band have the same weight.

    Parameters
    ----------
    X : (n_samples, n_features) array
        Features.

    Returns
    -------
    np.ndarray
        (n_samples, n_features) float32; columns that do not vary are 0.
    """
    centred = X.astype(np.float64) - X.mean(0, dtype=np.float64)
    scale = centred.std(0)
    return (centred / np.where(scale > 1e-9, scale, np.inf)).astype(np.float32)
