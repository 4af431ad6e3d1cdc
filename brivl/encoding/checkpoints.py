"""Checkpoints of a fit that runs in batches of voxels, kept in the cache until the fit is complete."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from brivl.errors import StoreError
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND = "fit-batch"
CHECKPOINT_VERSION = 1  # raise when checkpoints of the same name would hold something else


class FitCheckpoints:
    """Checkpoints of one fit (`brivl.core.encoding.batches.Checkpoints`), in the cache under the key of the fit.

    Parameters
    ----------
    store : Store
        The cache.
    fit : ArtifactKey
        Key of the fit.
    """

    def __init__(self, store: Store, fit: ArtifactKey) -> None:
        self._store, self._fit = store, fit

    @property
    def scratch(self) -> Path:  # numpydoc ignore=RT01
        """Folder for scratch files, on the disk of the cache, which holds no results."""
        return self._store.root / "jobs"

    def get(self, name: str) -> Mapping[str, np.ndarray] | None:
        """Read a checkpoint of an earlier run.

        Parameters
        ----------
        name : str
            Name of the checkpoint.

        Returns
        -------
        Mapping[str, np.ndarray] | None
            Its arrays, None where no run has completed it.
        """
        artifact = self._store.get(self._key(name))
        return None if artifact is None else artifact.arrays

    def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store a checkpoint.

        Parameters
        ----------
        name : str
            Name of the checkpoint.
        arrays : Mapping[str, np.ndarray]
            Its arrays; StoreError is raised where they cannot be written.
        """
        self._store.put(self._key(name), arrays, {})

    def _key(self, name: str) -> ArtifactKey:
        # The whole key of the fit, so that a checkpoint alone tells whether the fit is complete.
        fit = {"kind": self._fit.kind, "ingredients": self._fit.ingredients}
        return ArtifactKey(KIND, {"fit": fit, "part": name, "version": CHECKPOINT_VERSION})


def delete_completed_checkpoints(store: Store) -> int:
    """Delete the checkpoints of all fits that are complete and stored. StoreError is never raised.

    Parameters
    ----------
    store : Store
        The cache.

    Returns
    -------
    int
        Number of checkpoints that were deleted.
    """
    n_deleted = 0
    for manifest in store.list(KIND):
        fit = manifest["ingredients"]["fit"]
        try:
            if store.has(ArtifactKey(fit["kind"], fit["ingredients"])):
                n_deleted += store.remove(ArtifactKey(KIND, manifest["ingredients"]))
        except StoreError:  # a checkpoint that cannot be deleted now costs space, not the result
            continue
    return n_deleted
