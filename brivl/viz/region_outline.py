"""The outline of any group of voxels on a flatmap, for regions of which none was drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from contourpy import contour_generator

from brivl.core.flatmap import leading_voxels
from brivl.core.records import FlatmapGeometry

LEAST = 6  # corners of a polygon; smaller ones are specks


def with_outline(geometry: FlatmapGeometry, name: str, inside: np.ndarray) -> FlatmapGeometry:
    """The map with the outline of the voxels inside (n_voxels,) bool added, unless one of this name is drawn.

    A pixel belongs to its leading voxel, as under the pointer. A group without a pixel changes nothing.
    """
    if name in geometry.outlines:
        return geometry
    leading = leading_voxels(geometry)
    shown = (leading >= 0) & np.asarray(inside, bool)[np.maximum(leading, 0)]
    framed = np.pad(shown, 1).astype(float)
    polygons = [line - 1 for line in contour_generator(z=framed).lines(0.5) if len(line) >= LEAST]
    return replace(geometry, outlines={**geometry.outlines, name: polygons}) if polygons else geometry
