"""Positions and AAL labels of the voxels of a Pereira file, from the file's struct `meta`.

No affine is published, so regions come from the labels in the file and never from an atlas laid over the voxels.
All indices in the file count from 1, first axis fastest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brivl.data.anatomy.aal import N_LABELS, aal_region_names
from brivl.data.formats.mat import cells, field, texts, whole_numbers
from brivl.errors import DataError

AAL_PREFIX = "aal"  # of generation B's name of the atlas ("aal_1ofN"); other atlases end with "_aal"
MAX_GRID_VOXELS = 10**9


@dataclass(frozen=True)
class VoxelGrid:
    """Positions and labels of all columns of the responses.

    Attributes
    ----------
    ijk : (n_voxels, 3) array of int
        Grid indices, counted from 0.
    shape : tuple of int
        Shape of the grid.
    aal : (n_voxels,) array of int
        AAL1 labels, 1 to 116; 0 for none.
    """

    ijk: np.ndarray
    shape: tuple[int, int, int]
    aal: np.ndarray


def read_voxel_grid(meta: np.ndarray, n_voxels: int, path: Path) -> VoxelGrid:
    """Read the positions and labels of the columns of the responses.

    Parameters
    ----------
    meta : array
        The struct, as scipy reads it.
    n_voxels : int
        Number of columns of the responses.
    path : Path
        The file, for messages.

    Returns
    -------
    VoxelGrid
        Positions and labels.

    Raises
    ------
    DataError
        If fields are missing or contradictory.
    """
    shape = _shape(meta, path)
    ijk = _coordinates(meta, n_voxels, shape, path)
    return VoxelGrid(ijk, shape, _labels(meta, n_voxels, path))


def _shape(meta: np.ndarray, path: Path) -> tuple[int, int, int]:
    dimensions = field(meta, "dimensions")
    parts = [dimensions] if dimensions is not None else [field(meta, name) for name in ("dimx", "dimy", "dimz")]
    if any(part is None for part in parts):
        raise DataError(
            f"Expected the field dimensions (or dimx, dimy, dimz) of meta in {str(path)!r}, got none. Get the file "
            "again."
        )
    sizes = np.concatenate([whole_numbers(part, "meta.dimensions", path) for part in parts])
    if len(sizes) != 3 or (sizes < 1).any() or math.prod(sizes.tolist()) > MAX_GRID_VOXELS:
        raise DataError(
            f"Expected three sizes of a grid as meta.dimensions in {str(path)!r}, got {sizes.tolist()!r}. Get the file "
            "again."
        )
    x, y, z = sizes.tolist()
    return x, y, z


def _coordinates(meta: np.ndarray, n_voxels: int, shape: tuple[int, int, int], path: Path) -> np.ndarray:
    """Read positions (n_voxels, 3) from colToCoord and indicesIn3D, which must agree where both are there."""
    table, linear = field(meta, "colToCoord"), field(meta, "indicesIn3D")
    if table is None and linear is None:
        raise DataError(
            f"Expected colToCoord or indicesIn3D of meta in {str(path)!r}, got neither. Get the file again."
        )
    if linear is not None:
        linear = _within(whole_numbers(linear, "meta.indicesIn3D", path), n_voxels, math.prod(shape), path)
    if table is None:
        assert linear is not None  # checked above
        return np.stack(np.unravel_index(linear, shape, order="F"), axis=1)
    if np.shape(table) != (n_voxels, 3):
        raise DataError(
            f"Expected meta.colToCoord of shape ({n_voxels}, 3), one row for each column of the responses, in "
            f"{str(path)!r}, got {np.shape(table)!r}. Get the file again."
        )
    ijk = np.stack(
        [
            _within(whole_numbers(column, "meta.colToCoord", path), n_voxels, size, path)
            for column, size in zip(np.asarray(table).T, shape, strict=True)
        ],
        axis=1,
    )
    positions = np.ravel_multi_index(tuple(ijk.T), shape, order="F")
    if linear is not None and (positions != linear).any():
        raise DataError(
            f"Expected the same voxels in colToCoord and indicesIn3D of meta in {str(path)!r}, got "
            f"{int((positions != linear).sum())} of {n_voxels} that differ. The file is damaged: get it again."
        )
    if len(np.unique(positions)) != n_voxels:
        raise DataError(
            f"Expected a different position for each voxel of {str(path)!r}, got some that share one. The file is "
            "damaged: get it again."
        )
    return ijk


def _within(index: np.ndarray, n_voxels: int, size: int, path: Path) -> np.ndarray:
    """Check that there are n_voxels indices within 1..size, and count them from 0."""
    if len(index) != n_voxels or (index < 1).any() or (index > size).any():
        limits = f" from {index.min()} to {index.max()}" if len(index) else ""
        raise DataError(
            f"Expected {n_voxels} indices from 1 to {size} of voxels in meta in {str(path)!r}, got "
            f"{len(index)}{limits}. The file is damaged: get it again."
        )
    return index - 1


def _labels(meta: np.ndarray, n_voxels: int, path: Path) -> np.ndarray:
    """Read AAL1 labels (n_voxels,) int, from either generation."""
    mask, cell_names, columns = _aal_fields(meta, path)
    names = [] if cell_names is None else texts(cell_names)
    labels = None if mask is None else whole_numbers(mask, "the AAL labels", path)
    if columns is not None and names:
        listed = _from_columns(cells(columns), n_voxels, path)
        if labels is not None and (len(labels) != n_voxels or (labels != listed).any()):
            raise DataError(
                f"Expected AAL labels in {str(path)!r} (roiMultimask) that agree with its lists of columns "
                "(roiColumns), got different ones. The file is damaged: get it again."
            )
        labels = listed
    if labels is None:
        raise DataError(
            f"Expected AAL labels (roiMultimask[AAL]) in meta in {str(path)!r}, got none. Get the file again."
        )
    n_labels = len(names) or N_LABELS
    if len(labels) != n_voxels or (labels < 0).any() or (labels > n_labels).any():
        limits = f" from {labels.min()} to {labels.max()}" if len(labels) else ""
        raise DataError(
            f"Expected {n_voxels} AAL labels from 0 to {n_labels} in {str(path)!r}, got {len(labels)}{limits}. The "
            "file is damaged: get it again."
        )
    return _aal_numbers(names, path)[labels] if names else labels


def _aal_fields(meta: np.ndarray, path: Path) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Find labels, names and columns of AAL: flat fields in generation A, those of the atlas aal_1ofN in B."""
    if field(meta, "roiMultimaskAAL") is not None or field(meta, "roiColumnsAAL") is not None:
        return field(meta, "roiMultimaskAAL"), field(meta, "roisAAL"), field(meta, "roiColumnsAAL")
    parts = [field(meta, name) for name in ("roiMultimask", "rois", "roiColumns")]
    position = _aal_position(meta, path)
    if any(part is not None and len(cells(part)) <= position for part in parts):
        raise DataError(
            f"Expected the regions of all atlases in meta in {str(path)!r}, got none of AAL. Get the file again."
        )
    mask, names, columns = (None if part is None else cells(part)[position] for part in parts)
    return mask, names, columns


def _aal_position(meta: np.ndarray, path: Path) -> int:
    atlases = field(meta, "atlases")
    if atlases is None:
        return 0  # the published order has AAL first
    names = texts(atlases)
    positions = [i for i, name in enumerate(names) if name.lower().startswith(AAL_PREFIX)]
    if not positions:
        raise DataError(f"Expected AAL among the atlases of {str(path)!r}, got {names!r}. Get the file again.")
    return positions[0]


def _from_columns(lists: Sequence[np.ndarray], n_voxels: int, path: Path) -> np.ndarray:
    """Return the number of the region that lists each column, 0 for none."""
    labels = np.zeros(n_voxels, int)
    for number, part in enumerate(lists, start=1):
        columns = whole_numbers(part, "meta.roiColumns", path)
        if len(columns) and (columns.min() < 1 or columns.max() > n_voxels or labels[columns - 1].any()):
            raise DataError(
                f"Expected columns from 1 to {n_voxels} that no other AAL region lists for region {number} in "
                f"{str(path)!r}, got {columns.min()} to {columns.max()}. The file is damaged: get it again."
            )
        labels[columns - 1] = number
    return labels


def _aal_numbers(names: list[str], path: Path) -> np.ndarray:
    """Map the labels of the file to AAL1 numbers by name, since the order may differ; label 0 stays 0."""
    by_name = {_normalise(name): number for number, name in enumerate(aal_region_names(), start=1)}
    numbers = [by_name.get(_normalise(name), 0) for name in names]
    unknown = [name for name, number in zip(names, numbers, strict=True) if not number]
    if unknown or len(set(numbers)) != len(numbers):
        raise DataError(
            f"Expected the regions of AAL1, each once, in {str(path)!r}, got {unknown[:5] or 'repeated names'!r}. Get "
            "the file again."
        )
    return np.array([0, *numbers])


def _normalise(name: str) -> str:
    """Spell a name for comparison; the atlas itself spells "Cerebelum"."""
    return name.strip().lower().replace("cerebellum", "cerebelum").replace(" ", "_")
