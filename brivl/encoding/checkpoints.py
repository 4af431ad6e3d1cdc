"""Finished parts of a fit that goes batch by batch: kept in the store until the whole is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from brivl.errors import StoreError
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND = "fit-batch"
CHECKPOINT_VERSION = 1  # raise when parts of the same name would hold something else


class FitCheckpoints:
    """Parts of one fit by name (`brivl.core.encoding.batches.Parts`), in the store under the key of the fit."""

    def __init__(self, store: Store, fit: ArtifactKey) -> None:
        self._store, self._fit = store, fit

    @property
    def scratch(self) -> Path:
        """Where scratch files may lie: on the disk of the store, in a folder that holds no results."""
        return self._store.root / "jobs"

    def get(self, name: str) -> Mapping[str, np.ndarray] | None:
        """A part that an earlier run has finished, else None."""
        found = self._store.get(self._key(name))
        return None if found is None else found.arrays

    def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a part. Raises StoreError where the disk is full."""
        self._store.put(self._key(name), arrays, {})

    def _key(self, name: str) -> ArtifactKey:
        # The whole key of the fit, so that it can be seen from a part alone whether the whole is there.
        fit = {"kind": self._fit.kind, "ingredients": self._fit.ingredients}
        return ArtifactKey(KIND, {"fit": fit, "part": name, "version": CHECKPOINT_VERSION})


def delete_completed_checkpoints(store: Store) -> int:
    """Remove parts of all fits whose whole is in the store; the number of parts removed. Never raises StoreError."""
    removed = 0
    for manifest in store.list(KIND):
        fit = manifest["ingredients"]["fit"]
        try:
            if store.has(ArtifactKey(fit["kind"], fit["ingredients"])):
                removed += store.remove(ArtifactKey(KIND, manifest["ingredients"]))
        except StoreError:  # a part that cannot be removed now costs space, not the answer
            continue
    return removed
