"""Where a result lies: root/<kind>/<digest>.npz, its manifest <digest>.json, and the lock of whoever writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from brivl.store.keys import ArtifactKey

# Files of results, finished or not: a digest, then .npz, .json, or the name of a process and .tmp.
FILE_NAME = re.compile(r"([0-9a-f]{32})\.(npz|json|[\w.-]+\.tmp)")


@dataclass(frozen=True)
class ArtifactPath:
    """The files of one result, whether they exist or not."""

    root: Path
    kind: str
    digest: str

    @property
    def data(self) -> Path:
        return self.root / self.kind / f"{self.digest}.npz"

    @property
    def manifest(self) -> Path:
        return self.root / self.kind / f"{self.digest}.json"

    @property
    def lock(self) -> Path:
        return self.root / "locks" / f"{self.kind}-{self.digest}.lock"


def artifact_path(root: Path, key: ArtifactKey) -> ArtifactPath:
    """Where the result of a key lies."""
    return ArtifactPath(root, key.kind, key.digest)
