"""Voxels that are vertices of a cortical mesh, on the flat, inflated and pial surface of a template."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from brivl.core.flatmap.geometry import normalise_rows
from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import FlatmapGeometry, SurfaceVertices, Voxels
from brivl.data.anatomy.flat_mesh import (
    Raster,
    columns_to_weights,
    hemisphere_marks,
    label_position,
    mask_outlines,
    rasterise,
    shade_folding,
)
from brivl.data.anatomy.fs_lr import FS_LR_32K, fs_lr_inflated
from brivl.data.anatomy.fsaverage5 import MIN_LABEL_FRACTION, nearest_voxels, region_outlines
from brivl.data.anatomy.fsaverage5_surface import (
    apart,
    fsaverage5_faces,
    fsaverage5_inflated,
    subcortical_meshes,
    vertex_regions,
    with_subcortical,
)
from brivl.data.anatomy.vertices import load_template

MIN_OUTLINE_PX2 = 12.0  # px of a picture of 512 rows; smaller pieces of an outline are left out
REGION_THRESHOLD = 0.5  # of a pixel's weights that lie within a region for the pixel to belong to it
REACH = 1.5  # edges of a voxel within which a subcortical mesh shows it


def template_flatmap(voxels: Voxels, height: int = 512) -> FlatmapGeometry:
    """Make the flatmap of voxels that are vertices.

    A pixel shows the mean of the corners of its triangle that show a voxel, weighted by nearness. Outlines are the
    ROIs of the dataset, or else the cerebral AAL regions at mid-thickness. Subcortical voxels are not on the map.

    Parameters
    ----------
    voxels : Voxels
        Voxels with `surface`.
    height : int
        Height in pixels.

    Returns
    -------
    FlatmapGeometry
        The geometry.
    """
    surface = _surface(voxels)
    brain = load_template(surface.template)
    raster = rasterise(brain.flat, brain.flat_faces, height)
    weights = corner_weights(raster, surface.drawn, voxels.n_voxels)
    if voxels.rois:
        drawn = {name: region_outline(weights, raster, inside) for name, inside in voxels.rois.items()}
        outlines = {name: polygons for name, polygons in drawn.items() if polygons}
        labels = {name: label_position(polygons) for name, polygons in outlines.items()}
    else:
        areas = region_outlines(brain, raster, raster.corners[:, 0] < brain.n_left)
        outlines = {name: polygons for name, (polygons, _) in areas.items()}
        shown = MIN_LABEL_FRACTION * raster.mask.sum()
        labels = {name: label_position(polygons) for name, (polygons, area) in areas.items() if area >= shown}
    return FlatmapGeometry(
        pixel_to_voxel=weights,
        mask=raster.mask,
        background=raster.image(shade_folding(-raster.interpolate(brain.depth))),
        outlines=outlines,
        labels=labels,
        marks=hemisphere_marks(raster.mask.shape),
        space=voxels.space,
    )


def corner_weights(raster: Raster, drawn: np.ndarray, n_voxels: int) -> scipy.sparse.csr_matrix:
    """Weight the voxels at the corners of the triangle under each pixel.

    Parameters
    ----------
    raster : Raster
        Flat mesh as an image.
    drawn : np.ndarray
        (n_mesh_vertices,) voxel of each vertex of the mesh, -1 for none.
    n_voxels : int
        Number of voxels.

    Returns
    -------
    scipy.sparse.csr_matrix
        (n_pixels, n_voxels) rows sum to 1, or to 0 where no corner shows a voxel.
    """
    columns = drawn[raster.corners]  # (n_pixels, 3)
    share = np.where(columns >= 0, np.maximum(raster.weights, 0), 0.0)
    starts = np.arange(len(columns) + 1) * 3
    weights = scipy.sparse.csr_matrix(
        (share.ravel(), np.maximum(columns, 0).ravel(), starts), shape=(len(columns), n_voxels)
    )
    weights.sum_duplicates()
    weights.eliminate_zeros()
    return normalise_rows(weights)


def region_outline(weights: scipy.sparse.csr_matrix, raster: Raster, inside: np.ndarray) -> list[np.ndarray]:
    """Outline a region of voxels on a flat mesh.

    Parameters
    ----------
    weights : scipy.sparse.csr_matrix
        (n_pixels, n_voxels), from `corner_weights`.
    raster : Raster
        Flat mesh as an image.
    inside : np.ndarray
        (n_voxels,) bool.

    Returns
    -------
    list of np.ndarray
        Polygons (n_points, 2) as (x, y) in pixels; empty where the region is not on the map.
    """
    region = np.zeros(raster.mask.shape, bool)
    region[raster.mask] = weights @ inside.astype(float) > REGION_THRESHOLD
    scale = raster.mask.shape[0] / 512
    return mask_outlines(region, smooth=1.2 * scale, speck=MIN_OUTLINE_PX2 * scale**2) if region.any() else []


def template_surface(voxels: Voxels) -> SurfaceMesh:
    """Make the surfaces of voxels that are vertices, with the subcortical structures where there are such voxels.

    Parameters
    ----------
    voxels : Voxels
        Voxels with `surface`.

    Returns
    -------
    SurfaceMesh
        Inflated and pial surface of the template.
    """
    surface = _surface(voxels)
    brain = load_template(surface.template)
    left = np.arange(len(brain.pia)) < brain.n_left
    if surface.template == FS_LR_32K:
        inflated, faces = fs_lr_inflated()
        inflated = apart(inflated, left)
    else:
        inflated, faces = fsaverage5_inflated(left), fsaverage5_faces()
    forms, columns, regions = {"inflated": inflated, "pial": brain.pia}, surface.drawn, vertex_regions(brain, left)
    shade = shade_folding(-brain.depth)
    if surface.n_in_space and surface.affine is not None and surface.mm is not None:
        places, triangles, numbers = subcortical_meshes()
        below = np.flatnonzero(surface.vertex < 0)
        edge = float(np.linalg.norm(surface.affine[:3, :3], axis=0).max())
        nearest = nearest_voxels(surface.mm[below].astype(float), places, places[:, 0] <= 0, REACH * edge)
        columns = np.concatenate([columns, np.where(nearest >= 0, below[nearest], -1)])
        forms = {name: with_subcortical(form, places) for name, form in forms.items()}
        faces = np.concatenate([faces, triangles + len(brain.pia)])
        shade, regions = np.concatenate([shade, np.full(len(places), 0.5)]), np.concatenate([regions, numbers])
    return SurfaceMesh(
        forms=forms,
        faces=faces.astype(np.int32),
        vertex_to_voxel=normalise_rows(columns_to_weights([columns], voxels.n_voxels)),
        shade=shade.astype(np.float32),
        region=regions.astype(np.int16),
        n_cortex=len(brain.pia),
    )


def _surface(voxels: Voxels) -> SurfaceVertices:
    assert voxels.surface is not None  # flatmap "vertices" implies it
    return voxels.surface
