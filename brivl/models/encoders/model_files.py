"""Files of a model's folder and their digests; imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brivl.models.feature_model import Kind, file_sha

SUFFIXES = frozenset({".json", ".txt", ".model", ".safetensors"})  # of the files that features can depend on
FolderState = tuple[tuple[str, int, int], ...]


def model_files(name: str) -> list[Path]:
    """List the files of a model's folder that its features can depend on.

    Parameters
    ----------
    name
        Folder, or the name of a model.

    Returns
    -------
    list of Path
        Weights, configuration and vocabulary, in order; empty where the name is no folder.
    """
    folder = Path(name)
    return sorted(f for f in folder.iterdir() if f.suffix in SUFFIXES and f.is_file()) if folder.is_dir() else []


def folder_state(name: str) -> FolderState:
    """Describe the state of a model's files, so that a changed model is loaded again.

    Parameters
    ----------
    name
        Folder, or the name of a model.

    Returns
    -------
    FolderState
        Name, time of modification in ns and size in bytes of each file; empty where the name is no folder.
    """
    states = ((file.name, file.stat()) for file in model_files(name))
    return tuple((file, state.st_mtime_ns, state.st_size) for file, state in states)


def named_digests(name: str) -> list[str]:
    """Compute the digests of the files of a model's folder.

    Parameters
    ----------
    name
        Folder, or the name of a model.

    Returns
    -------
    list of str
        "NAME SHA256" of each file; empty where the name is no folder.
    """
    return [f"{file.name} {file_sha(file)}" for file in model_files(name)]


def folder_stream_digest(name: str, kind: Kind, extras: Mapping[str, Any]) -> str:
    """Compute the digest of a stream from the files of its folder.

    Parameters
    ----------
    name
        The folder.
    kind
        Kind of stimulus.
    extras
        What the features depend on beside these files; see `EncoderFamily.digest_extras`.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    values = {"kind": kind, "files": {file.name: file_sha(file) for file in model_files(name)}, **extras}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def model_type_of(folder: Path) -> str:
    """Read the `model_type` in the config.json of a transformers model.

    Parameters
    ----------
    folder
        Folder of the model.

    Returns
    -------
    str
        The type; empty where there is none that can be read.
    """
    try:
        return str(json.loads((folder / "config.json").read_text()).get("model_type", ""))
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
