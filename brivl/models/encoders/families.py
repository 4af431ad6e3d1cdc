"""All families of encoders, in the order in which they are tried."""

from __future__ import annotations

from brivl.models.encoders.base import EncoderFamily, Library
from brivl.models.encoders.bridge_tower import BRIDGE_TOWER
from brivl.models.encoders.clip import CLIP
from brivl.models.encoders.lxmert import LXMERT
from brivl.models.encoders.text_transformers import TEXT_TRANSFORMER
from brivl.models.encoders.timm_transformers import TIMM_TRANSFORMER
from brivl.models.encoders.vision_transformers import VISION_TRANSFORMER
from brivl.models.encoders.visual_bert import VISUAL_BERT

FAMILIES: tuple[EncoderFamily, ...] = (
    VISION_TRANSFORMER,
    CLIP,
    BRIDGE_TOWER,
    VISUAL_BERT,
    LXMERT,
    TEXT_TRANSFORMER,  # takes every other architecture of transformers
    TIMM_TRANSFORMER,  # takes every architecture of timm
)


def family_of(library: Library, architecture: str) -> EncoderFamily:
    """Find the family that an architecture belongs to.

    Parameters
    ----------
    library
        Library that builds the model.
    architecture
        Architecture, as in `ModelSource`.

    Returns
    -------
    EncoderFamily
        The first family that matches.
    """
    return next(family for family in FAMILIES if family.matches(library, architecture))
