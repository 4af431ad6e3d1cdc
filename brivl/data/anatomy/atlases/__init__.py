"""Atlases by which voxels are grouped into regions.

A new atlas is a module with an `Atlas` record, and one line in `ATLASES`. Menus, headlines, captions and help texts of
the command line derive from the records.
"""

from __future__ import annotations

from brivl.data.anatomy.atlases.aal1 import AREAS, PAIRS, REGIONS
from brivl.data.anatomy.atlases.aal3 import AAL3
from brivl.data.anatomy.atlases.atlas import Atlas
from brivl.data.anatomy.atlases.hcpex import HCPEX
from brivl.data.anatomy.atlases.mmp import MMP

ATLASES: tuple[Atlas, ...] = (
    AREAS,
    PAIRS,
    REGIONS,
    AAL3,
    HCPEX,
    MMP,
)
ROI_KEY, ROI_TITLE = "roi", "ROIs"  # regions that a dataset itself defines
OWN_PREFIX = "atlas-"  # of the key of an atlas that lies with the data


class AtlasTexts(dict[str, str]):
    """Texts by the key of an atlas; of an atlas that lies with the data the text is its name."""

    def __missing__(self, key: str) -> str:
        if key.startswith(OWN_PREFIX):
            return key.removeprefix(OWN_PREFIX)
        raise KeyError(key)


# What the option --level takes.
PARCELLATION_HELP = ", ".join(
    [
        f"{ROI_KEY} ({ROI_TITLE} of the dataset)",
        *(f"{atlas.key} ({atlas.title})" for atlas in ATLASES),
        f"{OWN_PREFIX}NAME (an atlas that lies with the data)",
    ]
)
