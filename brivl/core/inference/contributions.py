"""What samples add to R2, on a scale on which sums over samples are the scores that are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from brivl.errors import RequestError

# Numbers at a time in the largest temporary array: 64 MB of float32.
ROOM = 2**24


@dataclass(frozen=True)
class Predictions:
    """Held-out responses and predictions by band, both in deviations as they are scored."""

    measured: np.ndarray  # (n_samples, n_voxels)
    bands: np.ndarray  # (n_bands, n_samples, n_voxels)
    folds: np.ndarray | None = None  # (n_samples,) fold that predicted each sample; R2 is the mean over these

    def __post_init__(self) -> None:
        n_samples = len(self.measured)
        folds_fit = self.folds is None or np.shape(self.folds) == (n_samples,)
        if self.bands.ndim != 3 or self.bands.shape[1:] != self.measured.shape or not folds_fit:
            raise RequestError(
                f"Predictions (n_bands, n_samples, n_voxels) are wanted for responses {self.measured.shape!r}; got "
                f"{self.bands.shape!r} and parts {np.shape(self.folds)!r}."
            )

    @property
    def n_voxels(self) -> int:
        return self.measured.shape[1]

    @property
    def fold_inflation(self) -> float:
        """By how much a sum over outer folds varies more than rearrangements of its blocks show: sqrt(2), else 1.

        The response of fold f trained the prediction of fold g and the other way round, so that y_f'M y_g is in the sum
        twice; rearranging held-out blocks given the predictions counts the two as independent. Where M is nearly
        symmetric, as for ridge, the variance is up to twice as large, so that p is rather too large than too small.
        """
        return 1.0 if self.folds is None or len(np.unique(self.folds)) < 2 else float(np.sqrt(2))

    def scaled_batches(self, n_per_voxel: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
        """Batches of voxels, so small that n_per_voxel numbers of each are held at once.

        Yields the slice, y (n_samples, n_batch), bands (n_bands, n_samples, n_batch), both divided by the root of the
        part's sum of squares times the number of parts, and which voxels (n_batch,) have a score; others are 0.
        """
        size = max(1, ROOM // max(n_per_voxel, self.bands[..., 0].size))
        for start in range(0, self.n_voxels, size):
            batch = slice(start, min(start + size, self.n_voxels))
            yield batch, *_scaled(self.measured[:, batch], self.bands[:, :, batch], self.folds)


def _scaled(y: np.ndarray, bands: np.ndarray, parts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names, part = np.unique(np.zeros(len(y), int) if parts is None else parts, return_inverse=True)
    y, bands = y.astype(np.float32), bands.astype(np.float32)
    squares = np.stack([np.square(y[part == i], dtype=np.float64).sum(0) for i in range(len(names))])
    usable = np.isfinite(squares).all(0) & (squares > 0).all(0) & np.isfinite(bands).all((0, 1))
    scale = np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1) * len(names)), 0).astype(np.float32)[part]
    clean = np.where(usable, y, 0), np.where(usable, bands, 0)
    return clean[0] * scale, clean[1] * scale, usable


def split_contributions(y: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """yhat_b (2 y - sum_k yhat_k): (n_bands, n_samples, n_voxels). Over sums of y'y, their sum is the split R2."""
    return bands * (2 * y - bands.sum(0))


def member_matrix(masks: Mapping[str, np.ndarray], batch: slice, usable: np.ndarray) -> np.ndarray:
    """(n_batch, n_regions) float32, 1 for the usable voxels of a batch that lie in a region."""
    return np.stack([np.asarray(mask, bool)[batch] & usable for mask in masks.values()], 1).astype(np.float32)
