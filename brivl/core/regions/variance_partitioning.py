"""Variance partitioning: unique and shared variance of two models (de Heer et al. 2017; Lescroart and Gallant 2019).

unique A = R2(A, B) - R2(B alone), unique B = R2(A, B) - R2(A alone), shared = R2(A alone) + R2(B alone) - R2(A, B); the
three add up to the joint R2. All are held-out scores, so each can fall below 0 by noise, and the shared variance also
where one model helps only together with the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VARIANCE_COMPONENTS = ("unique_a", "unique_b", "shared")


@dataclass(frozen=True)
class VariancePartition:
    """Components of the joint R2; NaN where a voxel was not fitted."""

    unique_a: np.ndarray  # (n_voxels,)
    unique_b: np.ndarray  # (n_voxels,)
    shared: np.ndarray  # (n_voxels,)

    def by_name(self) -> dict[str, np.ndarray]:
        """Return the components by name.

        Returns
        -------
        dict of str to (n_voxels,) array
            Keys "unique_a", "unique_b" and "shared".
        """
        return {"unique_a": self.unique_a, "unique_b": self.unique_b, "shared": self.shared}


def partition_variance(joint: np.ndarray, single: np.ndarray) -> VariancePartition:
    """Divide the joint R2 of two models into unique and shared variance.

    Parameters
    ----------
    joint : (n_voxels,) array
        R2 of both models together.
    single : (2, n_voxels) array
        R2 of each model alone, scored on the same samples.

    Returns
    -------
    VariancePartition
        Unique variance of each model, and shared variance.
    """
    joint, (a, b) = np.asarray(joint, float), np.asarray(single, float)
    return VariancePartition(joint - b, joint - a, a + b - joint)
