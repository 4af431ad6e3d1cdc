"""What only one of two models explains, and what both can (de Heer et al. 2017; Lescroart and Gallant 2019).

unique A = R2(A, B) - R2(B alone), unique B = R2(A, B) - R2(A alone), shared = R2(A alone) + R2(B alone) - R2(A, B); the
three add up to the joint R2. All are held-out scores, so each can fall below 0 by noise, and shared also where one
model helps only in company of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VARIANCE_COMPONENTS = ("unique_a", "unique_b", "shared")


@dataclass(frozen=True)
class VariancePartition:
    """Parts of the joint R2 (n_voxels,), NaN where a voxel was not fitted."""

    unique_a: np.ndarray
    unique_b: np.ndarray
    shared: np.ndarray

    def by_name(self) -> dict[str, np.ndarray]:
        """ "unique_a", "unique_b", "shared" -> (n_voxels,)."""
        return {"unique_a": self.unique_a, "unique_b": self.unique_b, "shared": self.shared}


def partition_variance(joint: np.ndarray, alone: np.ndarray) -> VariancePartition:
    """joint (n_voxels,) R2 of both models together, alone (2, n_voxels) of each by itself, scored on the same rows."""
    joint, (a, b) = np.asarray(joint, float), np.asarray(alone, float)
    return VariancePartition(joint - b, joint - a, a + b - joint)
