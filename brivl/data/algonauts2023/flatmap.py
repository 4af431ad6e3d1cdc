"""Vertices of fsaverage on the flattened fsaverage5 surface, whose vertices are the first 10,242 of a hemisphere:
fsaverage is made of it by dividing triangles, which numbers the new vertices after the old ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse

from brivl.core.flatmap.geometry import normalise_rows
from brivl.core.records import FlatmapGeometry
from brivl.data.anatomy.flat_mesh import (
    Raster,
    hemisphere_marks,
    label_position,
    mask_outlines,
    rasterise,
    shade_folding,
)
from brivl.data.anatomy.fsaverage5 import load_fsaverage5

MIN_OUTLINE_PX2 = 12.0  # px of a picture of 512 rows; smaller pieces of an outline are left out
REGION_THRESHOLD = 0.5  # of a pixel's weights that lie within a region for the pixel to belong to it


def vertex_flatmap(
    vertex: np.ndarray, right: np.ndarray, rois: Mapping[str, np.ndarray], space: str, height: int = 512
) -> FlatmapGeometry:
    """Make the flatmap of columns at vertices of fsaverage.

    A pixel shows the mean of the corners of its triangle that are there, weighted by nearness; columns beyond the first
    10,242 vertices (15 of 16) are not shown, since their positions are in no file that ships with the project.

    Parameters
    ----------
    vertex : np.ndarray
        (n_columns,) 0 to 163841, within the hemisphere.
    right : np.ndarray
        (n_columns,) bool, right hemisphere.
    rois : mapping of str to np.ndarray
        (n_columns,) bool for each region.
    space : str
        Name of the space.
    height : int
        Height in pixels.

    Returns
    -------
    FlatmapGeometry
        The geometry, with outlines of the regions.
    """
    brain = load_fsaverage5()
    raster = rasterise(brain.flat, brain.flat_faces, height)
    n_each = (brain.n_left, len(brain.flat) - brain.n_left)
    at = np.full(len(brain.flat), -1)
    here = np.flatnonzero(vertex < np.where(right, n_each[1], n_each[0]))
    at[vertex[here] + np.where(right[here], brain.n_left, 0)] = here
    weights = _weights(raster, at, len(vertex))
    outlines = {name: _outline(weights, raster, inside) for name, inside in rois.items()}
    outlines = {name: polygons for name, polygons in outlines.items() if polygons}
    return FlatmapGeometry(
        pixel_to_voxel=weights,
        mask=raster.mask,
        background=raster.image(shade_folding(-raster.interpolate(brain.depth))),
        outlines=outlines,
        labels={name: label_position(polygons) for name, polygons in outlines.items()},
        marks=hemisphere_marks(raster.mask.shape),
        space=f"{space}, those of fsaverage5 shown",
    )


def _weights(raster: Raster, at: np.ndarray, n_columns: int) -> scipy.sparse.csr_matrix:
    """at (n_mesh_vertices,): column of each vertex of the mesh, -1 for none."""
    columns = at[raster.corners]  # (n_pixels, 3)
    share = np.where(columns >= 0, np.maximum(raster.weights, 0), 0.0)
    starts = np.arange(len(columns) + 1) * 3
    weights = scipy.sparse.csr_matrix(
        (share.ravel(), np.maximum(columns, 0).ravel(), starts), shape=(len(columns), n_columns)
    )
    weights.sum_duplicates()
    weights.eliminate_zeros()
    return normalise_rows(weights)


def _outline(weights: scipy.sparse.csr_matrix, raster: Raster, inside: np.ndarray) -> list[np.ndarray]:
    region = np.zeros(raster.mask.shape, bool)
    region[raster.mask] = weights @ inside.astype(float) > REGION_THRESHOLD
    scale = raster.mask.shape[0] / 512
    return mask_outlines(region, smooth=1.2 * scale, speck=MIN_OUTLINE_PX2 * scale**2) if region.any() else []
