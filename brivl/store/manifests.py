"""The manifest beside each npz: how it was made and what its bytes must be. No host names, no paths."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

import brivl
from brivl.store.digests import JSON, canonical_json, json_digest
from brivl.store.keys import ArtifactKey

FORMAT = 1
# What every manifest has; "seconds" came later, so older ones lack it.
FIELDS = frozenset({"format", "kind", "ingredients", "info", "bytes", "sha256", "versions", "created", "self_sha256"})

_QUOTED = re.compile(r"'(/[^'\n]*)'")

Manifest = Mapping[str, JSON]


class BadManifest(Exception):
    """A manifest that is damaged or belongs to another key."""


@cache
def versions() -> dict[str, str | None]:
    """Versions of the packages that compute results, read without importing them."""
    found: dict[str, str | None] = {"brivl": brivl.__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "torch", "timm", "transformers", "himalaya"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


@dataclass(frozen=True)
class ManifestInfo:
    """How a result came about: its key, what its writer says, and how long it took (s, None where nobody knows)."""

    key: ArtifactKey
    info: Mapping[str, JSON]
    seconds: float | None = None


def build_manifest(making: ManifestInfo, n_bytes: int, sha256: str) -> Manifest:
    """The manifest of a data file of n_bytes bytes. Raises StoreError where info is not JSON."""
    body = {
        "format": FORMAT,
        "kind": making.key.kind,
        "ingredients": making.key.ingredients,
        "info": strip_host_paths(dict(making.info)),
        "seconds": None if making.seconds is None else round(making.seconds, 3),
        "bytes": n_bytes,
        "sha256": sha256,
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    body = json.loads(canonical_json(body, "manifest"))
    return {**body, "self_sha256": json_digest(body)}


def strip_host_paths(value: JSON) -> JSON:
    """A note without folders of this machine: full paths, alone or quoted in a sentence, become the file's name."""
    if isinstance(value, str):
        return _named(value) if value.startswith("/") else _QUOTED.sub(lambda found: f"'{_named(found[1])}'", value)
    if isinstance(value, list | tuple):
        return [strip_host_paths(part) for part in value]
    if isinstance(value, Mapping):
        return {name: strip_host_paths(part) for name, part in value.items()}
    return value


def _named(text: str) -> str:
    """The last part of a full path, of a folder that is on this machine; any other text as it is."""
    try:
        return Path(text).name if len(Path(text).parts) > 2 and Path(text).parent.is_dir() else text
    except (OSError, ValueError):  # too long, or with a null: no path
        return text


def dump(manifest: Manifest) -> bytes:
    """The text of a manifest, for people too."""
    return (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode("ascii")


def load(path: Path) -> Manifest:
    """Read a manifest and check it against its own digest. Raises BadManifest, OSError."""
    try:
        manifest = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadManifest("its manifest is not JSON") from error
    if not isinstance(manifest, dict) or not FIELDS <= manifest.keys():
        raise BadManifest("its manifest lacks fields")
    body = {name: value for name, value in manifest.items() if name != "self_sha256"}
    if json_digest(body) != manifest["self_sha256"]:
        raise BadManifest("its manifest was changed")
    return manifest


def key_of(manifest: Manifest) -> ArtifactKey:
    """The key under which a manifest's artifact is stored. Raises StoreError."""
    return ArtifactKey(manifest["kind"], manifest["ingredients"])
