"""Vertices of fsaverage on the flattened fsaverage5 surface, whose vertices are the first 10,242 of a hemisphere:
fsaverage is made of it by dividing triangles, which numbers the new vertices after the old ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from brivl.core.records import FlatmapGeometry
from brivl.data.anatomy.flat_mesh import hemisphere_marks, label_position, rasterise, shade_folding
from brivl.data.anatomy.fsaverage5 import load_fsaverage5
from brivl.data.anatomy.vertex_maps import corner_weights, region_outline


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
    weights = corner_weights(raster, at, len(vertex))
    outlines = {name: region_outline(weights, raster, inside) for name, inside in rois.items()}
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
