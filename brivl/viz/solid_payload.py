"""The surfaces of a brain as the viewer in the browser takes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from brivl.core.records import Voxels
from brivl.core.solid import Solid
from brivl.errors import DataError
from brivl.viz.map_payload import STRONGEST
from brivl.viz.packing import Packed, pack

UNIT = 50  # parts of a mm; as in viewer/solid.js


def solid_payload(solid: Solid, voxels: Voxels, names: Mapping[int, str]) -> Packed:
    """Vertices, faces, shading, what each vertex shows, and AAL regions by number. DataError for huge meshes."""
    weights = solid.vertex_to_voxel
    counts = np.diff(weights.indptr)
    if len(solid.shade) > 65535 or counts.max(initial=0) > 255:
        raise DataError(f"Wanted a mesh of at most 65,535 vertices, got {len(solid.shade)}; take a coarser one.")
    scale = STRONGEST / max(float(np.abs(weights.data).max(initial=0)), 1e-9)
    aal = np.zeros(voxels.n_voxels, np.uint8) if voxels.aal is None else np.asarray(voxels.aal).astype(np.uint8)
    arrays = {
        "faces": solid.faces.astype(np.uint16), "counts": counts.astype(np.uint8),
        "indices": weights.indices.astype(np.uint32), "weights": np.rint(weights.data * scale).astype(np.int16),
        "shade": np.rint(255 * np.clip(solid.shade, 0, 1)).astype(np.uint8), "region": solid.region.astype(np.uint8),
        "aal": aal,
    } | {f"form_{name}": np.rint(form * UNIT).astype(np.int16) for name, form in solid.forms.items()}  # fmt: skip
    meta = {
        "kind": "solid", "n_voxels": voxels.n_voxels, "n_cortex": solid.n_cortex, "forms": list(solid.forms),
        "region_names": {str(number): name for number, name in names.items()},
    }  # fmt: skip
    return pack(meta, arrays)
