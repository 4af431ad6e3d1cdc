"""Variance partitioning: unique and shared variance of two models (de Heer et al. 2017; Lescroart and Gallant 2019).

unique A = R2(A, B) - R2(B alone), unique B = R2(A, B) - R2(A alone), shared = R2(A alone) + R2(B alone) - R2(A, B); the
three add up to the joint R2. All are held-out scores, so each can fall below 0 by noise, and the shared variance also
where one model helps only together with the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

VARIANCE_COMPONENTS = ("unique_a", "unique_b", "shared")


def part_scale(kind: str) -> tuple[str, ...]:
    """List the components whose maps have one colour scale: both unique ones, so that they can be compared.

    Parameters
    ----------
    kind : str
        One of VARIANCE_COMPONENTS.

    Returns
    -------
    tuple of str
        Components on the scale of this one.
    """
    return ("shared",) if kind == "shared" else ("unique_a", "unique_b")


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


@dataclass(frozen=True)
class MeanScores:
    """Means of joint R2, of its split, and of its unique and shared parts over the same voxels.

    Attributes
    ----------
    joint : float
        Joint R2.
    split : tuple[float, float]
        Split R2 of models A and B, which add up to `joint`.
    unique : tuple[float, float]
        Variance that only A, and only B, explains; NaN where the models were not fitted alone.
    shared : float
        Variance that either model explains; NaN likewise.
    """

    joint: float
    split: tuple[float, float]
    unique: tuple[float, float] = (np.nan, np.nan)
    shared: float = np.nan

    @classmethod
    def of(cls, columns: Mapping[str, np.ndarray]) -> MeanScores:
        """Average columns of a table of means or of voxels.

        Parameters
        ----------
        columns : Mapping[str, np.ndarray]
            "r2_joint", "r2_split_a" and "r2_split_b", each (n_rows,), and optionally "unique_a", "unique_b" and
            "shared". NaN is left out of the mean of a score, but a part that is NaN in a row with a joint R2 is not
            known for all rows, so that its mean is NaN.

        Returns
        -------
        MeanScores
            Unweighted means over rows.
        """
        scored = np.isfinite(np.asarray(columns["r2_joint"], float))

        def _mean(name: str) -> float:
            values = np.asarray(columns[name], float)[scored] if name in columns else np.empty(0)
            return float(values.mean()) if values.size else float("nan")

        split, unique = (_mean("r2_split_a"), _mean("r2_split_b")), (_mean("unique_a"), _mean("unique_b"))
        return cls(_mean("r2_joint"), split, unique, _mean("shared"))

    @property
    def has_parts(self) -> bool:
        """Whether unique and shared variance are known.

        Returns
        -------
        bool
            False where the models were not fitted alone.
        """
        return bool(np.isfinite(self.shared))

    @property
    def shared_fraction(self) -> float:
        """Shared variance as a fraction of the joint R2.

        Returns
        -------
        float
            Above 1 where a unique part is negative; NaN where it is unknown or the joint R2 is not above 0.
        """
        return self.shared / self.joint if self.joint > 0 else float("nan")
