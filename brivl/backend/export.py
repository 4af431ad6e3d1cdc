"""Scores as files: the .npz of the command line and of the pages."""

from __future__ import annotations

import io

import numpy as np

from brivl.backend.fit import Answer
from brivl.core.records import Voxels


def npz_arrays(answer: Answer, voxels: Voxels) -> dict[str, np.ndarray]:
    """Scores and all that is needed to place the voxels, by name."""
    result = answer.result
    arrays = {
        "r2_joint": result.r2_joint, "r2_split": result.r2_split, "selected": result.selected,
        "band_weights": result.band_weights, "models": np.array(answer.request.models), "ijk": voxels.ijk,
        "shape": np.array(voxels.shape), "space": np.array(voxels.space),
        "simulated": np.array(bool(answer.info["simulated"])),
    }  # fmt: skip
    optional = {"affine": voxels.affine, "aal": voxels.aal, "explainable_variance": result.explainable_variance}
    arrays |= {name: value for name, value in optional.items() if value is not None}
    return arrays | {f"roi_{name}": inside for name, inside in voxels.rois.items()}


def npz_bytes(answer: Answer, voxels: Voxels) -> bytes:
    """Content of the .npz file that `python -m brivl fit --out` writes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **npz_arrays(answer, voxels))
    return buffer.getvalue()
