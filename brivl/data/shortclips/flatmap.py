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

SMOOTH_PX = 1.2  # in an image of 512 rows; rounds off the steps between voxels
ROI_THRESHOLD = 0.5  # a pixel belongs to an ROI if more than this fraction of its coefficients does


def mapper_flatmap(
    path: Path, rois: Mapping[str, np.ndarray], space: str, height: int | None = None
) -> FlatmapGeometry:
    """Make the flatmap of a mapper file.

    Parameters
    ----------
    path : Path
        Mapper file.
    rois : mapping of str to (n_voxels,) array of bool
        ROIs whose borders are drawn.
    space : str
        Name of the space, for figures.
    height : int, optional
        Rows of the flatmap, approximately: pixels are averaged in squares. Default: as in the file.

    Returns
    -------
    FlatmapGeometry
        Coefficients of each pixel sum to 1, so that pixels that voxels cover only in part are not darker; negative
        coefficients stay.

    Raises
    ------
    DataError
        If the file is damaged, or the ROIs have another number of voxels.
    """
    mapper = _upright(read_flatmap(path))
    n_voxels = mapper.operator.shape[1]
    if any(len(inside) != n_voxels for inside in rois.values()):
        raise DataError(
            f"Expected ROIs of {n_voxels:,} voxels, as in the mapper {path.name!r}, got other lengths. Take both from "
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
    """Turn the axes to images (height, width) with row 0 at the top, and sort the operator's rows accordingly."""
    order = np.full(mapper.mask.shape, -1)
    order[mapper.mask] = np.arange(mapper.operator.shape[0])
    order = order.T[::-1]
    curvature = None if mapper.curvature is None else mapper.curvature.T[::-1]
    return FlatmapMapper(mapper.operator[order[order >= 0]], order >= 0, curvature)


def _joined(mapper: FlatmapMapper, factor: int) -> tuple[scipy.sparse.csr_matrix, np.ndarray, np.ndarray | None]:
    """Join squares of factor x factor pixels: weights, mask and background."""
    rows, columns = (-(-n // factor) for n in mapper.mask.shape)
    row, column = np.nonzero(mapper.mask)
    cell = (row // factor) * columns + column // factor
    mask = np.zeros(rows * columns, bool)
    mask[cell] = True
    number = np.cumsum(mask) - 1
    joins = scipy.sparse.csr_matrix((np.ones(len(cell)), (number[cell], np.arange(len(cell)))))
    background = None
    if mapper.curvature is not None:
        background = np.full(rows * columns, np.nan)
        background[mask] = _mean(joins, np.asarray(mapper.curvature, float)[mapper.mask])
        background = background.reshape(rows, columns)
    return normalise_rows(joins @ mapper.operator), mask.reshape(rows, columns), background


def _mean(joins: scipy.sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """Average the finite values, clipped to 0..1, of each joined pixel; NaN where there is none."""
    finite = np.isfinite(values)
    total = joins @ finite.astype(float)
    sums = joins @ np.where(finite, np.clip(values, 0, 1), 0.0)
    return np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)


def _outlines(
    weights: scipy.sparse.csr_matrix, mask: np.ndarray, rois: Mapping[str, np.ndarray]
) -> dict[str, list[np.ndarray]]:
    scale = mask.shape[0] / 512
    outlines = {}
    for name, inside in rois.items():
        region = np.zeros(mask.shape, bool)
        region[mask] = weights @ np.asarray(inside, float) > ROI_THRESHOLD
        outlines[name] = mask_outlines(region, SMOOTH_PX * scale, MIN_PIECE_PX2 * scale**2)
    return {name: polygons for name, polygons in outlines.items() if polygons}
