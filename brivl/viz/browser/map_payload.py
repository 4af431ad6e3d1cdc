"""What the viewer in the browser needs: the ground of a subject's map once, and the scores of all layers once."""

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

UNIT = 50  # parts of a mm; as in viewer/solid.js


def surface_payload(solid: SurfaceMesh, voxels: Voxels, names: Mapping[int, str]) -> Packed:
    """Vertices, faces, shading, what each vertex shows, and AAL regions by number. DataError for huge meshes."""
    weights = solid.vertex_to_voxel
    counts = np.diff(weights.indptr)
    if len(solid.shade) > 65535 or counts.max(initial=0) > 255:
        raise DataError(f"Wanted a mesh of at most 65,535 vertices, got {len(solid.shade)}; take a coarser one.")
    scale = STRONGEST / max(float(np.abs(weights.data).max(initial=0)), 1e-9)
    aal = np.zeros(voxels.n_voxels, np.uint8) if voxels.aal is None else np.asarray(voxels.aal).astype(np.uint8)
    arrays = {
        "faces": solid.faces.astype(np.uint16),
        "counts": counts.astype(np.uint8),
        "indices": weights.indices.astype(np.uint32),
        "weights": np.rint(weights.data * scale).astype(np.int16),
        "shade": np.rint(255 * np.clip(solid.shade, 0, 1)).astype(np.uint8),
        "region": solid.region.astype(np.uint8),
        "aal": aal,
    } | {f"form_{name}": np.rint(form * UNIT).astype(np.int16) for name, form in solid.forms.items()}
    meta = {
        "kind": "solid",
        "n_voxels": voxels.n_voxels,
        "n_cortex": solid.n_cortex,
        "forms": list(solid.forms),
        "region_names": {str(number): name for number, name in names.items()},
    }
    return pack(meta, arrays)


OUTLINE_UNIT = 8  # parts of a pixel; as in viewer/ground.js
NO_PLACE = 65535  # of a voxel without a pixel
STRONGEST = 32767  # largest weight
MOST = 60_000.0  # half precision ends at 65,504


@dataclass(frozen=True)
class RegionMasks:
    """Groups of voxels by name -> (n_voxels,) bool: those said under the pointer, and those that can be chosen."""

    named: Mapping[str, np.ndarray]
    chosen: Mapping[str, np.ndarray]


def flatmap_base_payload(
    geometry: FlatmapGeometry, ground: FlatmapBase, voxels: Voxels, regions: RegionMasks
) -> Packed:
    """Which voxels each pixel shows, curvature, outlines, regions, places and colour maps. DataError for huge maps."""
    weights = geometry.pixel_to_voxel
    counts = np.diff(weights.indptr)
    if counts.max(initial=0) > 255 or max(geometry.mask.shape) * OUTLINE_UNIT > 32767:
        raise DataError(
            f"Wanted a map of at most 4,095 pixels a side and 255 voxels a pixel, got {geometry.mask.shape!r}; draw it "
            "smaller."
        )
    masks = {**regions.named, **regions.chosen}
    scale = STRONGEST / max(float(np.abs(weights.data).max(initial=0)), 1e-9)
    points, offsets, names = _outlines(geometry)
    arrays = {
        "mask": np.packbits(geometry.mask),
        "counts": counts.astype(np.uint8),
        "indices": weights.indices.astype(np.uint32),
        "weights": np.rint(weights.data * scale).astype(np.int16),
        "centres": _centres(ground.centres),
        "ijk": np.asarray(voxels.ijk).astype(np.int16),
        "regions": _bits(masks, voxels.n_voxels),
        "outline_points": points,
        "outline_offsets": offsets,
        "sequential": _bytes(colormaps.sequential()),
        "diverging": _bytes(colormaps.diverging()),
        "square": _bytes(colormaps.colour_square()),
    }
    if geometry.background is not None:
        arrays["background"] = _background(geometry.background)
    height, width = geometry.mask.shape
    meta = {
        "kind": "ground",
        "height": height,
        "width": width,
        "n_voxels": voxels.n_voxels,
        "space": geometry.space,
        "affine": None if voxels.affine is None else np.asarray(voxels.affine, float).tolist(),
        "regions": [{"name": n, "named": n in regions.named, "filter": n in regions.chosen} for n in masks],
        "region_bytes": -(-voxels.n_voxels // 8),
        "outline_names": names,
        "places": [{"name": p.name, "x": p.x, "y": p.y, "radius": p.radius} for p in ground.places],
        "marks": {name: [float(x), float(y)] for name, (x, y) in geometry.marks.items()},
    }
    return pack(meta, arrays)


def scores_payload(
    by_layer: Mapping[int, np.ndarray], names: tuple[str, str], explainable_variance: np.ndarray | None = None
) -> Packed:
    """Split R² (2, n_voxels) of each layer and, if known, explainable variance (n_voxels,), in half precision."""
    layers = sorted(by_layer)
    stacked = np.stack([by_layer[layer] for layer in layers]).astype(np.float32)  # (n_layers, 2, n_voxels)
    halves = np.clip(stacked, -MOST, MOST).astype(np.float16)
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
    """R² of each model alone (2, n_voxels) of each layer that has it, in half precision."""
    layers = sorted(by_layer)
    stacked = np.stack([by_layer[layer] for layer in layers]).astype(np.float32)
    halves = np.clip(stacked, -MOST, MOST).astype(np.float16)
    meta = {"kind": "alone", "layers": layers, "n_voxels": stacked.shape[2]}
    return pack(meta, {"a": halves[:, 0], "b": halves[:, 1]})


def _bytes(colours: np.ndarray) -> np.ndarray:
    return np.rint(colours * 255).astype(np.uint8)


def _background(background: np.ndarray) -> np.ndarray:
    """0 outside the cortex, 1..255 from sulcus to gyrus."""
    inside = np.isfinite(background)
    return np.where(inside, 1 + np.rint(254 * np.nan_to_num(background)), 0).astype(np.uint8)


def _centres(centres: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(centres), centres, NO_PLACE).astype(np.uint16)


def _bits(masks: Mapping[str, np.ndarray], n_voxels: int) -> np.ndarray:
    """(n_masks, n_bytes): one bit a voxel, each mask from a byte of its own."""
    return np.stack([np.packbits(np.asarray(m, bool)) for m in masks.values()] or [np.zeros(0, np.uint8)])


def _outlines(geometry: FlatmapGeometry) -> tuple[np.ndarray, np.ndarray, list[str]]:
    polygons = [(name, np.asarray(polygon)) for name, group in geometry.outlines.items() for polygon in group]
    offsets = np.cumsum([0, *(len(polygon) for _, polygon in polygons)]).astype(np.uint32)
    points = np.concatenate([np.zeros((0, 2)), *(polygon for _, polygon in polygons)])
    return np.rint(points * OUTLINE_UNIT).astype(np.int16), offsets, [name for name, _ in polygons]
