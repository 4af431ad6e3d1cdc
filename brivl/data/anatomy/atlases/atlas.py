"""The record of an atlas. Nothing here imports numpy, since help texts of the command line list the atlases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from brivl.data.anatomy.label_volume import LabelVolume

AtlasSpace = Literal["MNI", "AAL1", "fs_LR"]


@dataclass(frozen=True)
class AtlasRegion:
    """A region of an atlas.

    Attributes
    ----------
    name : str
        Name in the atlas, such as "Frontal_Sup_2_L".
    title : str
        Name on axes and in menus; differs between atlases.
    numbers : tuple of int
        Labels that belong to the region.
    """

    name: str
    title: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class AtlasLabels:
    """Regions of an atlas and where they lie.

    Attributes
    ----------
    regions : tuple of AtlasRegion
        Regions from front to back.
    volume : LabelVolume or None
        Labels in MNI space; None for AAL1, whose labels come with the voxels of a dataset.
    vertices : np.ndarray or None
        (64984,) int, label of each vertex of fs_LR 32k, left first; None for atlases of other spaces.
    """

    regions: tuple[AtlasRegion, ...]
    volume: LabelVolume | None = None
    vertices: np.ndarray | None = None


@dataclass(frozen=True)
class Atlas:
    """An atlas, or one level of it.

    Attributes
    ----------
    key : str
        Name on the command line, in the URL and in keys of stored results.
    title : str
        Name in menus.
    noun : str
        What its regions are called in headlines.
    space : {"MNI", "AAL1", "fs_LR"}
        What voxels must have to be labelled: coordinates in MNI space, AAL1 labels from their dataset, or places on
        the mesh fs_LR 32k.
    load : callable
        Returns the labels. Raises DataError where a file of the atlas is missing or is another one.
    citation : str
        What a caption says about the atlas; "" where nothing is said.
    """

    key: str
    title: str
    noun: str
    space: AtlasSpace
    load: Callable[[], AtlasLabels]
    citation: str = ""
