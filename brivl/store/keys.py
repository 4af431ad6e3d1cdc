"""The key of a stored result: what kind of thing it is, and everything that changes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from brivl.errors import StoreError
from brivl.store.digests import JSON, json_digest, plain_json

RESERVED_FOLDERS = frozenset(
    {"locks", "quarantine", "jobs", "views"}
)  # folders of the store's root that hold no artifacts
USER_UPLOADED_KINDS = frozenset(
    {"upload"}
)  # kinds that users brought: nothing can compute them again, so nothing evicts them


@dataclass(frozen=True)
class ArtifactKey:
    """Kind (a folder name such as "features") and ingredients (JSON: digests, names, settings, code version).

    Raises StoreError where the kind is no plain lower-case name or the ingredients are not JSON.
    """

    kind: str
    ingredients: Mapping[str, JSON]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.kind) or self.kind in RESERVED_FOLDERS:
            raise StoreError(
                f"A kind of lower-case letters, digits, '-' and '_' was wanted, none of {sorted(RESERVED_FOLDERS)}, "
                f"but {self.kind!r} came. Rename it."
            )
        # A private copy: the caller's later changes must not change the key.
        object.__setattr__(self, "ingredients", plain_json(dict(self.ingredients), "ingredients"))

    @cached_property
    def digest(self) -> str:
        """First 32 hex digits of the sha256 of kind and ingredients."""
        return json_digest({"kind": self.kind, "ingredients": self.ingredients})[:32]

    def __hash__(self) -> int:
        return hash(self.digest)
