"""Voxels in MNI space on the flattened fsaverage5 surface (Fischl et al. 1999), from the files that nilearn ships."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from scipy.spatial import cKDTree

from brivl.core.flatmap.geometry import normalise_rows
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.data.anatomy.aal import N_LABELS, aal_region_names, mni_grid
from brivl.data.anatomy.flat_mesh import (
    Raster,
    columns_to_weights,
    hemisphere_marks,
    label_position,
    mask_outlines,
    rasterise,
    shade_folding,
)
from brivl.errors import DataError

CORTICAL_DEPTHS = (0.25, 0.5, 0.75)  # from white matter to pia; with voxels of 4 mm more samples change nothing
HEMISPHERE_GAP_MM = 12.0  # mm of the flat mesh between the hemispheres
LABEL_GRID_MM = 2.0  # grid on which the region of each pixel is looked up
MIN_OUTLINE_FRACTION = 0.0008  # of the cortex's pixels; smaller pieces and holes of a region are not outlined
MIN_LABEL_FRACTION = 0.008  # of the cortex's pixels; smaller regions have an outline but no name
N_CEREBRAL = 90
# fsaverage is in MNI305 coordinates; FreeSurfer's published affine to MNI152.
MNI305_TO_152 = np.array(
    [[0.9975, -0.0073, 0.0176, -0.0429], [0.0146, 1.0009, -0.0024, 1.5496], [-0.0130, -0.0093, 0.9971, 1.1840]]
)


@dataclass(frozen=True)
class CorticalTemplate:
    """Both hemispheres of a template, left vertices first."""

    name: str
    flat: np.ndarray  # (n_vertices, 2) mm, y up; left hemisphere on the left
    flat_faces: np.ndarray  # (n_faces, 3)
    pia: np.ndarray  # (n_vertices, 3) mm, MNI152 RAS
    wm: np.ndarray  # (n_vertices, 3) mm, MNI152 RAS
    depth: np.ndarray  # (n_vertices,) sulcal depth, positive in sulci
    n_left: int


def load_fsaverage5() -> CorticalTemplate:
    """Load the meshes and the sulcal depth that nilearn ships; no network is needed.

    Returns
    -------
    CorticalTemplate
        The template, in MNI152 coordinates.
    """
    from nilearn.datasets import load_fsaverage, load_fsaverage_data

    meshes = load_fsaverage("fsaverage5")
    depth = load_fsaverage_data(mesh="fsaverage5", data_type="sulcal").data.parts
    left, right = (meshes["flat"].parts[side] for side in ("left", "right"))
    n_left = len(left.coordinates)
    pia, wm = (
        np.concatenate([meshes[kind].parts[side].coordinates for side in ("left", "right")])
        for kind in ("pial", "white_matter")
    )
    return CorticalTemplate(
        name="fsaverage5",
        flat=place_hemispheres((left.coordinates, left.faces), (right.coordinates, right.faces)),
        flat_faces=np.concatenate([left.faces, right.faces + n_left]).astype(np.int64),
        pia=_to_mni152(pia),
        wm=_to_mni152(wm),
        depth=np.concatenate([depth["left"], depth["right"]]).astype(float),
        n_left=n_left,
    )


def place_hemispheres(left: tuple[np.ndarray, np.ndarray], right: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Place the flat meshes of two hemispheres beside each other.

    Parameters
    ----------
    left, right : tuple of np.ndarray
        Places (n_vertices, 2 or 3) in mm, and triangles (n_faces, 3); vertices without a triangle do not count.

    Returns
    -------
    np.ndarray
        (n_vertices, 2) of both, left first.
    """
    (here, its_faces), (there, other_faces) = left, right
    flat = [
        here[:, :2] - [here[np.unique(its_faces), 0].max() + HEMISPHERE_GAP_MM / 2, 0],
        there[:, :2] - [there[np.unique(other_faces), 0].min() - HEMISPHERE_GAP_MM / 2, 0],
    ]
    return np.concatenate(flat).astype(float)


def _to_mni152(mm: np.ndarray) -> np.ndarray:
    return mm @ MNI305_TO_152[:, :3].T + MNI305_TO_152[:, 3]


def fsaverage5_flatmap(voxels: Voxels, height: int = 512) -> FlatmapGeometry:
    """Make the flatmap of voxels in MNI space: each pixel shows the nearest voxels of its hemisphere at three depths.

    A pixel has no data where no voxel lies within one voxel edge. Outlines are the cerebral AAL regions, named by
    aal_region_names ("Temporal_Sup_L"); larger ones carry their name.

    Parameters
    ----------
    voxels : Voxels
        Voxels in MNI space.
    height : int
        Height in pixels.

    Returns
    -------
    FlatmapGeometry
        The geometry.

    Raises
    ------
    DataError
        The voxels have no affine.
    """
    if voxels.affine is None:
        raise DataError(
            f"Expected voxels with an affine to MNI space, got none for {voxels.space!r}. Show the voxels as slices."
        )
    brain = load_fsaverage5()
    raster = rasterise(brain.flat, brain.flat_faces, height)
    left = raster.corners[:, 0] < brain.n_left
    outlines = region_outlines(brain, raster, left)
    shown = MIN_LABEL_FRACTION * raster.mask.sum()
    return FlatmapGeometry(
        pixel_to_voxel=_nearest_voxels(voxels, brain, raster, left),
        mask=raster.mask,
        background=raster.image(shade_folding(-raster.interpolate(brain.depth))),
        outlines={name: polygons for name, (polygons, _) in outlines.items()},
        labels={name: label_position(polygons) for name, (polygons, area) in outlines.items() if area >= shown},
        marks=hemisphere_marks(raster.mask.shape),
        space=f"{voxels.space}, on fsaverage5",
    )


def _nearest_voxels(
    voxels: Voxels, brain: CorticalTemplate, raster: Raster, left: np.ndarray
) -> scipy.sparse.csr_matrix:
    affine = np.asarray(voxels.affine)
    mm = voxels.ijk @ affine[:3, :3].T + affine[:3, 3]
    edge = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    pia, wm = raster.interpolate(brain.pia), raster.interpolate(brain.wm)
    columns = [nearest_voxels(mm, wm + depth * (pia - wm), left, edge) for depth in CORTICAL_DEPTHS]
    return normalise_rows(columns_to_weights(columns, len(mm)))


def project_to_fsaverage5(voxels: Voxels, values: np.ndarray) -> np.ndarray:
    """Project values of voxels to vertices: the mean of the nearest voxels that have one.

    Parameters
    ----------
    voxels : Voxels
        Voxels in MNI space.
    values : np.ndarray
        (n_voxels,), NaN where there is none.

    Returns
    -------
    np.ndarray
        (20484,) left hemisphere first, NaN where no voxel lies within one voxel edge.

    Raises
    ------
    DataError
        The voxels have no affine.
    """
    if voxels.affine is None:
        raise DataError(
            f"Expected voxels with an affine to MNI space, got none for {voxels.space!r}. Show the voxels as slices."
        )
    brain = load_fsaverage5()
    mm = voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]
    edge = float(np.linalg.norm(voxels.affine[:3, :3], axis=0).max())
    left = np.arange(len(brain.pia)) < brain.n_left
    columns = [nearest_voxels(mm, brain.wm + depth * (brain.pia - brain.wm), left, edge) for depth in CORTICAL_DEPTHS]
    weights = columns_to_weights(columns, len(mm))
    finite = np.isfinite(values)
    total, share = weights @ np.where(finite, values, 0.0), weights @ finite.astype(float)
    return np.divide(total, share, out=np.full(len(share), np.nan), where=share > 0)


def nearest_voxels(mm: np.ndarray, places: np.ndarray, left: np.ndarray, reach: float) -> np.ndarray:
    """Find the voxel nearest to each point, on the same side of x = 0.

    Parameters
    ----------
    mm : np.ndarray
        (n_voxels, 3) mm.
    places : np.ndarray
        (n_points, 3) mm.
    left : np.ndarray
        (n_points,) bool, point of the left hemisphere.
    reach : float
        Largest distance in mm.

    Returns
    -------
    np.ndarray
        (n_points,) row of `mm`; -1 where none is near enough.
    """
    nearest_rows = np.full(len(places), -1)
    for pixels, side in ((left, mm[:, 0] <= 0), (~left, mm[:, 0] >= 0)):
        rows = np.flatnonzero(side)
        if not len(rows):
            continue
        distance, nearest = cKDTree(mm[rows]).query(places[pixels], distance_upper_bound=reach)
        nearest_rows[pixels] = np.where(np.isfinite(distance), rows[np.minimum(nearest, len(rows) - 1)], -1)
    return nearest_rows


def region_outlines(
    brain: CorticalTemplate, raster: Raster, left: np.ndarray
) -> dict[str, tuple[list[np.ndarray], float]]:
    """Outline the cerebral AAL regions on a flat template, by the AAL number at mid-thickness.

    Parameters
    ----------
    brain : CorticalTemplate
        The template.
    raster : Raster
        Its flat mesh as an image.
    left : np.ndarray
        (n_pixels,) bool, pixel of the left hemisphere.

    Returns
    -------
    dict of str to tuple
        Region to its outlines in pixels and the number of its pixels.
    """
    grid = mni_grid(LABEL_GRID_MM)
    aal, affine = np.asarray(grid.aal), np.asarray(grid.affine)
    cerebral = aal <= N_CEREBRAL
    mm = grid.ijk[cerebral] @ affine[:3, :3].T + affine[:3, 3]
    nearest = nearest_voxels(mm, raster.interpolate((brain.pia + brain.wm) / 2), left, 4 * LABEL_GRID_MM)
    label_image = np.zeros(raster.mask.shape, int)
    label_image[raster.mask] = np.where(nearest >= 0, aal[cerebral][nearest], 0)
    width, speck = raster.mask.shape[0] / 170, MIN_OUTLINE_FRACTION * raster.mask.sum()
    outlines = {}
    for number, name in zip(range(1, N_LABELS + 1), aal_region_names(), strict=True):
        region = label_image == number
        polygons = mask_outlines(region, smooth=width, speck=speck) if region.any() else []
        if polygons:
            outlines[name] = polygons, float(region.sum())
    return outlines
