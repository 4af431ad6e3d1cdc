"""What pages only look up of a subject: where the voxels lie, and the map that they are drawn on."""

from __future__ import annotations

from brivl.backend.flatmaps import is_flatmap_ready, make_flatmap, own_flatmap
from brivl.backend.subjects import keep_facts, known_facts
from brivl.core.records import Voxels
from brivl.data.dataset import Dataset
from brivl.store.artifacts import Store


def prepare_map(store: Store, dataset: Dataset, subject: str) -> Voxels:
    """Facts and flatmap of a subject, worked out unless they are in the store; returns the voxels."""
    voxels = (known_facts(store, dataset, subject) or keep_facts(store, dataset, subject)).voxels
    if not is_flatmap_ready(store, voxels):
        make_flatmap(store, voxels, own_flatmap(dataset, subject))
    return voxels
