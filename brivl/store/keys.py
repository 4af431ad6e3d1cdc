"""The key of a stored result, which holds everything that changes the result, and the files of a key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from brivl.errors import StoreError
from brivl.store.digests import JSON, json_digest, plain_json

RESERVED_FOLDERS = frozenset({"locks", "quarantine", "jobs", "views"})  # folders of the cache that hold no results
USER_UPLOADED_KINDS = frozenset({"upload"})  # cannot be computed again, so they are never evicted
# Files of results, complete or not: a digest, then .npz, .json, or the number of a process and .tmp.
FILE_NAME = re.compile(r"([0-9a-f]{32})\.(npz|json|[\w.-]+\.tmp)")


@dataclass(frozen=True)
class ArtifactKey:
    """Kind of a result (a folder name such as "features") and its ingredients.

    Raises StoreError where the kind is not a plain lower-case name or the ingredients are not JSON.

    Attributes
    ----------
    kind : str
        Lower-case letters, digits, "-" and "_".
    ingredients : Mapping[str, JSON]
        Everything that changes the result: digests, names, settings, code version.
    """

    kind: str
    ingredients: Mapping[str, JSON]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.kind) or self.kind in RESERVED_FOLDERS:
            raise StoreError(
                "Expected a kind made of lower-case letters, digits, '-' and '_' that is none of "
                f"{sorted(RESERVED_FOLDERS)}, got {self.kind!r}. Rename it."
            )
        # A copy: what the caller changes later must not change the key.
        object.__setattr__(self, "ingredients", plain_json(dict(self.ingredients), "ingredients"))

    @cached_property
    def digest(self) -> str:  # numpydoc ignore=RT01
        """First 32 hex digits of the SHA-256 of kind and ingredients."""
        return json_digest({"kind": self.kind, "ingredients": self.ingredients})[:32]

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True)
class ArtifactPath:
    """The files of one result: root/<kind>/<digest>.npz and .json, and a lock. They need not exist.

    Attributes
    ----------
    root : Path
        The cache folder.
    kind : str
        Kind of the key.
    digest : str
        Digest of the key.
    """

    root: Path
    kind: str
    digest: str

    @property
    def data(self) -> Path:  # numpydoc ignore=RT01
        """The npz file with the arrays."""
        return self.root / self.kind / f"{self.digest}.npz"

    @property
    def manifest(self) -> Path:  # numpydoc ignore=RT01
        """The JSON file that describes the result."""
        return self.root / self.kind / f"{self.digest}.json"

    @property
    def lock(self) -> Path:  # numpydoc ignore=RT01
        """The lock file, held by the process that writes the result."""
        return self.root / "locks" / f"{self.kind}-{self.digest}.lock"


def artifact_path(root: Path, key: ArtifactKey) -> ArtifactPath:
    """Name the files of the result of a key.

    Parameters
    ----------
    root : Path
        The cache folder.
    key : ArtifactKey
        Key of the result.

    Returns
    -------
    ArtifactPath
        The files, whether they exist or not.
    """
    return ArtifactPath(root, key.kind, key.digest)
