"""Files on surfaces that tests write: GIfTI time series, meshes and labels, and CIFTI of any brain model."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from nibabel.cifti2 import Cifti2Header, Cifti2Image
from nibabel.cifti2.cifti2_axes import BrainModelAxis, SeriesAxis
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable, GiftiMetaData

STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}


def write_series(path: Path, Y: np.ndarray, side: str = "", tr: float | None = None) -> Path:
    """(n_volumes, n_vertices) as one GIfTI array a volume, as fMRIPrep writes it."""
    meta = {} if tr is None else {"TimeStep": f"{1000 * tr:g}"}
    arrays = [
        GiftiDataArray(volume.astype(np.float32), "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32",
                       meta=GiftiMetaData(meta))
        for volume in Y
    ]  # fmt: skip
    about = {"AnatomicalStructurePrimary": STRUCTURES[side]} if side else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(GiftiImage(meta=GiftiMetaData(about), darrays=arrays), path)
    return path


def write_mesh(path: Path, points: np.ndarray, faces: np.ndarray) -> Path:
    """A .surf.gii mesh."""
    arrays = [
        GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET", "NIFTI_TYPE_FLOAT32"),
        GiftiDataArray(faces.astype(np.int32), "NIFTI_INTENT_TRIANGLE", "NIFTI_TYPE_INT32"),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(GiftiImage(darrays=arrays), path)
    return path


def write_labels(path: Path, labels: np.ndarray, names: dict[int, str]) -> Path:
    """A .label.gii file."""
    table = GiftiLabelTable()
    for number, name in names.items():
        label = GiftiLabel(number, 1, 0, 0, 1)
        label.label = name
        table.labels.append(label)
    array = GiftiDataArray(labels.astype(np.int32), "NIFTI_INTENT_LABEL", "NIFTI_TYPE_INT32")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(GiftiImage(labeltable=table, darrays=[array]), path)
    return path


def write_dense(path: Path, Y: np.ndarray, axis: BrainModelAxis, tr: float = 2.0) -> Path:
    """(n_volumes, n_grayordinates) as a .dtseries.nii; whole numbers stay int8 where they are."""
    header = Cifti2Header.from_axes((SeriesAxis(0.0, tr, len(Y)), axis))
    image = Cifti2Image(Y if Y.dtype == np.int8 else Y.astype(np.float32), header)
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SERIES")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return path


def small_axis() -> BrainModelAxis:
    """Three of ten vertices on the left, two on the right, and two voxels."""
    left = BrainModelAxis.from_surface(np.array([0, 2, 3]), 10, "CORTEX_LEFT")
    right = BrainModelAxis.from_surface(np.array([1, 4]), 10, "CORTEX_RIGHT")
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, :2] = True
    return left + right + BrainModelAxis.from_mask(mask, "HIPPOCAMPUS_LEFT", np.diag([2.0, 2.0, 2.0, 1.0]))
