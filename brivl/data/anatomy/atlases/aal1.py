"""AAL1 at three levels: lobes and other areas, bilateral regions, single regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.data.anatomy.atlases.atlas import Atlas, AtlasLabels, AtlasRegion

if TYPE_CHECKING:
    from brivl.core.regions.areas import AalLevel


def _labels(level: AalLevel) -> AtlasLabels:
    from brivl.core.regions.areas import aal_regions

    return AtlasLabels(tuple(AtlasRegion(region.name, region.title, region.labels) for region in aal_regions(level)))


AREAS = Atlas("area", "AAL lobes (8)", "areas", "AAL1", lambda: _labels("area"))
PAIRS = Atlas("merged", "AAL, hemispheres merged (45)", "regions", "AAL1", lambda: _labels("merged"))
REGIONS = Atlas("region", "AAL (90)", "regions", "AAL1", lambda: _labels("region"))
