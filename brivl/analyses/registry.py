"""All analyses with a record; a new one is added here by name."""

from __future__ import annotations

from typing import Any

from brivl.analyses.alignment.analysis import ALIGNMENT
from brivl.analyses.attention.analysis import ATTENTION
from brivl.analyses.audit.analysis import AUDIT
from brivl.analyses.captioning.analysis import CAPTIONING
from brivl.analyses.decoding.analysis import DECODING
from brivl.analyses.drive.analysis import DRIVE
from brivl.analyses.generation.analysis import GENERATION
from brivl.analyses.integration.analysis import INTEGRATION
from brivl.analyses.retrieval.analysis import RETRIEVAL
from brivl.analyses.transfer.analysis import TRANSFER
from brivl.analyses.voxel_captions.analysis import VOXEL_CAPTIONS
from brivl.analysis import Analysis
from brivl.errors import RequestError

ANALYSES: tuple[Analysis[Any, Any], ...] = (
    AUDIT,
    DECODING,
    INTEGRATION,
    TRANSFER,
    VOXEL_CAPTIONS,
    DRIVE,
    ALIGNMENT,
    CAPTIONING,
    GENERATION,
    ATTENTION,
    RETRIEVAL,
)


def analysis_named(name: str) -> Analysis[Any, Any]:
    """Find an analysis by its name.

    Parameters
    ----------
    name : str
        Name as in `Analysis.name`.

    Returns
    -------
    Analysis
        The record.

    Raises
    ------
    RequestError
        Where there is none of that name.
    """
    for analysis in ANALYSES:
        if analysis.name == name:
            return analysis
    raise RequestError(f"Expected an analysis out of {[one.name for one in ANALYSES]}, got {name!r}. Choose another.")
