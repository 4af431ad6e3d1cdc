"""Where the voxels of a Pereira file lie and to which AAL region they belong, by the file's own `meta`.

No affine is published, so regions come from the labels in the file and never from an atlas laid over the voxels.
All indices in the file count from 1, first axis fastest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.data.anatomy.aal import N_LABELS, aal_region_names
from brivl.data.formats.mat import cells, field, texts, whole_numbers
from brivl.errors import DataError

AAL_PREFIX = "aal"  # how generation B's name of it begins ("aal_1ofN"); others only end like this
MAX_GRID_VOXELS = 10**9


@dataclass(frozen=True)
class VoxelGrid:
    """Grid and labels of all columns of the responses."""

    ijk: np.ndarray  # (n_voxels, 3) int, counted from 0
    shape: tuple[int, int, int]
    aal: np.ndarray  # (n_voxels,) int, 0 = none, 1..116 = AAL1


def read_voxel_grid(meta: Any, n_voxels: int, path: Path) -> VoxelGrid:
    """Places of `n_voxels` columns from the struct `meta`. DataError where parts are missing or contradictory."""
    shape = _shape(meta, path)
    ijk = _coordinates(meta, n_voxels, shape, path)
    return VoxelGrid(ijk, shape, _labels(meta, n_voxels, path))


def _shape(meta: Any, path: Path) -> tuple[int, int, int]:
    dimensions = field(meta, "dimensions")
    parts = [dimensions] if dimensions is not None else [field(meta, name) for name in ("dimx", "dimy", "dimz")]
    if any(part is None for part in parts):
        raise DataError(f"meta in {str(path)!r} should say dimensions (or dimx, dimy, dimz) but does not.")
    sizes = np.concatenate([whole_numbers(part, "meta.dimensions", path) for part in parts])
    if len(sizes) != 3 or (sizes < 1).any() or math.prod(sizes.tolist()) > MAX_GRID_VOXELS:
        raise DataError(f"meta.dimensions in {str(path)!r} should be three sizes of a grid but is {sizes.tolist()!r}.")
    return tuple(sizes.tolist())


def _coordinates(meta: Any, n_voxels: int, shape: tuple[int, int, int], path: Path) -> np.ndarray:
    """(n_voxels, 3) from colToCoord and indicesIn3D, which must agree where both are there."""
    table, linear = field(meta, "colToCoord"), field(meta, "indicesIn3D")
    if table is None and linear is None:
        raise DataError(f"meta in {str(path)!r} should hold colToCoord or indicesIn3D and holds neither.")
    if linear is not None:
        linear = _within(whole_numbers(linear, "meta.indicesIn3D", path), n_voxels, math.prod(shape), path)
    if table is None:
        return np.stack(np.unravel_index(linear, shape, order="F"), axis=1)
    if np.shape(table) != (n_voxels, 3):
        raise DataError(
            f"meta.colToCoord in {str(path)!r} should have shape ({n_voxels}, 3), one row for each column of the "
            f"responses, but has {np.shape(table)!r}."
        )
    ijk = np.stack(
        [
            _within(whole_numbers(column, "meta.colToCoord", path), n_voxels, size, path)
            for column, size in zip(np.asarray(table).T, shape, strict=True)
        ],
        axis=1,
    )
    places = np.ravel_multi_index(tuple(ijk.T), shape, order="F")
    if linear is not None and (places != linear).any():
        raise DataError(
            f"colToCoord and indicesIn3D of meta in {str(path)!r} should name the same voxels and differ for "
            f"{int((places != linear).sum())} of {n_voxels}; the file is damaged."
        )
    if len(np.unique(places)) != n_voxels:
        raise DataError(f"Each voxel of {str(path)!r} should have a place of its own, and some share one.")
    return ijk


def _within(index: np.ndarray, n_voxels: int, size: int, path: Path) -> np.ndarray:
    """Indices counted from 0, checked to be n_voxels within 1..size before."""
    if len(index) != n_voxels or (index < 1).any() or (index > size).any():
        reach = f" from {index.min()} to {index.max()}" if len(index) else ""
        raise DataError(
            f"meta in {str(path)!r} should place {n_voxels} voxels at indices from 1 to {size}, and places "
            f"{len(index)}{reach}."
        )
    return index - 1


def _labels(meta: Any, n_voxels: int, path: Path) -> np.ndarray:
    """AAL1 numbers (n_voxels,) int, from either generation."""
    mask, names, columns = _aal_fields(meta, path)
    names = [] if names is None else texts(names)
    labels = None if mask is None else whole_numbers(mask, "the AAL labels", path)
    if columns is not None and names:
        listed = _from_columns(cells(columns), n_voxels, path)
        if labels is not None and (len(labels) != n_voxels or (labels != listed).any()):
            raise DataError(
                f"The AAL labels in {str(path)!r} (roiMultimask) should agree with its lists of columns (roiColumns), "
                "and do not; the file is damaged."
            )
        labels = listed
    if labels is None:
        raise DataError(f"meta in {str(path)!r} should hold AAL labels (roiMultimask[AAL]) and has none.")
    if len(labels) != n_voxels or (labels < 0).any() or (labels > (len(names) or N_LABELS)).any():
        raise DataError(
            f"The AAL labels in {str(path)!r} should be {n_voxels} numbers from 0 to {len(names) or N_LABELS}, and are "
            f"{len(labels)}" + (f" from {labels.min()} to {labels.max()}." if len(labels) else ".")
        )
    return _numbers_of(names, path)[labels] if names else labels


def _aal_fields(meta: Any, path: Path) -> tuple[Any, Any, Any]:
    """Labels, names and columns of AAL: flat fields in generation A, the atlas called aal_1ofN in generation B."""
    if field(meta, "roiMultimaskAAL") is not None or field(meta, "roiColumnsAAL") is not None:
        return field(meta, "roiMultimaskAAL"), field(meta, "roisAAL"), field(meta, "roiColumnsAAL")
    parts = [field(meta, name) for name in ("roiMultimask", "rois", "roiColumns")]
    which = _aal_position(meta, path)
    if any(part is not None and len(cells(part)) <= which for part in parts):
        raise DataError(f"meta in {str(path)!r} should hold regions of all its atlases and lacks those of AAL.")
    mask, names, columns = (None if part is None else cells(part)[which] for part in parts)
    return mask, names, columns


def _aal_position(meta: Any, path: Path) -> int:
    atlases = field(meta, "atlases")
    if atlases is None:
        return 0  # the published order has AAL first
    found = [i for i, name in enumerate(texts(atlases)) if name.lower().startswith(AAL_PREFIX)]
    if not found:
        raise DataError(f"The atlases of {str(path)!r} should include AAL, and are {texts(atlases)!r}.")
    return found[0]


def _from_columns(lists: list[Any], n_voxels: int, path: Path) -> np.ndarray:
    """Number of the region that lists a column, 0 for none."""
    labels = np.zeros(n_voxels, int)
    for number, part in enumerate(lists, start=1):
        columns = whole_numbers(part, "meta.roiColumns", path)
        if len(columns) and (columns.min() < 1 or columns.max() > n_voxels or labels[columns - 1].any()):
            raise DataError(
                f"Region {number} in {str(path)!r} should list columns from 1 to {n_voxels} that no other AAL region "
                f"has, and lists {columns.min()} to {columns.max()}; the file is damaged."
            )
        labels[columns - 1] = number
    return labels


def _numbers_of(names: list[str], path: Path) -> np.ndarray:
    """AAL1 number of each label of the file: [0] is 0, [i] belongs to names[i - 1]; by name, since order may differ."""
    known = {_plain(name): number for number, name in enumerate(aal_region_names(), start=1)}
    numbers = [known.get(_plain(name), 0) for name in names]
    strange = [name for name, number in zip(names, numbers, strict=True) if not number]
    if strange or len(set(numbers)) != len(numbers):
        raise DataError(
            f"The regions in {str(path)!r} should be those of AAL1, each once, and {strange[:5] or 'some'!r} are not."
        )
    return np.array([0, *numbers])


def _plain(name: str) -> str:
    """A name as it is compared: the atlas itself spells "Cerebelum"."""
    return name.strip().lower().replace("cerebellum", "cerebelum").replace(" ", "_")
