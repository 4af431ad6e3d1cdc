"""The flatmap of a subject from its mapper file, without pycortex: pixels, curvature, outlines of ROI masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.core.flatmap.geometry import normalise_rows
from brivl.core.records import FlatmapGeometry
from brivl.data.anatomy.flat_mesh import MIN_PIECE_PX2, hemisphere_marks, label_position, mask_outlines
from brivl.data.shortclips.mapper import FlatmapMapper, read_flatmap
from brivl.errors import DataError

SMOOTH = 1.2  # px of a picture of 512 rows; rounds off the steps between voxels
HALF = 0.5  # share of a pixel's coefficients that lies within an ROI for the pixel to belong to it


def mapper_flatmap(
    path: Path, rois: Mapping[str, np.ndarray], space: str, height: int | None = None
) -> FlatmapGeometry:
    """Geometry of a mapper file. With `height`, pixels are joined in squares until about so many rows are left.

    Coefficients are made to sum to 1 in each pixel, so pixels that the voxels cover only in part are not darker;
    negative ones stay. Outlines are the borders of `rois` (name -> (n_voxels,) bool). DataError where the file is
    damaged or made for another number of voxels.
    """
    mapper = _upright(read_flatmap(path))
    n_voxels = mapper.operator.shape[1]
    if any(len(inside) != n_voxels for inside in rois.values()):
        raise DataError(
            f"Wanted ROIs of {n_voxels:,} voxels, as the mapper {path.name!r}, and got other lengths; take both from "
            "the same subject."
        )
    factor = 1 if height is None else max(1, round(mapper.mask.shape[0] / height))
    weights, mask, background = _joined(mapper, factor)
    outlines = _outlines(weights, mask, rois)
    return FlatmapGeometry(
        pixel_to_voxel=weights,
        mask=mask,
        background=background,
        outlines=outlines,
        labels={name: label_position(polygons) for name, polygons in outlines.items()},
        marks=hemisphere_marks(mask.shape),
        space=space,
    )


def _upright(mapper: FlatmapMapper) -> FlatmapMapper:
    """The same with pictures (height, width), row 0 at the top, and rows of the operator in their order."""
    order = np.full(mapper.mask.shape, -1)
    order[mapper.mask] = np.arange(mapper.operator.shape[0])
    order = order.T[::-1]
    curvature = None if mapper.curvature is None else mapper.curvature.T[::-1]
    return FlatmapMapper(mapper.operator[order[order >= 0]], order >= 0, curvature)


def _joined(mapper: FlatmapMapper, factor: int) -> tuple[scipy.sparse.csr_matrix, np.ndarray, np.ndarray | None]:
    """Weights, mask and background with squares of factor x factor pixels joined into one."""
    tall, wide = (-(-n // factor) for n in mapper.mask.shape)
    row, column = np.nonzero(mapper.mask)
    cell = (row // factor) * wide + column // factor
    mask = np.zeros(tall * wide, bool)
    mask[cell] = True
    number = np.cumsum(mask) - 1
    joins = scipy.sparse.csr_matrix((np.ones(len(cell)), (number[cell], np.arange(len(cell)))))
    background = None
    if mapper.curvature is not None:
        background = np.full(tall * wide, np.nan)
        background[mask] = _mean(joins, np.asarray(mapper.curvature, float)[mapper.mask])
        background = background.reshape(tall, wide)
    return normalise_rows(joins @ mapper.operator), mask.reshape(tall, wide), background


def _mean(joins: scipy.sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """Mean of the finite values in 0..1 of each joined pixel; NaN where there is none."""
    finite = np.isfinite(values)
    total = joins @ finite.astype(float)
    sums = joins @ np.where(finite, np.clip(values, 0, 1), 0.0)
    return np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)


def _outlines(
    weights: scipy.sparse.csr_matrix, mask: np.ndarray, rois: Mapping[str, np.ndarray]
) -> dict[str, list[np.ndarray]]:
    scale = mask.shape[0] / 512
    found = {}
    for name, inside in rois.items():
        region = np.zeros(mask.shape, bool)
        region[mask] = weights @ np.asarray(inside, float) > HALF
        found[name] = mask_outlines(region, SMOOTH * scale, MIN_PIECE_PX2 * scale**2)
    return {name: polygons for name, polygons in found.items() if polygons}
