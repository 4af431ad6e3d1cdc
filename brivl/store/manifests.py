"""The manifest beside each npz file: how the result was made and what its bytes must be, without hosts and paths."""

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
# Fields of every manifest. "seconds" was added later, so older manifests lack it.
FIELDS = frozenset({"format", "kind", "ingredients", "info", "bytes", "sha256", "versions", "created", "self_sha256"})

_QUOTED_PATH = re.compile(r"'(/[^'\n]*)'")

Manifest = Mapping[str, JSON]


class BadManifest(Exception):
    """A manifest that is damaged or belongs to another key."""


@cache
def versions() -> dict[str, str | None]:
    """Look up the versions of the packages that compute results, without importing them.

    Returns
    -------
    dict[str, str | None]
        Package -> version, None where it is not installed.
    """
    numbers: dict[str, str | None] = {"brivl": brivl.__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "torch", "timm", "transformers", "himalaya"):
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            numbers[name] = None
    return numbers


@dataclass(frozen=True)
class ManifestInfo:
    """What the writer of a result knows of it.

    Attributes
    ----------
    key : ArtifactKey
        Key of the result.
    info : Mapping[str, JSON]
        Notes of the writer, such as n_voxels.
    seconds : float | None
        Time of the computation, None where it was not measured.
    """

    key: ArtifactKey
    info: Mapping[str, JSON]
    seconds: float | None = None


def build_manifest(about: ManifestInfo, n_bytes: int, sha256: str) -> Manifest:
    """Build the manifest of a data file.

    Parameters
    ----------
    about : ManifestInfo
        What its writer knows.
    n_bytes : int
        Size of the data file.
    sha256 : str
        Digest of the data file, 64 hex digits.

    Returns
    -------
    Manifest
        With a digest of itself, and with `info` free of folders of this machine.

    Raises
    ------
    StoreError
        Where `info` is not JSON.
    """
    body = {
        "format": FORMAT,
        "kind": about.key.kind,
        "ingredients": about.key.ingredients,
        "info": strip_host_paths(dict(about.info)),
        "seconds": None if about.seconds is None else round(about.seconds, 3),
        "bytes": n_bytes,
        "sha256": sha256,
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    body = json.loads(canonical_json(body, "manifest"))
    return {**body, "self_sha256": json_digest(body)}


def strip_host_paths(value: JSON) -> JSON:
    """Replace absolute paths on this machine, alone or quoted in a sentence, by their last part.

    Parameters
    ----------
    value : JSON
        Strings inside of lists and mappings are replaced too.

    Returns
    -------
    JSON
        The value without folders of this machine.
    """
    if isinstance(value, str):
        if value.startswith("/"):
            return _last_part(value)
        return _QUOTED_PATH.sub(lambda match: f"'{_last_part(match[1])}'", value)
    if isinstance(value, list | tuple):
        return [strip_host_paths(item) for item in value]
    if isinstance(value, Mapping):
        return {name: strip_host_paths(item) for name, item in value.items()}
    return value


def _last_part(text: str) -> str:
    """The last part of an absolute path whose folder exists on this machine; any other text unchanged."""
    try:
        return Path(text).name if len(Path(text).parts) > 2 and Path(text).parent.is_dir() else text
    except (OSError, ValueError):  # too long, or with a null character: not a path
        return text


def dump(manifest: Manifest) -> bytes:
    """Write a manifest as indented JSON, which people can read too.

    Parameters
    ----------
    manifest : Manifest
        From `build_manifest`.

    Returns
    -------
    bytes
        Content of the manifest file.
    """
    return (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode("ascii")


def load(path: Path) -> Manifest:
    """Read a manifest and compare it with its own digest.

    Parameters
    ----------
    path : Path
        The JSON file.

    Returns
    -------
    Manifest
        With all FIELDS.

    Raises
    ------
    BadManifest
        Where it is damaged.
    OSError
        Where the file cannot be read.
    """
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
    """Build the key under which the result of a manifest is stored.

    Parameters
    ----------
    manifest : Manifest
        From `load`.

    Returns
    -------
    ArtifactKey
        Kind and ingredients; StoreError is raised where they cannot be a key.
    """
    return ArtifactKey(manifest["kind"], manifest["ingredients"])
