"""What a perfect model would score on simulated responses."""

from __future__ import annotations

import numpy as np


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
