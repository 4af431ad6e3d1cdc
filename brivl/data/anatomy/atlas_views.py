"""AAL1 drawn on the MNI template: cortical regions on fsaverage5 (Fischl et al. 1999), subcortical ones in slices.

What the paper's Fig. 6a-b shows with BrainNet Viewer: 78 regions on the cortex, 12 below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from brivl.core.regions.atlas_views import AtlasView
from brivl.data.anatomy.aal import load_aal
from brivl.data.anatomy.flat_mesh import rasterise
from brivl.data.anatomy.fsaverage5 import N_CEREBRAL, load_fsaverage5
from brivl.data.anatomy.label_volume import LabelVolume

# Hippocampus, Amygdala, Caudate, Putamen, Pallidum, Thalamus
SUBCORTICAL = (37, 38, 41, 42, *range(71, 79))
MAX_DISTANCE_MM = 8.0  # mm from the surface's mid-thickness to the region that it shows
VIEW_HEIGHT = 300  # px of a view of a hemisphere
SLICES_MM = (-16.0, 6.0)  # z: through hippocampus and amygdala, through striatum and thalamus
INFLATED_FRACTION = 0.7  # of the way from the pial surface to the inflated one, which opens the sulci
MIN_BRIGHTNESS = 0.62  # brightness of what is seen at a grazing angle
SLICE_MARGIN = 20  # px beside a slice, for L and R


@dataclass(frozen=True)
class _Look:
    """A view: its name, hemisphere, and the directions (RAS) that run to the right of the picture and to the eye."""

    name: str
    hemisphere: int  # 0 left, 1 right
    right: tuple[int, int, int]
    eye: tuple[int, int, int]


VIEWS = (
    _Look("left, outer side", 0, (0, -1, 0), (-1, 0, 0)),
    _Look("right, outer side", 1, (0, 1, 0), (1, 0, 0)),
    _Look("left, inner side", 0, (0, 1, 0), (1, 0, 0)),
    _Look("right, inner side", 1, (0, -1, 0), (-1, 0, 0)),
)


@dataclass(frozen=True)
class _Hemisphere:
    """A hemisphere of the template: opened shape, triangles, and the AAL number of each vertex (0: none)."""

    places: np.ndarray  # (n_vertices, 3) mm
    faces: np.ndarray  # (n_faces, 3)
    labels: np.ndarray  # (n_vertices,)


def aal_views() -> list[AtlasView]:
    """Draw AAL1 from the outer and the inner side of both hemispheres, and two axial slices for subcortical regions.

    Returns
    -------
    list of AtlasView
        Views with AAL1's numbers 1 to 90, left on the left; each region is in surfaces or in slices.
    """
    atlas = load_aal()
    hemispheres = _hemispheres(atlas)
    surfaces = [_surface(hemispheres[look.hemisphere], look) for look in VIEWS]
    return [*surfaces, *(_slice(atlas, z) for z in SLICES_MM)]


def _hemispheres(atlas: LabelVolume) -> list[_Hemisphere]:
    from nilearn.datasets import load_fsaverage

    brain, meshes = load_fsaverage5(), load_fsaverage("fsaverage5")
    middle = (brain.pia + brain.wm) / 2
    hemispheres = []
    for number, side in enumerate(("left", "right")):
        pial, inflated = (meshes[kind].parts[side] for kind in ("pial", "inflated"))
        rows = slice(0, brain.n_left) if side == "left" else slice(brain.n_left, None)
        shape = (1 - INFLATED_FRACTION) * pial.coordinates + INFLATED_FRACTION * inflated.coordinates
        hemispheres.append(_Hemisphere(shape, np.asarray(pial.faces), _cortical_labels(atlas, middle[rows], number)))
    return hemispheres


def _cortical_labels(atlas: LabelVolume, mm: np.ndarray, hemisphere: int) -> np.ndarray:
    """Nearest cortical region (n_vertices,) of the same side within REACH, else 0. AAL's left regions are odd."""
    cortical = (atlas.labels > 0) & (atlas.labels <= N_CEREBRAL) & ~np.isin(atlas.labels, SUBCORTICAL)
    index = np.argwhere(cortical & (atlas.labels % 2 == 1 - hemisphere))
    places = index @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    distance, nearest = cKDTree(places).query(mm, distance_upper_bound=MAX_DISTANCE_MM)
    numbers = np.r_[atlas.labels[tuple(index.T)], 0]  # the query says n for none
    return numbers[np.where(np.isfinite(distance), nearest, len(index))].astype(int)


def _surface(hemisphere: _Hemisphere, look: _Look) -> AtlasView:
    """The side that faces the eye; nearer triangles are drawn over farther ones."""
    places, faces = hemisphere.places, hemisphere.faces
    corners = places[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    facing = normals @ np.array(look.eye, float)
    seen = np.flatnonzero(facing > 0)
    seen = seen[np.argsort(corners[seen].mean(1) @ np.array(look.eye, float))]
    raster = rasterise(np.stack([places @ np.array(look.right, float), places[:, 2]], 1), faces[seen], VIEW_HEIGHT)
    leading = raster.corners[np.arange(len(raster.corners)), raster.weights.argmax(1)]
    labels = np.zeros(raster.mask.shape, int)
    labels[raster.mask] = hemisphere.labels[leading]
    bright = np.zeros(len(places))
    np.add.at(bright, faces[seen].ravel(), np.repeat(facing[seen], 3))
    bright /= np.maximum(np.bincount(faces[seen].ravel(), minlength=len(places)), 1)
    return AtlasView(
        look.name, labels, raster.image(MIN_BRIGHTNESS + (1 - MIN_BRIGHTNESS) * raster.interpolate(bright)), {}
    )


def _slice(atlas: LabelVolume, z: float) -> AtlasView:
    """Axial slice at z mm, front at the top: subcortical regions by number, the rest of the atlas as a pale shape."""
    layer = round((z - atlas.affine[2, 3]) / atlas.affine[2, 2])
    grid = atlas.labels[:, :, layer].astype(int)
    if atlas.affine[0, 0] < 0:
        grid = grid[::-1]
    image = grid.T[::-1] if atlas.affine[1, 1] > 0 else grid.T
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    image = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], ((0, 0), (SLICE_MARGIN, SLICE_MARGIN)))
    labels = np.where(np.isin(image, SUBCORTICAL), image, 0)
    shade = np.where(image > 0, 1.0, np.nan)
    middle, width = image.shape[0] / 2, image.shape[1]
    marks = {"L": (SLICE_MARGIN / 2, middle), "R": (width - SLICE_MARGIN / 2, middle)}
    return AtlasView(f"subcortex, z = {z:+.0f} mm".replace("-", "−"), labels, shade, marks)
