"""Contribution of each sample to R2, on a scale on which sums over samples are the reported scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from brivl.errors import RequestError

# Elements of the largest temporary array: 64 MB of float32.
ROOM = 2**24


@dataclass(frozen=True)
class Predictions:
    """Held-out responses and predictions by band, both as the deviations that are scored."""

    measured: np.ndarray  # (n_samples, n_voxels)
    bands: np.ndarray  # (n_bands, n_samples, n_voxels)
    folds: np.ndarray | None = None  # (n_samples,) fold that holds out each sample; R2 is the mean over folds

    def __post_init__(self) -> None:
        n_samples = len(self.measured)
        fold_shape = (n_samples,) if self.folds is None else np.shape(self.folds)
        if self.bands.ndim != 3 or self.bands.shape[1:] != self.measured.shape or fold_shape != (n_samples,):
            raise RequestError(
                f"Expected predictions (n_bands, n_samples, n_voxels) for responses {self.measured.shape!r}, got "
                f"{self.bands.shape!r} and folds {fold_shape!r}. Predict the same samples and voxels."
            )

    @property
    def n_voxels(self) -> int:
        """Number of voxels.

        Returns
        -------
        int
            Columns of `measured`.
        """
        return self.measured.shape[1]

    @property
    def fold_inflation(self) -> float:
        """Ratio of the standard deviation of a sum over outer folds to that over permutations of its blocks.

        Returns
        -------
        float
            sqrt(2) with two or more folds, else 1.

        Notes
        -----
        The response of fold f trained the prediction of fold g and the other way round, so that y_f'M y_g is in the sum
        twice. Permuting held-out blocks given the predictions counts the two as independent. Where M is nearly
        symmetric, as for ridge, the variance is up to twice as large; dividing by sqrt(2) makes p rather too large than
        too small.
        """
        return 1.0 if self.folds is None or len(np.unique(self.folds)) < 2 else float(np.sqrt(2))

    def scaled_batches(self, n_per_voxel: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
        """Scale responses and predictions, a batch of voxels at a time.

        Parameters
        ----------
        n_per_voxel : int
            Elements per voxel that the caller holds at once, which limits the size of a batch.

        Yields
        ------
        tuple
            The slice of voxels; y (n_samples, n_batch) and bands (n_bands, n_samples, n_batch), both divided by the
            root of the fold's sum of squares times the number of folds; and which voxels (n_batch,) have a score.
            Voxels without a score are 0.
        """
        size = max(1, ROOM // max(n_per_voxel, self.bands[..., 0].size))
        for start in range(0, self.n_voxels, size):
            batch = slice(start, min(start + size, self.n_voxels))
            yield batch, *_scaled(self.measured[:, batch], self.bands[:, :, batch], self.folds)


def _scaled(y: np.ndarray, bands: np.ndarray, folds: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names, fold = np.unique(np.zeros(len(y), int) if folds is None else folds, return_inverse=True)
    y, bands = y.astype(np.float32), bands.astype(np.float32)
    squares = np.stack([np.square(y[fold == i], dtype=np.float64).sum(0) for i in range(len(names))])
    usable = np.isfinite(squares).all(0) & (squares > 0).all(0) & np.isfinite(bands).all((0, 1))
    scale = np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1) * len(names)), 0).astype(np.float32)[fold]
    clean = np.where(usable, y, 0), np.where(usable, bands, 0)
    return clean[0] * scale, clean[1] * scale, usable


def split_contributions(y: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Compute the contribution of each sample to the split R2.

    Parameters
    ----------
    y : (n_samples, n_voxels) array
        Responses.
    bands : (n_bands, n_samples, n_voxels) array
        Predictions by band.

    Returns
    -------
    np.ndarray
        (n_bands, n_samples, n_voxels) yhat_b (2 y - sum_k yhat_k), whose sum over samples divided by y'y is the split
        R2.
    """
    return bands * (2 * y - bands.sum(0))


def member_matrix(masks: Mapping[str, np.ndarray], batch: slice, usable: np.ndarray) -> np.ndarray:
    """Mark the usable voxels of a batch that are in each region.

    Parameters
    ----------
    masks : Mapping of str to (n_voxels,) bool array
        Voxels of each region.
    batch : slice
        Voxels of the batch.
    usable : (n_batch,) bool array
        Voxels with a score.

    Returns
    -------
    np.ndarray
        (n_batch, n_regions) float32, 0 or 1.
    """
    return np.stack([np.asarray(mask, bool)[batch] & usable for mask in masks.values()], 1).astype(np.float32)
