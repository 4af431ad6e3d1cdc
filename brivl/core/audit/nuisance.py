"""Features that know nothing of meaning, and that responses may follow all the same: bands beside those of models.

After Hadidi, Feghhi et al. (arXiv 2406.01538) for sentences: length, position, word rate, and autocorrelated sequences
with no content at all. For movies: luminance and change between frames. For any time series: slow drift within runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from brivl.core.encoding.delays import run_bounds

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709, on the values as they are stored
CELLS = 4  # luminance is averaged in CELLS x CELLS parts of the picture
SCALES = (1, 2, 4, 8)  # pixels that are averaged before frames are compared
FLOOR = 1e-6  # squared luminance (0..1) below which change does not count
N_DRIFT = 4  # cosines within a run
BLUR = 1.0  # samples


def text_length(texts: Sequence[str]) -> np.ndarray:
    """Number of words (between blanks) and of characters of each text: (n_items, 2) float32."""
    return np.array([(len(text.split()), len(text)) for text in texts], np.float32).reshape(-1, 2)


def word_rate(texts: Sequence[str], weights: scipy.sparse.csr_matrix, tr: float) -> np.ndarray:
    """Words per second of each sample: (n_samples, 1) float32.

    weights (n_samples, n_items); the words of a text are spread over the samples of a showing (neighbouring samples
    with weight) in proportion to the weights. tr in s.
    """
    columns = scipy.sparse.csc_matrix(weights)
    columns.sort_indices()
    total = np.asarray(columns.sum(0)).ravel()
    showings = [1 + int((np.diff(rows) > 1).sum()) for rows in np.split(columns.indices, columns.indptr[1:-1])]
    each = text_length(texts)[:, 0] * showings / np.where(total > 0, total, np.inf)
    return (weights @ each / tr).astype(np.float32)[:, None]


def position_within(labels: np.ndarray) -> np.ndarray:
    """Where a sample stands in its group (passage): its number from 0, whether it is the first, the last.

    labels (n_samples,) -> (n_samples, 3) float32; rows of a group count in their order, also where others lie between.
    """
    found = np.zeros((len(labels), 3), np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        found[rows, 0] = np.arange(len(rows))
        found[rows[0], 1] = found[rows[-1], 2] = 1
    return found


def autocorrelated_sequences(labels: np.ndarray, blur: float = BLUR) -> np.ndarray:
    """A column of its own for each sample, blurred over the neighbours in its group: (n_samples, n_samples) float32.

    After the orthogonal autocorrelated sequences of Hadidi et al.: all that these features say is which samples stand
    near one another. They cannot predict a group that no row was trained on. blur: deviation in samples.
    """
    found = np.zeros((len(labels), len(labels)), np.float32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        distance = np.arange(len(rows))[:, None] - np.arange(len(rows))
        found[np.ix_(rows, rows)] = np.exp(-np.square(distance / blur) / 2)
    return found


def run_drift(run_onsets: np.ndarray, n_samples: int, n_terms: int = N_DRIFT) -> np.ndarray:
    """Slow cosines of the position within the run, alike in all runs: (n_samples, n_terms) float32.

    Term k makes k half turns from the first sample of the run to the last.
    """
    found = np.empty((n_samples, n_terms), np.float32)
    for start, stop in run_bounds(run_onsets, n_samples):
        place = (np.arange(stop - start) + 0.5) / (stop - start)
        found[start:stop] = np.cos(np.pi * place[:, None] * np.arange(1, n_terms + 1))
    return found


def to_luminance(frames: np.ndarray) -> np.ndarray:
    """Frames (n, H, W, 3) uint8 -> luminance as stored (n, H, W), 0..1, float32."""
    return np.tensordot(frames.astype(np.float32) / 255, LUMA, 1)


def luminance_features(grey: np.ndarray) -> np.ndarray:
    """Mean luminance in 4 x 4 cells of the picture, and its deviation over the picture (contrast): (n, 17) float32.

    grey (n, H, W), at least 4 pixels a side.
    """
    rows, columns = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in grey.shape[1:])
    cells = np.add.reduceat(np.add.reduceat(grey, rows[:-1], 1), columns[:-1], 2)
    cells /= np.diff(rows)[:, None] * np.diff(columns)
    return np.concatenate([cells.reshape(len(grey), -1), grey.std((1, 2))[:, None]], axis=1)


def frame_difference_energy(grey: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Log10 of the mean squared change since the frame before, at several spatial scales: (n, n_scales) float32.

    grey, before (n, H, W): frames, and the frame before each. No directions and no speeds, as the Gabor filters of
    motion energy have them (Nishimoto et al. 2011). Scales larger than the picture are left out.
    """
    change, found = grey - before, []
    for scale in SCALES:
        height, width = (side // scale for side in change.shape[1:])
        if height and width:
            blocks = change[:, : height * scale, : width * scale].reshape(len(change), height, scale, width, scale)
            found.append(np.square(blocks.mean((2, 4))).mean((1, 2)))
    return np.log10(np.stack(found, 1) + FLOOR)


def standardise_columns(X: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and variance 1, so that none outweighs the others of its band; those that do not vary 0."""
    centred = X.astype(np.float64) - X.mean(0, dtype=np.float64)
    scale = centred.std(0)
    return (centred / np.where(scale > 1e-9, scale, np.inf)).astype(np.float32)
