"""Data for the viewer in the browser: the flatmap or surface of a subject once, and the scores of all layers once.

Names of arrays and of fields of the header are those that the JavaScript in brivl/analyses/flatmap/webgl reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.errors import DataError
from brivl.viz import colormaps
from brivl.viz.browser.packing import Packed, pack
from brivl.viz.flatmap.figure import FlatmapBase

COORDINATE_UNIT = 50  # coordinates of vertices in parts of a mm, as in webgl/solid.js
UNKNOWN_MM = -9999  # in the place of coordinates that are not known
OUTLINE_UNIT = 8  # coordinates of outlines in parts of a pixel, as in webgl/ground.js
NO_PIXEL = 65535  # position of a voxel without a pixel
MAX_WEIGHT = 32767  # weights are integers up to this
MAX_SCORE = 60_000.0  # half precision ends at 65,504


@dataclass(frozen=True)
class RegionMasks:
    """Groups of voxels that the viewer shows."""

    hover: Mapping[str, np.ndarray]  # name -> (n_voxels,) bool, named under the pointer
    selectable: Mapping[str, np.ndarray]  # name -> (n_voxels,) bool


def surface_payload(mesh: SurfaceMesh, voxels: Voxels, names: Mapping[int, str]) -> Packed:
    """Pack a surface mesh: vertices, faces, shading, voxels of each vertex, and AAL regions by number.

    Parameters
    ----------
    mesh : SurfaceMesh
        Surface of the subject.
    voxels : Voxels
        Voxels that the vertices show.
    names : mapping of int to str
        Names of AAL regions.

    Returns
    -------
    Packed
        Bytes for the browser.

    Raises
    ------
    DataError
        If the mesh has more vertices, or a vertex more voxels, than the format can hold.
    """
    weights = mesh.vertex_to_voxel
    counts = np.diff(weights.indptr)
    if len(mesh.shade) > 65535 or counts.max(initial=0) > 255:
        raise DataError(
            f"Expected a mesh of at most 65,535 vertices with at most 255 voxels each, got {len(mesh.shade):,} with up "
            f"to {counts.max(initial=0):,} voxels. Build a coarser mesh."
        )
    scale = MAX_WEIGHT / max(float(np.abs(weights.data).max(initial=0)), 1e-9)
    aal = np.zeros(voxels.n_voxels, np.uint8) if voxels.aal is None else np.asarray(voxels.aal).astype(np.uint8)
    arrays = {
        "faces": mesh.faces.astype(np.uint16),
        "counts": counts.astype(np.uint8),
        "indices": weights.indices.astype(np.uint32),
        "weights": np.rint(weights.data * scale).astype(np.int16),
        "shade": np.rint(255 * np.clip(mesh.shade, 0, 1)).astype(np.uint8),
        "region": mesh.region.astype(np.uint8),
        "aal": aal,
    } | {f"form_{name}": np.rint(form * COORDINATE_UNIT).astype(np.int16) for name, form in mesh.forms.items()}
    meta = {
        "kind": "solid",
        "n_voxels": voxels.n_voxels,
        "n_cortex": mesh.n_cortex,
        "forms": list(mesh.forms),
        "region_names": {str(number): name for number, name in names.items()},
    }
    return pack(meta, arrays)


def flatmap_base_payload(geometry: FlatmapGeometry, base: FlatmapBase, voxels: Voxels, regions: RegionMasks) -> Packed:
    """Pack a flatmap: voxels of each pixel, curvature, outlines, regions, positions of voxels and names, colour maps.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    base : FlatmapBase
        Positions of voxels and names.
    voxels : Voxels
        Voxels of the subject.
    regions : RegionMasks
        Regions that the viewer names and selects.

    Returns
    -------
    Packed
        Bytes for the browser.

    Raises
    ------
    DataError
        If the flatmap is larger, or a pixel shows more voxels, than the format can hold.
    """
    weights = geometry.pixel_to_voxel
    counts = np.diff(weights.indptr)
    if counts.max(initial=0) > 255 or max(geometry.mask.shape) * OUTLINE_UNIT > 32767:
        raise DataError(
            f"Expected a flatmap of at most 4,095 pixels a side with at most 255 voxels in a pixel, got "
            f"{geometry.mask.shape!r} pixels with up to {counts.max(initial=0):,} voxels. Build a smaller flatmap."
        )
    masks = {**regions.hover, **regions.selectable}
    scale = MAX_WEIGHT / max(float(np.abs(weights.data).max(initial=0)), 1e-9)
    points, offsets, names = _outlines(geometry)
    arrays = {
        "mask": np.packbits(geometry.mask),
        "counts": counts.astype(np.uint8),
        "indices": weights.indices.astype(np.uint32),
        "weights": np.rint(weights.data * scale).astype(np.int16),
        "centres": _centres(base.centres),
        "ijk": _indices(voxels.ijk),
        "regions": _bits(masks),
        "outline_points": points,
        "outline_offsets": offsets,
        "sequential": _bytes(colormaps.sequential()),
        "diverging": _bytes(colormaps.diverging()),
        "square": _bytes(colormaps.colour_square()),
    }
    if geometry.background is not None:
        arrays["background"] = _background(geometry.background)
    if voxels.surface is not None:
        arrays["is_vertex"] = (voxels.surface.vertex >= 0).astype(np.uint8)
        if voxels.surface.mm is not None:
            mm = np.nan_to_num(np.rint(voxels.surface.mm), nan=UNKNOWN_MM)
            arrays["mm"] = np.clip(mm, UNKNOWN_MM, -UNKNOWN_MM).astype(np.int16)
    height, width = geometry.mask.shape
    meta = {
        "kind": "ground",
        "height": height,
        "width": width,
        "n_voxels": voxels.n_voxels,
        "space": geometry.space,
        "coordinates": voxels.coordinate_label,
        "on_grid": voxels.on_grid,
        "affine": None if voxels.affine is None else np.asarray(voxels.affine, float).tolist(),
        "regions": [{"name": n, "named": n in regions.hover, "filter": n in regions.selectable} for n in masks],
        "region_bytes": -(-voxels.n_voxels // 8),
        "outline_names": names,
        "places": [{"name": p.name, "x": p.x, "y": p.y, "radius": p.radius} for p in base.labels],
        "marks": {name: [float(x), float(y)] for name, (x, y) in geometry.marks.items()},
    }
    return pack(meta, arrays)


def _indices(ijk: np.ndarray) -> np.ndarray:
    """(n_voxels, 3) int16, or uint32 where vertices are numbered beyond it."""
    ijk = np.asarray(ijk)
    return ijk.astype(np.int16 if ijk.max(initial=0) <= np.iinfo(np.int16).max else np.uint32)


def scores_payload(
    by_layer: Mapping[int, np.ndarray], names: tuple[str, str], explainable_variance: np.ndarray | None = None
) -> Packed:
    """Pack the split R² of all layers in half precision.

    Parameters
    ----------
    by_layer : mapping of int to (2, n_voxels) array
        Split R² of both models at each layer.
    names : (str, str)
        Names of the models.
    explainable_variance : (n_voxels,) array, optional
        Explainable variance.

    Returns
    -------
    Packed
        Bytes for the browser.
    """
    layers = sorted(by_layer)
    stacked = np.stack([by_layer[layer] for layer in layers]).astype(np.float32)  # (n_layers, 2, n_voxels)
    halves = np.clip(stacked, -MAX_SCORE, MAX_SCORE).astype(np.float16)
    arrays = {"a": halves[:, 0], "b": halves[:, 1]}
    if explainable_variance is not None:
        arrays["ev"] = np.asarray(explainable_variance).astype(np.float16)
    colours = _bytes(colormaps.layer_colours(len(layers)))
    meta = {
        "kind": "scores",
        "layers": layers,
        "n_voxels": stacked.shape[2],
        "names": list(names),
        "layer_colours": colours.tolist(),
    }
    return pack(meta, arrays)


def single_model_payload(by_layer: Mapping[int, np.ndarray]) -> Packed:
    """Pack the R² of each model alone in half precision.

    Parameters
    ----------
    by_layer : mapping of int to (2, n_voxels) array
        R² of each model alone at the layers where both were fitted.

    Returns
    -------
    Packed
        Bytes for the browser.
    """
    layers = sorted(by_layer)
    stacked = np.stack([by_layer[layer] for layer in layers]).astype(np.float32)
    halves = np.clip(stacked, -MAX_SCORE, MAX_SCORE).astype(np.float16)
    meta = {"kind": "alone", "layers": layers, "n_voxels": stacked.shape[2]}
    return pack(meta, {"a": halves[:, 0], "b": halves[:, 1]})


def _bytes(colours: np.ndarray) -> np.ndarray:
    return np.rint(colours * 255).astype(np.uint8)


def _background(background: np.ndarray) -> np.ndarray:
    """0 outside the cortex, 1..255 from sulcus to gyrus."""
    inside = np.isfinite(background)
    return np.where(inside, 1 + np.rint(254 * np.nan_to_num(background)), 0).astype(np.uint8)


def _centres(centres: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(centres), centres, NO_PIXEL).astype(np.uint16)


def _bits(masks: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n_masks, n_bytes): one bit for each voxel; each mask starts with a new byte."""
    return np.stack([np.packbits(np.asarray(m, bool)) for m in masks.values()] or [np.zeros(0, np.uint8)])


def _outlines(geometry: FlatmapGeometry) -> tuple[np.ndarray, np.ndarray, list[str]]:
    polygons = [(name, np.asarray(polygon)) for name, group in geometry.outlines.items() for polygon in group]
    offsets = np.cumsum([0, *(len(polygon) for _, polygon in polygons)]).astype(np.uint32)
    points = np.concatenate([np.zeros((0, 2)), *(polygon for _, polygon in polygons)])
    return np.rint(points * OUTLINE_UNIT).astype(np.int16), offsets, [name for name, _ in polygons]
